"""Where expressions come from: the user's file and line, or a layer's path; kept beside the nodes and not in them."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What the package may be called through: itself, and what wraps its functions.
PASSED_OVER = (PACKAGE, functools.__file__, contextlib.__file__)
MOST_ORIGINS = 8


class Origin(NamedTuple):
    """A place in the user's code; or a layer, whose path stands for the file, and which has no line."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}" if self.line else f"layer {self.file}"


_origins: WeakKeyDictionary[Any, dict[Origin, None]] = WeakKeyDictionary()
_names: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
_current = threading.local()


def here() -> Origin | None:
    """Return the line of user's code that is running: the innermost frame outside this package."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(PASSED_OVER):
        frame = frame.f_back
    return Origin(frame.f_code.co_filename, frame.f_lineno) if frame is not None else None


@contextlib.contextmanager
def origin_of(*nodes: Any) -> Iterator[None]:
    """Give the nodes made inside the block the origins of ``nodes`` instead of the line that runs."""
    before = getattr(_current, "origins", None)
    _current.origins = [origin for node in nodes for origin in origins(node)]
    try:
        yield
    finally:
        _current.origins = before


@contextlib.contextmanager
def inside(name: str) -> Iterator[str]:
    """Give the nodes made inside the block the path of a layer as their origin; yields the path.

    >>> with inside("block"), inside("dense") as path:
    ...     print(path)
    block/dense
    """
    before, outer = getattr(_current, "origins", None), getattr(_current, "path", "")
    _current.path = "/".join(part for part in (outer, name) if part)
    if _current.path:
        _current.origins = [Origin(_current.path)]
    try:
        yield _current.path
    finally:
        _current.origins, _current.path = before, outer


def path() -> str:
    """Return the path of the layer whose call is running, or nothing."""
    running: str = getattr(_current, "path", "")
    return running


def record(node: Any) -> None:
    """Note where a node was made (again)."""
    inherited: Iterable[Origin] | None = getattr(_current, "origins", None)
    known = _origins.setdefault(node, {})
    if len(known) < MOST_ORIGINS:
        if inherited is None:
            place = here()
            inherited = (place,) if place else ()
        for origin in inherited:
            known.setdefault(origin)


def origins(node: Any) -> tuple[Origin, ...]:
    """Return the places a node came from, in the order they were met."""
    return tuple(_origins.get(node, ()))


def place(*nodes: Any) -> str:
    """Return ' (made at file:line, ...)' for an error message, and in which layer's call it arises, as far as known."""
    found = dict.fromkeys(str(origin) for node in nodes for origin in origins(node))
    known = [f"made at {', '.join(found)}"] if found else []
    if path() and f"layer {path()}" not in found:
        known.append(f"in layer {path()}")
    return f" ({'; '.join(known)})" if known else ""


def set_name(node: Any, name: str) -> None:
    """Give a node a name to print."""
    _names[node] = name


def name_of(node: Any) -> str | None:
    """Return the name a node prints under, if it has one."""
    return _names.get(node)
