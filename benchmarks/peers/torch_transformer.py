"""PyTorch, eager, a causal transformer block with its fused attention and plain gradient descent."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from ..layer_runner import layer_runner
from ..layers import Problem
from ..transformer import EPSILON, HEADS, WIDTH
from .torch_threads import choose_threads


class Trainer:
    """Queries, keys and values are one product; weights are (outputs, inputs), as `linear` takes them."""

    def __init__(self, problem: Problem, rate: float, variant: str) -> None:
        self.start, self.rate = problem.start, rate
        self.inputs, self.targets = torch.from_numpy(problem.inputs), torch.from_numpy(problem.targets)
        self.reset()
        choose_threads(lambda: self.run(2))

    def reset(self) -> None:
        arrays = {name: torch.from_numpy(array.T.copy()) for name, array in self.start.items()}
        self.now = {name: tensor.requires_grad_() for name, tensor in arrays.items()}
        self.optimizer = torch.optim.SGD(self.now.values(), lr=self.rate)

    def linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """A product and its bias."""
        return functional.linear(x, self.now[name], self.now[f"{name}_bias"])

    def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """Layer normalisation."""
        return functional.layer_norm(x, (WIDTH,), self.now[name], self.now[f"{name}_bias"], EPSILON)

    def outputs(self, x: torch.Tensor) -> torch.Tensor:
        """The block."""
        batch, time, _ = x.shape
        parts = self.linear(self.norm(x, "norm1"), "qkv").view(batch, time, 3, HEADS, -1)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        heads = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.linear(heads.transpose(1, 2).reshape(batch, time, WIDTH), "out")
        return x + self.linear(functional.gelu(self.linear(self.norm(x, "norm2"), "up")), "down")

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.optimizer.zero_grad()
            functional.mse_loss(self.outputs(self.inputs), self.targets).backward()
            self.optimizer.step()

    def weights(self) -> dict[str, np.ndarray]:
        return {name: tensor.detach().numpy().T for name, tensor in self.now.items()}


if __name__ == "__main__":
    layer_runner("transformer", Trainer)
