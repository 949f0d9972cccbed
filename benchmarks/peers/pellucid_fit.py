"""Pellucid's layers and `Model.fit`, one of the networks."""

from __future__ import annotations

from typing import Any

import numpy as np

import pellucid as pc

from ..network_runner import network_runner
from ..networks import Convolution, Dropout, Network, Pool, Problem
from .pellucid_network import optimizer


def layers_of(network: Network) -> list[Any]:
    """The network as layers; images stay bytes and are scaled in the step."""
    found: list[Any] = [pc.layers.Rescaling(1 / 255)]
    flat = len(network.shape) == 1
    for layer in network.layers:
        if isinstance(layer, Convolution):
            found.append(pc.layers.Conv2D(layer.filters, layer.kernel, padding="same", activation="relu"))
        elif isinstance(layer, Pool):
            found.append(pc.layers.MaxPooling2D(layer.size, layer.strides, "same"))
        elif isinstance(layer, Dropout):
            found.append(pc.layers.Dropout(layer.rate))
        else:
            found += [] if flat else [pc.layers.Flatten()]
            flat = True
            found.append(pc.layers.Dense(layer.units, activation="relu" if layer.hidden else None))
    return found


class Trainer:
    """A model that starts from the weights of all runners."""

    def __init__(self, network: Network, problem: Problem, variant: str) -> None:
        self.network, self.problem = network, problem

    def reset(self) -> None:
        network = pc.Sequential(layers_of(self.network)).build(self.network.shape, dtype="uint8")
        self.parameters = list(network.parameters.values())
        for parameter, value in zip(self.parameters, self.problem.start, strict=True):
            parameter.value = value
        self.model = pc.Model(network, "cross_entropy", optimizer(self.network))

    def run_in_order(self, steps: int) -> None:
        self.over(steps, shuffle=False)

    def run_shuffled(self, steps: int) -> None:
        self.over(steps, shuffle=True)

    def over(self, steps: int, shuffle: bool) -> None:
        """One pass over the rows of so many steps."""
        rows, batch = slice(0, steps * self.network.batch), self.network.batch
        self.model.fit(self.problem.images[rows], self.problem.labels[rows], 1, batch, shuffle=shuffle, verbose=0)

    def weights(self) -> list[np.ndarray]:
        return [parameter.value for parameter in self.parameters]


if __name__ == "__main__":
    network_runner(Trainer, comparable=False)
