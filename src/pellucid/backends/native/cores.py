"""How many threads a step runs on: what the user says, or as many as this process has cores.

A process often has fewer cores than the machine: an administrator or a launcher pins it to some (its affinity), and a
container has a quota of processor time (its cgroup). Threads beyond those only take turns. What starts several
processes beside each other, as joblib does, says in OMP_NUM_THREADS how many threads each may have.
"""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path, PurePosixPath

from ...core.errors import PellucidError
from .machine import cores

VARIABLE, COMMON_VARIABLE = "PELLUCID_THREADS", "OMP_NUM_THREADS"
MOST_THREADS = 1024


def thread_count() -> int:
    """Return how many threads to run on: PELLUCID_THREADS, or as many as this process has cores.

    Without PELLUCID_THREADS, OMP_NUM_THREADS is the most there are, as for other numerical libraries. The variables and
    the affinity are read at each call, so that a change holds from the next call of a function on. Results do not
    depend on the number: it may change between two calls.

    Raises:
        PellucidError: the variable is no whole number from 1 to `MOST_THREADS`.

    >>> thread_count() >= 1
    True
    """
    given = os.environ.get(VARIABLE)
    return _chosen(given) if given else min(cores(), _share(), _common(), MOST_THREADS)


def _common() -> int:
    """Return the limit that all numerical libraries are given: its first number, where it is one."""
    first = os.environ.get(COMMON_VARIABLE, "").split(",")[0].strip()
    number = int(first) if first.isascii() and first.isdecimal() and len(first) < 10 else 0
    return number or MOST_THREADS


@cache
def _chosen(given: str) -> int:
    text = given.strip()
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    if 1 <= number <= MOST_THREADS:
        return number
    raise PellucidError(
        f"{VARIABLE} is {given!r}; expected a whole number of threads from 1 to {MOST_THREADS}, such as 4. Leave it"
        " unset to use every core that this process may use"
    )


@cache
def _share() -> int:
    """Return how many threads the quota of this process feeds: read once, as it hardly ever changes."""
    return max(1, math.ceil(min(quota(), MOST_THREADS)))


def quota(root: Path = Path("/")) -> float:
    """Return how many cores' time the cgroup of this process may use; infinity where nothing limits it.

    Each cgroup is limited by those it lies in as well, and the least of all holds. Linux's documentation: *Control
    Group v2*, "CPU Interface Files" (cpu.max), and, for version 1, *CFS Bandwidth Control*.

    Args:
        root: where ``proc`` and ``sys`` are.

    >>> quota() > 0
    True
    """
    limits = [math.inf]
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        # A container may be told a path that it cannot see, or only the end of it: what there is counts.
        group = PurePosixPath(*(part for part in path.split("/") if part not in ("", "..")))
        for place in (group, *group.parents):
            if number == "0":
                limits += [_second(root / "sys/fs/cgroup" / mount / place) for mount in ("", "unified")]
            elif "cpu" in controllers.split(","):
                limits += [_first(root / "sys/fs/cgroup" / mount / place) for mount in ("cpu", controllers)]
    return min(limits)


def _second(group: Path) -> float:
    """Return the limit of a cgroup of version 2: ``cpu.max`` holds a quota or "max", and the period it is for."""
    return _cores(*_text(group / "cpu.max").split())


def _first(group: Path) -> float:
    """Return the limit of a cgroup of version 1, where the quota is -1 if there is none."""
    return _cores(_text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us"))


def _cores(quota: str = "", period: str = "") -> float:
    try:
        given, every = int(quota), int(period)
    except ValueError:
        return math.inf
    return given / every if given > 0 and every > 0 else math.inf


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
