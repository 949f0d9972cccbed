"""Medians, spreads, ratios to Pellucid in the same round, and whether the floors are met."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .floors import Floor
from .kernels import KERNELS
from .rounds import Record
from .tasks import Figure, Task, base

MEGABYTE = 2**20
MOST_SHARE = 1.05
"""A larger share of a limit cannot be: the machine was busy while the limit was measured."""


class Spread(NamedTuple):
    """Median, smallest and largest of some rounds."""

    median: float
    low: float
    high: float


class Row(NamedTuple):
    """One runner in one task; `note` says why there is no time, or what sets it apart."""

    task: Task
    runner: str
    time: Spread | None
    ratio: Spread | None
    note: str = ""
    memory: Spread | None = None
    memory_ratio: Spread | None = None


class Verdict(NamedTuple):
    """A floor, what was measured (None: it was not), and whether the median keeps the bound."""

    floor: Floor
    measured: Spread | None

    @property
    def impossible(self) -> bool:
        """Whether it is a share of more than all: the limit was measured while something else ran.

        What is bound by memory may go beyond copies in memory, as some of it stays in the last cache from step to step.
        """
        kernel = KERNELS.get(self.floor.above.runners[0])
        beyond = self.is_share and self.measured is not None and self.measured.median > MOST_SHARE
        return beyond and not (kernel and kernel.bound_by_memory)

    @property
    def is_share(self) -> bool:
        """Whether the figure is a share of all that there could be, and not how many times as much as another."""
        return self.floor.below is None and not self.floor.at_most

    @property
    def met(self) -> bool | None:
        """Whether it is met; None where it was not measured."""
        if self.measured is None or self.impossible:
            return None
        if self.floor.at_most:
            return self.measured.median <= self.floor.bound
        return self.measured.median >= self.floor.bound


def spread(values: Sequence[float]) -> Spread | None:
    """Median and range, or None of nothing."""
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def values(records: Iterable[Record], figure: Figure) -> dict[int, float]:
    """A figure in each round: of several runners, the smallest. Runners that disagree do not count."""
    best: dict[int, float] = {}
    for record in records:
        right = record["task"] == figure.task and record["runner"] in figure.runners
        if right and record.get(figure.measure) is not None and "disagrees" not in record:
            best[record["round"]] = min(record[figure.measure], best.get(record["round"], float("inf")))
    return best


def ratio(records: Sequence[Record], above: Figure, below: Figure | None) -> Spread | None:
    """above / below, round by round; above alone where there is no other."""
    over = values(records, above)
    if below is None:
        return spread(list(over.values()))
    under = values(records, below)
    return spread([over[number] / under[number] for number in over if under.get(number)])


def note(records: Sequence[Record], task: Task, runner: str) -> str:
    """What is to be said of a runner beside its time."""
    for record in records:
        if (record["task"], record["runner"]) == (task.key, runner):
            if "missing" in record:
                return f"missing: {record['missing']}"
            if "failed" in record:
                return f"failed: {record['failed']}"
            if "disagrees" in record:
                return f"disagrees, not compared: {record['disagrees']}"
            said = [str(record[name]) for name in ("variant", "note") if record.get(name)]
            if said:
                return "; ".join(said)
    return ""


def rows(records: Sequence[Record], tasks: Iterable[Task]) -> list[Row]:
    """One row for each runner of each task."""
    found = []
    for task in tasks:
        reference = Figure(task.key, (base(task),))
        for runner in task.runners:
            figure = Figure(task.key, (runner.name,))
            time = spread([value * task.scale for value in values(records, figure).values()])
            said = note(records, task, runner.name)
            own = figure._replace(measure="memory")
            memory = spread([value / MEGABYTE for value in values(records, own).values()])
            beside = ratio(records, own, reference._replace(measure="memory"))
            found.append(Row(task, runner.name, time, ratio(records, figure, reference), said, memory, beside))
    return found


def verdicts(records: Sequence[Record], floors: Iterable[Floor]) -> list[Verdict]:
    """Each floor, judged."""
    return [Verdict(floor, ratio(records, floor.above, floor.below)) for floor in floors]
