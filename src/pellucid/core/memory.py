"""Memory: amounts as people write them, how much of it this machine has, and refusing what does not fit.

What is refused would otherwise end the process, long after it was started: Linux promises memory freely, and
kills whoever then uses it.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .errors import MemoryNeededError, PellucidError
from .expression import Expression
from .origins import place
from .sizes import count, show_shape

# No machine has so much; offsets of this size can still be added up in 64 bits.
MOST_BYTES = 2**60
# What is smaller is not checked: asking how much is free takes about as long as filling a megabyte.
UNCHECKED_BYTES = 2**26
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.ASCII | re.IGNORECASE)


class Memory(NamedTuple):
    """The memory of this machine, or of the part of it that this process may use, in bytes.

    Attributes:
        total: how much there is.
        available: how much may be used now without another process losing any, with free swap space.
    """

    total: int
    available: int


def parse_bytes(text: str) -> int:
    """Return an amount of memory from text such as "32K", "1.5 GiB" or "4096"; units are powers of 1024.

    Raises:
        PellucidError: the text is no amount.

    >>> parse_bytes("32K"), parse_bytes("1.5 GiB")
    (32768, 1610612736)
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise PellucidError(f"{text!r} is not an amount of memory; expected a number and a unit, such as 32K or 256M")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def show_bytes(amount: float) -> str:
    """Return an amount of memory in the unit that leaves one to four digits.

    >>> show_bytes(512), show_bytes(32 * 2**10), show_bytes(1.5 * 2**30), show_bytes(2**80)
    ('512 B', '32 KiB', '1.5 GiB', '1.1e+12 TiB')
    """
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    power = 0
    while amount >= 1024 and power < len(units) - 1:
        amount, power = amount / 1024, power + 1
    digits = f"{amount:.2g}" if amount >= 1e4 else f"{amount:.0f}" if amount >= 100 else f"{amount:.1f}"
    return f"{digits.removesuffix('.0')} {units[power]}"


def memory(root: Path = Path("/")) -> Memory:
    """Return how much memory there is: the machine's, or less where a control group or ulimit allows less.

    Args:
        root: where ``proc`` and ``sys`` are.

    >>> 0 < memory().available
    True
    """
    numbers = _meminfo(root)
    total = numbers.get("MemTotal", 0) or _sysconf("SC_PHYS_PAGES")
    free = numbers.get("MemAvailable", 0) or _sysconf("SC_AVPHYS_PAGES")
    for limit, used in _control_groups(root):
        total, free = min(total, limit), min(free, max(limit - used, 0))
    return Memory(total, min(free + numbers.get("SwapFree", 0), _address_space(root)))


def require_memory(amount: int, what: str) -> None:
    """Check, before it is asked for, that there is as much memory as something needs.

    Args:
        amount: bytes.
        what: what needs them, as the message begins.

    Raises:
        MemoryNeededError: there is less.
    """
    if amount <= UNCHECKED_BYTES:
        return
    available = memory().available
    if amount > available:
        raise MemoryNeededError(
            f"{what} needs {show_bytes(amount)} of memory, and {show_bytes(available)} are available; take fewer"
            " rows or steps at a time, or return less (sums and means instead of whole arrays)"
        )


def bytes_of(nodes: Iterable[Expression]) -> int:
    """Return how many bytes the values of some expressions take together; their sizes are numbers."""
    total = 0
    for node in nodes:
        elements = count(node.shape)
        assert isinstance(elements, int), "the sizes are bound"
        total += elements * np.dtype(node.dtype).itemsize
    return total


def check_addressable(nodes: Iterable[Expression]) -> None:
    """Check that every value of some expressions, whose sizes are numbers, could lie in a computer's memory.

    Raises:
        MemoryNeededError: one could not.
    """
    for node in nodes:
        amount = bytes_of([node])
        if amount > MOST_BYTES:
            raise MemoryNeededError(
                f"{node} has shape {show_shape(node.shape)}, which is {show_bytes(amount)} of {node.dtype}, more"
                f" than any computer has{place(node)}; check the sizes of its axes"
            )


def _meminfo(root: Path) -> dict[str, int]:
    numbers = {}
    for line in _lines(root / "proc" / "meminfo"):
        words = line.replace(":", " ").split()
        if len(words) >= 2 and words[1].isdigit():
            numbers[words[0]] = int(words[1]) * 1024
    return numbers


def _sysconf(name: str) -> int:
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return max(os.sysconf(name), 0) * os.sysconf("SC_PAGE_SIZE")
    return 2**63  # unknown, and nothing is refused


def _control_groups(root: Path) -> Iterator[tuple[int, int]]:
    """Return limit and use of every control group this process is in: version 2 and 1, up to the root."""
    for line in _lines(root / "proc" / "self" / "cgroup"):
        parts = line.split(":", 2)
        if len(parts) != 3 or parts[1] not in ("", "memory"):
            continue
        version2 = parts[1] == ""
        top = root / "sys" / "fs" / "cgroup" / ("" if version2 else "memory")
        names = ("memory.max", "memory.current") if version2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        folder = top / parts[2].strip("/")
        while True:
            limit, used = _number(folder / names[0]), _number(folder / names[1])
            if limit is not None and used is not None:
                yield limit, used - _reclaimable(folder / "memory.stat", "" if version2 else "total_")
            if folder == top:
                break
            folder = folder.parent


def _reclaimable(path: Path, prefix: str) -> int:
    """Return how much of a group's use is files kept in memory, which the system gives up when it needs room."""
    names = (f"{prefix}inactive_file", f"{prefix}active_file")
    words = (line.split() for line in _lines(path))
    return sum(int(w[1]) for w in words if len(w) == 2 and w[0] in names)


def _address_space(root: Path) -> int:
    """Return how much more the process may map under its own limit (ulimit -v)."""
    for line in _lines(root / "proc" / "self" / "limits"):
        if line.startswith("Max address space"):
            limit = line.split()[3]
            pages = next(iter(_lines(root / "proc" / "self" / "statm")), "0").split()[0]
            return max(int(limit) - int(pages) * os.sysconf("SC_PAGE_SIZE"), 0) if limit.isdigit() else 2**63
    return 2**63


def _number(path: Path) -> int | None:
    text = next(iter(_lines(path)), "").strip()
    return int(text) if text.isdigit() else None


def _lines(path: Path) -> list[str]:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text().splitlines()
    return []
