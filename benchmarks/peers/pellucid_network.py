"""Pellucid, one of the networks written as mathematics: the steps of a run in one native call."""

from __future__ import annotations

from typing import Any

import numpy as np

import pellucid as pc

from ..network_runner import network_runner
from ..networks import BETA_1, BETA_2, EPSILON, MOMENTUM, Convolution, Dense, Dropout, Network, Pool, Problem, Weights
from .pellucid_backend import backend_of


def scores(network: Network, parameters: list[Any], x: Any, dropping: Any) -> Any:
    """The network; `dropping` is 1 to drop and 0 to keep everything."""
    each = iter(parameters)
    for layer in network.layers:
        if isinstance(layer, Convolution):
            x = pc.relu(pc.conv2d(x, next(each), strides=1, padding="same") + next(each))
        elif isinstance(layer, Pool):
            x = pc.max_pool2d(x, layer.size, layer.strides, "same")
        elif isinstance(layer, Dense):
            x = x.reshape((x.shape[0], -1)) @ next(each) + next(each)
            x = pc.relu(x) if layer.hidden else x
        else:
            keep = 1 - layer.rate * dropping
            x = x * pc.bernoulli(keep, x.shape) / keep
    return x


def drops(network: Network) -> bool:
    """Whether it has dropout, and so takes `dropping`."""
    return any(isinstance(layer, Dropout) for layer in network.layers)


def optimizer(network: Network) -> Any:
    """Its optimiser as Pellucid's."""
    if network.optimiser == "adam":
        return pc.optimizers.Adam(network.rate, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON)
    if network.optimiser == "nesterov":
        return pc.optimizers.SGD(network.rate, momentum=MOMENTUM, nesterov=True)
    return pc.optimizers.SGD(network.rate)


def training_step(network: Network, start: Weights, variant: str = "") -> tuple[Any, list[Any], Any]:
    """One minibatch step from the given weights: the function, its parameters, and the optimiser."""
    X = pc.variable("X", ("batch", *network.shape), dtype="uint8")
    y = pc.variable("y", ("batch",), dtype="int32")
    dropping = pc.variable("dropping", ())
    parameters = [pc.parameter(array, name=f"{'Wb'[k % 2]}{k // 2 + 1}") for k, array in enumerate(start)]
    rule = optimizer(network)
    p = pc.softmax(scores(network, parameters, X.astype("float32") / 255, dropping))
    loss = -pc.log(pc.pick(p, y)).mean()
    inputs = [X, y, dropping] if drops(network) else [X, y]
    step = pc.function(inputs, [], updates=rule.updates(loss, parameters), backend=backend_of(variant))
    return step, parameters, rule


class Trainer:
    """The same function in order and shuffled; the arrays are checked once, or put on the device, where they stay."""

    def __init__(self, network: Network, problem: Problem, variant: str) -> None:
        self.network, self.problem, self.variant = network, problem, variant
        self.parameters: list[Any] = []
        self.loops: dict[tuple[int, bool], Any] = {}
        self.done = 0

    def reset(self) -> None:
        if not self.parameters:
            self.step, self.parameters, self.rule = training_step(self.network, self.problem.start, self.variant)
            return
        for parameter, value in zip(self.parameters, self.problem.start, strict=True):
            parameter.value = value
        for parameter in self.rule.state.values():
            parameter.value = np.zeros_like(parameter.value)

    def run_in_order(self, steps: int) -> None:
        self.over(steps, shuffle=False, dropping=0.0)

    def run_shuffled(self, steps: int) -> None:
        self.over(steps, shuffle=True, dropping=1.0)

    def over(self, steps: int, shuffle: bool, dropping: float) -> None:
        """One pass over the rows of so many steps."""
        if (steps, shuffle) not in self.loops:
            rows, batch = slice(0, steps * self.network.batch), self.network.batch
            given = (dropping,) if drops(self.network) else ()
            loop = self.step.minibatches(batch, shuffle=shuffle)
            self.loops[steps, shuffle] = loop.on(self.problem.images[rows], self.problem.labels[rows], *given)
        self.loops[steps, shuffle].run(self.done, steps)
        self.done += steps  # each pass has an order of its own

    def weights(self) -> list[np.ndarray]:
        return [parameter.value for parameter in self.parameters]


if __name__ == "__main__":
    network_runner(Trainer)
