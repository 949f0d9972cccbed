"""Pellucid: softmax regression, epochs of shuffled minibatches in one native call."""

from __future__ import annotations

import numpy as np

from ..runner import softmax_runner
from ..softmax import BATCH, CLASSES, INPUTS, RATE, Problem
from .pellucid_model import softmax_step


class Trainer:
    """The same function in order and shuffled; the arrays that it shuffles are checked once, or put on the device."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.step, (self.W, self.b) = softmax_step(INPUTS, CLASSES, RATE)
        self.shuffled = self.step.minibatches(BATCH, shuffle=True, seed=0).on(*problem)

    def reset(self) -> None:
        self.W.value, self.b.value = np.zeros((INPUTS, CLASSES), np.float32), np.zeros(CLASSES, np.float32)

    def run_in_order(self, steps: int) -> None:
        rows = slice(0, steps * BATCH)
        self.step.minibatches(BATCH, shuffle=False)(self.problem.images[rows], self.problem.labels[rows])

    def run_shuffled(self, epochs: int) -> None:
        self.shuffled.run(0, epochs * self.shuffled.steps_per_epoch)

    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        return self.W.value, self.b.value


if __name__ == "__main__":
    softmax_runner(Trainer)
