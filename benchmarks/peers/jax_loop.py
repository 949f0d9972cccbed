"""JAX, the whole training as one jitted fori_loop, for one two-moons network."""

from __future__ import annotations

import jax
import numpy as np

from ..moons import Problem, Weights
from ..runner import moons_runner
from .jax_model import moons_step


class Trainer:
    """The number of passes is an argument, so that one compiled program serves every length."""

    def __init__(self, problem: Problem) -> None:
        self.start = problem.starts[0]
        self.data = jax.numpy.asarray(problem.points), jax.numpy.asarray(problem.labels)

        def loop(weights: tuple[jax.Array, ...], points: jax.Array, labels: jax.Array, passes: int) -> object:
            return jax.lax.fori_loop(0, passes, lambda _, now: moons_step(now, points, labels), weights)

        self.loop = jax.jit(loop)
        self.reset()

    def reset(self) -> None:
        self.now = tuple(jax.numpy.array(array) for array in self.start)

    def run(self, passes: int) -> None:
        self.now = jax.block_until_ready(self.loop(self.now, *self.data, passes))

    def weights(self) -> list[Weights]:
        return [Weights(*(np.asarray(array) for array in self.now))]


if __name__ == "__main__":
    moons_runner(Trainer)
