"""What the command line tells of the data sets that recipes use: where each was found, or how to get it."""

from __future__ import annotations

from typing import Any

from ..data.known import SETS, Found, KnownSet, folders, instructions, look
from .screen import Screen


def data(screen: Screen, as_json: bool = False) -> None:
    """Show the known data sets, having checked those that are there.

    Args:
        screen: where it is shown.
        as_json: write it as JSON, for programs.
    """
    found = {name: look(name) for name in SETS}
    if as_json:
        sets = [_as_data(SETS[name], where) for name, where in found.items()]
        screen.data({"folders": [str(folder) for folder in folders()], "sets": sets})
        return
    screen.heading("Data sets")
    rows = [[name, _state(where), str(where.path or "")] for name, where in found.items()]
    screen.table(["set", "state", "where"], rows)
    for name, where in found.items():
        if where.path is None or where.problem:
            screen.heading(name)
            screen.say(where.problem or instructions(SETS[name]))


def _state(found: Found) -> str:
    if found.path is None:
        return "not found"
    return "damaged" if found.problem else "found"


def _as_data(known: KnownSet, found: Found) -> dict[str, Any]:
    return {
        **known._asdict(),
        "files": [file._asdict() for file in known.files],
        "state": _state(found),
        "path": None if found.path is None else str(found.path),
        "problem": found.problem,
    }
