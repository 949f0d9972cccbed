"""What data must be before a network learns from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import MissingExtraError, NotANumberError

AXES = ("row", "column")


def check_finite(name: str, array: Any) -> np.ndarray[Any, Any]:
    """Return the data as an array, after checking that every number in it is finite.

    Args:
        name: what the data is called in the message.
        array: numbers of any shape; integers and truth values are always finite.

    Raises:
        NotANumberError: if one of them is NaN or infinite; it names the first one's row and column.

    >>> check_finite("points", [[1.0, 2.0], [3.0, 4.0]]).shape
    (2, 2)
    >>> check_finite("points", [[1.0, 2.0], [3.0, float("nan")]])
    Traceback (most recent call last):
    ...
    pellucid.core.errors.NotANumberError: points is NaN at row 1, column 1 (1 of its 4 numbers is not finite)...
    """
    values = np.asarray(array)
    if values.dtype.kind != "f":
        return values
    finite = np.isfinite(values)
    if finite.all():
        return values
    first = tuple(int(i) for i in np.argwhere(~finite)[0])
    what = "NaN" if np.isnan(values[first]) else "infinite"
    bad = int(np.count_nonzero(~finite))
    raise NotANumberError(
        f"{name} is {what}{_position(first)} ({bad} of its {values.size} numbers {'is' if bad == 1 else 'are'} not"
        " finite); remove those rows, or replace the numbers, before training"
    )


def _position(index: tuple[int, ...]) -> str:
    if not index:
        return ""
    if len(index) <= len(AXES):
        return " at " + ", ".join(f"{axis} {i}" for axis, i in zip(AXES, index, strict=False))
    return f" at index {index}"


def without_scikit_learn(what: str) -> MissingExtraError:
    """Return what to raise where scikit-learn, which draws something, is not installed."""
    return MissingExtraError(f"{what} need scikit-learn, which is not installed; try: pip install pellucid[learn]")
