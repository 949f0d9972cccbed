"""What the command line tells of the disk cache of compiled programs, and clearing it."""

from __future__ import annotations

import time

from ..backends.native.cache import clear, kept
from ..core.memory import show_bytes
from .screen import Screen


def cache(screen: Screen, clearing: bool = False, as_json: bool = False) -> None:
    """Show what the disk cache holds, having cleared it first if that is asked for.

    Args:
        screen: where it is shown.
        clearing: remove everything in it.
        as_json: write it as JSON, for programs.

    Raises:
        PellucidError: the folder cannot be looked at or cleared.
    """
    removed = clear() if clearing else 0
    found = kept()
    if as_json:
        screen.data({**found._asdict(), "removed": removed})
        return
    if clearing:
        screen.say(f"{removed} files removed from {found.folder}")
        return
    facts = [
        ("folder", found.folder),
        ("programs", f"{found.programs:,}"),
        ("measurements", f"{found.measurements:,}"),
        ("size", f"{show_bytes(found.bytes)} of at most {show_bytes(found.limit)}"),
    ]
    if found.oldest is not None and found.newest is not None:
        facts += [("least recent use", _date(found.oldest)), ("most recent use", _date(found.newest))]
    screen.heading("Compiled programs kept on disk")
    screen.facts(facts)


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
