"""JAX, softmax regression, all steps of an epoch in one jitted fori_loop."""

from __future__ import annotations

import jax
import numpy as np

from ..runner import softmax_runner
from ..softmax import BATCH, CLASSES, INPUTS, Problem
from .jax_model import softmax_step


class Trainer:
    """NumPy draws the permutation of each epoch (JAX's own is slower on a CPU); the loop gathers by it."""

    def __init__(self, problem: Problem) -> None:
        self.data = jax.numpy.asarray(problem.images), jax.numpy.asarray(problem.labels)

        def loop(weights: tuple[jax.Array, ...], data: tuple[jax.Array, ...], order: jax.Array) -> object:
            def step(k: int, now: tuple[jax.Array, ...]) -> object:
                rows = jax.lax.dynamic_slice(order, (k * BATCH,), (BATCH,))
                return softmax_step(now, data[0][rows], data[1][rows])

            return jax.lax.fori_loop(0, len(order) // BATCH, step, weights)

        self.loop = jax.jit(loop)
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
        """One pass over the rows in this order, in one call."""
        self.now = jax.block_until_ready(self.loop(self.now, self.data, order))

    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        return np.asarray(self.now[0]), np.asarray(self.now[1])


if __name__ == "__main__":
    softmax_runner(Trainer)
