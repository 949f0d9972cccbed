"""The system's mathematical library: the functions generated code may call, one lane at a time.

They serve operations that are rare in training and have no vector body of their own. Names are C's (ISO C17,
section 7.12); the float32 variant of each ends in ``f``.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

from ...core.errors import InternalError

ONE_OPERAND = (
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "cbrt", "cos", "cosh", "erf", "erfc", "exp", "exp2",
    "expm1", "lgamma", "log", "log10", "log1p", "log2", "sin", "sinh", "tan", "tanh", "tgamma",
)  # fmt: skip
TWO_OPERANDS = ("atan2", "fmod", "hypot", "nextafter", "pow", "remainder")
FUNCTIONS = dict.fromkeys(ONE_OPERAND, 1) | dict.fromkeys(TWO_OPERANDS, 2)

# What LLVM may call for instructions the target lacks, or for memory it clears and copies in bulk.
_FROM_THE_COMPILER = ("ceil", "floor", "rint", "trunc", "fma", "nearbyint", "roundeven")


def symbol(name: str, dtype: str) -> str:
    """Return the C name of a function for a float dtype."""
    if name not in FUNCTIONS or dtype not in ("float32", "float64"):
        raise InternalError(f"libm has no {name} of {dtype} that generated code may call")
    return name + "f" if dtype == "float32" else name


def compiler_names() -> tuple[str, ...]:
    """Return the C names of what LLVM may call by itself."""
    return tuple(name + ending for name in _FROM_THE_COMPILER for ending in ("", "f"))


@cache
def address(name: str) -> int | None:
    """Return where a C function of libm stands in this process, or None if it is not there."""
    function = getattr(_library(), name, None)
    return None if function is None else ctypes.cast(function, ctypes.c_void_p).value


def anywhere(name: str) -> int | None:
    """Return where a function of libm, or else of any library of this process, stands, or None."""
    found = address(name)
    function = getattr(_process(), name, None) if found is None else None
    return found if function is None else ctypes.cast(function, ctypes.c_void_p).value


@cache
def _process() -> ctypes.CDLL:
    return ctypes.CDLL(None)


@cache
def _library() -> ctypes.CDLL:
    """Open libm by name: the Python program itself need not have been linked with it."""
    return ctypes.CDLL("libm.so.6" if sys.platform == "linux" else None)
