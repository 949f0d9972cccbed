"""What this machine reaches at best: arithmetic in each dtype and copies in each level, on one thread and on all.

Measuring takes a few seconds, so results are kept on disk. A peak is the best of several runs: whatever else happens
on a machine only ever slows a run down. For the ratio of a kernel to a limit, measure both in turns
(``limits.alternate``).
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

from . import cache
from .limits import DTYPES, Limit, arithmetic_limit, copy_limit, levels
from .machine import Machine, machine

FORMAT = "1"
REPEATS, MOST_REPEATS = 25, 75
# Where so many of the best runs lie within so much of each other, nothing slowed them down.
AGREEING, AGREED = 3, 0.05
Rates = dict[int, "Measured"]
Report = Callable[[int, int], None]


class Measured(NamedTuple):
    """The result of measuring a limit several times.

    Attributes:
        best: the highest rate.
        spread: how far below the best the median was, as a share of the best; what is large says that the machine
            was busy with something else.
    """

    best: float
    spread: float


class Peak(NamedTuple):
    """What a machine reaches at best.

    Attributes:
        threads: how many threads "all" are.
        arithmetic: for each dtype, GFLOP/s by number of threads (1, and all).
        bandwidth: for each level of memory ("L1" to "memory"), GB/s read and written by number of threads.
    """

    threads: int
    arithmetic: dict[str, Rates]
    bandwidth: dict[str, Rates]

    @property
    def spread(self) -> float:
        """The largest spread of its results."""
        return max(
            m.spread for part in (self.arithmetic, self.bandwidth) for rates in part.values() for m in rates.values()
        )


def peak(refresh: bool = False, threads: int | None = None, report: Report | None = None) -> Peak:
    """Return what this machine reaches at best, measured now or taken from an earlier measurement on disk.

    Args:
        refresh: measure anew.
        threads: how many threads are all; as many as there are processors for this process, unless told otherwise.
        report: is told how many of how many limits are measured.

    Returns:
        Rates of float32 and float64 arithmetic and of each level of memory.
    """
    of = machine()
    threads = threads or of.cores
    key = cache.MEASURED + cache.key("peak", FORMAT, of.key, str(threads))
    if not refresh:
        if key not in _known and (kept := cache.read(key)) is not None:
            _known[key] = _decoded(json.loads(kept))
        if key in _known:
            return _known[key]
    _known[key] = _measured(of, threads, report or (lambda done, total: None))
    cache.write(key, json.dumps(encoded(_known[key])).encode())
    return _known[key]


def measure(limit: Limit) -> Measured:
    """Measure a limit after a run that does not count, until the best runs agree or MOST_REPEATS are done."""
    limit.once()
    rates: list[float] = []
    while len(rates) < REPEATS or (len(rates) < MOST_REPEATS and sorted(rates)[-AGREEING] < max(rates) * (1 - AGREED)):
        rates.append(limit.once())
    return Measured(max(rates), 1 - statistics.median(rates) / max(rates))


def encoded(measured: Peak) -> dict[str, Any]:
    """Return what JSON can hold of a peak."""
    return {
        "threads": measured.threads,
        "arithmetic": {name: _encoded(rates) for name, rates in measured.arithmetic.items()},
        "bandwidth": {name: _encoded(rates) for name, rates in measured.bandwidth.items()},
    }


def _encoded(rates: Rates) -> dict[str, dict[str, float]]:
    return {str(threads): measured._asdict() for threads, measured in rates.items()}


def _decoded(read: dict[str, Any]) -> Peak:
    def rates(part: dict[str, Any]) -> dict[str, Rates]:
        return {name: {int(n): Measured(**m) for n, m in numbers.items()} for name, numbers in part.items()}

    return Peak(read["threads"], rates(read["arithmetic"]), rates(read["bandwidth"]))


def _measured(of: Machine, threads: int, report: Report) -> Peak:
    counts = sorted({1, threads})
    total, done = len(counts) * (len(DTYPES) + len(levels(of))), 0

    def rates(make: Callable[[str, int], Limit], name: str) -> Rates:
        nonlocal done
        found = {}
        for count in counts:
            found[count] = measure(make(name, count))
            done += 1
            report(done, total)
        return found

    arithmetic = {dtype: rates(arithmetic_limit, dtype) for dtype in DTYPES}
    bandwidth = {level: rates(copy_limit, level) for level in levels(of)}
    return Peak(threads, arithmetic, bandwidth)


_known: dict[str, Peak] = {}
