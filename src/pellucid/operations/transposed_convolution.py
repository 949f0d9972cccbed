"""Transposed convolutions: the maps that the gradients of convolutions for their inputs are."""

from __future__ import annotations

from typing import Any

from ..core.errors import ShapeError
from ..core.expression import Expression
from ..core.operation import composed
from ..core.origins import place
from ..core.sizes import show_shape
from .convolution import check_channels, check_kernel, input_gradient
from .spatial import Pairs, Sizes, as_floats, check_count, padding_pairs, spatial_sizes, whole_numbers


def _transpose(name: str, x: Any, w: Any, strides: Any, padding: Any, axes: int) -> Expression:
    x, w = as_floats(name, x, w)
    sizes = spatial_sizes(name, x, axes)
    kernel = check_kernel(name, x, w, 1, "(*kernel, output channels, input channels)")
    check_channels(name, x, w, w.shape[-1])
    strides = whole_numbers(name, "strides", strides, axes, x)
    pairs, outputs = _transposed_sizes(name, x, sizes, kernel, strides, padding)
    check_count(name, (x.shape[0], *outputs, w.shape[-2]), x)
    return input_gradient(x, w, outputs, strides, pairs, (1,) * axes, 1)


def _transposed_sizes(
    name: str, x: Expression, sizes: Sizes, kernel: Sizes, strides: Sizes, padding: Any
) -> tuple[Pairs, Sizes]:
    """Return the padding and the spatial sizes of the input whose convolution has these ``sizes``."""
    axes = tuple(zip(sizes, kernel, strides, strict=True))
    if isinstance(padding, str) and padding in ("valid", "same"):
        over = [max(k - s, 0) for k, s in zip(kernel, strides, strict=True)]
        if padding == "same":
            return tuple((o // 2, o - o // 2) for o in over), tuple(n * s for n, _, s in axes)
        return ((0, 0),) * len(sizes), tuple(n * s + o for (n, _, s), o in zip(axes, over, strict=True))
    pairs = padding_pairs(name, padding, x, kernel, strides)
    outputs = tuple((n - 1) * s + k - low - high for (n, k, s), (low, high) in zip(axes, pairs, strict=True))
    if 0 in sizes or any(n < 1 for n in outputs):
        raise ShapeError(
            f"{name}: padding {padding} leaves nothing of {x}, {show_shape(x.shape)}, and convolutions whose output is"
            f" empty are not taken{place(x)}; pad less"
        )
    return pairs, outputs


@composed
def conv1d_transpose(x: Any, w: Any, strides: Any = 1, padding: Any = "valid") -> Expression:
    """Return the transposed convolution: the linear map that the gradient of ``conv1d`` for its input is.

    Args:
        x: the input, ``(batch, length, channels)``.
        w: the kernel, ``(kernel, output channels, channels)``, as in Keras: that of the convolution which this
            transposes.
        strides: how far apart the kernels are put that the elements of x are multiplied with.
        padding: ``"valid"`` gives length · strides + max(kernel - strides, 0), ``"same"`` length · strides, as in
            Keras; a number, or ``((low, high),)``, cuts so much off (length - 1) · strides + kernel.

    Returns:
        ``(batch, length of the output, output channels)``.

    Raises:
        ShapeError, DtypeError, AxisError: as ``conv1d`` does.

    >>> import pellucid as pc
    >>> x, w = pc.constant([[[1.0], [10.0]]]), pc.constant([[[1.0]], [[2.0]], [[3.0]]])
    >>> pc.function([], pc.conv1d_transpose(x, w, strides=2))().ravel()
    array([ 1.,  2., 13., 20., 30.], dtype=float32)
    """
    return _transpose("conv1d_transpose", x, w, strides, padding, 1)


@composed
def conv2d_transpose(x: Any, w: Any, strides: Any = 1, padding: Any = "valid") -> Expression:
    """Return the transposed convolution over two spatial axes: the gradient of ``conv2d`` for its input, as a map.

    Args:
        x: the input, ``(batch, height, width, channels)``.
        w: the kernel, ``(height, width, output channels, channels)``, as in Keras.
        strides, padding: see ``conv1d_transpose``.

    Raises:
        ShapeError, DtypeError, AxisError: as ``conv1d`` does.

    >>> from pellucid.operations.source import variable
    >>> x, w = variable("x", ("batch", 7, 7, 16)), variable("w", (3, 3, 8, 16))
    >>> conv2d_transpose(x, w, strides=2, padding="same").shape
    (batch, 14, 14, 8)
    """
    return _transpose("conv2d_transpose", x, w, strides, padding, 2)


__all__ = ["conv1d_transpose", "conv2d_transpose"]
