"""NumPy's functions and the builder's methods on values that JAX traces, whose numbers are not known yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...operations.arrays import Array, ArrayArithmetic
from .library import jax


class TracedArithmetic(ArrayArithmetic):
    """``ArrayArithmetic`` where no value can be looked at."""

    def __init__(self) -> None:
        super().__init__(jax().numpy)

    def constant_of(self, number: Any, dtype: str) -> Array:
        """Return a number as a scalar of a dtype, which XLA writes into its code."""
        return self.xp.asarray(np.asarray(number).astype(dtype))

    def repeat_while(self, condition: Callable[[Array], Array], step: Callable[[Array], Array], value: Array) -> Array:
        """Replace each element by its step while its condition holds."""

        def again(now: Array) -> Array:
            return self.xp.where(condition(now), step(now), now)

        return jax().lax.while_loop(lambda now: self.xp.any(condition(now)), again, value)


HALF = "bfloat16"


class TracedNumpy:
    """``jax.numpy``, whose products of float32 are what they are asked to be.

    Args:
        precision: "bfloat16" multiplies in it and adds in float32; None keeps all bits of float32, of which a GPU
            would take fewer by itself.
    """

    def __init__(self, precision: str | None) -> None:
        self._numpy, self.precision = jax().numpy, precision

    def __getattr__(self, name: str) -> Any:
        return getattr(self._numpy, name)

    def take(self, x: Any, indices: Any, axis: int) -> Any:
        """Return the slices of x at indices which the operations keep inside: none are to be marked as outside."""
        return self._numpy.take(x, indices, axis=axis, mode="clip")

    def matmul(self, x: Any, y: Any) -> Any:
        """Return the matrix product."""
        return self.product(self._numpy.matmul, x, y)

    def product(self, multiply: Callable[..., Any], x: Any, y: Any) -> Any:
        """Return what ``multiply(x, y, precision=...)`` does, which is linear in both."""
        if x.dtype != "float32":
            return multiply(x, y, precision=None)
        if self.precision != HALF:
            return multiply(x, y, precision=jax().lax.Precision.HIGHEST)
        return multiply(x.astype(HALF), y.astype(HALF), precision=None).astype("float32")


def counted(shape: tuple[int, ...]) -> Any:
    """Return the number of each element of an array, row after row (uint32).

    It is a sum over the axes, so that each device can count its own rows by itself.
    """
    lax, numpy = jax().lax, jax().numpy
    total, width = numpy.zeros(shape, "uint32"), 1
    for axis in reversed(range(len(shape))):
        total = total + lax.broadcasted_iota("uint32", shape, axis) * numpy.uint32(width & 0xFFFFFFFF)
        width *= shape[axis]
    return total


__all__ = ["HALF", "TracedArithmetic", "TracedNumpy", "counted"]
