"""Medians, spreads, ratios to Pellucid in the same round, and whether the floors are met."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .rounds import Record
from .tasks import Figure, Floor, Task, base


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


class Verdict(NamedTuple):
    """A floor, what was measured (None: it was not), and whether the median keeps the bound."""

    floor: Floor
    measured: Spread | None

    @property
    def met(self) -> bool | None:
        """Whether it is met; None where it was not measured."""
        if self.measured is None:
            return None
        if self.floor.at_most:
            return self.measured.median <= self.floor.bound
        return self.measured.median >= self.floor.bound


def spread(values: Sequence[float]) -> Spread | None:
    """Median and range, or None of nothing."""
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def seconds(records: Iterable[Record], figure: Figure) -> dict[int, float]:
    """The time of a figure in each round: of several runners, the best. Runners that disagree do not count."""
    best: dict[int, float] = {}
    for record in records:
        right = record["task"] == figure.task and record["runner"] in figure.runners
        if right and "seconds" in record and "disagrees" not in record:
            best[record["round"]] = min(record["seconds"], best.get(record["round"], float("inf")))
    return best


def ratio(records: Sequence[Record], above: Figure, below: Figure) -> Spread | None:
    """above / below, round by round."""
    over, under = seconds(records, above), seconds(records, below)
    return spread([over[number] / under[number] for number in over if number in under])


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
            if record.get("note"):
                return str(record["note"])
    return ""


def rows(records: Sequence[Record], tasks: Iterable[Task]) -> list[Row]:
    """One row for each runner of each task."""
    found = []
    for task in tasks:
        reference = Figure(task.key, (base(task),))
        for runner in task.runners:
            figure = Figure(task.key, (runner.name,))
            time = spread([value * task.scale for value in seconds(records, figure).values()])
            said = note(records, task, runner.name)
            found.append(Row(task, runner.name, time, ratio(records, figure, reference), said))
    return found


def verdicts(records: Sequence[Record], floors: Iterable[Floor]) -> list[Verdict]:
    """Each floor, judged."""
    return [Verdict(floor, ratio(records, floor.above, floor.below)) for floor in floors]
