"""PyTorch, eager, an LSTM layer: `torch.nn.LSTM` with plain gradient descent."""

from __future__ import annotations

import numpy as np
import torch

from ..layer_runner import layer_runner
from ..layers import Problem
from .torch_threads import choose_threads

NAMES = {"kernel": "weight_ih_l0", "recurrent": "weight_hh_l0", "bias": "bias_ih_l0"}


class Trainer:
    """Time comes first, which is the layout that the layer computes in. Of its two biases one stays zero."""

    def __init__(self, problem: Problem, rate: float, variant: str) -> None:
        self.start, self.rate = problem.start, rate
        self.inputs, self.targets = (
            torch.from_numpy(array).transpose(0, 1).contiguous() for array in (problem.inputs, problem.targets)
        )
        units = len(problem.start["recurrent"])
        self.lstm = torch.nn.LSTM(self.inputs.shape[-1], units)
        torch.nn.init.zeros_(self.lstm.bias_hh_l0).requires_grad_(False)
        self.named = {name: getattr(self.lstm, own) for name, own in NAMES.items()}
        self.optimizer = torch.optim.SGD(self.named.values(), lr=rate)
        self.reset()
        choose_threads(lambda: self.run(2))

    def reset(self) -> None:
        with torch.no_grad():
            for name, tensor in self.named.items():
                tensor.copy_(torch.from_numpy(self.start[name].T))

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.optimizer.zero_grad()
            outputs, _ = self.lstm(self.inputs)
            torch.nn.functional.mse_loss(outputs, self.targets).backward()
            self.optimizer.step()

    def weights(self) -> dict[str, np.ndarray]:
        return {name: tensor.detach().numpy().T for name, tensor in self.named.items()}


if __name__ == "__main__":
    layer_runner("lstm", Trainer)
