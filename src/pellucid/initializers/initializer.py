"""What every initialiser has: the call, and the checks of what it is given."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.dtypes import check_dtype, is_float
from ..core.errors import DtypeError, InputError
from ..operations.random import WORD
from .draws import Array, Key


class Initializer:
    """A way to choose the values that weights start from. One of your own is a subclass with a ``values``.

    Calling it with a shape, a dtype and a key gives an array; the same three give the same array, always.

    >>> class Alternating(Initializer):
    ...     def values(self, shape, dtype, key):
    ...         return (-1.0) ** np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    >>> Alternating()((2, 2))
    array([[ 1., -1.],
           [ 1., -1.]], dtype=float32)
    """

    def __call__(self, shape: Sequence[int], dtype: Any = "float32", key: Key = (0, 0)) -> Array:
        """Return the values of a weight.

        Args:
            shape: its axes, numbers of 0 or more.
            dtype: float32 or float64.
            key: two words (uint32) that tell one weight from another; ``key_of`` makes them of a seed and a path.

        Raises:
            InputError: if the shape or the key is not that, or does not suit the initialiser.
            DtypeError: if the dtype is not of floats.
        """
        wanted = check_dtype(dtype)
        if not is_float(wanted):
            raise DtypeError(f"{self._shown}: weights are float32 or float64, not {wanted}")
        return self.values(self._axes(shape), wanted, self._words(key))

    def values(self, shape: tuple[int, ...], dtype: str, key: Key) -> Array:
        """Return the values, of arguments that have been checked."""
        raise NotImplementedError(f"{self._shown} has no values(shape, dtype, key), which an initialiser needs")

    @property
    def _shown(self) -> str:
        return type(self).__name__

    def _axes(self, shape: Any) -> tuple[int, ...]:
        try:
            axes = tuple(operator.index(n) for n in shape)
        except TypeError:
            axes = (-1,)
        if any(n < 0 for n in axes):
            raise InputError(f"{self._shown}: shape is {shape!r}, and whole numbers of 0 or more were expected")
        return axes

    def _words(self, key: Any) -> Key:
        words = tuple(key) if isinstance(key, tuple | list | np.ndarray) else ()
        if len(words) != 2 or not all(isinstance(w, int | np.integer) and 0 <= w <= WORD for w in words):
            raise InputError(
                f"{self._shown}: key is {key!r}, and two whole numbers from 0 to 2**32 - 1 were expected;"
                " pc.initializers.key_of(seed, path) makes them"
            )
        return int(words[0]), int(words[1])


__all__ = ["Initializer"]
