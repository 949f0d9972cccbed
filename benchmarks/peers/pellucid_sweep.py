"""Pellucid, several two-moons networks: all in one function, or one function a network on two threads."""

from __future__ import annotations

from ..moons import Problem, Weights
from ..runner import arguments, moons_runner
from .pellucid_model import moons_steps
from .pellucid_moons import Trainer as ThreadedTrainer


class Trainer:
    """All losses and updates in one function: one native call trains every network."""

    def __init__(self, problem: Problem) -> None:
        self.starts, self.data = problem.starts, (problem.points, problem.labels)
        self.step, self.parameters = moons_steps(self.starts)

    def reset(self) -> None:
        for start, parameters in zip(self.starts, self.parameters, strict=True):
            for parameter, value in zip(parameters, start, strict=True):
                parameter.value = value

    def run(self, passes: int) -> None:
        self.step.repeat(passes)(*self.data)

    def weights(self) -> list[Weights]:
        return [Weights(*(parameter.value for parameter in parameters)) for parameters in self.parameters]


if __name__ == "__main__":
    moons_runner(ThreadedTrainer if arguments().variant == "one network a thread" else Trainer)
