"""PyTorch compiled, in bfloat16 on a GPU: one of the networks, channels last, with the fused optimiser."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from ..network_runner import network_runner
from ..networks import Network, Problem
from . import torch_network
from .torch_device import DEVICE, compiled, finished


class Trainer(torch_network.Trainer):
    """Everything lies on the device, where a minibatch is gathered."""

    def __init__(self, network: Network, problem: Problem, variant: str) -> None:
        super().__init__(network, problem, torch_network.VARIANTS[-1])
        self.images, self.labels = self.images.to(DEVICE), self.labels.to(DEVICE)
        self.losses = compiled(self.loss)

    def inward(self, array: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
        return super().inward(array.to(DEVICE), shape)

    def outward(self, tensor: torch.Tensor, shape: tuple[int, ...]) -> np.ndarray:
        return super().outward(tensor.cpu(), shape)

    def loss(self, parameters: list[torch.Tensor], rows: torch.Tensor, dropping: bool) -> torch.Tensor:
        """The loss of a minibatch; weights are float32, and products bfloat16."""
        self.parameters = parameters
        images = self.images.index_select(0, rows).permute(0, 3, 1, 2)
        with torch.autocast(DEVICE, torch.bfloat16):
            scores = self.scores(images.to(torch.float32).div(255), dropping)
        return functional.cross_entropy(scores.float(), self.labels.index_select(0, rows))

    def over(self, order: torch.Tensor, dropping: bool) -> None:
        for rows in order.to(DEVICE).split(self.network.batch):
            self.optimizer.zero_grad()
            self.losses(self.parameters, rows, dropping).backward()
            self.optimizer.step()
        finished()


if __name__ == "__main__":
    network_runner(Trainer)
