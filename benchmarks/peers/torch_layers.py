"""The layers of recipes as PyTorch's modules, whose weights begin as those of Pellucid's layers do.

Images stay channels last, (batch, height, width, channels), as the recipes have them. What convolves or pools sees them
through a permutation of their axes, which is PyTorch's own memory format for channels last and copies nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Table = dict[str, Any]
EMBEDDED = 0.05  # Pellucid's embeddings begin between minus this and this
ACTIVATIONS: dict[str | None, Callable[[], nn.Module]] = {
    None: nn.Identity,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
}


class Does(nn.Module):
    """A function without weights as a module."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor], training_only: bool = False) -> None:
        super().__init__()
        self.function, self.training_only = function, training_only

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.training_only and not self.training else self.function(x)


class OnImages(nn.Module):
    """A module that wants channels first, on images that have them last."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Recurrent(nn.Module):
    """A simple recurrence with any activation, of which nn.RNN has two."""

    def __init__(self, table: Table, inputs: int) -> None:
        super().__init__()
        units = table["units"]
        self.read, self.keep = linear(inputs, units), nn.Linear(units, units, bias=False)
        nn.init.orthogonal_(self.keep.weight)
        self.function = ACTIVATIONS[table.get("activation", "tanh")]()
        self.all = table.get("return_sequences", False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states = [x.new_zeros(len(x), self.keep.in_features)]
        for given in self.read(x).unbind(1):
            states.append(self.function(given + self.keep(states[-1])))
        return torch.stack(states[1:], 1) if self.all else states[-1]


class LongShortTerm(nn.Module):
    """nn.LSTM with one bias that learns, as there is one in Pellucid's; the one of the forget gate begins at 1."""

    def __init__(self, table: Table, inputs: int) -> None:
        super().__init__()
        units = table["units"]
        self.inner, self.all = nn.LSTM(inputs, units, batch_first=True), table.get("return_sequences", False)
        nn.init.xavier_uniform_(self.inner.weight_ih_l0)
        nn.init.orthogonal_(self.inner.weight_hh_l0)
        nn.init.zeros_(self.inner.bias_ih_l0)
        nn.init.ones_(self.inner.bias_ih_l0[units : 2 * units])
        nn.init.zeros_(self.inner.bias_hh_l0).requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.inner(x)[0]
        return found if self.all else found[:, -1]


class Positions(nn.Module):
    """A vector of weights added for each place."""

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.embeddings = nn.Parameter(torch.empty(length, width).uniform_(-EMBEDDED, EMBEDDED))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.embeddings[: x.shape[1]]


class Block(nn.Module):
    """A block of a transformer, which normalises what its two parts read."""

    def __init__(self, table: Table, width: int) -> None:
        super().__init__()
        self.heads, self.causal = table["num_heads"], table.get("causal", True)
        wide = table.get("intermediate_dim") or 4 * width
        self.norms = nn.ModuleList(nn.LayerNorm(width, table.get("epsilon", 1e-5)) for _ in range(2))
        self.query, self.key, self.value, self.out = (linear(width, width) for _ in range(4))
        self.feedforward = nn.Sequential(
            linear(width, wide), ACTIVATIONS[table.get("activation", "gelu")](), linear(wide, width)
        )
        self.drop = nn.Dropout(table.get("dropout", 0.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        read = self.norms[0](x)
        q, k, v = (part(read).unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.projections)
        heads = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.drop(self.out(heads.transpose(1, 2).flatten(2)))
        return x + self.drop(self.feedforward(self.norms[1](x)))

    @property
    def projections(self) -> tuple[nn.Module, ...]:
        """What makes queries, keys and values."""
        return self.query, self.key, self.value


def drawn(weight: torch.Tensor, bias: torch.Tensor, initializer: str = "glorot_uniform") -> None:
    """Draw a kernel; the bias begins at 0."""
    {"glorot_uniform": nn.init.xavier_uniform_, "zeros": nn.init.zeros_}[initializer](weight)
    nn.init.zeros_(bias)


def linear(inputs: int, units: int, initializer: str = "glorot_uniform") -> nn.Linear:
    """A dense layer without activation."""
    made = nn.Linear(inputs, units)
    drawn(made.weight, made.bias, initializer)
    return made


def dense(table: Table, x: torch.Tensor) -> nn.Module:
    """Dense."""
    made = linear(x.shape[-1], table["units"], table.get("kernel_initializer", "glorot_uniform"))
    return nn.Sequential(made, ACTIVATIONS[table.get("activation")]())


def convolution(table: Table, x: torch.Tensor) -> nn.Module:
    """Conv2D of stride 1."""
    made = nn.Conv2d(x.shape[-1], table["filters"], table["kernel_size"], padding=table.get("padding", "valid")).to(
        memory_format=torch.channels_last
    )
    drawn(made.weight, made.bias)
    return nn.Sequential(OnImages(made), ACTIVATIONS[table.get("activation")]())


def pooling(table: Table, x: torch.Tensor) -> nn.Module:
    """MaxPool2D; with "same", there are as many windows as begin inside the image, and none begins before it."""
    size = table.get("pool_size", 2)
    strides, same = table.get("strides", size), table.get("padding") == "same"
    lacking = (math.ceil(x.shape[1] / strides) - 1) * strides + size - x.shape[1]
    if same and lacking > 1:
        raise ValueError(f"windows of {size}, {strides} apart, on {x.shape[1]} rows begin before the image")
    return OnImages(nn.MaxPool2d(size, strides, ceil_mode=same))


def embedding(table: Table, x: torch.Tensor) -> nn.Module:
    """Embedding."""
    made = nn.Embedding(table["input_dim"], table["output_dim"])
    nn.init.uniform_(made.weight, -EMBEDDED, EMBEDDED)
    return made


def flip(table: Table, x: torch.Tensor) -> nn.Module:
    """RandomFlip, left to right."""
    assert table["mode"] == "horizontal"
    return Does(lambda images: torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(2), images), True)


def translation(table: Table, x: torch.Tensor) -> nn.Module:
    """RandomTranslation by whole pixels, filled with zeros."""
    assert table["fill_mode"] == "constant"
    height, width = x.shape[1:3]
    most = [round(table[f"{side}_factor"] * size) for side, size in (("height", height), ("width", width))]

    def moved(images: torch.Tensor) -> torch.Tensor:
        wide = functional.pad(images, (0, 0, most[1], most[1], most[0], most[0]))
        begin = [torch.randint(2 * by + 1, (len(images), 1)) for by in most]
        rows, columns = (first + torch.arange(size) for first, size in zip(begin, (height, width), strict=True))
        return wide[torch.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]

    return Does(moved, True)


KINDS: dict[str, Callable[[Table, torch.Tensor], nn.Module]] = {
    "Dense": dense,
    "Conv2D": convolution,
    "MaxPool2D": pooling,
    "Dropout": lambda table, x: nn.Dropout(table["rate"]),
    "Flatten": lambda table, x: nn.Flatten(),
    "Rescaling": lambda table, x: Does(lambda images: images.float() * table["scale"] + table.get("offset", 0.0)),
    "RandomFlip": flip,
    "RandomTranslation": translation,
    "SimpleRNN": lambda table, x: Recurrent(table, x.shape[-1]),
    "LSTM": lambda table, x: LongShortTerm(table, x.shape[-1]),
    "Embedding": embedding,
    "PositionEmbedding": lambda table, x: Positions(table["sequence_length"], x.shape[-1]),
    "TransformerBlock": lambda table, x: Block(table, x.shape[-1]),
    "LayerNormalization": lambda table, x: nn.LayerNorm(x.shape[-1], table.get("epsilon", 1e-3)),
}


def network(tables: list[Table], example: torch.Tensor) -> nn.Sequential:
    """The network of a document's layers, for inputs like a row or more of an example."""
    made, x = nn.Sequential(), example
    for table in tables:
        made.append(KINDS[table["kind"]](table, x))
        with torch.no_grad():
            x = made[-1](x)
    return made
