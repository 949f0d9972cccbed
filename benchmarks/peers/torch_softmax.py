"""PyTorch, eager, softmax regression with autograd and its own SGD."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from ..runner import softmax_runner
from ..softmax import BATCH, CLASSES, INPUTS, RATE, Problem
from .torch_threads import choose_threads


class Trainer:
    """Minibatches by index_select from tensors in memory, which is faster than a DataLoader."""

    def __init__(self, problem: Problem) -> None:
        self.images = torch.from_numpy(problem.images)
        self.labels = torch.from_numpy(problem.labels.astype("int64"))
        self.reset()
        choose_threads(lambda: self.run_in_order(50))

    def reset(self) -> None:
        self.W = torch.zeros(INPUTS, CLASSES, requires_grad=True)
        self.b = torch.zeros(CLASSES, requires_grad=True)
        self.optimizer = torch.optim.SGD([self.W, self.b], lr=RATE)
        torch.manual_seed(0)

    def run_in_order(self, steps: int) -> None:
        self.over(torch.arange(steps * BATCH))

    def run_shuffled(self, epochs: int) -> None:
        for _ in range(epochs):
            self.over(torch.randperm(len(self.labels)))

    def over(self, order: torch.Tensor) -> None:
        """One pass over the rows in this order."""
        for rows in order.split(BATCH):
            self.optimizer.zero_grad()
            scores = torch.addmm(self.b, self.images.index_select(0, rows), self.W)
            cross_entropy(scores, self.labels.index_select(0, rows)).backward()
            self.optimizer.step()

    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        return self.W.detach().numpy(), self.b.detach().numpy()


if __name__ == "__main__":
    softmax_runner(Trainer)
