"""PyTorch, eager, one of the networks; the harness tries every layout and optimiser and keeps the fastest."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch.nn import functional

from ..network_runner import network_runner
from ..networks import BETA_1, BETA_2, EPSILON, MOMENTUM, Convolution, Dense, Network, Pool, Problem, input_shapes

LAYOUTS = ("channels first", "channels last")
OPTIMISERS = ("default", "foreach", "fused")
VARIANTS = tuple(", ".join(pair) for pair in itertools.product(LAYOUTS, OPTIMISERS))


class Trainer:
    """Images are held as the layout wants them, uint8, and scaled as a batch is gathered."""

    late_epsilon = True

    def __init__(self, network: Network, problem: Problem, variant: str) -> None:
        torch.set_num_threads(2)
        layout, self.implementation = (variant or VARIANTS[-1]).split(", ")
        self.network, self.problem, self.last = network, problem, layout == "channels last"
        self.format = torch.channels_last if self.last else torch.contiguous_format
        self.shapes = input_shapes(network)
        images = torch.from_numpy(problem.images)
        if images.ndim == 4 and not self.last:
            images = images.permute(0, 3, 1, 2).contiguous()
        self.images, self.labels = images, torch.from_numpy(problem.labels.astype("int64"))

    def reset(self) -> None:
        torch.manual_seed(0)
        arrays = [torch.from_numpy(array.copy()) for array in self.problem.start]
        self.parameters = [tensor.requires_grad_() for tensor in map(self.inward, arrays, self.flattened())]
        given = {} if self.implementation == "default" else {self.implementation: True}
        if self.network.optimiser == "adam":
            self.optimizer: torch.optim.Optimizer = torch.optim.Adam(
                self.parameters, lr=self.network.rate, betas=(BETA_1, BETA_2), eps=EPSILON, **given
            )
        else:
            momentum = {"momentum": MOMENTUM, "nesterov": True} if self.network.optimiser == "nesterov" else {}
            self.optimizer = torch.optim.SGD(self.parameters, lr=self.network.rate, **momentum, **given)

    def flattened(self) -> list[tuple[int, ...]]:
        """For each of the weights, the shape of the images it meets where it meets them flattened; otherwise ()."""
        found: list[tuple[int, ...]] = []
        for layer, shape in zip(self.network.layers, self.shapes, strict=True):
            if isinstance(layer, Convolution | Dense):
                meets = isinstance(layer, Dense) and len(shape) == 3 and not self.last
                found += [shape if meets else (), ()]
        return found

    def inward(self, array: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
        """One of the weights in PyTorch's order: (filters, channels, height, width), (units, inputs)."""
        if array.ndim == 4:
            return array.permute(3, 2, 0, 1).contiguous(memory_format=self.format)
        if shape:
            array = array.reshape(*shape, -1).permute(2, 0, 1, 3).reshape(array.shape)
        return array.T.contiguous() if array.ndim == 2 else array

    def outward(self, tensor: torch.Tensor, shape: tuple[int, ...]) -> np.ndarray:
        """The same in the order of all runners."""
        if tensor.ndim == 4:
            return tensor.permute(2, 3, 1, 0).numpy()
        tensor = tensor.T if tensor.ndim == 2 else tensor
        if shape:
            height, width, channels = shape
            tensor = tensor.reshape(channels, height, width, -1).permute(1, 2, 0, 3).reshape(tensor.shape)
        return tensor.numpy()

    def scores(self, x: torch.Tensor, dropping: bool) -> torch.Tensor:
        """The network."""
        each = iter(self.parameters)
        for layer in self.network.layers:
            if isinstance(layer, Convolution):
                x = functional.conv2d(x, next(each), next(each), padding=layer.kernel // 2)
                x = functional.relu(x, inplace=True)
            elif isinstance(layer, Pool):
                x = functional.max_pool2d(x, layer.size, layer.strides, ceil_mode=True)
            elif isinstance(layer, Dense):
                x = (x.permute(0, 2, 3, 1) if self.last and x.ndim == 4 else x).flatten(1)
                x = functional.linear(x, next(each), next(each))
                x = functional.relu(x, inplace=True) if layer.hidden else x
            else:
                x = functional.dropout(x, layer.rate, training=dropping)
        return x

    def run_in_order(self, steps: int) -> None:
        self.over(torch.arange(steps * self.network.batch), dropping=False)

    def run_shuffled(self, steps: int) -> None:
        self.over(torch.randperm(min(steps * self.network.batch, len(self.labels))), dropping=True)

    def over(self, order: torch.Tensor, dropping: bool) -> None:
        """One pass over the rows in this order."""
        for rows in order.split(self.network.batch):
            images = self.images.index_select(0, rows)
            images = images.permute(0, 3, 1, 2) if images.ndim == 4 and self.last else images
            self.optimizer.zero_grad()
            scores = self.scores(images.to(torch.float32).div_(255), dropping)
            functional.cross_entropy(scores, self.labels.index_select(0, rows)).backward()
            self.optimizer.step()

    def weights(self) -> list[np.ndarray]:
        return [
            self.outward(tensor.detach(), shape)
            for tensor, shape in zip(self.parameters, self.flattened(), strict=True)
        ]


if __name__ == "__main__":
    network_runner(Trainer)
