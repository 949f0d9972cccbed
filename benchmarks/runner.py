"""What every runner shares: its arguments, how it is timed, and the one line of JSON it prints.

A runner hands `moons_runner` or `softmax_runner` a function that prepares a trainer (imports, compiles, moves data).
The trainer is run once for its early weights, once to warm up, and then timed, from fresh weights each time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from . import moons, softmax


class MissingPeerError(Exception):
    """What a runner needs is not installed here; the message says what."""


class Trainer(Protocol):
    """What is timed from fresh weights each time."""

    def reset(self) -> None:
        """Back to the starting weights, keeping whatever is compiled."""


class MoonsTrainer(Trainer, Protocol):
    """Trains one or more two-moons networks together; may have a `note` on what sets it apart."""

    def run(self, passes: int) -> None:
        """Full-batch passes; returns when they are done."""

    def weights(self) -> Sequence[moons.Weights]:
        """The weights now, one set for each hidden size asked for."""


class SoftmaxTrainer(Trainer, Protocol):
    """Trains softmax regression, from zero weights."""

    def run_in_order(self, steps: int) -> None:
        """So many minibatches in the order of the rows."""

    def run_shuffled(self, epochs: int) -> None:
        """Whole epochs of shuffled minibatches."""

    def weights(self) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """W (784, 10) and b (10,)."""


def seconds_of(trainer: Trainer, run: Callable[[], None], enough: float) -> list[float]:
    """Time runs from fresh weights until `enough` seconds have been measured (at most 20 runs, at least one)."""
    taken: list[float] = []
    while not taken or (sum(taken) < enough and len(taken) < 20):
        trainer.reset()
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    return taken


def arguments() -> argparse.Namespace:
    """The command line of every runner."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--problem", type=Path, required=True, help="folder the harness wrote the data to")
    parser.add_argument("--hidden", type=int, nargs="+", default=[3])
    parser.add_argument("--passes", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--enough", type=float, default=0.5, help="seconds to measure for, where one run is shorter")
    parser.add_argument("--network", default="", help="which of the networks")
    parser.add_argument("--data", default="", help="which data an estimator is fitted to")
    parser.add_argument("--variant", default="", help="which of the peer's own ways; see its VARIANTS")
    parser.add_argument("--steps", type=int, default=0, help="steps between two looks at the test images; 0: an epoch")
    parser.add_argument("--reach", type=float, default=0.0, help="train to this share of right test images instead")
    parser.add_argument("--recipe", type=int, default=0, help="train so many epochs, and report what share is right")
    parser.add_argument("--samples", type=int, default=10_000, help="how many samples of binary addition")
    parser.add_argument("--seeds", type=int, default=0, help="train on so many seeds, and report what is learnt")
    return parser.parse_args()


def report(**fields: Any) -> None:
    """Print the one line of JSON."""
    print(json.dumps(fields))


def moons_runner(prepare: Callable[[moons.Problem], MoonsTrainer], *, comparable: bool = True) -> None:
    """Run a two-moons trainer and report µs a pass; `comparable` is False where the peer can only train another net."""
    options = arguments()
    problem = moons.read(options.problem, tuple(options.hidden))
    try:
        trainer = prepare(problem)
    except MissingPeerError as missing:
        return report(missing=str(missing))

    def losses() -> list[float]:
        return [moons.loss(weights, problem.points, problem.labels) for weights in trainer.weights()]

    trainer.reset()
    trainer.run(moons.EARLY_PASSES)
    early = losses() if comparable else []
    trainer.reset()
    trainer.run(max(moons.EARLY_PASSES, options.passes // 10))
    taken = seconds_of(trainer, lambda: trainer.run(options.passes), options.enough)
    final = losses() if comparable else []
    each = statistics.median(taken) / options.passes
    note = getattr(trainer, "note", "")
    return report(seconds=each, runs=len(taken), early=early, final=final, comparable=comparable, note=note)


def softmax_runner(prepare: Callable[[softmax.Problem], SoftmaxTrainer]) -> None:
    """Run a softmax-regression trainer and report µs a step."""
    options = arguments()
    problem = softmax.read(options.problem)
    try:
        trainer = prepare(problem)
    except MissingPeerError as missing:
        return report(missing=str(missing))
    trainer.reset()
    trainer.run_in_order(softmax.EARLY_STEPS)
    early = softmax.loss(*trainer.weights(), problem)
    trainer.reset()
    trainer.run_shuffled(1)
    taken = seconds_of(trainer, lambda: trainer.run_shuffled(options.epochs), options.enough)
    final = softmax.loss(*trainer.weights(), problem)
    steps = options.epochs * (len(problem.labels) // softmax.BATCH)
    each = statistics.median(taken) / steps
    return report(seconds=each, runs=len(taken), early=[early], final=[final], comparable=True)
