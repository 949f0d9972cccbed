"""What the runners of the networks share: how a step is timed, its memory counted and its arithmetic checked."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from . import networks, yardstick
from .memory import Memory
from .networks import EARLY_STEPS, NETWORKS, Network, Problem
from .runner import arguments, report

FEWEST_RUNS = 3
MOST_LOOKS = 6


class NetworkTrainer(Protocol):
    """Trains a network; making one holds the data in the engine's own arrays, and nothing else."""

    def reset(self) -> None:
        """To the starting weights, with a fresh optimiser, keeping whatever is compiled."""

    def run_in_order(self, steps: int) -> None:
        """So many minibatches in the order of the rows, without dropout."""

    def run_shuffled(self, steps: int) -> None:
        """So many minibatches, shuffled, with dropout."""

    def weights(self) -> list[NDArray[np.floating]]:
        """The weights now, in the order and layout of the start."""


Prepare = Callable[[Network, Problem, str], NetworkTrainer]


def time_runs(run: Callable[[], None], enough: float) -> list[float]:
    """Seconds of each run, until `enough` have been measured."""
    taken: list[float] = []
    while len(taken) < FEWEST_RUNS or (sum(taken) < enough and len(taken) < 20):
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    return taken


def reach(prepare: Prepare, network: Network, problem: Problem, options: argparse.Namespace) -> None:
    """Train an epoch or so many steps at a time until enough test images are right.

    Reported are the seconds, compiling included, judging not.
    """
    begin = time.perf_counter()
    trainer = prepare(network, problem, options.variant)
    trainer.reset()
    seconds, right, looks = time.perf_counter() - begin, 0.0, 0
    steps = options.steps or len(problem.labels) // network.batch
    test = networks.read_test(network, options.problem)
    while right < options.reach and looks < MOST_LOOKS:
        begin = time.perf_counter()
        trainer.run_shuffled(steps)
        seconds += time.perf_counter() - begin
        looks += 1
        right = yardstick.accuracy(network, trainer.weights(), test.pixels, test.labels)
    note = f"{right:.2%} after {looks * steps} steps"
    if right < options.reach:
        return report(failed=f"only {note}")
    return report(seconds=seconds, runs=1, early=[], final=[], comparable=False, note=note)


def recipe(prepare: Prepare, network: Network, problem: Problem, options: argparse.Namespace) -> None:
    """Train a number of epochs; report the seconds, compiling included, and what share of the test images is right."""
    begin = time.perf_counter()
    trainer = prepare(network, problem, options.variant)
    trainer.reset()
    for _ in range(options.recipe):
        trainer.run_shuffled(len(problem.labels) // network.batch)
    seconds = time.perf_counter() - begin
    test = networks.read_test(network, options.problem)
    right = yardstick.accuracy(network, trainer.weights(), test.pixels, test.labels)
    note = f"{right:.2%} of the test images"
    return report(seconds=seconds, runs=1, early=[], final=[], comparable=False, accuracy=right, note=note)


def network_runner(prepare: Prepare, *, comparable: bool = True) -> None:
    """Run a network's trainer and report seconds a step and bytes of memory.

    Memory counts from after the data are loaded to the end of the timed steps: compiling is in it, checking is not.
    """
    options = arguments()
    network = NETWORKS[options.network]
    problem = networks.read(network, options.problem)
    if options.reach:
        return reach(prepare, network, problem, options)
    if options.recipe:
        return recipe(prepare, network, problem, options)
    trainer = prepare(network, problem, options.variant)
    memory = Memory()
    trainer.reset()
    trainer.run_shuffled(network.steps)
    taken = time_runs(lambda: trainer.run_shuffled(network.steps), options.enough)
    bytes_taken = memory.taken()
    early = []
    if comparable:
        trainer.reset()
        trainer.run_in_order(EARLY_STEPS)
        early = [yardstick.loss(network, trainer.weights(), problem)]
    return report(
        seconds=statistics.median(taken) / network.steps,
        fastest=min(taken) / network.steps,
        memory=bytes_taken,
        runs=len(taken),
        early=early,
        final=[],
        comparable=comparable,
        note=getattr(trainer, "note", ""),
        late_epsilon=getattr(trainer, "late_epsilon", False),
    )
