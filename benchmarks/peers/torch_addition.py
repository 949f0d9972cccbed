"""PyTorch, eager, with autograd, binary addition one sample at a time."""

from __future__ import annotations

import torch

from ..addition import RATE, Array, Problem, Weights
from ..addition_runner import addition_runner


class Trainer:
    """The products with the inputs of all places are one, and so are those that give the outputs."""

    def __init__(self, problem: Problem, variant: str) -> None:
        self.start = problem.start
        self.inputs, self.targets = torch.from_numpy(problem.inputs), torch.from_numpy(problem.targets)
        torch.set_num_threads(1)  # no operation is large enough to share out
        self.reset()

    def reset(self) -> None:
        self.now = [torch.tensor(array, requires_grad=True) for array in self.start]

    def run(self, samples: int) -> None:
        self.given: list[torch.Tensor] = []
        for x, target in zip(self.inputs[:samples], self.targets[:samples], strict=True):
            y = self.forward(x)
            slopes = torch.autograd.grad(0.5 * (y - target).square().sum(), self.now)
            with torch.no_grad():  # which takes less time here than torch.optim.SGD
                for weight, slope in zip(self.now, slopes, strict=True):
                    weight.sub_(slope, alpha=RATE)
            self.given.append(y.detach())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The outputs (bits, 1) for one sample."""
        W, U, V = self.now
        state, states = torch.zeros((1, len(U)), dtype=U.dtype), []
        for given in (x @ W).split(1):
            state = torch.addmm(given, state, U).sigmoid_()
            states.append(state)
        return torch.sigmoid(torch.cat(states) @ V)

    def outputs(self) -> Array:
        return torch.stack(self.given).numpy()

    def weights(self) -> Weights:
        return Weights(*(tensor.detach().numpy() for tensor in self.now))


if __name__ == "__main__":
    addition_runner(Trainer)
