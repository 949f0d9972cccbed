"""Convolutions of each channel by itself, and separable ones, which then mix the channels of each element."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from ..core.configuration import register
from ..core.expression import Expression
from ..core.sizes import Shape
from ..operations.convolution import depthwise_conv1d, depthwise_conv2d
from .arguments import check_layout
from .convolution import ConvolutionLayer


@dataclass(eq=False, repr=False)
class DepthwiseConvolution(ConvolutionLayer):
    """``activation(depthwise_conv(x, kernel) + bias)``; see ``DepthwiseConv2D``."""

    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"
    depth_multiplier: int = 1
    dilation_rate: Any = 1
    activation: Any = None
    use_bias: bool = True
    depthwise_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    depthwise_regularizer: Any = None
    bias_regularizer: Any = None
    depthwise_constraint: Any = None
    bias_constraint: Any = None

    convolve: ClassVar[Callable[..., Expression]]

    def build(self, shape: Shape) -> None:
        """Make the kernel and the bias."""
        channels = check_layout(self, shape, self.axes)
        self.kernel = self.weight_set_by("depthwise", "kernel", (*self.window, channels, self.depth_multiplier))
        self.build_bias(channels * self.depth_multiplier)

    def call(self, x: Expression) -> Expression:
        """Return the outputs."""
        options = self.strides, self.padding, self.dilation_rate
        return self.finished(self.convolve(x.astype(self.dtype), self.kernel, *options))


@register
class DepthwiseConv1D(DepthwiseConvolution):
    """The convolution of each channel with kernels of its own; its arguments are those of ``DepthwiseConv2D``.

    Shapes: ``(batch, length, channels)`` to ``(batch, places, channels · depth_multiplier)``; weights
    ``kernel (kernel_size, channels, depth_multiplier)``, ``bias (channels · depth_multiplier,)``.

    Howard et al., *MobileNets: Efficient convolutional neural networks for mobile vision applications*, 2017,
    section 3.1.

    >>> import pellucid as pc
    >>> pc.layers.DepthwiseConv1D(3, depth_multiplier=2)(pc.layers.Input((10, 4))).shape
    (batch, 8, 8)
    """

    axes = 1
    convolve = staticmethod(depthwise_conv1d)


@register
class DepthwiseConv2D(DepthwiseConvolution):
    """The convolution of each channel with kernels of its own, over two spatial axes.

    Args:
        kernel_size, strides, padding, dilation_rate, activation, use_bias: as in ``Conv2D``.
        depth_multiplier: how many kernels each channel has. Channel c gives the outputs from c · depth_multiplier on.

    Shapes: ``(batch, height, width, channels)`` to ``(batch, rows, columns, channels · depth_multiplier)``; weights
    ``kernel (*kernel_size, channels, depth_multiplier)``, ``bias (channels · depth_multiplier,)``.

    Howard et al., *MobileNets: Efficient convolutional neural networks for mobile vision applications*, 2017,
    section 3.1.

    >>> import pellucid as pc
    >>> pc.layers.DepthwiseConv2D(3, padding="same")(pc.layers.Input((8, 8, 3))).shape
    (batch, 8, 8, 3)
    """

    axes = 2
    convolve = staticmethod(depthwise_conv2d)


@dataclass(eq=False, repr=False)
class SeparableConvolution(ConvolutionLayer):
    """``activation(depthwise_conv(x, depthwise_kernel) @ pointwise_kernel + bias)``; see ``SeparableConv2D``."""

    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"
    dilation_rate: Any = 1
    depth_multiplier: int = 1
    activation: Any = None
    use_bias: bool = True
    depthwise_initializer: Any = "glorot_uniform"
    pointwise_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    depthwise_regularizer: Any = None
    pointwise_regularizer: Any = None
    bias_regularizer: Any = None
    depthwise_constraint: Any = None
    pointwise_constraint: Any = None
    bias_constraint: Any = None

    convolve: ClassVar[Callable[..., Expression]]

    def build(self, shape: Shape) -> None:
        """Make the two kernels and the bias."""
        channels = check_layout(self, shape, self.axes)
        own = (*self.window, channels, self.depth_multiplier)
        mixing = (*(1,) * self.axes, channels * self.depth_multiplier, self.filters)
        self.depthwise_kernel = self.weight_set_by("depthwise", "depthwise_kernel", own)
        self.pointwise_kernel = self.weight_set_by("pointwise", "pointwise_kernel", mixing)
        self.build_bias(self.filters)

    def call(self, x: Expression) -> Expression:
        """Return the outputs."""
        options = self.strides, self.padding, self.dilation_rate
        each = self.convolve(x.astype(self.dtype), self.depthwise_kernel, *options)
        return self.finished(each @ self.pointwise_kernel.reshape(-1, self.filters))


@register
class SeparableConv1D(SeparableConvolution):
    """A convolution of each channel by itself, and then of all channels of each element.

    Its arguments are those of ``SeparableConv2D``, with a number for the axis.

    Shapes: ``(batch, length, channels)`` to ``(batch, places, filters)``; weights
    ``depthwise_kernel (kernel_size, channels, depth_multiplier)``,
    ``pointwise_kernel (1, channels · depth_multiplier, filters)``, ``bias (filters,)``.

    Chollet, *Xception: Deep learning with depthwise separable convolutions*, 2017.

    >>> import pellucid as pc
    >>> pc.layers.SeparableConv1D(8, 3)(pc.layers.Input((10, 4))).shape
    (batch, 8, 8)
    """

    axes = 1
    convolve = staticmethod(depthwise_conv1d)


@register
class SeparableConv2D(SeparableConvolution):
    """A convolution of each channel by itself, and then of all channels of each element, with far fewer weights.

    Args:
        filters: how many output channels.
        kernel_size, strides, padding, dilation_rate, activation, use_bias: as in ``Conv2D``.
        depth_multiplier: how many kernels each channel has in the first of the two.

    Shapes: ``(batch, height, width, channels)`` to ``(batch, rows, columns, filters)``; weights
    ``depthwise_kernel (*kernel_size, channels, depth_multiplier)``,
    ``pointwise_kernel (1, 1, channels · depth_multiplier, filters)``, ``bias (filters,)``.

    Chollet, *Xception: Deep learning with depthwise separable convolutions*, 2017.

    >>> import pellucid as pc
    >>> layer = pc.layers.SeparableConv2D(8, 3)
    >>> layer(pc.layers.Input((10, 10, 4))).shape, sum(p.value.size for p in layer.parameters.values())
    ((batch, 8, 8, 8), 76)
    """

    axes = 2
    convolve = staticmethod(depthwise_conv2d)


__all__ = ["DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"]
