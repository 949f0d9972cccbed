"""Copies of parameters' values, to go back to: the last good weights, or the best."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .expression import Parameter, locked, storage_of


class Snapshot:
    """Room for the values that some parameters have at one moment: nothing is in it before ``take``; see ``snapshot``.

    Parameters that were not drawn yet are drawn.

    Attributes:
        values: the copy of each parameter's value, in the order of the parameters.
    """

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.parameters = tuple(parameters)
        with locked(self.parameters):
            self.values: list[np.ndarray[Any, Any]] = [np.empty_like(storage_of(p).array) for p in self.parameters]

    def take(self) -> None:
        """Copy the present values, in place of the earlier ones if there are."""
        with locked(self.parameters):
            for parameter, kept in zip(self.parameters, self.values, strict=True):
                np.copyto(kept, storage_of(parameter).array)

    def restore(self) -> None:
        """Give every parameter the value that was copied."""
        with locked(self.parameters):
            for parameter, kept in zip(self.parameters, self.values, strict=True):
                storage_of(parameter).store(kept)


def snapshot(parameters: Iterable[Parameter]) -> Snapshot:
    """Return a copy of the values that parameters have now, all of one moment, to restore later.

    Parameters that were not drawn yet are drawn. Memory is allocated here alone: ``take`` and ``restore`` copy.

    >>> import pellucid as pc
    >>> W = pc.parameter([1.0, 2.0])
    >>> before = snapshot([W])
    >>> W.value = [3.0, 4.0]
    >>> before.restore()
    >>> W.value
    array([1., 2.], dtype=float32)
    """
    made = Snapshot(parameters)
    made.take()
    return made


__all__ = ["Snapshot", "snapshot"]
