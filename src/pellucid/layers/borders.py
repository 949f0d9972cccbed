"""Layers that put zeros around images, or cut their borders off; channels last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..core.configuration import register
from ..core.errors import ShapeError
from ..core.expression import Expression
from ..core.sizes import Size, show_shape
from ..operations.movement import pad, slice_axes
from .arguments import check_borders, check_layout, shown
from .layer import Layer


@dataclass(eq=False, repr=False)
class ZeroPadding(Layer):
    """Zeros around the spatial axes; see ``ZeroPadding2D``."""

    padding: Any = 1

    axes: ClassVar[int]

    def __post_init__(self) -> None:
        self.widths = check_borders(self, "padding", self.padding, self.axes)

    def call(self, x: Expression) -> Expression:
        """Return the padded examples."""
        check_layout(self, x.shape, self.axes)
        return pad(x, ((0, 0), *self.widths, (0, 0)))


@register
class ZeroPadding1D(ZeroPadding):
    """Zeros before and after each example.

    Args:
        padding: how many on both ends, or ``(before, after)``.

    Shapes: ``(batch, length, channels)`` to ``(batch, before + length + after, channels)``; no weights.

    >>> import pellucid as pc
    >>> pc.layers.ZeroPadding1D((2, 0))(pc.layers.Input((10, 4))).shape
    (batch, 12, 4)
    """

    axes = 1


@register
class ZeroPadding2D(ZeroPadding):
    """Zeros around each image.

    Args:
        padding: how many rows and columns on each side: one number, ``(rows, columns)``, or
            ``((top, bottom), (left, right))``.

    Shapes: ``(batch, height, width, channels)`` to ``(batch, top + height + bottom, left + width + right, channels)``;
    no weights.

    >>> import pellucid as pc
    >>> pc.layers.ZeroPadding2D(((1, 2), (3, 4)))(pc.layers.Input((10, 10, 3))).shape
    (batch, 13, 17, 3)
    """

    axes = 2


@dataclass(eq=False, repr=False)
class Cropping(Layer):
    """The spatial axes without their borders; see ``Cropping2D``."""

    cropping: Any

    axes: ClassVar[int]

    def __post_init__(self) -> None:
        self.widths = check_borders(self, "cropping", self.cropping, self.axes)

    def call(self, x: Expression) -> Expression:
        """Return what is left."""
        check_layout(self, x.shape, self.axes)
        lengths: list[Any] = []
        for n, (before, after) in zip(x.shape[1:-1], self.widths, strict=True):
            if isinstance(n, Size) or n <= before + after:
                raise ShapeError(
                    f"{shown(self)} cuts {before + after} elements off an axis of {n}, of inputs"
                    f" {show_shape(x.shape)}; one or more are to be left, of a number of them"
                )
            lengths.append(n - before - after)
        starts = (0, *(before for before, _ in self.widths), 0)
        return slice_axes(x, starts, (x.shape[0], *lengths, x.shape[-1]), (1,) * x.ndim)


@register
@dataclass(eq=False, repr=False)
class Cropping1D(Cropping):
    """Each example without what is at its ends.

    Args:
        cropping: how much is cut off at both ends, or ``(before, after)``.

    Shapes: ``(batch, length, channels)`` to ``(batch, length - before - after, channels)``; no weights.

    Raises:
        ShapeError: if nothing were left, or the length is a named axis.

    >>> import pellucid as pc
    >>> pc.layers.Cropping1D((2, 0))(pc.layers.Input((10, 4))).shape
    (batch, 8, 4)
    """

    cropping: Any = 1

    axes = 1


@register
@dataclass(eq=False, repr=False)
class Cropping2D(Cropping):
    """Each image without its border.

    Args:
        cropping: how many rows and columns are cut off on each side: one number, ``(rows, columns)``, or
            ``((top, bottom), (left, right))``; nothing, if not given, as in Keras.

    Shapes: ``(batch, height, width, channels)`` to ``(batch, height - top - bottom, width - left - right, channels)``;
    no weights.

    Raises:
        ShapeError: if nothing were left, or height or width are named axes.

    >>> import pellucid as pc
    >>> pc.layers.Cropping2D(((1, 2), (3, 4)))(pc.layers.Input((10, 10, 3))).shape
    (batch, 7, 3, 3)
    """

    cropping: Any = 0

    axes = 2


__all__ = ["Cropping1D", "Cropping2D", "ZeroPadding1D", "ZeroPadding2D"]
