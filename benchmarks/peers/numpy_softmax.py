"""NumPy, softmax regression with the gradient by hand."""

from __future__ import annotations

import numpy as np

from ..runner import softmax_runner
from ..softmax import BATCH, CLASSES, INPUTS, RATE, Problem


class Trainer:
    """A permutation for each epoch; every minibatch gathered by index."""

    def __init__(self, problem: Problem) -> None:
        self.images = problem.images
        self.target = np.eye(CLASSES, dtype=np.float32)[problem.labels]
        self.reset()

    def reset(self) -> None:
        self.W, self.b = np.zeros((INPUTS, CLASSES), np.float32), np.zeros(CLASSES, np.float32)
        self.rng = np.random.default_rng(0)

    def run_in_order(self, steps: int) -> None:
        self.over(np.arange(steps * BATCH))

    def run_shuffled(self, epochs: int) -> None:
        for _ in range(epochs):
            self.over(self.rng.permutation(len(self.images)))

    def over(self, order: np.ndarray) -> None:
        """One pass over the rows in this order."""
        scale = np.float32(RATE / BATCH)
        for begin in range(0, len(order), BATCH):
            rows = order[begin : begin + BATCH]
            images = self.images[rows]
            scores = images @ self.W + self.b
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            error = scores / scores.sum(axis=1, keepdims=True) - self.target[rows]
            self.W -= scale * (images.T @ error)
            self.b -= scale * error.sum(axis=0)

    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        return self.W, self.b


if __name__ == "__main__":
    softmax_runner(Trainer)
