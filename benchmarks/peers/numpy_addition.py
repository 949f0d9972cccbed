"""NumPy, binary addition: the gradient by hand, place by place."""

from __future__ import annotations

import numpy as np

from ..addition import BITS, HIDDEN, RATE, Array, Problem, Weights
from ..addition_runner import addition_runner


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


class Trainer:
    """Every state is a vector; the first is zero and stands before the first place."""

    def __init__(self, problem: Problem, variant: str) -> None:
        self.problem = problem
        self.reset()

    def reset(self) -> None:
        self.now = Weights(*(array.copy() for array in self.problem.start))

    def run(self, samples: int) -> None:
        inputs, targets = self.problem.inputs, self.problem.targets
        self.given = np.empty_like(targets[:samples])
        for k in range(samples):
            self.learn(inputs[k], targets[k], self.given[k])

    def learn(self, x: Array, target: Array, y: Array) -> None:
        """One sample: write its outputs into y and update the weights."""
        W, U, V = self.now
        h = np.zeros((BITS + 1, HIDDEN), W.dtype)
        for t in range(BITS):
            h[t + 1] = sigmoid(x[t] @ W + h[t] @ U)
            y[t] = sigmoid(h[t + 1] @ V)
        error = (y - target) * y * (1 - y)
        dW, dU, dV = np.zeros_like(W), np.zeros_like(U), np.zeros_like(V)
        later = np.zeros(HIDDEN, W.dtype)
        for t in reversed(range(BITS)):
            later = (later @ U.T + error[t] @ V.T) * h[t + 1] * (1 - h[t + 1])
            dV += np.outer(h[t + 1], error[t])
            dU += np.outer(h[t], later)
            dW += np.outer(x[t], later)
        W -= RATE * dW
        U -= RATE * dU
        V -= RATE * dV

    def outputs(self) -> Array:
        return self.given

    def weights(self) -> Weights:
        return self.now


if __name__ == "__main__":
    addition_runner(Trainer)
