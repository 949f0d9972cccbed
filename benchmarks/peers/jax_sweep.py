"""JAX, one whole fori_loop for each two-moons network, on two threads, or one for all as a padded batch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from ..blocks import pad, unpad
from ..moons import Problem, Weights
from ..runner import arguments, moons_runner
from .jax_loop import Trainer as OneTrainer
from .jax_model import moons_step


class Trainer:
    """One jitted loop for each hidden size, the largest first; a running loop holds no lock of Python's."""

    def __init__(self, problem: Problem) -> None:
        self.each = [OneTrainer(problem._replace(starts=(start,))) for start in problem.starts]
        self.order = sorted(self.each, key=lambda one: -len(one.start.b1))

    def reset(self) -> None:
        for one in self.each:
            one.reset()

    def run(self, passes: int) -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda one: one.run(passes), self.order))

    def weights(self) -> list[Weights]:
        return [one.weights()[0] for one in self.each]


class PaddedTrainer:
    """The step mapped over the networks of a padded batch."""

    def __init__(self, problem: Problem) -> None:
        self.networks, self.start = problem.starts, pad(problem.starts)
        self.data = jax.numpy.asarray(problem.points), jax.numpy.asarray(problem.labels)
        each = jax.vmap(moons_step, in_axes=(0, None, None))

        def loop(weights: Any, points: Any, labels: Any, passes: int) -> Any:
            return jax.lax.fori_loop(0, passes, lambda _, now: each(now, points, labels), weights)

        self.loop = jax.jit(loop)
        self.reset()

    def reset(self) -> None:
        self.now = tuple(jax.numpy.array(array) for array in self.start)

    def run(self, passes: int) -> None:
        self.now = jax.block_until_ready(self.loop(self.now, *self.data, passes))

    def weights(self) -> list[Weights]:
        return unpad([np.asarray(array) for array in self.now], self.networks)


if __name__ == "__main__":
    moons_runner(PaddedTrainer if arguments().variant == "one padded batch" else Trainer)
