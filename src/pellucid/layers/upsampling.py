"""Layers that make images larger without weights: repeated elements, or lines between them; channels last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.configuration import register
from ..core.expression import Expression
from ..core.settings import check_choice
from ..operations.composed import floats
from ..operations.movement import broadcast_to, concatenate, reshape, slice_axes, stack
from .arguments import check_layout, check_sizes
from .layer import Layer


def _repeated(x: Expression, axis: int, factor: int) -> Expression:
    """Return each element ``factor`` times along an axis."""
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    copies = broadcast_to(reshape(x, (*before, n, 1, *after)), (*before, n, factor, *after))
    return reshape(copies, (*before, n * factor, *after))


def _part(x: Expression, axis: int, start: Any, length: Any) -> Expression:
    starts = [start if k == axis else 0 for k in range(x.ndim)]
    return slice_axes(x, starts, [length if k == axis else n for k, n in enumerate(x.shape)], [1] * x.ndim)


def _interpolated(x: Expression, axis: int, factor: int) -> Expression:
    """Return each element ``factor`` times, moved towards the neighbour that is nearer.

    Elements are as wide as the factor, and have their value at their middle: copy k stands (k + 1/2) / factor - 1/2
    from the middle of its element. At the ends the last element is its own neighbour.
    """
    n = x.shape[axis]
    first, last = _part(x, axis, 0, 1), _part(x, axis, n - 1, 1)
    before = concatenate([first, _part(x, axis, 0, n - 1)], axis)
    after = concatenate([_part(x, axis, 1, n - 1), last], axis)
    offsets = [(k + 0.5) / factor - 0.5 for k in range(factor)]
    copies = [x + abs(d) * ((after if d > 0 else before) - x) if d else x for d in offsets]
    return reshape(stack(copies, axis + 1), (*x.shape[:axis], n * factor, *x.shape[axis + 1 :]))


@register
@dataclass(eq=False, repr=False)
class UpSampling1D(Layer):
    """Each element several times.

    Args:
        size: how many times.

    Shapes: ``(batch, length, channels)`` to ``(batch, length · size, channels)``; no weights.

    >>> import pellucid as pc
    >>> pc.layers.UpSampling1D(3)(pc.layers.Input((10, 4))).shape
    (batch, 30, 4)
    """

    size: int = 2

    def __post_init__(self) -> None:
        self.factors = check_sizes(self, "size", self.size, 1)

    def call(self, x: Expression) -> Expression:
        """Return the repeated elements."""
        check_layout(self, x.shape, 1)
        return _repeated(x, 1, self.factors[0])


@register
@dataclass(eq=False, repr=False)
class UpSampling2D(Layer):
    """Images that are larger by whole factors.

    Args:
        size: the factor, a number for both axes or one for each.
        interpolation: ``"nearest"`` repeats rows and columns; ``"bilinear"`` draws straight lines between the middles
            of neighbouring elements, along one axis and then the other.

    Shapes: ``(batch, height, width, channels)`` to ``(batch, height · rows, width · columns, channels)``, where size is
    ``(rows, columns)``; no weights. ``"bilinear"`` converts integers to float32.

    Press et al., *Numerical Recipes*, third edition, 2007, section 3.6.

    >>> import pellucid as pc
    >>> pc.layers.UpSampling2D((2, 3))(pc.layers.Input((10, 10, 4))).shape
    (batch, 20, 30, 4)
    >>> x = pc.constant([0.0, 4.0, 8.0]).reshape(1, 1, 3, 1)
    >>> pc.function([], pc.layers.UpSampling2D((1, 2), interpolation="bilinear")(x))().ravel()
    array([0., 1., 3., 5., 7., 8.], dtype=float32)
    """

    size: Any = 2
    interpolation: str = "nearest"

    def __post_init__(self) -> None:
        self.factors = check_sizes(self, "size", self.size, 2)
        check_choice(self, "interpolation", self.interpolation, ("nearest", "bilinear"))

    def call(self, x: Expression) -> Expression:
        """Return the larger images."""
        check_layout(self, x.shape, 2)
        is_bilinear = self.interpolation == "bilinear"
        x = floats(x) if is_bilinear else x
        for axis, factor in enumerate(self.factors, 1):
            x = _interpolated(x, axis, factor) if is_bilinear else _repeated(x, axis, factor)
        return x


__all__ = ["UpSampling1D", "UpSampling2D"]
