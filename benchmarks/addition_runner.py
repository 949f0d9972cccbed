"""What the runners of binary addition share: how a sample is timed, and how often all sums are learnt."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from . import addition
from .addition import BITS, EARLY_SAMPLES, NUMBERS, Array, Problem, Weights
from .runner import arguments, report, seconds_of


class AdditionTrainer(Protocol):
    """Trains the network one sample at a time, in the dtype of its problem."""

    def reset(self) -> None:
        """Back to the starting weights, keeping whatever is compiled."""

    def run(self, samples: int) -> None:
        """The first so many samples, one update each."""

    def outputs(self) -> Array:
        """What the network gave for each sample of the last run before it learnt from it, (samples, bits, 1)."""

    def weights(self) -> Weights:
        """The weights now."""


Prepare = Callable[[Problem, str], AdditionTrainer]


def addition_runner(prepare: Prepare) -> None:
    """Run a trainer, and report seconds a sample, or on how many seeds it learns all sums."""
    options = arguments()
    return learn(prepare, options) if options.seeds else measure(prepare, options)


def measure(prepare: Prepare, options: argparse.Namespace) -> None:
    """Report seconds a sample in float32."""
    samples = options.samples
    trainer = prepare(addition.cast(addition.draw(0, samples), "float32"), options.variant)
    trainer.reset()
    trainer.run(EARLY_SAMPLES)
    early = addition.loss(trainer.weights())
    trainer.reset()
    trainer.run(samples)
    taken = seconds_of(trainer, lambda: trainer.run(samples), options.enough)
    final = addition.loss(trainer.weights())
    each = statistics.median(taken) / samples
    return report(seconds=each, runs=len(taken), early=[early], final=[final], comparable=True)


def learn(prepare: Prepare, options: argparse.Namespace) -> None:
    """Report on what share of the seeds all sums are exact in float32, and what share of float64's are the yardstick's.

    The latter are the sums that the networks gave for the samples as they learnt.
    """
    samples, variant, exact, taken, given = options.samples, options.variant, [], 0.0, []
    for seed in range(options.seeds):
        problem = addition.draw(seed, samples)
        trainer = prepare(addition.cast(problem, "float32"), variant)
        trainer.reset()
        begin = time.perf_counter()
        trainer.run(samples)
        taken += time.perf_counter() - begin
        exact.append(addition.exact(trainer.weights()) == NUMBERS**2)
        double = prepare(problem, variant)
        double.reset()
        double.run(samples)
        given.append(addition.sums_of(double.outputs()))
    right, _ = addition.train(addition.draw_several(options.seeds, samples))
    same = float((np.stack(given) == addition.sums_of(right)).mean())
    report(
        seconds=taken,
        runs=1,
        exact=statistics.mean(exact),
        same=same,
        early=[],
        final=[],
        comparable=False,
        note=f"float32: all {NUMBERS**2:,} sums of {BITS} bits exact on {sum(exact)} of {options.seeds} seeds; "
        f"float64: {same:.4%} of the sums given while learning are the yardstick's",
    )
