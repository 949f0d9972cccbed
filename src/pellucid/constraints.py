"""Constraints: what is done to a parameter's new value after each step, by Keras's names, arguments and defaults.

    updates = [(W, pc.constraints.MaxNorm(3)(new))]

Norms are taken over ``axis``, a number or several; None is all of them. In a dense kernel of shape (inputs, outputs),
axis 0 bounds the weights that go into one unit; in a convolution's kernel, of shape (rows, columns, inputs, filters),
axes (0, 1, 2) do. Where Keras adds 1e-7 to the norm that it divides by, nothing is added here: what keeps to its bound
already stays as it is, to the last bit, however often a step asks. Weights that are all 0 have no direction, and stay.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .core.configuration import register
from .core.errors import InputError
from .core.expression import Expression
from .core.settings import by_name, check_number
from .operations.comparison import equal
from .operations.composed import clip, floats, norm
from .operations.elementwise import where
from .operations.rounding import maximum

Axes = int | tuple[int, ...] | None


def _check_axis(constraint: Any) -> None:
    """Check the axis, and make a tuple of a list of them."""
    axis = constraint.axis
    try:
        if axis is not None:
            several = isinstance(axis, tuple | list)
            checked = tuple(operator.index(a) for a in axis) if several else operator.index(axis)
            object.__setattr__(constraint, "axis", checked)
    except TypeError:
        raise InputError(
            f"{type(constraint).__name__}: axis is {axis!r}, and a whole number was expected, several of them, or None"
        ) from None


def _or_one(norms: Expression) -> Expression:
    return where(equal(norms, 0), 1, norms)


@dataclass(frozen=True)
class MaxNorm:
    """Weights whose norm over ``axis`` is above ``max_value`` are scaled down to it.

    Srebro, Rennie and Jaakkola, *Maximum-margin matrix factorization*, 2004; Srivastava et al., *Dropout*, 2014,
    section 5.1.

    >>> import pellucid as pc
    >>> pc.function([], MaxNorm(5.0)(pc.constant([[3.0, 30.0], [4.0, 40.0]])))()
    array([[3., 3.],
           [4., 4.]], dtype=float32)
    """

    max_value: float = 2.0
    axis: Axes = 0

    def __post_init__(self) -> None:
        check_number(self, "max_value", self.max_value, "positive")
        _check_axis(self)

    def __call__(self, value: Expression) -> Expression:
        """Return the value to store, of the same shape and dtype."""
        value = floats(value)
        return value * (self.max_value / maximum(norm(value, self.axis, keepdims=True), self.max_value))


@dataclass(frozen=True)
class NonNeg:
    """Weights below 0 become 0.

    Lee and Seung, *Learning the parts of objects by non-negative matrix factorization*, 1999.

    >>> import pellucid as pc
    >>> pc.function([], NonNeg()(pc.constant([-1.0, 2.0])))()
    array([0., 2.], dtype=float32)
    """

    def __call__(self, value: Expression) -> Expression:
        """Return the value to store, of the same shape and dtype."""
        return maximum(floats(value), 0)


@dataclass(frozen=True)
class UnitNorm:
    """Weights are scaled to a norm of 1 over ``axis``.

    Salimans and Kingma, *Weight normalization*, 2016, section 2, without its scale.

    >>> import pellucid as pc
    >>> pc.function([], UnitNorm()(pc.constant([[3.0, 0.0], [4.0, 0.0]])))()
    array([[0.6, 0. ],
           [0.8, 0. ]], dtype=float32)
    """

    axis: Axes = 0

    def __post_init__(self) -> None:
        _check_axis(self)

    def __call__(self, value: Expression) -> Expression:
        """Return the value to store, of the same shape and dtype."""
        value = floats(value)
        return value / _or_one(norm(value, self.axis, keepdims=True))


@dataclass(frozen=True)
class MinMaxNorm:
    """Norms over ``axis`` are drawn into an interval, by a share ``rate`` of what they are outside it at each step.

    Srebro, Rennie and Jaakkola, *Maximum-margin matrix factorization*, 2004, for the upper bound.

    >>> import pellucid as pc
    >>> pc.function([], MinMaxNorm(1.0, 5.0, rate=0.5)(pc.constant([[9.0, 3.0], [12.0, 4.0]])))()
    array([[6., 3.],
           [8., 4.]], dtype=float32)
    """

    min_value: float = 0.0
    max_value: float = 1.0
    rate: float = 1.0
    axis: Axes = 0

    def __post_init__(self) -> None:
        check_number(self, "min_value", self.min_value, "nonnegative")
        check_number(self, "max_value", self.max_value, "positive")
        check_number(self, "rate", self.rate, "share")
        _check_axis(self)
        if self.min_value > self.max_value:
            raise InputError(
                f"MinMaxNorm: min_value is {self.min_value!r}, and a number of at most max_value, {self.max_value!r},"
                " was expected"
            )

    def __call__(self, value: Expression) -> Expression:
        """Return the value to store, of the same shape and dtype."""
        value = floats(value)
        norms = norm(value, self.axis, keepdims=True)
        wanted = norms + self.rate * (clip(norms, self.min_value, self.max_value) - norms)
        return value * (wanted / _or_one(norms))


CONSTRAINTS: Mapping[str, type[MaxNorm] | type[NonNeg] | type[UnitNorm] | type[MinMaxNorm]] = {
    "max_norm": MaxNorm,
    "non_neg": NonNeg,
    "unit_norm": UnitNorm,
    "min_max_norm": MinMaxNorm,
}
for _class in CONSTRAINTS.values():
    register(_class)


def get(constraint: Any) -> Callable[[Expression], Expression] | None:
    """Return a constraint by its name, with its defaults; the one, or the function, that was given; None for None.

    Raises:
        InputError: which lists the names, for anything else.

    >>> get("non_neg"), get(MaxNorm(3)), get(None)
    (NonNeg(), MaxNorm(max_value=3, axis=0), None)
    """
    if constraint is None or (callable(constraint) and not isinstance(constraint, type)):
        return constraint
    return by_name("a constraint", constraint, CONSTRAINTS, "pc.constraints.MaxNorm(3)")()


__all__ = ["CONSTRAINTS", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "get"]
