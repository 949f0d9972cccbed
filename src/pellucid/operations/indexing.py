"""Indexing by data: rows of a table, one element of each row, and what their gradients need.

An index that is computed and lies outside its axis is taken as the nearest one inside, in every backend, so that
no program can read or write outside an array; negative indices do not count from the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import INTEGERS, check_dtype
from ..core.errors import AxisError, DtypeError, ShapeError
from ..core.expression import Expression, as_expressions, node
from ..core.operation import Domain, Notation, Operation, Try, reals, register
from ..core.origins import place
from ..core.sizes import Axis, Shape, as_axis, show_shape
from .comparison import equal
from .elementwise import where, zero
from .movement import permute, reshape
from .reduction import normalise_axes
from .reduction import sum as sum_over
from .source import arange


def _as_indices(name: str, indices: Any) -> Expression:
    (indices,) = as_expressions(indices)
    if indices.dtype not in INTEGERS:
        cure = "use pc.where to choose by a mask" if indices.dtype == "bool" else "convert with .astype('int32')"
        raise DtypeError(f"{name}: indices are integers, and {indices} is {indices.dtype}{place(indices)}; {cure}")
    return indices  # type: ignore[no-any-return]


def column(x: Expression) -> Expression:
    """Return ``x`` with a last axis of size 1, ready to broadcast along it."""
    return reshape(x, (*x.shape, 1))


# take


def _make_take(x: Any, indices: Any, axis: int = 0) -> Expression:
    (x,) = as_expressions(x)
    if not x.ndim:
        raise AxisError(f"take: {x} is a scalar and has no axis to take from{place(x)}")
    (axis,) = normalise_axes("take", x, axis)
    indices = _as_indices("take", fixed_indices("take", indices, x, axis))
    if axis == 0:
        return node(take, [x, indices])
    taken = node(take, [permute(x, (axis, *(k for k in range(x.ndim) if k != axis))), indices])
    rows = tuple(range(indices.ndim))
    front, back = range(axis), range(axis, x.ndim - 1)
    return permute(taken, (*(k + len(rows) for k in front), *rows, *(k + len(rows) for k in back)))


def fixed_indices(name: str, indices: Any, x: Expression, axis: int) -> Any:
    """Return indices given as numbers checked against an axis of known size, the negative ones from its end."""
    size = x.shape[axis]
    if isinstance(indices, Expression) or not isinstance(size, int):
        return indices
    array = np.asarray(indices)
    if array.dtype.kind not in "iu":
        return array.astype("int32") if not array.size else indices
    outside = array[(array < -size) | (array >= size)]
    if outside.size:
        raise AxisError(
            f"{name}: index {outside.flat[0]} is outside axis {axis} of {x}, {show_shape(x.shape)};"
            f" it goes from {-size} to {size - 1}{place(x)}"
        )
    return np.where(array < 0, array + size, array)


def _take_shape(x: Expression, indices: Expression) -> Shape:
    if x.shape[0] == 0 and 0 not in indices.shape:
        raise ShapeError(f"take: {x}, {show_shape(x.shape)}, has no rows to take{place(x)}")
    return indices.shape + x.shape[1:]


def _clamped(xp: Any, indices: Any, size: Any) -> Any:
    return (
        xp.clip(indices, 0, max(int(size) - 1, 0))
        if indices.dtype != np.uint8
        else xp.minimum(indices.astype("int32"), max(int(size) - 1, 0))
    )


take: Operation = register(
    Operation(
        name="take",
        kind="indexing",
        summary="The rows of x at some indices (or what lies there along another axis).",
        make=_make_take,
        shape=_take_shape,
        dtype=lambda x, indices: x.dtype,
        array=lambda xp, x, indices: xp.take(x, _clamped(xp, indices, x.shape[0]), axis=0),
        gradient=lambda g, y, x, indices: (scatter_add(g, indices, x.shape[0]), None),
        notation=Notation("{0}[{1}]", r"{0}_{{{1}}}", 8),
        tries=(
            Try(((5, 3), (4,)), (reals(), Domain(0, 4, ("int32", "int64", "uint8"), ()))),
            Try(((5,), (2, 2)), (reals(), Domain(-3, 9, ("int32",), ()))),
            Try(((2, 5), (3,)), (reals(), Domain(0, 4, ("int32",), ())), {"axis": 1}),
            Try(((5, 3), ()), (reals(), Domain(0, 4, ("int32",), ()))),
            Try(((5, 3), (0,)), (reals(), Domain(0, 4, ("int32",), ()))),
        ),
    )
)

# scatter_add


def _make_scatter(updates: Any, indices: Any, size: Any) -> Expression:
    updates, indices = as_expressions(updates)[0], _as_indices("scatter_add", indices)
    return node(scatter_add, [updates, indices], size=as_axis(size))


def _scatter_shape(updates: Expression, indices: Expression, *, size: Axis) -> Shape:
    if updates.shape[: indices.ndim] != indices.shape:
        raise ShapeError(
            f"scatter_add: {updates}, {show_shape(updates.shape)}, needs one row for each index of {indices},"
            f" {show_shape(indices.shape)}: its first axes are to be the same{place(updates, indices)}"
        )
    if size == 0 and 0 not in indices.shape:
        raise ShapeError(f"scatter_add: there are no rows to add {updates} to: size is 0{place(updates)}")
    return (size, *updates.shape[indices.ndim :])


def _scatter_array(xp: Any, updates: Any, indices: Any, size: int) -> Any:
    rows = _clamped(xp, indices, size)
    result = xp.zeros((size, *updates.shape[indices.ndim :]), updates.dtype)
    if xp is not np:
        return result.at[rows].add(updates)
    np.add.at(result, rows, updates)
    return result


scatter_add: Operation = register(
    Operation(
        name="scatter_add",
        kind="indexing",
        summary="Zeros of some number of rows, with each row of the updates added to the row its index names.",
        make=_make_scatter,
        shape=_scatter_shape,
        dtype=lambda updates, indices, **_: updates.dtype,
        array=_scatter_array,
        gradient=lambda g, y, updates, indices, size: (take(g, indices), None),
        notation=Notation("{call}", r"\operatorname{{scatter}}_{{{1}}}\left({0}\right)"),
        tries=(
            Try(((4, 3), (4,)), (reals(), Domain(0, 4, ("int32", "int64"), ())), {"size": 5}),
            Try(((2, 2), (2, 2)), (reals(), Domain(-3, 9, ("int32",), ())), {"size": 3}),
            Try(((3,), ()), (reals(), Domain(0, 1, ("int32",), ())), {"size": 2}),
            Try(((0, 3), (0,)), (reals(), Domain(0, 1, ("int32",), ())), {"size": 2}),
        ),
    )
)

# pick and one_hot: comparisons of a label with every position, which the schedule fuses with what is around them


def _chosen(labels: Expression, size: Axis) -> Expression:
    positions = arange(size, labels.dtype)
    return equal(column(labels), positions)


def _make_pick(x: Any, labels: Any) -> Expression:
    (x,) = as_expressions(x)
    labels = fixed_indices("pick", labels, x, x.ndim - 1) if x.ndim else labels
    return node(pick, [x, _as_indices("pick", labels)])


def _pick_shape(x: Expression, labels: Expression) -> Shape:
    if not x.ndim or x.shape[:-1] != labels.shape:
        raise ShapeError(
            f"pick: {x}, {show_shape(x.shape)}, needs one label for each of its rows, and {labels} has shape"
            f" {show_shape(labels.shape)} where {show_shape(x.shape[:-1])} was expected{place(x, labels)}"
        )
    return labels.shape


def _pick_array(xp: Any, x: Any, labels: Any) -> Any:
    chosen = labels[..., None] == xp.arange(x.shape[-1], dtype=labels.dtype)
    return xp.sum(xp.where(chosen, x, xp.zeros_like(x)), axis=-1, dtype=x.dtype)


def _pick_gradient(g: Expression, y: Expression, x: Expression, labels: Expression) -> tuple[Expression, None]:
    return where(_chosen(labels, x.shape[-1]), column(g), zero(g)), None


def _expand_pick(x: Expression, labels: Expression) -> Expression:
    return sum_over(where(_chosen(labels, x.shape[-1]), x, zero(x)), axis=-1)


LABELS = Domain(0, 2, ("int32", "int64", "uint8"), (0, 1))
pick: Operation = register(
    Operation(
        name="pick",
        kind="indexing",
        summary="The element of each row, along the last axis, that its label names; 0 where the label is outside.",
        make=_make_pick,
        shape=_pick_shape,
        dtype=lambda x, labels: x.dtype,
        array=_pick_array,
        gradient=_pick_gradient,
        expand=_expand_pick,
        notation=Notation("{0}[{1}]", r"\left({0}\right)_{{{1}}}", 8),
        tries=(
            Try(((4, 3), (4,)), (reals(), LABELS)),
            Try(((2, 2, 3), (2, 2)), (reals(), LABELS)),
            Try(((3,), ()), (reals(), Domain(-2, 5, ("int32",), ()))),
            Try(((0, 3), (0,)), (reals(), LABELS)),
        ),
    )
)


def _make_one_hot(labels: Any, size: Any, dtype: Any = "float32") -> Expression:
    return node(one_hot, [_as_indices("one_hot", labels)], size=as_axis(size), dtype=check_dtype(dtype))


one_hot: Operation = register(
    Operation(
        name="one_hot",
        kind="indexing",
        summary="A row of zeros for each label, with a one at the label (none where the label is outside).",
        make=_make_one_hot,
        shape=lambda labels, *, size, **_: (*labels.shape, size),
        dtype=lambda labels, *, dtype, **_: dtype,
        array=lambda xp, labels, size, dtype: (labels[..., None] == xp.arange(size, dtype=labels.dtype)).astype(dtype),
        gradient=lambda g, y, labels, **_: (None,),
        expand=lambda labels, *, size, dtype: _chosen(labels, size).astype(dtype),
        notation=Notation("{call}", r"\mathbf{{1}}_{{{0}}}"),
        tries=(
            Try(((4,),), (LABELS,), {"size": 3}),
            Try(((2, 2),), (Domain(-2, 5, ("int32",), ()),), {"size": 3, "dtype": "int32"}),
            Try(((0,),), (LABELS,), {"size": 2, "dtype": "float64"}),
        ),
    )
)

__all__ = ["column", "fixed_indices", "one_hot", "pick", "scatter_add", "take"]
