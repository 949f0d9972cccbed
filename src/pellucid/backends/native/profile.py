"""A profile: how long each kernel of a step takes, where it came from, and how near this machine's limits it is.

A kernel's limit is the *roofline* (Williams, Waterman and Patterson, Roofline: an insightful visual performance
model, 2009): it takes at least as long as its arithmetic at the measured peak, and at least as long as its memory
traffic at the measured bandwidth. That is of the smallest level of memory that holds all it touches, so that no kernel
is called good for being small. ``schedule/counts.py`` says what is counted.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np

from ...core.errors import InputError
from ...core.expression import Expression, Storage
from ...core.memory import require_memory
from ...core.origins import Origin, origins
from ...core.traversal import topological
from ...schedule.counts import Counts, Leaf, count, operations_of, work
from ...schedule.loops import Buffer, Contraction, Statement
from ...schedule.schedule import expand
from ...schedule.text import statements_text
from ...step import Call, Step
from .cores import MOST_THREADS
from .machine import machine, third_level_caches
from .peak import Peak, peak
from .program import NativeStep

Phase = Literal["forward", "backward", "update", "once"]
PHASES: tuple[Phase, ...] = ("forward", "backward", "update", "once")
ROUNDS = 5
SECONDS = 1.0  # for all rounds, with clocks and without
MOST_STEPS = 10_000
MOST_OUTPUT = 2**28  # bytes of outputs that are kept while steps are measured


class Row(NamedTuple):
    """One kernel of a step.

    Attributes:
        name: what it computes, the most work first.
        text: its loops.
        origins: the lines of your code that what it stores came from.
        phase: what it is for: most of its work is "forward" (outputs need it), "backward" (only new values
            of parameters need it) or "update" (it stores those), or it is done "once" a call.
        phases: all of these that it has a part in.
        seconds: how long it took, each step (or call, for what is done once).
        counts: how much it does.
        level: the smallest level of memory that holds what it touches.
        least: the seconds that this machine's limits allow it.
    """

    name: str
    text: str
    origins: tuple[Origin, ...]
    phase: Phase
    phases: tuple[Phase, ...]
    seconds: float
    counts: Counts
    level: str
    least: float

    @property
    def operations(self) -> int:
        """Arithmetic operations in a step."""
        return sum(self.counts.operations.values())

    @property
    def bytes(self) -> int:
        """Bytes that it must at least read and write in a step."""
        return self.counts.read + self.counts.written

    @property
    def gflops(self) -> float:
        """Arithmetic in GFLOP/s."""
        return self.operations / max(self.seconds, 1e-12) / 1e9

    @property
    def bandwidth(self) -> float:
        """Memory traffic in GB/s."""
        return self.bytes / max(self.seconds, 1e-12) / 1e9

    @property
    def share(self) -> float:
        """How much of what this machine can do at best it reaches, from 0 to 1."""
        return self.least / max(self.seconds, 1e-12)


class Profile(NamedTuple):
    """Where the time of a step goes. ``print`` shows it as a table.

    Attributes:
        rows: its kernels, in the order in which they run.
        once: what is done once a call, if there is anything.
        seconds: how long a step took with clocks between its kernels.
        untimed: how long it takes without them.
        threads: how many threads ran it.
        memory: the bytes a call takes: inputs, parameters, constants, outputs and all that is between.
        peak: this machine's limits.
    """

    rows: tuple[Row, ...]
    once: Row | None
    seconds: float
    untimed: float
    threads: int
    memory: int
    peak: Peak

    @property
    def rest(self) -> float:
        """The seconds of a step that belong to no kernel."""
        return self.seconds - sum(row.seconds for row in self.rows)

    def of_phase(self, phase: Phase) -> float:
        """Return the seconds of the kernels that are mostly for one phase."""
        return sum(row.seconds for row in self.rows if row.phase == phase)

    def __str__(self) -> str:
        return table(self)


# measuring


def profile(step: Step, call: Call, steps: int | None, threads: int | None, memory: int) -> Profile:
    """Return the profile of a step.

    Args:
        step: what to compile and measure.
        call: what it runs on; room for outputs is made here, and parameters are copied.
        steps: how many steps to measure, or None for as many as take about a second.
        threads: how many threads run it at most, or None for as many as a call has.
        memory: the bytes a call takes.

    Raises:
        InputError: there are not so many steps or threads.
        MemoryNeededError: the copies do not fit into this machine.
    """
    _check_number("steps", steps, 2**31)
    _check_number("threads", threads, MOST_THREADS)
    require_memory(memory, "a profile's copies of the parameters, and a call")
    timed, plain = (NativeStep(step, timed=clocks, threads=threads) for clocks in (True, False))
    timed.storages = plain.storages = [_copy(s) for s in plain.storages]
    seconds, whole, untimed = _measured(timed, plain, step, call, steps)
    reached = limits(timed.threads)
    phases = _Phases(step)
    rows = [_row(g, s, phases, reached, timed.threads) for g, s in zip(timed.generated.kernels, seconds, strict=False)]
    once = None
    if timed.program.once:
        made = _row(timed.program.once, seconds[-1], phases, reached, timed.threads)
        once = made._replace(phase="once", phases=("once",))
    return Profile(tuple(rows), once, whole, untimed, timed.threads, memory, reached)


def _copy(storage: Storage) -> Storage:
    return Storage(storage.shape, storage.dtype, storage.trainable, lambda: storage.array)


def _check_number(what: str, given: Any, most: int) -> None:
    if given is not None and not (isinstance(given, int | np.integer) and 1 <= given <= most):
        raise InputError(
            f"profile takes how many {what} to measure with, a whole number from 1 to {most}, not {given!r}"
        )


def limits(threads: int) -> Peak:
    """Return this machine's limits on a number of threads, measured now if they never were."""
    return peak(threads=None if threads in (1, machine().cores) else threads)


def _measured(
    timed: NativeStep, plain: NativeStep, step: Step, call: Call, steps: int | None
) -> tuple[list[float], float, float]:
    """Return the seconds of each kernel (the last: once a call) and of a step, with clocks and without.

    Both are measured in turns. All numbers with clocks are of one round, the fastest, so that they add up.
    """
    each = sum(o.nbytes for o in _room(step, 1))
    most = min(MOST_STEPS, max(MOST_OUTPUT // max(each, 1), 1))
    first = _Run(timed, step, call, 1).seconds()[1]
    wanted = int(SECONDS / max(first, 1e-7) / 2) if steps is None else steps
    n = min(max(wanted // ROUNDS, 1), most)
    with_clocks, without = _Run(timed, step, call, n), _Run(plain, step, call, n)
    rounds: list[tuple[Any, float]] = []
    untimed = []
    for _ in range(min(ROUNDS, max(wanted, 1)) + 1):
        rounds.append(with_clocks.seconds())
        untimed.append(without.seconds()[1])
    kernels, whole = min(rounds[1:], key=lambda r: r[1])  # the first warms up
    once = float(kernels[-1])
    return [*(kernels[:-1] / n), once], (whole - once) / n, (min(untimed[1:]) - once) / n


class _Run:
    """Some steps of a call, again and again."""

    def __init__(self, native: NativeStep, step: Step, call: Call, n: int) -> None:
        self.native, self.n = native, n
        self.call = replace(call, outputs=_room(step, n), memory={})
        self._before: Any = 0.0

    def seconds(self) -> tuple[Any, float]:
        """Run them and return the seconds of each kernel and of all."""
        began = time.perf_counter()
        now = self.native.times(self.call, self.n)
        whole = time.perf_counter() - began
        kernels, self._before = now - self._before, now
        return kernels, whole


def _room(step: Step, n: int) -> list[Any]:
    return [np.empty((n, *o.shape), o.dtype) for o in step.outputs]


# what a kernel is


class _Phases:
    """What is known of a step's buffers: which phase they belong to, and the lines they came from."""

    def __init__(self, step: Step) -> None:
        self.forward = set(topological(expand(list(step.outputs))))
        self.parameters, self.new = step.parameters, dict(step.updates)

    def value(self, buffer: Buffer) -> Expression | None:
        """Return the expression whose elements a kernel stores into a buffer."""
        return self.new[self.parameters[buffer.number]] if buffer.place == "parameter" else buffer.holds

    def phase(self, buffer: Buffer) -> Phase:
        """Return what a buffer that a kernel stores into is for."""
        if buffer.place == "parameter" or buffer.updates is not None:
            return "update"
        return "forward" if buffer.holds in self.forward else "backward"

    def label(self, leaf: Leaf) -> str:
        """Return what a statement computes, in a word or two."""
        buffer, held = leaf.buffer, leaf.buffer.holds
        if buffer.place == "parameter" or buffer.updates is not None:
            return f"update {(buffer.updates or buffer).name}"
        name = held.name or held.operation.name if held is not None else buffer.name
        if not isinstance(leaf, Contraction):
            return name
        m, n, k = (int(np.prod([n for _, n in axes])) for axes in (leaf.rows, leaf.columns, leaf.shared))
        return f"{name} {m}x{n}x{k}"


def _row(statements: Sequence[Statement], seconds: float, of: _Phases, reached: Peak, threads: int) -> Row:
    # What does most is named first; a product before what is done with its elements.
    done = sorted(
        ((times * operations_of(leaf), times, leaf) for leaf, _, times in work(statements)),
        key=lambda d: (-d[0], -d[1]),
    )
    phases = Counter[Phase]()
    for operations, times, leaf in done:
        phases[of.phase(leaf.buffer)] += operations * 1000 + times  # stores decide where nothing is computed
    counts = count(statements)
    level, least = _least(counts, reached, threads)
    ordered = tuple(phase for phase, _ in phases.most_common())
    lines = dict.fromkeys(origin for _, _, leaf in done for origin in origins(of.value(leaf.buffer)))
    name = ", ".join(dict.fromkeys(of.label(leaf) for _, _, leaf in done))
    text = statements_text(statements)
    return Row(name, text, tuple(lines), ordered[0], ordered, float(seconds), counts, level, least)


def _least(counts: Counts, reached: Peak, threads: int) -> tuple[str, float]:
    """Return the level of memory that holds what a kernel touches, and how many seconds it takes at least."""
    level = holding(counts.touched, reached, threads)
    arithmetic = sum(n / at(reached.arithmetic[dtype], threads) for dtype, n in counts.operations.items())
    return level, max(arithmetic, (counts.read + counts.written) / bandwidth(reached, level, threads)) / 1e9


def bandwidth(reached: Peak, level: str, threads: int) -> float:
    """Return the best rate of a level of memory, in GB/s: no less than that of those behind it, however measured."""
    levels = list(reached.bandwidth)
    return max(at(reached.bandwidth[name], threads) for name in levels[levels.index(level) :])


def holding(size: int, reached: Peak, threads: int) -> str:
    """Return the smallest level of memory whose caches, of all threads together, hold some bytes."""
    caches = machine().caches
    sizes = {"L1": caches.l1 * threads, "L2": caches.l2 * threads, "L3": caches.l3 * third_level_caches()}
    return next((name for name in reached.bandwidth if size <= sizes.get(name, size)), "memory")


def at(rates: dict[int, Any], threads: int) -> float:
    """Return the best rate on a number of threads."""
    return float(rates[threads].best if threads in rates else rates[max(rates)].best)


# the table

COLUMNS = ("kernel", "phase", "from", "ms", "GFLOP/s", "GB/s", "of limit", "touches")
NAME, FROM = 45, 21


def table(found: Profile) -> str:
    """Return a profile as a table, at most 120 characters wide."""
    lines = [_cells(row) for row in found.rows]
    lines.append(("rest", "", "", _milliseconds(found.rest), "", "", "", ""))
    lines.append(("a step", "", "", _milliseconds(found.seconds), "", "", "", ""))
    if found.once:
        lines.append(_cells(found.once))
    widths = [max(len(line[k]) for line in (COLUMNS, *lines)) for k in range(len(COLUMNS))]
    text = [_line(COLUMNS, widths), *(_line(line, widths) for line in lines)]
    return "\n".join([*text, "", *_totals(found)]) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        _cut(row.name, NAME), row.phase, _cut(lines_text(row.origins), FROM), _milliseconds(row.seconds),
        f"{row.gflops:.1f}", f"{row.bandwidth:.1f}", f"{row.share:.0%}", _size(row.counts.touched),
    )  # fmt: skip


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [c.ljust(w) if k < 3 else c.rjust(w) for k, (c, w) in enumerate(zip(cells, widths, strict=True))]
    return "  ".join(padded).rstrip()


def _totals(found: Profile) -> list[str]:
    threads = f"{found.threads} thread{'s' * (found.threads > 1)}"
    parts = [f"{phase} {_milliseconds(found.of_phase(phase))}" for phase in PHASES[:3]]
    operations = sum(row.operations for row in found.rows)
    allowed = sum(row.least for row in found.rows)
    reach = [f"{at(found.peak.arithmetic['float32'], found.threads):.0f} GFLOP/s float32"]
    reach += [f"{bandwidth(found.peak, level, found.threads):.0f} GB/s {level}" for level in found.peak.bandwidth]
    return [
        f"{', '.join(parts)} ms on {threads}; without clocks a step takes {_milliseconds(found.untimed)} ms",
        f"{operations / 1e6:,.1f} million operations a step, {operations / max(found.untimed, 1e-12) / 1e9:.1f} GFLOP/s"
        f"; the kernels' limits add up to {_milliseconds(allowed)} ms; memory: {_size(found.memory)}",
        f"limits of this machine: {', '.join(reach)}",
    ]


def lines_text(places: Iterable[Origin]) -> str:
    """Return lines of code in short: each file with its lines, or the paths of layers.

    >>> lines_text([Origin("a/net.py", 7), Origin("a/net.py", 3), Origin("b.py", 1), Origin("block/dense")])
    'net.py:3,7 b.py:1 block/dense'
    """
    files: dict[str, set[int]] = {}
    for place in places:
        file = str(place).rpartition(":")[0] if place.line else place.file
        files.setdefault(file, set()).update([place.line] if place.line else [])
    return " ".join(f"{file}:{','.join(map(str, sorted(lines)))}" if lines else file for file, lines in files.items())


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3f}"


def _size(size: int) -> str:
    for unit in ("B", "KB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000  # type: ignore[assignment]
    return f"{size:.3g} GB"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
