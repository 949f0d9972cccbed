"""Before times are compared: did all runners compute the same thing?

Early losses (after 100 passes, 20 steps in the order of the rows, 200 samples or 3 steps) must equal a float64
yardstick closely.

Final losses are compared with the median of all runners, and less closely: shuffles differ from one engine to another,
and at this learning rate some of the networks end in a cycle of two (with 4 hidden units the loss alternates between 10
and 15), where a rounding decides which of the two a run ends on. So half of the networks must end near the median, and
none may end far from it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from . import addition, layers, moons, networks, softmax
from . import yardstick as network_yardstick
from .rounds import Record
from .tasks import Task

EARLY_TOLERANCE = 1e-4
FINAL_TOLERANCE = 0.05
FINAL_LIMIT = 0.6


def yardstick(task: Task, folder: Path, late: bool = False) -> list[float]:
    """The early losses in float64; none where a task has no early losses. `late`: where Adam adds its epsilon."""
    if task.kind == "moons":
        problem = moons.read(folder, task.hidden)
        data = (problem.points, problem.labels)
        return [moons.loss(moons.train(begin, *data, moons.EARLY_PASSES), *data) for begin in problem.starts]
    if task.kind == "softmax":
        images = softmax.read(folder)
        return [softmax.loss(*softmax.train(images, softmax.EARLY_STEPS), images)]
    if task.kind == "network" and not (folder / f"{task.network}-missing").exists():
        network = networks.NETWORKS[task.network]
        problem = networks.read(network, folder)
        trained = network_yardstick.train(network, problem, networks.EARLY_STEPS, late)
        return [network_yardstick.loss(network, trained, problem)]
    if task.kind == "addition":
        return [addition.loss(addition.train(addition.draw(0, addition.EARLY_SAMPLES))[1])]
    if task.kind == "layer":
        layer = layers.LAYERS[task.subject]
        problem = layers.draw(layer)
        return [layers.loss(layer, layers.train(layer, problem, layers.EARLY_STEPS), problem)]
    return []


def far(found: Sequence[float], expected: Sequence[float], tolerance: float, limit: float) -> str:
    """How the found losses miss the expected ones: half of them by the tolerance, or one by the limit. NaN misses."""
    if len(found) != len(expected):
        return f"{len(found)} losses instead of {len(expected)}"
    if not expected:
        return ""
    pairs = sorted(zip(found, expected, strict=True), key=distance)
    for (mine, right), bound in ((pairs[len(pairs) // 2], tolerance), (pairs[-1], limit)):
        if not distance((mine, right)) <= bound:
            return f"loss {mine:.6g} instead of {right:.6g}"
    return ""


def distance(pair: tuple[float, float]) -> float:
    """Relative distance of a loss from the one expected; infinite for NaN."""
    mine, right = pair
    return math.inf if math.isnan(mine) else abs(mine - right) / abs(right)


def late(task: Task, folder: Path) -> list[float]:
    """The early losses of the runners that add Adam's epsilon elsewhere, where that is the optimiser."""
    return yardstick(task, folder, late=True) if task.network == "mnist-cnn" and task.kind == "network" else []


def mark_disagreeing(
    records: list[Record],
    task: Task,
    early: Sequence[float],
    late: Sequence[float] = (),
    tolerance: float = EARLY_TOLERANCE,
) -> None:
    """Give each record of this task that disagrees a `disagrees` entry, which says how.

    Records with `late_epsilon` are judged by the losses `late`.
    """
    mine = [record for record in records if record["task"] == task.key and record.get("comparable")]
    if not mine:
        return
    finals = [statistics.median(column) for column in zip(*(record["final"] for record in mine), strict=False)]
    for record in mine:
        right = late if late and record.get("late_epsilon") else early
        wrong = far(record["early"], right, tolerance, tolerance) if right else ""
        wrong = wrong or far(record["final"], finals, FINAL_TOLERANCE, FINAL_LIMIT)
        if wrong:
            record["disagrees"] = wrong
