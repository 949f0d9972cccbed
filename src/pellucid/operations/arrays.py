"""The arithmetic builder's protocol on arrays: what a native loop's body computes, computed in NumPy or JAX.

A body written against the builder (``Operation.scalar``) runs on this one as it does on the native backend's, which
writes LLVM IR instead. So random numbers are defined once for all backends, and every body is tested without a
compiler.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dtypes import is_float

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
Array = Any


class ArrayArithmetic:
    """The builder's methods on arrays of NumPy or jax.numpy; ``backends/native/arithmetic.py`` says what each does."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def constant(self, number: Any, like: Array) -> Array:
        """Return a number in the dtype of another value."""
        return self.constant_of(number, like.dtype.name)

    def constant_of(self, number: Any, dtype: str) -> Array:
        """Return a number as an array of shape (1,), since NumPy warns where a scalar wraps around."""
        return self.xp.asarray(np.asarray([number]).astype(dtype))

    def add(self, x: Array, y: Array) -> Array:
        """x + y."""
        return x + y

    def subtract(self, x: Array, y: Array) -> Array:
        """x - y."""
        return x - y

    def multiply(self, x: Array, y: Array) -> Array:
        """x y."""
        return x * y

    def divide(self, x: Array, y: Array) -> Array:
        """x / y of floats."""
        return x / y

    def negative(self, x: Array) -> Array:
        """-x."""
        return -x

    def minimum(self, x: Array, y: Array) -> Array:
        """The smaller; NaN if either is."""
        return self.xp.minimum(x, y)

    def maximum(self, x: Array, y: Array) -> Array:
        """The larger; NaN if either is."""
        return self.xp.maximum(x, y)

    def copysign(self, magnitude: Array, sign: Array) -> Array:
        """The magnitude with another sign."""
        return self.xp.copysign(magnitude, sign)

    def quotient(self, x: Array, y: Array) -> Array:
        """The truncated quotient of integers; 0 over 0."""
        safe = self.xp.where(y == 0, self.constant(1, like=y), y)
        whole = self.xp.floor_divide(abs(x), abs(safe))  # the lowest number is its own size, and wraps as it should
        signed = self.xp.where((x < 0) != (y < 0), -whole, whole)
        return self.xp.where(y == 0, self.constant(0, like=x), signed)

    def rest(self, x: Array, y: Array) -> Array:
        """What the truncated quotient leaves; 0 over 0."""
        return self.xp.where(y == 0, self.constant(0, like=x), x - self.quotient(x, y) * y)

    def compare(self, symbol: str, x: Array, y: Array) -> Array:
        """A comparison, of NaN false but for !=."""
        return _COMPARISONS[symbol](x, y)

    def select(self, condition: Array, x: Array, y: Array) -> Array:
        """The value of x where the condition holds, of y elsewhere."""
        return self.xp.where(condition, x, y)

    def bit_and(self, x: Array, y: Array) -> Array:
        """The bits of both."""
        return x & y

    def bit_or(self, x: Array, y: Array) -> Array:
        """The bits of either."""
        return x | y

    def bit_xor(self, x: Array, y: Array) -> Array:
        """The bits that differ."""
        return x ^ y

    def bit_not(self, x: Array) -> Array:
        """The bits that are not set."""
        return ~x

    def shift_left(self, x: Array, places: Array) -> Array:
        """Bits moved up."""
        return self.xp.left_shift(x, places)

    def shift_right(self, x: Array, places: Array) -> Array:
        """Bits moved down."""
        return self.xp.right_shift(x, places)

    def convert(self, x: Array, dtype: str) -> Array:
        """The values in another dtype; floats saturate and NaN is 0, as ``elementwise.to_dtype`` defines."""
        return to_dtype(self.xp, x, dtype)

    def bitcast(self, x: Array, dtype: str) -> Array:
        """The bits as another dtype of the same width."""
        return x.view(dtype)

    def call(self, name: str, *operands: Array) -> Array:
        """The function that C's libm has under this name."""
        return getattr(self.xp, {"atan2": "arctan2", "asin": "arcsin"}.get(name, name))(*operands)

    def repeat_while(self, condition: Callable[[Array], Array], step: Callable[[Array], Array], value: Array) -> Array:
        """Replace each element by its step while its condition holds."""
        while bool((going := condition(value)).any()):
            value = self.xp.where(going, step(value), value)
        return value

    def __getattr__(self, name: str) -> Callable[..., Array]:
        """Find functions of one float (exp, log, sqrt, floor, ...) where NumPy has them."""
        return getattr(self.xp, name)  # type: ignore[no-any-return]


def to_dtype(xp: Any, x: Array, dtype: str) -> Array:
    """Return the values in another dtype: floats to integers saturate, and NaN gives 0."""
    if not is_float(x.dtype.name) or is_float(dtype) or dtype == "bool":
        return x.astype(dtype)
    limits = np.iinfo(dtype)  # outside them the conversion of C, and so of NumPy, is undefined
    fits = (x > limits.min - 1.0) & (x < limits.max + 1.0)
    nearest = xp.where(x > 0, limits.max, xp.where(x < 0, limits.min, 0)).astype(dtype)
    return xp.where(fits, xp.where(fits, x, xp.zeros_like(x)).astype(dtype), nearest)


__all__ = ["ArrayArithmetic", "to_dtype"]
