"""Values of generated code: what an LLVM name or constant stands for, and how constants are spelt."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache

from ...core.errors import InternalError

Number = bool | int | float

_TYPES = {
    "bool": "i1",
    "uint8": "i8",
    "int32": "i32",
    "uint32": "i32",
    "int64": "i64",
    "float32": "float",
    "float64": "double",
}
_SUFFIXES = {
    "bool": "i1",
    "uint8": "i8",
    "int32": "i32",
    "uint32": "i32",
    "int64": "i64",
    "float32": "f32",
    "float64": "f64",
}
BITS = {"bool": 1, "uint8": 8, "int32": 32, "uint32": 32, "int64": 64, "float32": 32, "float64": 64}
BYTES = {"bool": 1, "uint8": 1, "int32": 4, "uint32": 4, "int64": 8, "float32": 4, "float64": 8}


@dataclass(unsafe_hash=True, repr=False)
class Value:
    """A scalar (``lanes`` 0) or a vector of generated code.

    Attributes:
        text: an LLVM name or constant, without its type.
        dtype: the element type; ``bool`` is ``i1``.
        lanes: how many elements; 0 for a scalar.
        number: the value of every element, where it is known.
    """

    text: str
    dtype: str
    lanes: int = 0
    number: Number | None = None

    @property
    def type(self) -> str:
        """Its LLVM type."""
        return llvm_type(self.dtype, self.lanes)

    @property
    def typed(self) -> str:
        """Type and text, as operands are written."""
        return f"{self.type} {self.text}"


@cache
def llvm_type(dtype: str, lanes: int = 0) -> str:
    """Return the LLVM type of values of a dtype.

    >>> llvm_type("float32", 16), llvm_type("bool")
    ('<16 x float>', 'i1')
    """
    return f"<{lanes} x {_TYPES[dtype]}>" if lanes else _TYPES[dtype]


@cache
def memory_type(dtype: str, lanes: int = 0) -> str:
    """Return the LLVM type of a dtype in memory, where a bool takes a byte.

    >>> memory_type("bool", 4)
    '<4 x i8>'
    """
    return llvm_type("uint8" if dtype == "bool" else dtype, lanes)


def suffix(dtype: str, lanes: int = 0) -> str:
    """Return how intrinsics name a type, such as ``v16f32``."""
    return f"v{lanes}{_SUFFIXES[dtype]}" if lanes else _SUFFIXES[dtype]


def literal(number: Number, dtype: str) -> str:
    """Return a number as an LLVM constant; floats as the bits of the nearest double, which loses nothing.

    >>> literal(1.0, "float32"), literal(True, "bool"), literal(-1, "int32")
    ('0x3FF0000000000000', 'true', '-1')
    """
    if dtype == "bool":
        return "true" if number else "false"
    if dtype == "float32":
        return f"0x{_double_bits(_nearest_float32(float(number))):016X}"
    if dtype == "float64":
        return f"0x{_double_bits(float(number)):016X}"
    if dtype in BITS and number == int(number):
        return str(int(number))
    raise InternalError(f"{number!r} is not a constant of dtype {dtype}")


def constant_value(number: Number, dtype: str, lanes: int = 0) -> Value:
    """Return a constant, the same in every lane."""
    text = literal(number, dtype)
    if lanes:
        text = f"splat ({llvm_type(dtype)} {text})"
    return Value(text, dtype, lanes, number)


def _nearest_float32(number: float) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def _double_bits(number: float) -> int:
    return int(struct.unpack("<Q", struct.pack("<d", number))[0])
