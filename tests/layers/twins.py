"""Layers beside PyTorch's modules that compute the same, weights copied over and axes moved."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

import pellucid as pc
from operations.geometry import Geometry

Array = np.ndarray[Any, Any]
Pairs = tuple[tuple[int, int], ...]


class Twins(NamedTuple):
    """A layer, the shape of its inputs, and a PyTorch module with the same weights, which takes channels first."""

    layer: pc.layers.Layer
    shape: tuple[int, ...]
    dtype: str
    module: Any
    weights: list[tuple[pc.Parameter, Any]]  # each of ours, and theirs

    def gradients(self) -> list[Array]:
        """Return PyTorch's gradients of the weights as ours lie."""
        return [as_ours(theirs.grad, ours.shape) for ours, theirs in self.weights]


def channels_first(a: Array) -> Array:
    """Return an array with its channels before its spatial axes."""
    return np.ascontiguousarray(np.moveaxis(a, -1, 1))


def channels_last(t: Any) -> Array:
    """Return a tensor as an array with its channels last."""
    return np.moveaxis(t.detach().numpy(), 1, -1)


def as_theirs(w: Array, groups: int = 1) -> Array:
    """Return a kernel (*kernel, a, b) as PyTorch has it, (b, a, *kernel); a depthwise one as (a b, 1, *kernel)."""
    if groups > 1:
        w = w.reshape(*w.shape[:-2], 1, -1)
    return np.ascontiguousarray(np.moveaxis(w, (-1, -2), (0, 1)))


def as_ours(t: Any, shape: Any) -> Array:
    """Return PyTorch's kernel, or its gradient, as ours."""
    a = t.detach().numpy()
    return (np.moveaxis(a, (0, 1), (-1, -2)) if a.ndim > 1 else a).reshape(shape)


def _built(layer: pc.layers.Layer, geometry: Geometry, channels: int) -> tuple[Any, tuple[int, ...]]:
    """Make a layer's weights, and give them random values, biases too."""
    shape = (geometry.batch, *geometry.sizes, channels)
    layer(pc.variable("x", shape, geometry.dtype))
    random = np.random.default_rng(geometry.seed)
    for parameter in layer.parameters.values():
        parameter.value = random.normal(size=parameter.shape)
    return layer, shape


def _bordered(module: Any, before: Pairs, after: Pairs, value: float = 0.0) -> Any:
    """Return a module with a border put around its input, and one put around (or cut off) its output."""
    import torch

    def border(pairs: Pairs) -> Any:
        widths = [n for pair in reversed(pairs) for n in pair]
        return (torch.nn.ConstantPad1d, torch.nn.ConstantPad2d)[len(pairs) - 1](widths, value)

    return torch.nn.Sequential(border(before), module, border(after))


def _copied(module: Any, kernel: Array, bias: Array) -> list[Any]:
    import torch

    module.weight.data, module.bias.data = torch.tensor(kernel), torch.tensor(bias)
    return [module.weight, module.bias]


def convolution(g: Geometry) -> Twins:
    """Conv1D or Conv2D."""
    import torch

    axes, nothing = len(g.sizes), ((0, 0),) * len(g.sizes)
    ours = (pc.layers.Conv1D, pc.layers.Conv2D)[axes - 1](
        g.outputs, g.window, g.strides, g.padding, g.dilation, g.groups, bias_initializer="ones"
    )
    layer, shape = _built(ours, g, g.channels)
    theirs = (torch.nn.Conv1d, torch.nn.Conv2d)[axes - 1](
        g.channels, g.outputs, g.window, g.strides, dilation=g.dilation, groups=g.groups
    )
    copies = _copied(theirs, as_theirs(layer.kernel.value), layer.bias.value)
    pairs = list(zip([layer.kernel, layer.bias], copies, strict=True))
    return Twins(layer, shape, g.dtype, _bordered(theirs, g.pairs, nothing), pairs)


def depthwise(g: Geometry) -> Twins:
    """DepthwiseConv1D or DepthwiseConv2D, each channel with as many kernels as the geometry has groups."""
    import torch

    axes, nothing = len(g.sizes), ((0, 0),) * len(g.sizes)
    channels = g.channels + 1  # two or more
    ours = (pc.layers.DepthwiseConv1D, pc.layers.DepthwiseConv2D)[axes - 1](
        g.window, g.strides, g.padding, g.groups, g.dilation
    )
    layer, shape = _built(ours, g, channels)
    theirs = (torch.nn.Conv1d, torch.nn.Conv2d)[axes - 1](
        channels, channels * g.groups, g.window, g.strides, dilation=g.dilation, groups=channels
    )
    copies = _copied(theirs, as_theirs(layer.kernel.value, channels), layer.bias.value)
    pairs = list(zip([layer.kernel, layer.bias], copies, strict=True))
    return Twins(layer, shape, g.dtype, _bordered(theirs, g.pairs, nothing), pairs)


def separable(g: Geometry) -> Twins:
    """SeparableConv1D or SeparableConv2D."""
    import torch

    axes, nothing = len(g.sizes), ((0, 0),) * len(g.sizes)
    channels = g.channels + 1
    ours = (pc.layers.SeparableConv1D, pc.layers.SeparableConv2D)[axes - 1](
        g.outputs, g.window, g.strides, g.padding, g.dilation, g.groups
    )
    layer, shape = _built(ours, g, channels)
    kind = (torch.nn.Conv1d, torch.nn.Conv2d)[axes - 1]
    each = kind(channels, channels * g.groups, g.window, g.strides, dilation=g.dilation, groups=channels, bias=False)
    each.weight.data = torch.tensor(as_theirs(layer.depthwise_kernel.value, channels))
    mix = kind(channels * g.groups, g.outputs, 1)
    copies = _copied(mix, as_theirs(layer.pointwise_kernel.value), layer.bias.value)
    pairs = list(zip([layer.depthwise_kernel, layer.pointwise_kernel, layer.bias], [each.weight, *copies], strict=True))
    return Twins(layer, shape, g.dtype, _bordered(torch.nn.Sequential(each, mix), g.pairs, nothing), pairs)


def transposed(g: Geometry) -> Twins:
    """Conv1DTranspose or Conv2DTranspose, padding "valid" or "same"."""
    import torch

    axes, nothing = len(g.sizes), ((0, 0),) * len(g.sizes)
    padding = "same" if g.padding == "same" else "valid"
    ours = (pc.layers.Conv1DTranspose, pc.layers.Conv2DTranspose)[axes - 1](g.outputs, g.window, g.strides, padding)
    layer, shape = _built(ours, g, g.channels)
    rest = [max(s - k, 0) for k, s in zip(g.window, g.strides, strict=True)]
    theirs = (torch.nn.ConvTranspose1d, torch.nn.ConvTranspose2d)[axes - 1](
        g.channels, g.outputs, g.window, g.strides, output_padding=rest
    )
    copies = _copied(theirs, as_theirs(layer.kernel.value), layer.bias.value)
    over = [max(k - s, 0) for k, s in zip(g.window, g.strides, strict=True)]
    cut = tuple((-(n // 2), n // 2 - n) for n in over) if padding == "same" else nothing
    pairs = list(zip([layer.kernel, layer.bias], copies, strict=True))
    return Twins(layer, shape, g.dtype, _bordered(theirs, nothing, cut), pairs)


def max_pooling(g: Geometry) -> Twins:
    """MaxPooling1D or MaxPooling2D."""
    import torch

    g = g._replace(dilation=(1,) * len(g.sizes))
    axes, nothing = len(g.sizes), ((0, 0),) * len(g.sizes)
    ours = (pc.layers.MaxPooling1D, pc.layers.MaxPooling2D)[axes - 1](g.window, g.strides, g.padding)
    layer, shape = _built(ours, g, g.channels)
    theirs = (torch.nn.MaxPool1d, torch.nn.MaxPool2d)[axes - 1](g.window, g.strides)
    return Twins(layer, shape, g.dtype, _bordered(theirs, g.pairs, nothing, -math.inf), [])


def average_pooling(g: Geometry) -> Twins:
    """AveragePooling1D or AveragePooling2D: padding is not counted."""
    import torch

    g = g._replace(dilation=(1,) * len(g.sizes))
    axes, nothing = len(g.sizes), ((0, 0),) * len(g.sizes)
    ours = (pc.layers.AveragePooling1D, pc.layers.AveragePooling2D)[axes - 1](g.window, g.strides, g.padding)
    layer, shape = _built(ours, g, g.channels)
    mean = _bordered((torch.nn.AvgPool1d, torch.nn.AvgPool2d)[axes - 1](g.window, g.strides), g.pairs, nothing)

    class Counted(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return mean(x) / mean(torch.ones_like(x))

    return Twins(layer, shape, g.dtype, Counted(), [])


__all__ = ["average_pooling", "channels_first", "channels_last", "convolution", "depthwise", "max_pooling"]
__all__ += ["separable", "transposed"]
