"""NumPy, the gradient by hand, for one network."""

from __future__ import annotations

import numpy as np

from ..moons import PENALTY, RATE, Problem, Weights
from ..runner import moons_runner


class Trainer:
    """In float32, updating in place."""

    def __init__(self, problem: Problem) -> None:
        self.points, self.start = problem.points, problem.starts[0]
        self.target = np.eye(2, dtype=np.float32)[problem.labels]
        self.reset()

    def reset(self) -> None:
        self.now = Weights(*(array.copy() for array in self.start))

    def run(self, passes: int) -> None:
        (W1, b1, W2, b2), points, target = self.now, self.points, self.target
        rate, penalty = np.float32(RATE), np.float32(PENALTY)
        for _ in range(passes):
            hidden = np.tanh(points @ W1 + b1)
            scores = hidden @ W2 + b2
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            error = scores / scores.sum(axis=1, keepdims=True) - target
            back = (error @ W2.T) * (1 - hidden * hidden)
            W1 -= rate * (points.T @ back + penalty * W1)
            b1 -= rate * back.sum(axis=0)
            W2 -= rate * (hidden.T @ error + penalty * W2)
            b2 -= rate * error.sum(axis=0)

    def weights(self) -> list[Weights]:
        return [self.now]


if __name__ == "__main__":
    moons_runner(Trainer)
