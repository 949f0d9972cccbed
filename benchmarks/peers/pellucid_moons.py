"""Pellucid: all passes in one native call, one function a thread when there are several networks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ..moons import Problem, Weights
from ..runner import moons_runner
from .pellucid_model import moons_step


class Trainer:
    """One function for each hidden size, the largest first."""

    def __init__(self, problem: Problem) -> None:
        self.starts, self.data = problem.starts, (problem.points, problem.labels)
        self.steps = [moons_step(start) for start in self.starts]
        self.order = sorted(self.steps, key=lambda step: -len(step[1][1].value))

    def reset(self) -> None:
        for start, (_, parameters) in zip(self.starts, self.steps, strict=True):
            for parameter, value in zip(parameters, start, strict=True):
                parameter.value = value

    def run(self, passes: int) -> None:
        if len(self.steps) == 1:
            self.steps[0][0].repeat(passes)(*self.data)
            return
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda step: step[0].repeat(passes)(*self.data), self.order))

    def weights(self) -> list[Weights]:
        return [Weights(*(parameter.value for parameter in parameters)) for _, parameters in self.steps]


if __name__ == "__main__":
    moons_runner(Trainer)
