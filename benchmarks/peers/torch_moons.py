"""PyTorch, eager, with autograd and its own SGD, for one network."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from ..moons import PENALTY, RATE, Problem, Weights
from ..runner import moons_runner
from .torch_threads import choose_threads


class Trainer:
    """Weight decay on the weights is the gradient of the penalty."""

    def __init__(self, problem: Problem) -> None:
        self.points, self.start = torch.from_numpy(problem.points.copy()), problem.starts[0]
        self.labels = torch.from_numpy(problem.labels.astype("int64"))
        self.reset()
        choose_threads(lambda: self.run(50))

    def reset(self) -> None:
        self.now = [torch.tensor(array, requires_grad=True) for array in self.start]
        W1, b1, W2, b2 = self.now
        decayed = {"params": [W1, W2], "weight_decay": PENALTY}
        self.optimizer = torch.optim.SGD([decayed, {"params": [b1, b2]}], lr=RATE)

    def run(self, passes: int) -> None:
        W1, b1, W2, b2 = self.now
        for _ in range(passes):
            self.optimizer.zero_grad()
            hidden = torch.tanh(torch.addmm(b1, self.points, W1))
            cross_entropy(torch.addmm(b2, hidden, W2), self.labels, reduction="sum").backward()
            self.optimizer.step()

    def weights(self) -> list[Weights]:
        return [Weights(*(tensor.detach().numpy() for tensor in self.now))]


if __name__ == "__main__":
    moons_runner(Trainer)
