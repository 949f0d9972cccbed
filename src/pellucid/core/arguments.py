"""What a compiled function is given, checked against the variables it was declared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .dtypes import check_dtype, is_float
from .errors import DtypeError, InputError
from .expression import Expression
from .origins import place
from .sizes import Size, show_shape

Array = np.ndarray[Any, Any]
PIECE_BYTES = 2**20


def convert(declared: Expression, value: Any) -> Array:
    """Return a user's value as an array of the declared dtype, if that loses nothing but float64's precision."""
    weak = not isinstance(value, np.ndarray | np.generic)
    array = _as_numpy(declared, value)
    want, have = declared.dtype, array.dtype
    if have.name == want:  # the bytes of another machine's order have the same name
        return np.ascontiguousarray(array, dtype=want).reshape(array.shape)
    if have.kind in "iu" and np.dtype(want).kind in "iu" and (weak or (have.name, want) == ("int64", "int32")):
        limits = np.iinfo(want)
        if array.size and (array.min() < limits.min or array.max() > limits.max):
            raise DtypeError(
                f"input {declared} is {want}, and values from {array.min()} to {array.max()} do not fit it"
                f"{place(declared)}; declare the variable with a wider dtype"
            )
        return array.astype(want)
    if (
        (have.kind, want) == ("f", "float32")
        and have.itemsize == 8
        or (weak and have.kind in "iubf" and is_float(want))
    ):
        with np.errstate(over="ignore"):
            return array.astype(want)
    if weak and array.size == 0:
        return array.astype(want)
    if have.kind not in "fiub":
        raise DtypeError(
            f"input {declared} is {want}, and was given {type(value).__name__} of {have}, which is not numbers"
            f"{place(declared)}"
        )
    advice = f", or declare the variable with dtype={check_dtype(have)!r}" if have.itemsize > 1 else ""
    raise DtypeError(
        f"input {declared} is {want}, and was given {have.name}{place(declared)}; convert it with .astype({want!r})"
        + advice
    )


def _as_numpy(declared: Expression, value: Any) -> Array:
    if isinstance(value, Expression):
        raise InputError(f"input {declared} was given the expression {value}, and numbers were expected{place(value)}")
    try:
        return np.asarray(value)
    except ValueError:
        raise InputError(
            f"input {declared} was given a {type(value).__name__} whose rows differ in length, and an array of shape"
            f" {show_shape(declared.shape)} was expected{place(declared)}; pad them to one length, and give recurrent"
            " layers a mask of what is there"
        ) from None


def bind(declared: Expression, array: Array, sizes: dict[str, int]) -> None:
    """Bind the named axes of an input to the sizes of an array, or say which axis does not fit."""
    wrong = _misfit(declared, array, sizes)
    if wrong is not None:
        given, want = show_shape(array.shape), show_shape(declared.shape)
        raise InputError(f"input {declared} has shape {given}, and {want} was declared: {wrong}")


def _misfit(declared: Expression, array: Array, sizes: dict[str, int]) -> str | None:
    """Bind the named axes, and return what does not fit, if anything does not."""
    if array.ndim != declared.ndim:
        return f"{array.ndim} axes, not {declared.ndim}{place(declared)}"
    for k, (want, have) in enumerate(zip(declared.shape, array.shape, strict=True)):
        if isinstance(want, Size):
            if want.terms == (((str(want),), 1),):
                if sizes.setdefault(str(want), have) != have:
                    return f"axis {k}, {want}, is {have} here and {sizes[str(want)]} in another input"
                continue
            if not want.names <= sizes.keys():
                return f"the size {want} of axis {k} needs an earlier input that names it"
            want = want.bind(sizes)
        if want != have:
            return f"axis {k} is {have}, not {want}{place(declared)}"
    return None


def check_labels(declared: Expression, array: Array, limit: Any, sizes: Mapping[str, int]) -> None:
    """Check that an input of labels or row numbers picks among what there is."""
    size = limit if isinstance(limit, int) else limit.bind(sizes)
    if array.size and (array.min() < 0 or array.max() >= size):
        where = np.argwhere((array < 0) | (array >= size))[0]
        raise InputError(
            f"input {declared} is {array[tuple(where)]} at {position(where)}, and picks among {size}: 0 to"
            f" {size - 1} were expected{place(declared)}"
        )


def first_nan(array: Array) -> str | None:
    """Return where the first NaN of an array of floats is, or None.

    >>> first_nan(np.array([[1.0, np.inf], [np.nan, 2.0]]))
    'row 1, column 0'
    """
    return _first(array, np.isnan)


def first_not_finite(array: Array) -> str | None:
    """Return where the first NaN or infinity of an array of floats is, or None.

    >>> first_not_finite(np.array([[1.0, np.inf], [np.nan, 2.0]]))
    'row 0, column 1'
    """
    return _first(array, lambda piece: ~np.isfinite(piece))


def _first(array: Array, wrong: Callable[[Array], Array]) -> str | None:
    """Return the first place that is wrong, which only NaN and infinities can be.

    A sum of squares, fast in BLAS, tells whether a piece has any. Pieces stay in the cache, and only one at a time is
    read of a file that is mapped to memory, or copied of an array with gaps.
    """
    if array.ndim == 0:
        return position(()) if wrong(array) else None
    rows = max(PIECE_BYTES // max(array[:1].nbytes, 1), 1)
    with np.errstate(all="ignore"):
        for start in range(0, len(array), rows):
            flat = array[start : start + rows].reshape(-1)
            if not np.isfinite(np.dot(flat, flat)):
                places = np.argwhere(wrong(array[start : start + rows]))
                if len(places):
                    return position((start + places[0][0], *places[0][1:]))
    return None


def position(where: Any) -> str:
    """Return the place of an element in words."""
    names = ["row", "column", *(f"axis {k}" for k in range(2, len(where)))]
    return ", ".join(f"{name} {i}" for name, i in zip(names, where, strict=False)) or "its only element"


__all__ = ["bind", "check_labels", "convert", "first_nan", "first_not_finite", "position"]
