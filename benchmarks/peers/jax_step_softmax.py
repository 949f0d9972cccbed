"""JAX, softmax regression, one jit for each step; NumPy shuffles and gathers."""

from __future__ import annotations

import jax
import numpy as np

from ..runner import softmax_runner
from ..softmax import BATCH, CLASSES, INPUTS, Problem
from .jax_model import softmax_step


class Trainer:
    """A minibatch is gathered inside the jitted step, from arrays that stay with JAX."""

    def __init__(self, problem: Problem) -> None:
        self.data = jax.numpy.asarray(problem.images), jax.numpy.asarray(problem.labels)

        def step(weights: tuple[jax.Array, ...], images: jax.Array, labels: jax.Array, rows: jax.Array) -> object:
            return softmax_step(weights, images[rows], labels[rows])

        self.step = jax.jit(step, donate_argnums=0)
        self.reset()

    def reset(self) -> None:
        self.now = jax.numpy.zeros((INPUTS, CLASSES)), jax.numpy.zeros(CLASSES)
        self.rng = np.random.default_rng(0)

    def run_in_order(self, steps: int) -> None:
        self.over(np.arange(steps * BATCH, dtype=np.int32))

    def run_shuffled(self, epochs: int) -> None:
        for _ in range(epochs):
            self.over(self.rng.permutation(len(self.data[1])).astype(np.int32))

    def over(self, order: np.ndarray) -> None:
        """One pass over the rows in this order."""
        now = self.now
        for begin in range(0, len(order), BATCH):
            now = self.step(now, *self.data, order[begin : begin + BATCH])
        self.now = jax.block_until_ready(now)

    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        return np.asarray(self.now[0]), np.asarray(self.now[1])


if __name__ == "__main__":
    softmax_runner(Trainer)
