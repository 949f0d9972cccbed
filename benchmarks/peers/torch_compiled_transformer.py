"""PyTorch compiled, in bfloat16 on a GPU: a causal transformer block."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from ..layer_runner import layer_runner
from ..layers import Problem
from . import torch_transformer
from .torch_device import DEVICE, compiled, finished


class Trainer(torch_transformer.Trainer):
    """Everything lies on the device; weights are float32, and products bfloat16."""

    def __init__(self, problem: Problem, rate: float, variant: str) -> None:
        self.start, self.rate = problem.start, rate
        self.inputs, self.targets = (torch.from_numpy(array).to(DEVICE) for array in problem[:2])
        self.losses = compiled(self.loss)

    def reset(self) -> None:
        arrays = {name: torch.from_numpy(array.T.copy()).to(DEVICE) for name, array in self.start.items()}
        self.now = {name: tensor.requires_grad_() for name, tensor in arrays.items()}
        self.optimizer = torch.optim.SGD(self.now.values(), lr=self.rate, fused=True)

    def loss(self, now: dict[str, torch.Tensor]) -> torch.Tensor:
        """The mean squared error."""
        self.now = now
        with torch.autocast(DEVICE, torch.bfloat16):
            found = self.outputs(self.inputs)
        return functional.mse_loss(found.float(), self.targets)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.optimizer.zero_grad()
            self.losses(self.now).backward()
            self.optimizer.step()
        finished()

    def weights(self) -> dict[str, np.ndarray]:
        return {name: tensor.detach().cpu().numpy().T for name, tensor in self.now.items()}


if __name__ == "__main__":
    layer_runner("transformer", Trainer)
