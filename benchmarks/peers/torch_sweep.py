"""PyTorch, eager, several networks joined into one block-diagonal network, or as one padded batch."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from ..blocks import join, pad, part, unpad
from ..moons import PENALTY, RATE, Problem, Weights
from ..runner import arguments, moons_runner
from .torch_threads import choose_threads


class Trainer:
    """As torch_moons, with a cross-entropy over each pair of outputs and a mask on the second layer."""

    def __init__(self, problem: Problem) -> None:
        self.points, self.networks = torch.from_numpy(problem.points.copy()), problem.starts
        self.start, mask = join(problem.starts)
        self.mask = torch.from_numpy(mask)
        labels = torch.from_numpy(problem.labels.astype("int64"))
        self.labels = labels.repeat_interleave(len(self.networks))
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
            scores = torch.addmm(b2, hidden, W2 * self.mask).reshape(-1, 2)
            cross_entropy(scores, self.labels, reduction="sum").backward()
            self.optimizer.step()

    def weights(self) -> list[Weights]:
        return part([tensor.detach().numpy() for tensor in self.now], self.networks)


class PaddedTrainer(Trainer):
    """The networks as one batch of products."""

    def __init__(self, problem: Problem) -> None:
        self.points, self.networks = torch.from_numpy(problem.points.copy()), problem.starts
        self.start = pad(problem.starts)
        self.labels = torch.from_numpy(problem.labels.astype("int64")).repeat(len(self.networks))
        self.reset()
        choose_threads(lambda: self.run(50))

    def run(self, passes: int) -> None:
        W1, b1, W2, b2 = self.now
        points = self.points.expand(len(self.networks), -1, -1)
        for _ in range(passes):
            self.optimizer.zero_grad()
            scores = torch.baddbmm(b2, torch.tanh(torch.baddbmm(b1, points, W1)), W2)
            cross_entropy(scores.reshape(-1, 2), self.labels, reduction="sum").backward()
            self.optimizer.step()

    def weights(self) -> list[Weights]:
        return unpad([tensor.detach().numpy() for tensor in self.now], self.networks)


if __name__ == "__main__":
    moons_runner(PaddedTrainer if arguments().variant == "one padded batch" else Trainer)
