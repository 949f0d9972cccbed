"""Softmax regression 784-10 on images held in memory: the data and the yardstick shared by every runner.

    W <- W - rate dL/dW        b <- b - rate dL/db        L the mean cross-entropy of a minibatch of 100

Weights start at zero. First a few batches in the order of the rows, after which all runners must agree closely; then
whole epochs of shuffled minibatches, which are timed (shuffling and gathering included) and end at about the same loss.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

INPUTS = 784
CLASSES = 10
BATCH = 100
RATE = 0.5
EARLY_STEPS = 20
JUDGED = 10_000
"""The loss is taken over so many rows."""


class Problem(NamedTuple):
    """Images (rows, 784) float32 between 0 and 1, and labels (rows,) int32."""

    images: NDArray[np.float32]
    labels: NDArray[np.int32]


def folders() -> list[Path]:
    """Where MNIST's IDX files are looked for: $PELLUCID_DATA, then ../shared/data beside the repository."""
    named = os.environ.get("PELLUCID_DATA")
    roots = [Path(named)] if named else []
    roots.append(Path(__file__).resolve().parents[2] / "shared" / "data")
    return [folder for root in roots for folder in (root / "mnist", root)]


def read_mnist() -> tuple[NDArray[np.uint8], NDArray[np.int32]] | None:
    """The training images and labels of MNIST, or None where there are none."""
    for folder in folders():
        images, labels = folder / "train-images-idx3-ubyte.gz", folder / "train-labels-idx1-ubyte.gz"
        if images.is_file() and labels.is_file():
            pixels = np.frombuffer(gzip.decompress(images.read_bytes()), np.uint8, offset=16)
            names = np.frombuffer(gzip.decompress(labels.read_bytes()), np.uint8, offset=8)
            return pixels.reshape(-1, INPUTS), names.astype(np.int32)
    return None


def draw() -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Random data of MNIST's shape: each class lights a fifth of the pixels of its own."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 60_000).astype(np.int32)
    lit = rng.random((CLASSES, INPUTS)) < 0.19
    images = rng.integers(0, 256, (len(labels), INPUTS), dtype=np.uint8)
    images *= lit[labels] & (rng.random(images.shape, dtype=np.float32) < 0.8)
    return images, labels


def write(folder: Path) -> str:
    """Write the images as bytes and the labels; say what they are."""
    found = read_mnist()
    images, labels = found or draw()
    np.save(folder / "images.npy", images)
    np.save(folder / "digits.npy", labels)
    return "MNIST, 60,000 training images" if found else "random data of MNIST's shape (no MNIST found)"


def read(folder: Path) -> Problem:
    """What `write` wrote."""
    images = np.load(folder / "images.npy", allow_pickle=False)
    return Problem(images.astype(np.float32) / np.float32(255), np.load(folder / "digits.npy", allow_pickle=False))


def probabilities(
    W: NDArray[np.floating], b: NDArray[np.floating], images: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Softmax of the scores, (rows, 10)."""
    scores = images @ W + b
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def loss(W: NDArray[np.floating], b: NDArray[np.floating], problem: Problem) -> float:
    """Mean cross-entropy over the first rows, in float64."""
    images, labels = problem.images[:JUDGED].astype(np.float64), problem.labels[:JUDGED]
    picked = probabilities(W.astype(np.float64), b.astype(np.float64), images)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(picked, 1e-300)).mean())


def train(problem: Problem, steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The yardstick: so many batches in the order of the rows, in float64."""
    W, b = np.zeros((INPUTS, CLASSES)), np.zeros(CLASSES)
    for step in range(steps):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        images = problem.images[rows].astype(np.float64)
        error = probabilities(W, b, images) - np.eye(CLASSES)[problem.labels[rows]]
        W = W - RATE / BATCH * (images.T @ error)
        b = b - RATE / BATCH * error.sum(axis=0)
    return W, b
