"""Sizes of axes: an int, or a polynomial in named sizes such as ``2*batch + 1``.

A named axis gets its size when a function is called. Sizes derived from a name (a concatenation, a flattening)
are sums and products of names with integer coefficients; two sizes are equal if their polynomials are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, overload

from .errors import ShapeError


@dataclass(frozen=True)
class Size:
    """A polynomial in named sizes: pairs (names of the monomial, sorted; coefficient), sorted by names."""

    terms: tuple[tuple[tuple[str, ...], int], ...]

    @overload
    def bind(self, sizes: Mapping[str, int]) -> int: ...
    @overload
    def bind(self, sizes: Mapping[str, Axis]) -> Axis: ...
    def bind(self, sizes: Mapping[str, Any]) -> Any:
        """Return the value at the given sizes of the names, which may be other named sizes."""
        total: Any = 0
        for names, coefficient in self.terms:
            term: Any = coefficient
            for name in names:
                term = term * sizes[name]
            total = total + term
        return total

    @property
    def names(self) -> set[str]:
        """The names that occur."""
        return {name for names, _ in self.terms for name in names}

    def __add__(self, other: Axis) -> Axis:
        return _collect([*self.terms, *_terms(other)])

    __radd__ = __add__

    def __neg__(self) -> Axis:
        return self * -1

    def __sub__(self, other: Axis) -> Axis:
        return self + other * -1

    def __rsub__(self, other: Axis) -> Axis:
        return -self + other

    def __mul__(self, other: Axis) -> Axis:
        return _collect((tuple(sorted(a + b)), m * n) for a, m in self.terms for b, n in _terms(other))

    __rmul__ = __mul__

    def __str__(self) -> str:
        parts = ["*".join(([str(n)] if n != 1 or not names else []) + list(names)) for names, n in self.terms]
        return " + ".join(parts).replace("+ -", "- ")

    __repr__ = __str__


Axis = int | Size
Shape = tuple[Axis, ...]


def _terms(size: Axis) -> Iterable[tuple[tuple[str, ...], int]]:
    return size.terms if isinstance(size, Size) else (((), size),)


def _collect(terms: Iterable[tuple[tuple[str, ...], int]]) -> Axis:
    collected: dict[tuple[str, ...], int] = {}
    for names, coefficient in terms:
        collected[names] = collected.get(names, 0) + coefficient
    kept = tuple(sorted(((k, n) for k, n in collected.items() if n), key=lambda t: (-len(t[0]), t[0])))
    if not kept:
        return 0
    if len(kept) == 1 and not kept[0][0]:
        return kept[0][1]
    return Size(kept)


def named(name: str) -> Size:
    """Return the size of the axis called ``name``."""
    if not name.isidentifier():
        raise ShapeError(f"an axis name is a word such as 'batch', not {name!r}")
    return Size((((name,), 1),))


def as_axis(axis: Any) -> Axis:
    """Return an axis as given by a user: a size that is not negative, a name, or a derived size."""
    if isinstance(axis, str):
        return named(axis)
    if isinstance(axis, Size):
        return axis
    try:
        size = axis.__index__()
    except AttributeError:
        raise ShapeError(f"an axis is a size or a name, not {axis!r}") from None
    if size < 0:
        raise ShapeError(f"an axis has a size of 0 or more, not {size}")
    return int(size)


def as_shape(shape: Any) -> Shape:
    """Return a shape as given by a user: a tuple of axes, or one axis."""
    if isinstance(shape, str | Size) or hasattr(shape, "__index__"):
        shape = (shape,)
    return tuple(as_axis(axis) for axis in shape)


def count(shape: Iterable[Axis]) -> Axis:
    """Return the number of elements of a shape.

    >>> count((2, 3)), count(as_shape(("batch", 3)))
    (6, 3*batch)
    """
    total: Axis = 1
    for axis in shape:
        total = total * axis
    return total


def broadcast_shapes(*shapes: Shape) -> Shape:
    """Return the shape that NumPy's rule gives for operands of these shapes, or raise ShapeError.

    >>> broadcast_shapes((3, 1), (4,))
    (3, 4)
    """
    result: list[Axis] = []
    for position in range(-max((len(s) for s in shapes), default=0), 0):
        sizes = {s[position] for s in shapes if -position <= len(s)} - {1}
        if len(sizes) > 1:
            first, second = sorted(sizes, key=str)[:2]
            hint = "give both axes the same name if they are the same size"
            advice = hint if isinstance(first, Size) or isinstance(second, Size) else "only an axis of size 1 stretches"
            raise ShapeError(f"axis {position} (from the end) is {first} in one and {second} in another; {advice}")
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)


def bind_sizes(value: Any, sizes: Mapping[str, Axis]) -> Any:
    """Return ``value`` (a size, or nested tuples that hold sizes) with every name replaced by its number."""
    if isinstance(value, Size):
        return value.bind(sizes)
    if isinstance(value, tuple):
        return tuple(bind_sizes(item, sizes) for item in value)
    return value


def show_shape(shape: Shape) -> str:
    """Return a shape as Python writes it."""
    return "(" + ", ".join(str(axis) for axis in shape) + ("," if len(shape) == 1 else "") + ")"
