"""Element types and how they mix.

The dtypes are NumPy's names. Booleans promote to integers, integers to floats, and within a kind the wider
wins; an integer array with a float array takes the float's dtype, as in JAX. Of int32 and uint32, which are equally
wide, uint32 wins, as in C. Python scalars are weak: they take the dtype of what they meet.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DtypeError

BOOL = "bool"
INTEGERS = ("uint8", "int32", "uint32", "int64")
FLOATS = ("float32", "float64")
DTYPES = (BOOL, *INTEGERS, *FLOATS)


def check_dtype(dtype: object) -> str:
    """Return the canonical name of a dtype (a name, a Python type or a NumPy dtype).

    Python's ``float`` and ``int`` are float32 and int32, the dtypes that its numbers take on their own.

    Raises:
        DtypeError: Pellucid has no such dtype.

    >>> check_dtype(float), check_dtype(np.uint8), check_dtype("float64")
    ('float32', 'uint8', 'float64')
    """
    if dtype is float:
        return "float32"
    if dtype is int:
        return "int32"
    try:
        name = np.dtype(dtype).name  # type: ignore[call-overload]
    except TypeError:
        name = str(dtype)
    if name not in DTYPES:
        raise DtypeError(f"{name} is not a dtype of Pellucid; use one of {', '.join(DTYPES)}")
    return str(name)


def is_float(dtype: str) -> bool:
    """Whether the dtype is a floating-point one."""
    return dtype in FLOATS


def promote(*dtypes: str) -> str:
    """Return the dtype of a mixture.

    >>> promote("int32", "float32"), promote("float32", "float64"), promote("uint8", "int32")
    ('float32', 'float64', 'int32')
    """
    return max(dtypes, key=DTYPES.index)


def weak_dtype(value: Any, other: str | None) -> str:
    """Return the dtype a Python scalar takes beside an expression of dtype ``other`` (None: on its own)."""
    if isinstance(value, bool | np.bool_):
        return other or BOOL
    if isinstance(value, int | np.integer):
        return other if other in INTEGERS or other in FLOATS else "int32"
    return other if other in FLOATS else "float32"


def default_dtype(array: np.ndarray[Any, Any]) -> str:
    """Return the dtype in which an array enters an expression: every float as float32, and every integer as int32.

    Only uint8, uint32 and bool stay what they are.
    """
    name = array.dtype.name
    if array.dtype.kind == "f":
        return "float32"
    if array.dtype.kind in "iu" and name not in ("uint8", "uint32"):
        return "int32"
    return check_dtype(array.dtype)


def check_whole_numbers(array: np.ndarray[Any, Any], dtype: str) -> None:
    """Check that floats which are to be integers have no fractions.

    Raises:
        DtypeError: one has, or is no number.
    """
    with np.errstate(invalid="ignore"):
        broken = array[array % 1 != 0]
    if broken.size:
        raise DtypeError(f"{broken.flat[0]} is no whole number, and {dtype} was asked for; round it, or ask for floats")
