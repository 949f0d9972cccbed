"""Classes as they are drawn: what was predicted as numbers of classes, and what the classes are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import InputError, ShapeError

Array = np.ndarray[Any, Any]
LONGEST_NAME = 24


def predicted_classes(predicted: Any) -> tuple[Array, Array | None]:
    """Return the class that was predicted for each example, and its probability where that is known.

    Args:
        predicted: the classes, whole numbers of shape (n,); or what ``Model.predict`` returns, the probability of each
            class, of shape (n, classes), or that of class 1, of shape (n, 1).

    Raises:
        ShapeError: if it has another shape.

    >>> classes, probability = predicted_classes(np.array([[0.9, 0.1], [0.25, 0.75]]))
    >>> classes.tolist(), probability.tolist()
    ([0, 1], [0.9, 0.75])
    """
    found = np.asarray(predicted)
    if found.ndim == 1 and found.dtype.kind in "iub":
        return found.astype(np.int64), None
    if found.ndim != 2 or not found.shape[-1] or found.dtype.kind not in "fiu":
        raise ShapeError(
            f"what was predicted has shape {found.shape} and dtype {found.dtype}; expected the classes, whole numbers"
            " of shape (n,), or probabilities of shape (n, classes), as model.predict returns them"
        )
    if found.shape[1] == 1:
        found = np.concatenate([1 - found, found], axis=1)
    classes = found.argmax(axis=1)
    return classes, found[np.arange(len(found)), classes]


def checked_labels(labels: Any, count: int) -> Array:
    """Return the classes of examples as an array of shape (n,).

    Raises:
        ShapeError: if there is not one for each of ``count`` examples.
        InputError: if they are not whole numbers from 0.
    """
    given = np.asarray(labels)
    if given.shape not in ((count,), (count, 1)):
        raise ShapeError(f"the labels have shape {given.shape}; expected ({count},), one for each example")
    numbers = given.reshape(-1).astype(np.int64)
    if (numbers != given.reshape(-1)).any() or (numbers < 0).any():
        raise InputError("the labels are not whole numbers from 0; expected the number of a class for each example")
    return numbers


def class_names(classes: int | Sequence[str] | None, *used: Array) -> list[str]:
    """Return what the classes are called.

    Args:
        classes: their names in the order of their numbers; or how many there are, or None for as many as are used,
            which are called by their numbers.
        used: numbers of classes, which all have to have a name.

    Raises:
        InputError: if a number has no name.
    """
    most = max((int(part.max()) for part in used if part.size), default=0)
    if classes is None or (not isinstance(classes, int) and not len(classes)):
        classes = most + 1
    names = [str(k) for k in range(classes)] if isinstance(classes, int) else [str(name) for name in classes]
    if most >= len(names):
        raise InputError(f"there are {len(names)} classes, and an example is of class {most}; give all their names")
    return names


def shortened_name(name: str, most: int = LONGEST_NAME) -> str:
    """Return a name as it fits beside a picture."""
    return name if len(name) <= most else name[: most - 1] + "…"


__all__ = ["checked_labels", "class_names", "predicted_classes", "shortened_name"]
