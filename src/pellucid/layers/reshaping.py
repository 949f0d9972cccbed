"""Layers that arrange the elements of each example otherwise: flat, in another shape or order, or repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.configuration import register
from ..core.errors import InputError, ShapeError
from ..core.expression import Expression
from ..core.settings import check_whole
from ..core.sizes import count, show_shape
from ..operations.movement import broadcast_to, permute, reshape
from .arguments import shown
from .layer import Layer


@register
@dataclass(eq=False, repr=False)
class Flatten(Layer):
    """All elements of an example along one axis, row after row.

    Shapes: ``(batch, ...)`` to ``(batch, elements)``; no weights.

    >>> import pellucid as pc
    >>> pc.layers.Flatten()(pc.layers.Input((7, 7, 8))).shape
    (batch, 392)
    """

    def call(self, x: Expression) -> Expression:
        """Return the elements, flat."""
        return reshape(x, (x.shape[0], count(x.shape[1:])))


@register
@dataclass(eq=False, repr=False)
class Reshape(Layer):
    """The elements of an example in another shape.

    Args:
        target_shape: the axes after the batch; one of them may be -1, and is as large as the others leave it.

    Shapes: ``(batch, ...)`` to ``(batch, *target_shape)``; no weights.

    Raises:
        ShapeError: if there are more or fewer elements.

    >>> import pellucid as pc
    >>> pc.layers.Reshape((28, 28, -1))(pc.layers.Input((784,))).shape
    (batch, 28, 28, 1)
    """

    target_shape: Sequence[int]

    def __post_init__(self) -> None:
        if not isinstance(self.target_shape, tuple | list):
            raise InputError(f"Reshape: target_shape is {self.target_shape!r}, and a tuple of sizes was expected")
        for size in self.target_shape:
            check_whole(self, "a size in target_shape", size, least=-1)

    def call(self, x: Expression) -> Expression:
        """Return the elements in that shape."""
        return reshape(x, (x.shape[0], *self.target_shape))


@register
@dataclass(eq=False, repr=False)
class Permute(Layer):
    """The axes of an example in another order.

    Args:
        dims: which axis comes first, second, and so on; the first axis after the batch is 1.

    Shapes: ``(batch, *axes)`` to ``(batch, *axes in that order)``; no weights.

    Raises:
        InputError: for ``dims`` that are no order of 1, 2, ...
        ShapeError: for inputs with another number of axes.

    >>> import pellucid as pc
    >>> pc.layers.Permute((2, 3, 1))(pc.layers.Input((3, 32, 48))).shape
    (batch, 32, 48, 3)
    """

    dims: Sequence[int]

    def __post_init__(self) -> None:
        if not isinstance(self.dims, tuple | list) or sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise InputError(f"Permute: dims is {self.dims!r}, and an order of 1, 2, ... was expected, such as (2, 1)")

    def call(self, x: Expression) -> Expression:
        """Return the elements with their axes in that order."""
        if x.ndim != len(self.dims) + 1:
            raise ShapeError(
                f"{shown(self)} orders {len(self.dims)} axes after the batch, and was given {show_shape(x.shape)}"
            )
        return permute(x, (0, *self.dims))


@register
@dataclass(eq=False, repr=False)
class RepeatVector(Layer):
    """Each example several times.

    Args:
        n: how many times.

    Shapes: ``(batch, features)`` to ``(batch, n, features)``; no weights.

    Raises:
        ShapeError: for inputs with other axes.

    >>> import pellucid as pc
    >>> pc.layers.RepeatVector(3)(pc.layers.Input((32,))).shape
    (batch, 3, 32)
    """

    n: int

    def __post_init__(self) -> None:
        check_whole(self, "n", self.n)

    def call(self, x: Expression) -> Expression:
        """Return the copies."""
        if x.ndim != 2:
            raise ShapeError(f"{shown(self)} takes inputs (batch, features), and was given {show_shape(x.shape)}")
        return broadcast_to(reshape(x, (x.shape[0], 1, x.shape[1])), (x.shape[0], self.n, x.shape[1]))


__all__ = ["Flatten", "Permute", "RepeatVector", "Reshape"]
