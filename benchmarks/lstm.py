"""An LSTM layer and its gradient in float64 NumPy, the yardstick of its runners.

    i, f, o = sigmoid(...)    g = tanh(...)    of x_t kernel + h_{t-1} recurrent + bias, in the order i, f, g, o
    c_t = f c_{t-1} + i g     h_t = o tanh(c_t)

Hochreiter and Schmidhuber, "Long short-term memory", 1997, with the forget gate of Gers, Schmidhuber and Cummins, 2000.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

WIDTH = 256
UNITS = 256

Array = NDArray[np.floating]


def start(rng: np.random.Generator) -> dict[str, Array]:
    """The kernels (inputs, 4 units) and (units, 4 units) and the bias, uniform within 1/sqrt(units)."""
    shapes = {"kernel": (WIDTH, 4 * UNITS), "recurrent": (UNITS, 4 * UNITS), "bias": (4 * UNITS,)}
    return {name: rng.uniform(-1, 1, shape) / np.sqrt(UNITS) for name, shape in shapes.items()}


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def forward(weights: Mapping[str, Array], x: Array) -> tuple[Array, Array, Array]:
    """Gates (time, batch, 4, units), cells and states (time + 1, batch, units), the first of these zero."""
    given = x.swapaxes(0, 1) @ weights["kernel"] + weights["bias"]
    times, batch, _ = given.shape
    units = len(weights["recurrent"])
    gates, cells = np.empty((times, batch, 4, units)), np.zeros((times + 1, batch, units))
    states = np.zeros_like(cells)
    for t in range(times):
        sums = (given[t] + states[t] @ weights["recurrent"]).reshape(batch, 4, units)
        gates[t] = sigmoid(sums)
        gates[t, :, 2] = np.tanh(sums[:, 2])
        i, f, g, o = gates[t].swapaxes(0, 1)
        cells[t + 1] = f * cells[t] + i * g
        states[t + 1] = o * np.tanh(cells[t + 1])
    return gates, cells, states


def outputs(weights: Mapping[str, Array], x: Array) -> Array:
    """The states at every time, (batch, time, units)."""
    return forward(weights, x)[2][1:].swapaxes(0, 1)


def gradients(weights: Mapping[str, Array], x: Array, slope: Callable[[Array], Array]) -> dict[str, Array]:
    """The gradient for each weight; `slope` gives the loss's from the outputs."""
    gates, cells, states = forward(weights, x)
    given = slope(states[1:].swapaxes(0, 1)).swapaxes(0, 1)
    back, dh, dc = np.empty_like(gates), np.zeros_like(states[0]), np.zeros_like(states[0])
    for t in reversed(range(len(gates))):
        i, f, g, o = gates[t].swapaxes(0, 1)
        dh = dh + given[t]
        squashed = np.tanh(cells[t + 1])
        dc = dc + dh * o * (1 - squashed**2)
        parts = dc * g * i * (1 - i), dc * cells[t] * f * (1 - f), dc * i * (1 - g**2), dh * squashed * o * (1 - o)
        back[t] = np.stack(parts, axis=1)
        dh, dc = back[t].reshape(len(dh), -1) @ weights["recurrent"].T, dc * f
    flat = back.reshape(-1, weights["bias"].size)
    rows = x.swapaxes(0, 1).reshape(-1, x.shape[-1]), states[:-1].reshape(-1, states.shape[-1])
    return {"kernel": rows[0].T @ flat, "recurrent": rows[1].T @ flat, "bias": flat.sum(axis=0)}
