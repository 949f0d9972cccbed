"""Initialisers that draw nothing: zeros, ones, a number, given values, the identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..core.expression import as_array
from ..core.settings import check_number
from ..core.sizes import show_shape
from .draws import Array, Key
from .initializer import Initializer


@dataclass(frozen=True)
class Zeros(Initializer):
    """All 0, as biases start.

    >>> Zeros()((3,))
    array([0., 0., 0.], dtype=float32)
    """

    def values(self, shape: tuple[int, ...], dtype: str, key: Key) -> Array:
        """Return zeros."""
        return np.zeros(shape, dtype)


@dataclass(frozen=True)
class Ones(Initializer):
    """All 1, as the scales of a normalisation start.

    >>> Ones()((3,))
    array([1., 1., 1.], dtype=float32)
    """

    def values(self, shape: tuple[int, ...], dtype: str, key: Key) -> Array:
        """Return ones."""
        return np.ones(shape, dtype)


@dataclass(frozen=True)
class Constant(Initializer):
    """One number for all.

    >>> Constant(0.5)((3,))
    array([0.5, 0.5, 0.5], dtype=float32)
    """

    value: float = 0.0

    def __post_init__(self) -> None:
        check_number(self, "value", self.value, "finite")

    def values(self, shape: tuple[int, ...], dtype: str, key: Key) -> Array:
        """Return the number, repeated."""
        return np.full(shape, self.value, dtype)


@dataclass(frozen=True, eq=False)
class Given(Initializer):
    """Values that you have already, of exactly the weight's shape.

    >>> Given([[1.0, 2.0]])((1, 2))
    array([[1., 2.]], dtype=float32)
    """

    value: Any

    def __post_init__(self) -> None:
        as_array(self.value, "float64")  # which refuses what is not numbers

    def values(self, shape: tuple[int, ...], dtype: str, key: Key) -> Array:
        """Return a copy of the values."""
        array = as_array(self.value, dtype)
        if array.shape != shape:
            raise InputError(
                f"Given: the value has shape {show_shape(array.shape)}, and the weight has {show_shape(shape)};"
                " give an array of that shape"
            )
        return array.copy()


@dataclass(frozen=True)
class Identity(Initializer):
    """The identity matrix times ``gain``; a matrix that is not square gets 1 on its diagonal.

    Le, Jaitly and Hinton, *A simple way to initialize recurrent networks of rectified linear units*, 2015.

    >>> Identity()((2, 3))
    array([[1., 0., 0.],
           [0., 1., 0.]], dtype=float32)
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        check_number(self, "gain", self.gain, "finite")

    def values(self, shape: tuple[int, ...], dtype: str, key: Key) -> Array:
        """Return the matrix."""
        if len(shape) != 2:
            raise InputError(f"Identity: the weight has shape {show_shape(shape)}, and two axes were expected")
        return (np.eye(*shape) * self.gain).astype(dtype)


__all__ = ["Constant", "Given", "Identity", "Ones", "Zeros"]
