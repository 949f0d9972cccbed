"""Single layers on random data, as training steps: what every runner computes, from the same weights.

A step takes the same inputs and targets each time: outputs, the mean squared error, its gradient for every weight, and
w <- w - rate dL/dw. lstm.py and transformer.py have the layers and their gradients in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import lstm, transformer

EARLY_STEPS = 3
"""After so many steps the losses of all runners are compared."""

ORIGIN = "normal random inputs and targets"
Array = NDArray[np.floating]
Weights = dict[str, Array]


class Layer(NamedTuple):
    """What is trained: inputs and targets are (batch, time, width); `steps` are timed as one run.

    `start` draws the weights; `gradients` gives outputs and, from a function of these, the gradient for each weight.
    """

    key: str
    batch: int
    time: int
    width: int
    rate: float
    steps: int
    start: Callable[[np.random.Generator], Weights]
    outputs: Callable[[Mapping[str, Array], Array], Array]
    gradients: Callable[[Mapping[str, Array], Array, Callable[[Array], Array]], Weights]


LAYERS = {
    layer.key: layer
    for layer in (
        Layer("lstm", 64, 128, 256, 300.0, 4, lstm.start, lstm.outputs, lstm.gradients),
        Layer("transformer", 16, 256, 256, 1.0, 4, transformer.start, transformer.outputs, transformer.gradients),
    )
}


class Problem(NamedTuple):
    """Inputs and targets (batch, time, width) and the weights at the start, by name; float32."""

    inputs: Array
    targets: Array
    start: Weights


def draw(layer: Layer) -> Problem:
    """The problem of a layer, the same in every process."""
    rng = np.random.default_rng(1)
    weights = {name: array.astype(np.float32) for name, array in layer.start(rng).items()}
    shape = layer.batch, layer.time, layer.width
    inputs, targets = (rng.standard_normal(shape, dtype=np.float32) for _ in range(2))
    return Problem(inputs, targets, weights)


def wide(weights: Mapping[str, Array]) -> Weights:
    """The same in float64."""
    return {name: np.asarray(array, np.float64) for name, array in weights.items()}


def loss(layer: Layer, weights: Mapping[str, Array], problem: Problem) -> float:
    """The mean squared error, in float64."""
    inputs, targets = (np.asarray(array, np.float64) for array in (problem.inputs, problem.targets))
    return float(((layer.outputs(wide(weights), inputs) - targets) ** 2).mean())


def train(layer: Layer, problem: Problem, steps: int) -> Weights:
    """The yardstick: so many steps in float64."""
    weights, inputs = wide(problem.start), np.asarray(problem.inputs, np.float64)

    def slope(outputs: Array) -> Array:
        return 2 / outputs.size * (outputs - problem.targets)

    for _ in range(steps):
        slopes = layer.gradients(weights, inputs, slope)
        weights = {name: array - layer.rate * slopes[name] for name, array in weights.items()}
    return weights
