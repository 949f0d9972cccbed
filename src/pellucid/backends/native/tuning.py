"""The search for how contractions are cut: each possible cut is compiled, timed, and the fastest kept on disk.

It is off unless PELLUCID_SEARCH is 1. What it chooses among changes no bits (see `blocking.py`), only how long a step
takes. Times are measured in turns, so that whatever else the machine does slows all of them alike, and a cut must be
clearly faster than the rule's to be chosen (Frigo and Johnson, *The Design and Implementation of FFTW3*, 2005, plan
in the same way).
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...core.indices import Index
from ...schedule.contraction import is_blocked, oriented
from ...schedule.loops import Axes, Buffer, Contraction, Load, Program, leaves
from ...step import Step
from . import cache, cores, engine, workers
from .blocking import Blocking, blocking, candidates
from .context import NUMBERS, Context
from .generate import Generated
from .machine import cache_sizes
from .program import sources
from .target import Target

ROUNDS = 7  # runs of each cut, of which the median counts
SECONDS = 0.003  # that a run takes at least
GAIN = 0.97  # of the rule's time, which a cut must stay below to be chosen
Winners = dict[str, Blocking]


def winners(program: Program, target: Target) -> Winners:
    """Return the fastest cut of each contraction of a program, found now or earlier, by the contraction's text."""
    found: Winners = {}
    for leaf in leaves([*program.once, *program.each]):
        if isinstance(leaf, Contraction) and is_blocked(leaf):
            c = oriented(leaf)
            if contraction_text(c) not in found:
                found[contraction_text(c)] = winner(c, target)
    return found


def chooser(found: Winners) -> Callable[[Contraction, Target], Blocking]:
    """Return what gives each contraction its winner, and the rule's cut where there is none."""
    caches = cache_sizes()
    return lambda c, target: found.get(contraction_text(c)) or blocking(c, target, caches)


def winner(c: Contraction, target: Target) -> Blocking:
    """Return the fastest cut of an oriented contraction: the one kept on disk, or else the one found now.

    What is kept and is none of the possible cuts is not trusted: the rule's own is taken.
    """
    tried = list(dict.fromkeys(candidates(c, target, cache_sizes())))
    machine = f"{target.key} {target.vector_bits} {cache_sizes()} {cores.thread_count()}"
    key = cache.MEASURED + cache.key("blocking", contraction_text(c), machine, engine.version(), sources())
    kept = cache.read(key)
    if kept is not None:
        return _decoded(kept, tried)
    best = tried[fastest(seconds(c, tried, target))]
    cache.write(key, json.dumps(best).encode())
    return best


def fastest(times: Sequence[float]) -> int:
    """Return which cut is chosen: the fastest, or the first, which is the rule's, where it is about as fast.

    >>> fastest([1.0, 0.9, 1.1]), fastest([1.0, 0.99, 1.1])
    (1, 0)
    """
    best = min(range(len(times)), key=times.__getitem__)
    return best if times[best] < GAIN * times[0] else 0


def _decoded(kept: bytes, tried: list[Blocking]) -> Blocking:
    try:
        values = json.loads(kept)
    except ValueError:
        return tried[0]
    return next((cut for cut in tried if list(cut) == values), tried[0])


def contraction_text(c: Contraction) -> str:
    """Return what of a contraction its speed depends on: its axes, and how far each moves in memory."""
    places = (c.left.index, c.right.index, c.index)

    def shown(axes: Axes) -> str:
        moves = [[i.coefficient(name) for i in (*places, *(clip.index for clip in c.clips))] for name, _ in axes]
        return str([(extent, *move) for (_, extent), move in zip(axes, moves, strict=True)])

    clips = [(clip.index.offset, clip.low, clip.high) for clip in c.clips]
    zeros = " mostly zero" if c.left.buffer.mostly_zero else ""
    return f"{c.buffer.dtype} {shown(c.rows)} {shown(c.columns)} {shown(c.shared)} {clips}{zeros}"


# measuring


def seconds(c: Contraction, tried: Sequence[Blocking], target: Target) -> list[float]:
    """Return how long a contraction takes on made-up data in each cut: the medians of runs in turns."""
    alone, arrays = _alone(c)
    threads = cores.thread_count()
    trials = [_Trial(alone, cut, target, arrays, threads) for cut in tried]
    once = max(min(trials[0].seconds(1) for _ in range(2)), 1e-7)
    steps = max(1, round(SECONDS / once))
    times: list[list[float]] = [[] for _ in trials]
    for _ in range(ROUNDS):
        for trial, mine in zip(trials, times, strict=True):
            mine.append(trial.seconds(steps))
    return [statistics.median(mine) for mine in times]


def _alone(c: Contraction) -> tuple[Contraction, list[Any]]:
    """Return a contraction without what follows it or lies around it, and arrays for its operands and its result."""
    sizes, random = dict(c.axes), np.random.default_rng(0)
    loads, arrays = [], []
    for number, load in enumerate((c.left, c.right, Load(c.buffer, c.index))):
        index = Index(tuple(t for t in load.index.terms if t[0] in sizes))
        low, high = index.span(sizes.__getitem__)
        buffer = Buffer(f"operand{number}", c.buffer.dtype, high - low + 1, "input", number)
        loads.append(Load(buffer, index - low))
        arrays.append(random.random(buffer.size).astype(buffer.dtype))
    left, right, result = loads
    return replace(c, left=left, right=right, buffer=result.buffer, index=result.index, body=[], kept=True), arrays


class _Trial(Generated):
    """A contraction in one cut, compiled."""

    def __init__(self, c: Contraction, cut: Blocking, target: Target, arrays: list[Any], threads: int) -> None:
        program = Program([], [c], [c.left.buffer, c.right.buffer, c.buffer])
        super().__init__(Step((), (), ()), choose=lambda c, target: cut, program=program)
        self.context = Context(len(arrays), 0, 0, 0)
        text = self.llvm(target)
        self.module = engine.compile_module(text, target)
        self.threads, self.arrays = threads, arrays
        self.scratch = np.empty(self.scratch_bytes * threads + 64, np.uint8)
        start = self.scratch.ctypes.data
        numbers = dict.fromkeys(NUMBERS, 0) | {"scratch": start + -start % 64}
        self.table = np.array([*(a.ctypes.data for a in arrays), *numbers.values()], dtype=np.int64)

    def seconds(self, steps: int) -> float:
        """Run it, and return the seconds of one step."""
        before = time.perf_counter()
        workers.run(self.module.address("run"), self.table.ctypes.data, 0, steps, self.threads)
        return (time.perf_counter() - before) / steps


def winners_text(found: Iterable[tuple[str, Blocking]]) -> str:
    """Return winners as text, which tells one program made of a step from another."""
    return "\n".join(f"{text}: {tuple(cut)}" for text, cut in found)
