"""The second part: two moons, a line that cannot part them, and networks that can."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ...core.errors import MissingExtraError
from ...data import moons
from ...function import Function, function
from ...view import Section, boundaries, boundary, formulas, losses, scatter, stage_text
from .guide import Guide, derivatives, fired
from .networks import Network, two_layers

Array = np.ndarray[Any, Any]
RATE, L2 = 0.01, 0.01
PASSES, CALLS, LINES = 20_000, 20, 5
SIZES = (1, 2, 3, 4, 5, 20, 50)


def two_moons(guide: Guide, passes: int = PASSES) -> None:
    """Compare a line with a network of three hidden units, then networks of several sizes."""
    section = guide.section(
        "Two moons",
        "200 points of two half circles with noise. Which half circle does a point belong to?",
    )
    points, labels = moons(200, noise=0.20, seed=guide.seed)
    held_out = moons(1_000, noise=0.20, seed=guide.seed + 1)
    guide.picture(section, "moons", scatter(points, labels, "Two moons"), "The points, 100 of each class.")
    baseline(guide, section, points, labels, held_out)
    three_hidden_units(guide, section, points, labels, held_out, passes)
    side_by_side(guide, points, labels, held_out, passes)


def baseline(guide: Guide, section: Section, points: Array, labels: Array, held_out: tuple[Array, Array]) -> None:
    """Fit scikit-learn's logistic regression, whose boundary is a line."""
    try:
        from sklearn.linear_model import LogisticRegressionCV
    except ImportError as error:
        raise MissingExtraError("the tour needs scikit-learn; try: pip install pellucid[learn]") from error
    line = LogisticRegressionCV(l1_ratios=(0,), scoring="accuracy", use_legacy_attributes=False)
    line.fit(points, labels)
    trained, held = line.score(points, labels), line.score(*held_out)
    guide.screen.say(f"  Logistic regression, a line: {trained:.3f} of the points right, {held:.3f} of 1,000 new ones.")
    section.heading("A line")
    guide.picture(
        section,
        "moons-logistic",
        boundary(lambda p: line.predict_proba(p)[:, 1], points, labels, f"Logistic regression: {trained:.3f}"),
        f"scikit-learn's `LogisticRegressionCV`: {trained:.3f} of these points right, {held:.3f} of 1,000 new ones.",
    )


def three_hidden_units(
    guide: Guide, section: Section, points: Array, labels: Array, held_out: tuple[Array, Array], passes: int
) -> None:
    """Train the 2-3-2 network, and show its formula, its gradient and what was rewritten."""
    network = two_layers(2, 3, 2, guide.seed)
    loss = network.cross_entropy.sum() + L2 / 2 * network.squares
    step, predict = network.descent(loss, RATE), chance_of_class_1(network)
    section.heading("A network of three hidden units")
    section.paragraph("The loss, written by hand: the cross-entropy of a softmax, and a penalty on the weights.")
    section.add(formulas({"p": network.probabilities, r"\mathrm{loss}": loss}))
    section.paragraph("Its gradient, which Pellucid derives as expressions:")
    section.add(derivatives(loss, network.parameters))
    guide.screen.formula("loss", loss)

    curve, seconds = train(guide, step, points, labels, passes)
    milestones = [[f"{(k + 1) * len(part):,}", f"{part[-1]:.3f}"] for k, part in enumerate(curve)]
    rows = [[cell for pair in milestones[k::LINES] for cell in pair] for k in range(LINES)]  # down, then across
    columns = ["passes", "loss"] * (CALLS // LINES)
    guide.table(section, columns, rows, f"Gradient descent on all points, rate {RATE}: the summed loss.")
    everything = np.concatenate(curve)
    first, rest = len(curve[0]), len(everything) - len(curve[0])
    guide.timings += [("2-3-2 network, compiling included", first, seconds[0]), ("and then", rest, sum(seconds[1:]))]
    trained, held = right(predict, points, labels), right(predict, *held_out)
    guide.screen.say(f"  Three hidden units: {trained:.3f} of the points right, {held:.3f} of 1,000 new ones.")
    guide.picture(section, "moons-loss", losses({"loss": everything}, "2-3-2 network"), "The loss after each pass.")
    guide.picture(
        section,
        "moons-network",
        boundary(predict, points, labels, f"Three hidden units: {trained:.3f}"),
        f"The network: {trained:.3f} of these points right, {held:.3f} of 1,000 new ones.",
    )
    section.heading("What was rewritten")
    section.paragraph("The rules that fired when the step was compiled, each with its first use.")
    section.table(["rule", "times", "before", "after"], fired(step))
    section.heading("The loops it became")
    section.paragraph("One training step as it is handed to LLVM; `pc.show` prints every stage of any function.")
    section.code(stage_text(step, "schedule"))


def train(guide: Guide, step: Function, points: Array, labels: Array, passes: int) -> tuple[list[Array], list[float]]:
    """Train in native calls; returns the losses and the seconds of each."""
    each = max(passes // CALLS, 1)
    some, curve, seconds = step.repeat(each), [], []
    with guide.screen.progress(["2-3-2 network"], CALLS * each, "passes") as (report,):
        for call in range(CALLS):
            began = time.perf_counter()
            curve.append(some(points, labels))
            seconds.append(time.perf_counter() - began)
            report((call + 1) * each, CALLS * each)
    return curve, seconds


def side_by_side(guide: Guide, points: Array, labels: Array, held_out: tuple[Array, Array], passes: int) -> None:
    """Train networks of several sizes at once, one on a thread, and show them in one figure."""
    section = guide.section(
        "How many hidden units?",
        f"Networks of {', '.join(map(str, SIZES[:-1]))} and {SIZES[-1]} hidden units, each trained for {passes:,} "
        "passes, side by side: a native call leaves Python's lock to the other threads.",
    )
    cores = os.cpu_count() or 1

    def trained(hidden: int, report: Any) -> Function:
        network = two_layers(2, hidden, 2, guide.seed)
        loss = network.cross_entropy.sum() + L2 / 2 * network.squares
        network.descent(loss, RATE).repeat(passes)(points, labels, progress=report)
        return chance_of_class_1(network)

    names = [f"{hidden:>2} hidden" for hidden in SIZES]
    with (
        guide.timed(f"networks of {len(SIZES)} sizes on {cores} threads", len(SIZES) * passes),
        guide.screen.progress(names, passes, "passes") as reports,
    ):
        models = on_threads(cores, trained, list(zip(SIZES, reports, strict=True)))
    rows, panels = [], []
    for hidden, predict in zip(SIZES, models, strict=True):
        shares = [right(predict, points, labels), right(predict, *held_out)]
        rows.append([str(hidden), *(f"{share:.3f}" for share in shares)])
        panels.append((f"{hidden} hidden: {shares[0]:.3f}, held out {shares[1]:.3f}", predict))
    guide.picture(
        section,
        "moons-hidden-sizes",
        boundaries(panels, points, labels),
        "In each title: the share of the training points that is right, and of 1,000 held-out points.",
    )
    guide.table(section, ["hidden units", "training", "held out"], rows)


def on_threads(count: int, work: Any, arguments: list[tuple[Any, ...]]) -> list[Any]:
    """Return the results of some work, done on threads; an interrupt drops what has not begun."""
    pool = ThreadPoolExecutor(count)
    try:
        return [future.result() for future in [pool.submit(work, *given) for given in arguments]]
    finally:
        pool.shutdown(cancel_futures=True)


def chance_of_class_1(network: Network) -> Function:
    """Return the function from points to the probability of class 1."""
    return function([network.x], network.probabilities[:, 1])


def right(predict: Function, points: Array, labels: Array) -> float:
    """Return the share of the points whose class is predicted."""
    return float(np.mean((predict(points) > 0.5) == labels))
