"""Binary addition by a recurrent network, one sample at a time: the data and the yardstick shared by every runner.

At place t, from the least significant bit, the network reads the two bits x_t and gives a bit of the sum:

    h_t = sigmoid(x_t W + h_{t-1} U)        y_t = sigmoid(h_t V)        h_{-1} = 0

There are no biases, and weights begin uniform in [-1, 1). After all 8 places each weight moves by the rate against the
gradient of half the summed squared error, all gradients from the old weights. The program is well known from A. Trask,
"Anyone can learn to code an LSTM-RNN in Python", 2015.

The yardstick trains several networks side by side, so that twenty seeds take little longer than one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BITS = 8
HIDDEN = 16
RATE = 0.1
SAMPLES = 10_000
SEEDS = 20
NUMBERS = 2 ** (BITS - 1)
"""Numbers below it are added, so that the sum has BITS bits."""

EARLY_SAMPLES = 200
"""After so many samples the weights of all runners are compared."""

ORIGIN = f"pairs of numbers below {NUMBERS}, drawn by NumPy from a seed"
Array = NDArray[np.floating]


class Weights(NamedTuple):
    """W (2, hidden), U (hidden, hidden) and V (hidden, 1), with an axis of seeds before where there are several."""

    W: Array
    U: Array
    V: Array


class Problem(NamedTuple):
    """Bits of the pairs (samples, bits, 2) and of their sums (samples, bits, 1), and the weights at the start."""

    inputs: Array
    targets: Array
    start: Weights


def bits_of(numbers: NDArray[np.integer]) -> Array:
    """The bits of numbers of any shape along a new last axis, the least significant first, float64."""
    return ((np.asarray(numbers)[..., None] >> np.arange(BITS)) & 1).astype(np.float64)


def sums_of(outputs: Array) -> NDArray[np.int64]:
    """The numbers that outputs (..., bits, 1) round to."""
    return (np.asarray(outputs)[..., 0] > 0.5) @ (1 << np.arange(BITS))


def encode(pairs: NDArray[np.integer]) -> tuple[Array, Array]:
    """Inputs (..., bits, 2) and targets (..., bits, 1) of pairs (..., 2)."""
    return bits_of(pairs).swapaxes(-1, -2), bits_of(pairs.sum(axis=-1))[..., None]


def draw(seed: int, samples: int = SAMPLES) -> Problem:
    """A seed's weights and then its samples, float64."""
    rng = np.random.default_rng(seed)
    shapes = (2, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 1)
    start = Weights(*(2 * rng.random(shape) - 1 for shape in shapes))
    return Problem(*encode(rng.integers(0, NUMBERS, (samples, 2))), start)


def cast(problem: Problem, dtype: str) -> Problem:
    """The same in another dtype."""
    start = Weights(*(array.astype(dtype) for array in problem.start))
    return Problem(problem.inputs.astype(dtype), problem.targets.astype(dtype), start)


def draw_several(seeds: int, samples: int = SAMPLES) -> Problem:
    """The same of seeds 0, 1, ... along a new first axis."""
    each = [draw(seed, samples) for seed in range(seeds)]
    start = Weights(*(np.stack(arrays) for arrays in zip(*(one.start for one in each), strict=True)))
    return Problem(np.stack([one.inputs for one in each]), np.stack([one.targets for one in each]), start)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def states(weights: Weights, inputs: Array) -> Array:
    """The hidden states after every place, (..., bits, hidden), in the dtype of the weights."""
    W, U, _ = weights
    given = inputs @ W
    found, state = np.empty_like(given), np.zeros_like(given[..., :1, :])
    for t in range(inputs.shape[-2]):
        state = sigmoid(given[..., t : t + 1, :] + state @ U)
        found[..., t : t + 1, :] = state
    return found


def outputs(weights: Weights, inputs: Array) -> Array:
    """The outputs at every place, (..., bits, 1)."""
    return sigmoid(states(weights, inputs) @ weights.V)


def gradients(weights: Weights, inputs: Array, targets: Array) -> tuple[Array, Weights]:
    """Outputs for one sample, and the gradients of half the summed squared error, by back-propagation through time."""
    _, U, V = weights
    h = states(weights, inputs)
    y = sigmoid(h @ V)
    error = (y - targets) * y * (1 - y)
    back, slope = error @ V.swapaxes(-1, -2), h * (1 - h)
    delta, later = np.empty_like(h), np.zeros_like(h[..., :1, :])
    for t in reversed(range(inputs.shape[-2])):
        now = (..., slice(t, t + 1), slice(None))
        later = (back[now] + later @ U.swapaxes(-1, -2)) * slope[now]
        delta[now] = later
    before = np.concatenate([np.zeros_like(h[..., :1, :]), h[..., :-1, :]], axis=-2)
    factors = (inputs, delta), (before, delta), (h, error)
    return y, Weights(*(left.swapaxes(-1, -2) @ right for left, right in factors))


def train(problem: Problem) -> tuple[Array, Weights]:
    """The yardstick: one update a sample, in the dtype of the problem.

    Returns:
        What the network gave for each sample just before it learnt from it, (..., samples, bits, 1), and the weights
        at the end. Any axes of the weights before their last two count networks, each with samples of its own.
    """
    weights, found = Weights(*(array.copy() for array in problem.start)), np.empty_like(problem.targets)
    for k in range(problem.inputs.shape[-3]):
        sample = (..., k, slice(None), slice(None))
        found[sample], slopes = gradients(weights, problem.inputs[sample], problem.targets[sample])
        for array, slope in zip(weights, slopes, strict=True):
            array -= RATE * slope
    return found, weights


def every_pair() -> NDArray[np.int64]:
    """All pairs of numbers, (16384, 2)."""
    return np.stack(np.meshgrid(np.arange(NUMBERS), np.arange(NUMBERS), indexing="ij"), axis=-1).reshape(-1, 2)


def wide(weights: Weights) -> Weights:
    """The same in float64."""
    return Weights(*(np.asarray(array, np.float64) for array in weights))


def loss(weights: Weights) -> float:
    """The mean squared error of the bits of all sums, in float64."""
    inputs, targets = encode(every_pair())
    return float(((outputs(wide(weights), inputs) - targets) ** 2).mean())


def exact(weights: Weights) -> int:
    """How many of all 16,384 sums are right, computed in float64."""
    pairs = every_pair()
    return int((sums_of(outputs(wide(weights), encode(pairs)[0])) == pairs.sum(axis=1)).sum())
