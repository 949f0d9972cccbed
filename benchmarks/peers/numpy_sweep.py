"""NumPy, the gradient by hand, several networks joined into one block-diagonal network."""

from __future__ import annotations

import numpy as np

from ..blocks import join, part
from ..moons import PENALTY, RATE, Problem, Weights
from ..runner import moons_runner


class Trainer:
    """As numpy_moons, with a softmax over each pair of outputs and a mask on the second layer's gradient."""

    def __init__(self, problem: Problem) -> None:
        self.points, self.networks = problem.points, problem.starts
        self.start, self.mask = join(problem.starts)
        self.target = np.eye(2, dtype=np.float32)[problem.labels][:, None, :]
        self.reset()

    def reset(self) -> None:
        self.now = Weights(*(array.copy() for array in self.start))

    def run(self, passes: int) -> None:
        (W1, b1, W2, b2), points, target, mask = self.now, self.points, self.target, self.mask
        rate, penalty = np.float32(RATE), np.float32(PENALTY)
        rows, pairs = len(points), (len(points), len(self.networks), 2)
        for _ in range(passes):
            hidden = np.tanh(points @ W1 + b1)
            scores = (hidden @ W2 + b2).reshape(pairs)
            scores = np.exp(scores - scores.max(axis=2, keepdims=True))
            error = (scores / scores.sum(axis=2, keepdims=True) - target).reshape(rows, -1)
            back = (error @ W2.T) * (1 - hidden * hidden)
            W1 -= rate * (points.T @ back + penalty * W1)
            b1 -= rate * back.sum(axis=0)
            W2 -= rate * ((hidden.T @ error) * mask + penalty * W2)
            b2 -= rate * error.sum(axis=0)

    def weights(self) -> list[Weights]:
        return part(self.now, self.networks)


if __name__ == "__main__":
    moons_runner(Trainer)
