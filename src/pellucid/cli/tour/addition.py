"""The last part: a recurrent network learns to add, bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.expression import Expression
from ...data import addition
from ...function import function
from ...gradient import gradient
from ...operations.activation import sigmoid
from ...operations.composed import square
from ...operations.scan import scan
from ...operations.source import constant, parameter, variable
from ...view import formulas, losses, states
from .guide import Guide, derivatives

Array = np.ndarray[Any, Any]
BITS, HIDDEN, RATE, SAMPLES = 8, 16, 0.1, 10_000
REPORTS, SMOOTH = 10, 100
PLACES = 2 ** np.arange(BITS)
SHOWN = (77, 54)  # there is something to carry at many of its places


def binary_addition(guide: Guide, samples: int = SAMPLES) -> None:
    """Show numbers bit by bit to a recurrent network, one sample at a time."""
    section = guide.section(
        "Memory: a recurrent network learns to add",
        f"Two numbers of {BITS} bits are read place by place, the least significant first. From each place to the next "
        f"go {HIDDEN} numbers, the state, which has to know what is carried. Each update learns from one sample.",
    )
    draw = np.random.default_rng(guide.seed).uniform
    shapes = {"W": (2, HIDDEN), "U": (HIDDEN, HIDDEN), "V": (HIDDEN, 1)}
    weights = [parameter(draw(-1, 1, shape), name=name) for name, shape in shapes.items()]
    W, U, V = weights

    def step(h: Expression, x: Expression) -> tuple[Expression, tuple[Expression, Expression]]:
        h = sigmoid(x @ W + h @ U).named("h")
        return h, (h, sigmoid(h @ V))

    x, target = variable("x", ("sample", BITS, 2)), variable("target", ("sample", BITS, 1))
    _, (h, y) = scan(step, constant(np.zeros(HIDDEN)), x[0])
    loss = 0.5 * square(y - target[0]).sum()
    section.add(formulas({"y": y, r"\mathrm{loss}": loss}))
    section.heading("Its gradient goes back through time")
    section.add(derivatives(loss, weights))
    guide.screen.formula("loss", loss)
    updates = [(w, w - RATE * slope) for w, slope in zip(weights, gradient(loss, weights), strict=True)]
    learn = function([x, target], y, updates=updates).minibatches(1, shuffle=False)

    pairs, sums = addition(BITS, samples, guide.seed)
    outputs = np.empty_like(sums)
    with (
        guide.timed("binary addition, one sample at a time", samples),
        guide.screen.progress(["binary addition"], samples, "samples") as (report,),
    ):
        for some in np.array_split(np.arange(samples), REPORTS):
            outputs[some] = learn(pairs[some], sums[some]).reshape(sums[some].shape)
            report(int(some[-1]) + 1, samples)
    guide.table(section, ["sample", "error", "predicted", "true", "the sum"], _rows(pairs, sums, outputs))
    curve = 0.5 * np.square(outputs - sums).sum(axis=(1, 2))
    guide.picture(
        section,
        "addition-loss",
        losses({"loss": curve}, "Binary addition", unit="sample", smooth=SMOOTH),
        f"The loss of each sample before the update that it leads to, and its mean over {SMOOTH}.",
    )

    every, every_sum = addition(BITS, n=None)
    add = function([x], y).minibatches(1, shuffle=False)
    exact = ((add(every).reshape(every_sum.shape) > 0.5) == every_sum).all(axis=(1, 2))
    said = f"Of all {len(every):,} sums that fit in {BITS} bits, {int(exact.sum()):,} are exact."
    guide.screen.say(said)
    section.paragraph(said)
    _remembered(guide, section, function([x], h))


def _rows(pairs: Array, sums: Array, outputs: Array) -> list[list[str]]:
    """Return what became of the last sample of each report."""
    rows = []
    for some in np.array_split(np.arange(len(pairs)), REPORTS):
        if not len(some):
            continue
        last = some[-1]
        error = np.abs(outputs[some] - sums[some]).sum(axis=(1, 2)).mean()
        (a, b), bits, true = PLACES @ pairs[last].astype(int), outputs[last, :, 0] > 0.5, sums[last, :, 0] > 0.5
        found = f"{a} + {b} = {PLACES @ bits}" + ("" if (bits == true).all() else ", wrong")
        rows.append([f"{last + 1:,}", f"{error:.3f}", _written(bits), _written(true), found])
    return rows


def _written(bits: Array) -> str:
    """Return bits as one writes them, the most significant first."""
    return "".join(str(int(bit)) for bit in bits[::-1])


def _remembered(guide: Guide, section: Any, look: Any) -> None:
    """Picture the states of one addition, each above the bits that it has just read and what they carry."""
    a, b = SHOWN
    bits = np.array([[a >> k & 1, b >> k & 1] for k in range(BITS)])
    carried = [int(a % 2**k + b % 2**k >= 2**k) for k in range(1, BITS + 1)]
    labels = [f"{p} + {q}\ncarry {c}" for (p, q), c in zip(bits, carried, strict=True)]
    picture = states(look(bits[None].astype(np.float32)), labels, f"What is remembered while {a} and {b} are added")
    guide.picture(section, "addition-states", picture, "A column for each place, least significant first.")
