"""What a user sets: numbers of some range and choices among names, checked when they are given."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from .errors import InputError, shortened

T = TypeVar("T")
RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "finite": ("that is finite", math.isfinite),
    "positive": ("above 0", lambda x: 0 < x < math.inf),
    "nonnegative": ("0 or more", lambda x: 0 <= x < math.inf),
    "decay": ("0 or more and below 1", lambda x: 0 <= x < 1),
    "share": ("from 0 to 1", lambda x: 0 <= x <= 1),
}


def check_number(owner: object, name: str, value: Any, kind: str, or_none: bool = False) -> None:
    """Check that an argument is a number of one of the RANGES.

    Raises:
        InputError: which names ``owner`` (a string, or by its class), the argument, its value and what was expected.
    """
    expected, holds = RANGES[kind]
    if or_none and value is None:
        return
    if not is_number(value) or not holds(value):
        raise InputError(
            f"{_shown(owner)}: {name} is {value!r}, and a number {expected} was expected"
            + (", or None for none" if or_none else "")
        )


def _shown(owner: object) -> str:
    return owner if isinstance(owner, str) else type(owner).__name__


def is_number(value: Any) -> bool:
    """Whether the value is a real number; a truth value is none."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    """Whether the value is a whole number; a truth value is none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_whole(owner: object, name: str, value: Any, least: int = 1, or_none: bool = False) -> None:
    """Check that an argument is a whole number of at least ``least``.

    Raises:
        InputError: which names ``owner`` (a string, or by its class), the argument, its value and what was expected.
    """
    if or_none and value is None:
        return
    if not is_whole(value) or value < least:
        raise InputError(
            f"{_shown(owner)}: {name} is {value!r}, and a whole number of {least} or more was expected"
            + (", or None for none" if or_none else "")
        )


def check_choice(owner: object, name: str, value: Any, choices: Iterable[str | None]) -> None:
    """Check that an argument is one of some strings, or None where that is among them.

    Raises:
        InputError: which names ``owner`` (a string, or by its class), the argument, its value and the choices.
    """
    allowed = list(choices)
    if value not in allowed:
        raise InputError(
            f"{_shown(owner)}: {name} is {value!r}, and one of {', '.join(map(repr, allowed))} was expected"
        )


def by_name(what: str, given: Any, table: Mapping[str, T], such_as: str) -> T:
    """Return what a name stands for; case and underscores do not count, so that a class's name does as well.

    Args:
        what: what is looked for, in words.
        given: the name.
        table: what there is, by name.
        such_as: how one is written that is given itself, without a name.

    Raises:
        InputError: which lists the names, for anything else.

    >>> by_name("a colour", "Dark_Red", {"darkred": 1}, "Colour(0, 0, 0)")
    1
    """
    if isinstance(given, str):
        if given in table:
            return table[given]
        for name, found in table.items():
            if _plain(name) == _plain(given):
                return found
    raise InputError(f"{given!r} is not {what}; expected one such as {such_as}, or a name among {', '.join(table)}")


def nearest(given: str, known: Iterable[str]) -> str:
    """Return the advice of which known name is nearest, or which there are; case and underscores do not count.

    >>> nearest("conv2d", ["Conv2D", "Dense"]), nearest("tree", ["Conv2D", "Dense"])
    ("did you mean 'Conv2D'?", 'expected one of Conv2D, Dense')
    """
    names = list(known)
    plain = {_plain(name): name for name in names}
    near = difflib.get_close_matches(_plain(given)[:100], plain, 1, 0.6)
    return f"did you mean {plain[near[0]]!r}?" if near else f"expected one of {shortened(', '.join(names), 300)}"


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


__all__ = ["by_name", "check_choice", "check_number", "check_whole", "is_number", "is_whole", "nearest"]
