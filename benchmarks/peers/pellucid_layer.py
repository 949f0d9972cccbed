"""What Pellucid's single layers share: the steps of a run in one native call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import pellucid as pc

from ..layers import Problem
from .pellucid_backend import backend_of

ALL = slice(None)

Places = Mapping[str, tuple[str, slice]]
"""For each weight of the layer, the problem's weight that it is of, and which of its columns."""


class Trainer:
    """A layer of `pc.layers` with plain gradient descent, from the weights of the problem.

    A batch has all rows, so that steps are on the same arrays, which are checked once, or put on the device.
    """

    def __init__(self, layer: Any, places: Places, problem: Problem, rate: float, variant: str = "") -> None:
        self.problem, self.places = problem, places
        x, targets = (pc.variable(name, ("batch", *problem.inputs.shape[1:])) for name in ("x", "targets"))
        loss = ((layer(x) - targets) ** 2).mean()
        self.parameters = dict(layer.parameters)
        updates = pc.optimizers.SGD(rate).updates(loss, list(self.parameters.values()))
        step = pc.function([x, targets], [], updates=updates, backend=backend_of(variant))
        self.steps = step.minibatches(len(problem.inputs)).on(problem.inputs, problem.targets)

    def reset(self) -> None:
        for own, (name, columns) in self.places.items():
            parameter = self.parameters[own]
            parameter.value = self.problem.start[name][..., columns].reshape(parameter.value.shape)

    def run(self, steps: int) -> None:
        self.steps.run(0, steps)

    def weights(self) -> dict[str, np.ndarray]:
        found = {name: np.empty_like(array) for name, array in self.problem.start.items()}
        for own, (name, columns) in self.places.items():
            part = found[name][..., columns]
            part[...] = self.parameters[own].value.reshape(part.shape)
        return found
