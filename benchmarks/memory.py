"""How much memory a process took at most since a given moment."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def field(name: str) -> int | None:
    """A line of /proc/self/status in bytes; None where there is no such file or line."""
    if not STATUS.exists():
        return None
    lines = (line.split() for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines())
    return next((int(words[1]) * 1024 for words in lines if words and words[0] == f"{name}:"), None)


def peak() -> int:
    """The largest resident size so far, in bytes."""
    counted = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return field("VmHWM") or (counted if sys.platform == "darwin" else counted * 1024)


class Memory:
    """Counts from when it is made: after importing and loading data, before the engine is asked for anything."""

    def __init__(self) -> None:
        with contextlib.suppress(OSError):
            CLEAR.write_text("5", encoding="ascii")  # Linux: the largest size so far starts again from the present one
        self.before = field("VmRSS") or peak()

    def taken(self) -> int:
        """Bytes that the largest resident size since then lies above the one at the start."""
        return max(peak() - self.before, 0)
