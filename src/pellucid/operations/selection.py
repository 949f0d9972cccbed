"""``x[...]``: what may stand between the brackets, turned into slices, new axes, rows and picked labels."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..core.errors import AxisError, DtypeError, ShapeError
from ..core.expression import Expression, as_expressions, is_expression
from ..core.operation import composed
from ..core.origins import place
from ..core.sizes import Axis, Size, show_shape
from .indexing import pick, take
from .movement import reshape, slice_axes


@composed
def getitem(x: Any, key: Any) -> Expression:
    """Return part of an expression, as NumPy's basic indexing does.

    Args:
        key: whole numbers, slices, ``...`` and ``None`` in a tuple or alone; or an integer array or expression,
            which takes rows; or ``arange(n), labels``, which picks an element of each row.

    Raises:
        AxisError: for an index outside its axis, or more indices than axes.
        ShapeError: for a slice of a named axis whose length would depend on its size.
        DtypeError: for a boolean mask, whose result would have no shape before the call.

    >>> from pellucid.operations.source import variable
    >>> x = variable("x", ("batch", 3))
    >>> x[1:, ::-1].shape, x[:, 0].shape, x[..., None].shape
    ((batch - 1, 3), (batch,), (batch, 3, 1))
    """
    (x,) = as_expressions(x)
    keys = key if isinstance(key, tuple) else (key,)
    _refuse_masks(x, keys)
    if len(keys) == 2 and x.ndim == 2 and _is_every_row(keys[0], x.shape[0]) and _is_array(keys[1]):
        return pick(x, keys[1])
    arrays = [k for k in keys if _is_array(k)]
    if len(arrays) > 1:
        raise AxisError(
            f"x[...] takes one array of indices, not {len(arrays)}, of {x}, {show_shape(x.shape)}{place(x)};"
            " x[pc.arange(n), labels] picks an element of each row, and other selections chain: x[i][:, j]"
        )
    return _select(x, _full(x, keys))


def _is_array(key: Any) -> bool:
    return is_expression(key) or (isinstance(key, list | np.ndarray) and np.ndim(key) > 0)


def _refuse_masks(x: Expression, keys: tuple[Any, ...]) -> None:
    for key in keys:
        dtype = key.dtype if is_expression(key) else np.asarray(key).dtype.name if _is_array(key) else ""
        if dtype == "bool" or isinstance(key, bool | np.bool_):
            raise DtypeError(
                f"{x}[mask]: how many elements a boolean mask keeps is not known before the call{place(x)}; use"
                " pc.where(mask, x, 0), or weigh by mask.astype('float32')"
            )
        if isinstance(key, float) or (str(dtype).startswith("float") and np.size(key)):
            raise DtypeError(f"{x}[...]: an index is a whole number, not {key!r}{place(x)}; use .astype('int32')")


def _is_every_row(key: Any, size: Axis) -> bool:
    if is_expression(key):
        return bool(key.operation.name == "arange" and key.shape == (size,))
    if not isinstance(key, np.ndarray | list | range) or not isinstance(size, int):
        return False
    return np.array_equal(np.asarray(key), np.arange(size))


def _full(x: Expression, keys: tuple[Any, ...]) -> list[Any]:
    """Return the keys with ``...`` written out, one for each axis beside the new ones."""
    dots = [k for k, key in enumerate(keys) if key is Ellipsis]
    if len(dots) > 1:
        raise AxisError(f"{x}[...]: '...' may stand once, not {len(dots)} times{place(x)}")
    used = sum(1 for key in keys if key is not None and key is not Ellipsis)
    if used > x.ndim:
        raise AxisError(f"{x}, {show_shape(x.shape)}, has {x.ndim} axes, and {used} indices were given{place(x)}")
    at = dots[0] if dots else len(keys)
    return [*keys[:at], *[slice(None)] * (x.ndim - used), *keys[at + 1 :]]


def _select(x: Expression, keys: list[Any]) -> Expression:
    starts: list[Axis] = []
    lengths: list[Axis] = []
    steps: list[int] = []
    shape: list[Axis] = []
    rows: tuple[int, Any] | None = None
    for key in keys:
        axis = len(starts)
        if key is None:
            shape.append(1)
            continue
        if _is_array(key):
            rows, key = (len(shape), key), slice(None)
        one = not isinstance(key, slice)
        start, length, step = _index(x, axis, key) if one else _slice(x, axis, key)
        starts, lengths, steps = [*starts, start], [*lengths, length], [*steps, step]
        if not one:
            shape.append(length)
    result = reshape(slice_axes(x, starts, lengths, steps), tuple(shape))
    return take(result, rows[1], axis=rows[0]) if rows else result


def _index(x: Expression, axis: int, key: Any) -> tuple[Axis, Axis, int]:
    try:
        index = operator.index(key)
    except TypeError:
        raise AxisError(
            f"{x}[...]: an index is a whole number, a slice, None, ... or an integer array, not {key!r}{place(x)}"
        ) from None
    size = x.shape[axis]
    if isinstance(size, Size):
        return (index if index >= 0 else size + index), 1, 1
    if not -size <= index < size:
        raise AxisError(
            f"index {index} is outside axis {axis} of {x}, {show_shape(x.shape)}, which goes from {-size}"
            f" to {size - 1}{place(x)}"
        )
    return index % size, 1, 1


def _slice(x: Expression, axis: int, key: slice) -> tuple[Axis, Axis, int]:
    size = x.shape[axis]
    try:
        if isinstance(size, int):
            chosen = range(size)[key]
            return (chosen.start if chosen else 0), len(chosen), chosen.step
        start, stop, step = (None if k is None else operator.index(k) for k in (key.start, key.stop, key.step))
    except (TypeError, ValueError) as error:
        raise AxisError(f"{x}[...], axis {axis}: {error}{place(x)}") from None
    return _slice_named(x, axis, size, (start, stop, step))


def _slice_named(
    x: Expression, axis: int, size: Size, key: tuple[int | None, int | None, int | None]
) -> tuple[Axis, Axis, int]:
    """The slices of a named axis whose length is the axis' size less a number, or a number."""
    start, stop, step = key
    if step == -1 and start is None and stop is None:
        return size - 1, size, -1
    if step in (None, 1):
        begin: Axis = 0 if start is None else size + start if start < 0 else start
        end: Axis = size if stop is None else size + stop if stop < 0 else stop
        length = end - begin
        if isinstance(length, Size) or length >= 0:
            return begin, length, 1
    raise ShapeError(
        f"axis {axis} of {x}, {show_shape(x.shape)}, gets its size at the call, and the length of this slice would"
        f" depend on it{place(x)}; x[a:], x[:b] and x[::-1] work on a named axis, and any slice on a sized one"
    )


__all__ = ["getitem"]
