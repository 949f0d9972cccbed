"""The one form of data that readers return and training takes: rows, their labels, and what both are called."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Labelled(NamedTuple):
    """Rows with a label each.

    Attributes:
        inputs: of shape (n, ...), a row for each example.
        labels: of shape (n,): int32 for classes, float32 for numbers.
        classes: the names of the classes, in the order of their labels; () if the labels are numbers.
        names: what each row is called, such as its file; () if it is called nothing.

    >>> found = Labelled(np.zeros((2, 3), "float32"), np.array([0, 1], "int32"), ("cat", "dog"))
    >>> found.classes[found.labels[1]]
    'dog'
    """

    inputs: Array
    labels: Array
    classes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


__all__ = ["Labelled"]
