"""The arguments of optimisers and schedules, checked when they are given."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.errors import InputError

RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "positive": ("above 0", lambda x: 0 < x < math.inf),
    "nonnegative": ("0 or more", lambda x: 0 <= x < math.inf),
    "decay": ("0 or more and below 1", lambda x: 0 <= x < 1),
    "share": ("from 0 to 1", lambda x: 0 <= x <= 1),
}


def check_number(owner: object, name: str, value: Any, kind: str, or_none: bool = False) -> None:
    """Check that an argument is a number of one of the RANGES.

    Raises:
        InputError: which names the class of ``owner``, the argument, its value and what was expected.
    """
    expected, holds = RANGES[kind]
    if or_none and value is None:
        return
    if not is_number(value) or not holds(value):
        raise InputError(
            f"{type(owner).__name__}: {name} is {value!r}, and a number {expected} was expected"
            + (", or None for none" if or_none else "")
        )


def is_number(value: Any) -> bool:
    """Whether the value is a real number; a truth value is none."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


__all__ = ["check_number", "is_number"]
