"""Two moons: the data, the starting weights and the yardstick shared by every runner.

The network is 2-hidden-2 with a tanh hidden layer and a softmax output, trained by full-batch gradient descent on the
summed cross-entropy, with an L2 penalty on the weights (not on the biases):

    W <- W - rate (dL/dW + penalty W)        b <- b - rate dL/db

Everything a runner trains is float32. The yardstick (`loss`, `train`) is float64 NumPy: no runner is its own judge.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ROWS = 200
NOISE = 0.20
RATE = 0.01
PENALTY = 0.01
SWEEP = (1, 2, 3, 4, 5, 20, 50)
EARLY_PASSES = 100
"""After so many passes every runner's weights are compared: few enough that rounding has not grown yet."""

Array = NDArray[np.floating]


class Weights(NamedTuple):
    """One network: W1 (2, hidden), b1 (hidden,), W2 (hidden, 2), b2 (2,)."""

    W1: Array
    b1: Array
    W2: Array
    b2: Array


class Problem(NamedTuple):
    """Points (200, 2) float32 and labels (200,) int32, and the networks to train."""

    points: NDArray[np.float32]
    labels: NDArray[np.int32]
    starts: tuple[Weights, ...]


def start(hidden: int) -> Weights:
    """The weights that training starts from: normal, scaled by 1/sqrt(inputs); biases zero; float32."""
    draw = np.random.default_rng(hidden)
    W1 = (draw.standard_normal((2, hidden)) / np.sqrt(2)).astype(np.float32)
    W2 = (draw.standard_normal((hidden, 2)) / np.sqrt(hidden)).astype(np.float32)
    return Weights(W1, np.zeros(hidden, np.float32), W2, np.zeros(2, np.float32))


def make_points() -> tuple[NDArray[np.float32], NDArray[np.int32], str]:
    """The points, their labels, and where they came from: scikit-learn, or the same two half circles drawn here."""
    try:
        from sklearn.datasets import make_moons
    except ModuleNotFoundError:
        angle = np.linspace(0, np.pi, ROWS // 2)
        upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
        points = np.concatenate([upper, lower]) + np.random.default_rng(0).normal(0, NOISE, (ROWS, 2))
        labels = np.repeat([0, 1], ROWS // 2)
        return points.astype(np.float32), labels.astype(np.int32), "two half circles with noise (no scikit-learn here)"
    points, labels = make_moons(ROWS, noise=NOISE, random_state=0)
    return (
        points.astype(np.float32),
        labels.astype(np.int32),
        "scikit-learn make_moons(200, noise=0.20, random_state=0)",
    )


def write(folder: Path) -> str:
    """Write points and weights as raw bytes, which a runner can read before it imports anything; say what they are."""
    points, labels, origin = make_points()
    (folder / "points.float32").write_bytes(points.tobytes())
    (folder / "labels.int32").write_bytes(labels.tobytes())
    for name, array in start(3)._asdict().items():
        (folder / f"start-{name}.float32").write_bytes(array.tobytes())
    return origin


def read(folder: Path, hidden: tuple[int, ...]) -> Problem:
    """What `write` wrote, with the starting weights of the given hidden sizes."""
    points = np.frombuffer((folder / "points.float32").read_bytes(), np.float32).reshape(ROWS, 2)
    labels = np.frombuffer((folder / "labels.int32").read_bytes(), np.int32)
    return Problem(points, labels, tuple(start(size) for size in hidden))


def forward(weights: Weights, points: Array) -> tuple[Array, Array]:
    """Hidden activations and class probabilities, in the dtype of the weights."""
    hidden = np.tanh(points @ weights.W1 + weights.b1)
    scores = hidden @ weights.W2 + weights.b2
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return hidden, scores / scores.sum(axis=1, keepdims=True)


def loss(weights: Weights, points: Array, labels: NDArray[np.int32]) -> float:
    """Summed cross-entropy plus half the penalty times the squared weights, in float64."""
    wide = Weights(*(np.asarray(array, np.float64) for array in weights))
    probabilities = forward(wide, points.astype(np.float64))[1]
    picked = probabilities[np.arange(len(labels)), labels]
    squares = float((wide.W1**2).sum() + (wide.W2**2).sum())
    return float(-np.log(np.maximum(picked, 1e-300)).sum()) + PENALTY / 2 * squares


def train(weights: Weights, points: Array, labels: NDArray[np.int32], passes: int) -> Weights:
    """The yardstick: the same training in float64."""
    W1, b1, W2, b2 = (np.asarray(array, np.float64) for array in weights)
    points = points.astype(np.float64)
    target = np.eye(2)[labels]
    for _ in range(passes):
        hidden, probabilities = forward(Weights(W1, b1, W2, b2), points)
        error = probabilities - target
        back = (error @ W2.T) * (1 - hidden * hidden)
        W1, b1 = W1 - RATE * (points.T @ back + PENALTY * W1), b1 - RATE * back.sum(axis=0)
        W2, b2 = W2 - RATE * (hidden.T @ error + PENALTY * W2), b2 - RATE * error.sum(axis=0)
    return Weights(W1, b1, W2, b2)
