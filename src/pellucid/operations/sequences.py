"""What attention asks of the sequences and the mask that it is given."""

from __future__ import annotations

from typing import Any

from ..core.dtypes import BOOL
from ..core.errors import DtypeError, ShapeError
from ..core.expression import Expression, as_expressions
from ..core.origins import place
from ..core.sizes import Shape, broadcast_shapes, show_shape
from .movement import reshape


def check_sequences(query: Expression, key: Expression, value: Expression | None = None) -> None:
    """Check that queries meet keys as wide as they are, and that each key has its value.

    Raises:
        ShapeError: they do not fit, or are no sequences.
    """
    for name, x in (("query", query), ("key", key), ("value", value)):
        if x is not None and x.ndim < 2:
            raise ShapeError(
                f"attention takes sequences (..., time, width), and was given the {name}"
                f" {show_shape(x.shape)}{place(x)}"
            )
    if query.shape[-1] != key.shape[-1] or not isinstance(query.shape[-1], int):
        raise ShapeError(
            f"attention: the query {show_shape(query.shape)} is {query.shape[-1]} wide and the key"
            f" {show_shape(key.shape)} {key.shape[-1]}; one width, a number, was expected{place(query, key)}"
        )
    if value is not None and value.shape[-2] != key.shape[-2]:
        raise ShapeError(
            f"attention takes a value for each of the {key.shape[-2]} keys, as (..., key time, values), and was"
            f" given {show_shape(value.shape)}{place(value)}"
        )


def common_batch(*sequences: Expression) -> Shape:
    """Return the axes before time and width, of all together.

    Raises:
        ShapeError: they do not broadcast.
    """
    try:
        batch: Shape = ()
        for x in sequences:
            batch = broadcast_shapes(batch, x.shape[:-2])
    except ShapeError:
        shown = ", ".join(show_shape(x.shape) for x in sequences)
        raise ShapeError(
            f"attention: the axes before time and width do not broadcast together: {shown}{place(*sequences)}"
        ) from None
    return batch


def checked_mask(mask: Any) -> Expression:
    """Return a mask as an expression of truth values.

    Raises:
        DtypeError: it has other values.
    """
    given: Expression = as_expressions(mask)[0]
    if given.dtype != BOOL:
        raise DtypeError(
            f"attention: the mask is {given.dtype}, and truth values were expected, true where a query may attend to a"
            f" key; compare, such as mask > 0{place(given)}"
        )
    return given


def fitting_mask(mask: Any, scores: Shape) -> Expression:
    """Return a mask of truth values, of two axes at least, that broadcasts to scores of a shape.

    Raises:
        DtypeError: it has other values.
        ShapeError: it does not broadcast to them.
    """
    given = checked_mask(mask)
    try:
        fits = broadcast_shapes(given.shape, scores) == scores
    except ShapeError:
        fits = False
    if not fits:
        raise ShapeError(
            f"attention: the mask {show_shape(given.shape)} does not broadcast to {show_shape(scores)},"
            f" (..., query time, key time){place(given)}"
        )
    return reshape(given, (1,) * (2 - given.ndim) + given.shape) if given.ndim < 2 else given


__all__ = ["check_sequences", "checked_mask", "common_batch", "fitting_mask"]
