"""Merging: layers that make one expression of a list of them."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from ..core import origins
from ..core.configuration import register
from ..core.errors import InputError, ShapeError
from ..core.expression import Expression, is_expression
from ..core.sizes import broadcast_shapes, show_shape
from ..operations.movement import concatenate
from ..operations.rounding import maximum, minimum
from .arguments import shown
from .layer import Layer


class _Merging(Layer):
    """A layer that joins expressions whose shapes broadcast together, of the same number of axes.

    Attributes:
        join: what it makes of two; of more, one after the other.
    """

    join: ClassVar[Callable[[Any, Any], Any]]

    def call(self, inputs: Any) -> Expression:
        """Return what the inputs make together."""
        _check_several(self, inputs)
        try:
            if len({x.ndim for x in inputs}) > 1:
                raise ShapeError("the numbers of axes differ")
            broadcast_shapes(*(x.shape for x in inputs))
        except ShapeError as error:
            raise _does_not_fit(self, inputs, str(error)) from None
        return self._merged(inputs)

    def _merged(self, inputs: list[Expression]) -> Expression:
        result: Expression = functools.reduce(type(self).join, inputs)
        return result


def _check_several(layer: Layer, inputs: Any) -> None:
    if is_expression(inputs) or len(inputs) < 2:
        raise InputError(
            f"{shown(layer)} joins a list of two or more expressions, and was given"
            f" {inputs if is_expression(inputs) else len(inputs)}; call it as layer([a, b])"
        )


def _does_not_fit(layer: Layer, inputs: list[Expression], why: str) -> ShapeError:
    shapes = ", ".join(f"{x} {show_shape(x.shape)}" for x in inputs)
    return ShapeError(f"{shown(layer)} cannot join {shapes}: {why}{origins.place(*inputs)}")


@register
@dataclass(eq=False, repr=False)
class Add(_Merging):
    """The sum of two or more expressions.

    Shapes: a list of shapes that broadcast together, to that of the result; no weights.

    He, Zhang, Ren and Sun, *Deep residual learning for image recognition*, 2016, has the connections it is for.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((3,))
    >>> print(pc.layers.Add()([x, pc.tanh(x)]))
    input + tanh(input)
    """

    join = operator.add


@register
@dataclass(eq=False, repr=False)
class Subtract(_Merging):
    """The difference of two expressions.

    Shapes: two shapes that broadcast together, to that of the result; no weights.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((3,))
    >>> print(pc.layers.Subtract()([x, pc.tanh(x)]))
    input - tanh(input)
    """

    join = operator.sub

    def _merged(self, inputs: list[Expression]) -> Expression:
        if len(inputs) != 2:
            raise InputError(f"{shown(self)} takes two expressions, and was given {len(inputs)}")
        return super()._merged(inputs)


@register
@dataclass(eq=False, repr=False)
class Multiply(_Merging):
    """The product, element by element, of two or more expressions.

    Shapes: a list of shapes that broadcast together, to that of the result; no weights.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((3,))
    >>> print(pc.layers.Multiply()([x, pc.sigmoid(x)]))
    input * sigmoid(input)
    """

    join = operator.mul


@register
@dataclass(eq=False, repr=False)
class Average(_Merging):
    """The mean, element by element, of two or more expressions.

    Shapes: a list of shapes that broadcast together, to that of the result; no weights.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((3,))
    >>> print(pc.layers.Average()([x, pc.tanh(x)]))
    (input + tanh(input)) / 2
    """

    join = operator.add

    def _merged(self, inputs: list[Expression]) -> Expression:
        return super()._merged(inputs) / len(inputs)


@register
@dataclass(eq=False, repr=False)
class Maximum(_Merging):
    """The largest, element by element, of two or more expressions.

    Shapes: a list of shapes that broadcast together, to that of the result; no weights.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((3,))
    >>> print(pc.layers.Maximum()([x, -x]))
    maximum(input, -input)
    """

    join = maximum


@register
@dataclass(eq=False, repr=False)
class Minimum(_Merging):
    """The smallest, element by element, of two or more expressions.

    Shapes: a list of shapes that broadcast together, to that of the result; no weights.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((3,))
    >>> print(pc.layers.Minimum()([x, -x]))
    minimum(input, -input)
    """

    join = minimum


@register
@dataclass(eq=False, repr=False)
class Concatenate(Layer):
    """Two or more expressions side by side along an axis.

    Args:
        axis: along which; the others have equal sizes.

    Shapes: a list of shapes to one with the sum of their sizes along the axis; no weights.

    >>> import pellucid as pc
    >>> x, z = pc.layers.Input((3,)), pc.layers.Input((2,), name="z")
    >>> pc.layers.Concatenate()([x, z]).shape
    (batch, 5)
    """

    axis: int = -1

    def call(self, inputs: Any) -> Expression:
        """Return the inputs side by side."""
        _check_several(self, inputs)
        try:
            return concatenate(inputs, self.axis)
        except ValueError as error:
            raise _does_not_fit(self, inputs, str(error)) from None


__all__ = ["Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"]
