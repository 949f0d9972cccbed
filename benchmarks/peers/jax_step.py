"""JAX, one jit for each step, for one two-moons network."""

from __future__ import annotations

import jax
import numpy as np

from ..moons import Problem, Weights
from ..runner import moons_runner
from .jax_model import moons_step


class Trainer:
    """The weights are donated, so that they are updated in place."""

    def __init__(self, problem: Problem) -> None:
        self.start = problem.starts[0]
        self.data = jax.numpy.asarray(problem.points), jax.numpy.asarray(problem.labels)
        self.step = jax.jit(moons_step, donate_argnums=0)
        self.reset()

    def reset(self) -> None:
        self.now = tuple(jax.numpy.array(array) for array in self.start)

    def run(self, passes: int) -> None:
        now, step, (points, labels) = self.now, self.step, self.data
        for _ in range(passes):
            now = step(now, points, labels)
        self.now = jax.block_until_ready(now)

    def weights(self) -> list[Weights]:
        return [Weights(*(np.asarray(array) for array in self.now))]


if __name__ == "__main__":
    moons_runner(Trainer)
