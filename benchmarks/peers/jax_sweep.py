"""JAX, one whole fori_loop for each two-moons network, on two threads: faster than the networks joined into one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ..moons import Problem, Weights
from ..runner import moons_runner
from .jax_loop import Trainer as OneTrainer


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


if __name__ == "__main__":
    moons_runner(Trainer)
