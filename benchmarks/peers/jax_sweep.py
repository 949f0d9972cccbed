"""JAX, a whole fori_loop over several two-moons networks joined into one block-diagonal network."""

from __future__ import annotations

import jax

from ..blocks import join, part
from ..moons import Problem, Weights
from ..runner import moons_runner
from .jax_model import sweep_step


class Trainer:
    """As jax_loop, for the joined network."""

    def __init__(self, problem: Problem) -> None:
        self.networks = problem.starts
        self.start, mask = join(problem.starts)
        self.data = tuple(jax.numpy.asarray(array) for array in (problem.points, problem.labels, mask))

        def loop(weights: tuple[jax.Array, ...], data: tuple[jax.Array, ...], passes: int) -> object:
            return jax.lax.fori_loop(0, passes, lambda _, now: sweep_step(now, *data), weights)

        self.loop = jax.jit(loop)
        self.reset()

    def reset(self) -> None:
        self.now = tuple(jax.numpy.array(array) for array in self.start)

    def run(self, passes: int) -> None:
        self.now = jax.block_until_ready(self.loop(self.now, self.data, passes))

    def weights(self) -> list[Weights]:
        return part(self.now, self.networks)


if __name__ == "__main__":
    moons_runner(Trainer)
