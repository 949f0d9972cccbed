"""Pooling layers, channels last: the largest or the mean of each window, or of all there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from ..core.configuration import register
from ..core.expression import Expression
from ..operations.composed import floats
from ..operations.pooling import average_pool1d, average_pool2d, max_pool1d, max_pool2d
from .arguments import check_layout, check_sizes
from .layer import Layer


@dataclass(eq=False, repr=False)
class Pooling(Layer):
    """One value for each window; see ``MaxPooling2D``."""

    pool_size: Any = 2
    strides: Any = None
    padding: Any = "valid"

    axes: ClassVar[int]
    pool: ClassVar[Callable[..., Expression]]

    def __post_init__(self) -> None:
        check_sizes(self, "pool_size", self.pool_size, self.axes)
        if self.strides is not None:
            check_sizes(self, "strides", self.strides, self.axes)

    def call(self, x: Expression) -> Expression:
        """Return a value for each window."""
        return self.pool(floats(x), self.pool_size, self.strides, self.padding)


@register
class MaxPooling1D(Pooling):
    """The largest value of each window along one axis; its arguments are those of ``MaxPooling2D``.

    Shapes: ``(batch, length, channels)`` to ``(batch, windows, channels)``; no weights.

    Boureau, Ponce and LeCun, *A theoretical analysis of feature pooling in visual recognition*, 2010.

    >>> import pellucid as pc
    >>> pc.layers.MaxPooling1D(3, strides=2)(pc.layers.Input((9, 4))).shape
    (batch, 4, 4)
    """

    axes = 1
    pool = staticmethod(max_pool1d)


@register
class MaxPooling2D(Pooling):
    """The largest value of each window.

    Args:
        pool_size: the window's size, a number for both axes or one for each.
        strides: how far apart windows start; ``pool_size``, if not given.
        padding: ``"valid"`` is none, ``"same"`` as much as gives ceil(size / strides) windows; or numbers, as
            ``pc.max_pool2d`` takes. Padding counts for nothing.

    Shapes: ``(batch, height, width, channels)`` to ``(batch, rows, columns, channels)``; no weights. Integers are
    converted to float32.

    Raises:
        InputError: for arguments that are not so.
        ShapeError, AxisError: for inputs with other axes, or smaller than a window.

    Boureau, Ponce and LeCun, *A theoretical analysis of feature pooling in visual recognition*, 2010.

    >>> import pellucid as pc
    >>> pc.layers.MaxPooling2D()(pc.layers.Input((28, 28, 8))).shape
    (batch, 14, 14, 8)
    """

    axes = 2
    pool = staticmethod(max_pool2d)


@register
class AveragePooling1D(Pooling):
    """The mean of each window along one axis; padding is not counted. Its arguments are those of ``MaxPooling2D``.

    Shapes: ``(batch, length, channels)`` to ``(batch, windows, channels)``; no weights.

    Boureau, Ponce and LeCun, *A theoretical analysis of feature pooling in visual recognition*, 2010.

    >>> import pellucid as pc
    >>> pc.layers.AveragePooling1D(padding="same")(pc.layers.Input((9, 4))).shape
    (batch, 5, 4)
    """

    axes = 1
    pool = staticmethod(average_pool1d)


@register
class AveragePooling2D(Pooling):
    """The mean of each window; padding is not counted. Its arguments are those of ``MaxPooling2D``.

    Shapes: ``(batch, height, width, channels)`` to ``(batch, rows, columns, channels)``; no weights.

    LeCun et al., *Gradient-based learning applied to document recognition*, 1998, section II.

    >>> import pellucid as pc
    >>> pc.layers.AveragePooling2D((4, 2))(pc.layers.Input((8, 8, 3))).shape
    (batch, 2, 4, 3)
    """

    axes = 2
    pool = staticmethod(average_pool2d)


@dataclass(eq=False, repr=False)
class GlobalPooling(Layer):
    """One value for each channel; see ``GlobalAveragePooling2D``."""

    keepdims: bool = False

    axes: ClassVar[int]

    def call(self, x: Expression) -> Expression:
        """Return a value for each channel."""
        check_layout(self, x.shape, self.axes)
        return self.pooled(floats(x), tuple(range(1, 1 + self.axes)))

    def pooled(self, x: Expression, axes: tuple[int, ...]) -> Expression:
        """Return the value of each channel, over some axes."""
        raise NotImplementedError


class GlobalMax(GlobalPooling):
    """The largest value of each channel."""

    def pooled(self, x: Expression, axes: tuple[int, ...]) -> Expression:
        """Return the largest value over some axes."""
        return x.max(axes, self.keepdims)


class GlobalAverage(GlobalPooling):
    """The mean of each channel."""

    def pooled(self, x: Expression, axes: tuple[int, ...]) -> Expression:
        """Return the mean over some axes."""
        return x.mean(axes, self.keepdims)


@register
class GlobalMaxPooling1D(GlobalMax):
    """The largest value of each channel, over all of the length, which may be a named axis.

    Args:
        keepdims: keep the spatial axis, of size 1.

    Shapes: ``(batch, length, channels)`` to ``(batch, channels)``; no weights.

    Collobert and Weston, *A unified architecture for natural language processing*, 2008.

    >>> import pellucid as pc
    >>> pc.layers.GlobalMaxPooling1D()(pc.layers.Input(("length", 8))).shape
    (batch, 8)
    """

    axes = 1


@register
class GlobalMaxPooling2D(GlobalMax):
    """The largest value of each channel, over height and width.

    Args:
        keepdims: keep the spatial axes, of size 1.

    Shapes: ``(batch, height, width, channels)`` to ``(batch, channels)``; no weights.

    Oquab, Bottou, Laptev and Sivic, *Is object localization for free?*, 2015.

    >>> import pellucid as pc
    >>> pc.layers.GlobalMaxPooling2D(keepdims=True)(pc.layers.Input((7, 7, 8))).shape
    (batch, 1, 1, 8)
    """

    axes = 2


@register
class GlobalAveragePooling1D(GlobalAverage):
    """The mean of each channel, over all of the length, which may be a named axis.

    Args:
        keepdims: keep the spatial axis, of size 1.

    Shapes: ``(batch, length, channels)`` to ``(batch, channels)``; no weights.

    Lin, Chen and Yan, *Network in network*, 2013, section 3.2.

    >>> import pellucid as pc
    >>> print(pc.layers.GlobalAveragePooling1D()(pc.layers.Input((10, 8))))
    sum(input, axes=(1,)) / 10
    """

    axes = 1


@register
class GlobalAveragePooling2D(GlobalAverage):
    """The mean of each channel, over height and width.

    Args:
        keepdims: keep the spatial axes, of size 1.

    Shapes: ``(batch, height, width, channels)`` to ``(batch, channels)``; no weights. Integers are converted to
    float32.

    Lin, Chen and Yan, *Network in network*, 2013, section 3.2.

    >>> import pellucid as pc
    >>> pc.layers.GlobalAveragePooling2D()(pc.layers.Input((7, 7, 8))).shape
    (batch, 8)
    """

    axes = 2


# Keras's short names
MaxPool1D, MaxPool2D = MaxPooling1D, MaxPooling2D
AvgPool1D, AvgPool2D = AveragePooling1D, AveragePooling2D
GlobalMaxPool1D, GlobalMaxPool2D = GlobalMaxPooling1D, GlobalMaxPooling2D
GlobalAvgPool1D, GlobalAvgPool2D = GlobalAveragePooling1D, GlobalAveragePooling2D

__all__ = [
    "AveragePooling1D",
    "AveragePooling2D",
    "AvgPool1D",
    "AvgPool2D",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPooling1D",
    "MaxPooling2D",
]
