"""Pellucid, binary addition: all samples in one native call, the places of each a scan in its step."""

from __future__ import annotations

from typing import Any

import numpy as np

import pellucid as pc

from ..addition import BITS, HIDDEN, RATE, Array, Problem, Weights
from ..addition_runner import addition_runner


def outputs(x: Any, W: Any, U: Any, V: Any) -> Any:
    """The outputs (bits, 1) for one sample (bits, 2)."""

    def step(state: Any, bits: Any) -> tuple[Any, Any]:
        state = pc.sigmoid(bits @ W + state @ U)
        return state, pc.sigmoid(state @ V)

    return pc.scan(step, pc.constant(np.zeros(HIDDEN), x.dtype), x)[1]


def training_step(start: Weights, dtype: str) -> tuple[Any, list[Any]]:
    """The update of one sample, which returns its outputs; and the parameters."""
    x, target = (pc.variable(name, ("sample", BITS, size), dtype) for name, size in (("x", 2), ("target", 1)))
    parameters = [pc.parameter(array, name=name, dtype=dtype) for name, array in start._asdict().items()]
    y = outputs(x[0], *parameters)
    loss = 0.5 * ((y - target[0]) ** 2).sum()
    updates = [(p, p - RATE * g) for p, g in zip(parameters, pc.gradient(loss, parameters), strict=True)]
    return pc.function([x, target], y, updates=updates), parameters


class Trainer:
    """Minibatches of one sample, in their order."""

    def __init__(self, problem: Problem, variant: str) -> None:
        self.problem = problem
        self.step, self.parameters = training_step(problem.start, str(problem.inputs.dtype))

    def reset(self) -> None:
        for parameter, value in zip(self.parameters, self.problem.start, strict=True):
            parameter.value = value

    def run(self, samples: int) -> None:
        data = self.problem.inputs[:samples], self.problem.targets[:samples]
        self.given = self.step.minibatches(1, shuffle=False)(*data)

    def outputs(self) -> Array:
        return self.given

    def weights(self) -> Weights:
        return Weights(*(parameter.value for parameter in self.parameters))


if __name__ == "__main__":
    addition_runner(Trainer)
