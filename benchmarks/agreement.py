"""Before times are compared: did all runners compute the same thing?

Early losses (after 100 passes, or 20 steps in the order of the rows) must equal a float64 yardstick closely. After
20,000 passes in float32 two right programs differ in the third digit, and shuffles differ from one engine to
another, so final losses need only be near the median of all.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from . import moons, softmax
from .rounds import Record
from .tasks import Task

EARLY_TOLERANCE = 1e-4
FINAL_TOLERANCE = 0.05


def yardstick(task: Task, folder: Path) -> list[float]:
    """The early losses in float64; none where a task has no early losses."""
    if task.kind == "moons":
        problem = moons.read(folder, task.hidden)
        data = (problem.points, problem.labels)
        return [moons.loss(moons.train(begin, *data, moons.EARLY_PASSES), *data) for begin in problem.starts]
    if task.kind == "softmax":
        images = softmax.read(folder)
        return [softmax.loss(*softmax.train(images, softmax.EARLY_STEPS), images)]
    return []


def far(found: Sequence[float], expected: Sequence[float], tolerance: float) -> str:
    """How the found losses miss the expected ones, or an empty text. NaN misses."""
    if len(found) != len(expected):
        return f"{len(found)} losses instead of {len(expected)}"
    for mine, right in zip(found, expected, strict=True):
        if not abs(mine - right) <= tolerance * abs(right):
            return f"loss {mine:.6g} instead of {right:.6g}"
    return ""


def mark_disagreeing(records: list[Record], task: Task, early: Sequence[float]) -> None:
    """Give each record of this task that disagrees a `disagrees` entry, which says how."""
    mine = [record for record in records if record["task"] == task.key and record.get("comparable")]
    if not mine:
        return
    finals = [statistics.median(column) for column in zip(*(record["final"] for record in mine), strict=False)]
    for record in mine:
        wrong = far(record["early"], early, EARLY_TOLERANCE) if early else ""
        wrong = wrong or far(record["final"], finals, FINAL_TOLERANCE)
        if wrong:
            record["disagrees"] = wrong
