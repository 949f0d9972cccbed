"""The hand-written C loop, one thread a network on two cores."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ..moons import Problem, Weights
from ..runner import moons_runner
from .c_build import CLoop


class Trainer:
    """One C loop for each hidden size, the largest first."""

    def __init__(self, problem: Problem) -> None:
        self.loops = [CLoop(problem, start) for start in problem.starts]
        vectorised = all(loop.vectorised for loop in self.loops)
        self.note = "" if vectorised else "this C library has no vector tanh: a weak baseline"
        self.order = sorted(self.loops, key=lambda loop: -loop.hidden)

    def reset(self) -> None:
        for loop in self.loops:
            loop.reset()

    def run(self, passes: int) -> None:
        if len(self.loops) == 1:
            return self.loops[0].run(passes)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda loop: loop.run(passes), self.order))
        return None

    def weights(self) -> list[Weights]:
        return [loop.weights() for loop in self.loops]


if __name__ == "__main__":
    moons_runner(Trainer)
