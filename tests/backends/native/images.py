"""A network of convolutions on images, as people train them, for tests of whole steps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import pellucid as pc


class Images(NamedTuple):
    """How large a network is."""

    batch: int
    size: int
    channels: tuple[int, int]
    hidden: int
    classes: int = 10


SMALL = Images(6, 9, (5, 9), 21)
MNIST = Images(64, 28, (32, 64), 128)


def training(
    images: Images, optimizer: pc.optimizers.Optimizer, dropout: float = 0.25, padding: str = "same"
) -> tuple[pc.Function, list[pc.Parameter]]:
    """Return a training step: two convolutions, pooling, a dense layer with dropout, softmax; and its parameters."""
    draw = np.random.default_rng(0).standard_normal
    batch, size, (first, second), hidden, classes = images
    x, label = pc.variable("x", (batch, size, size, 1)), pc.variable("label", (batch,), dtype="int32")

    def layer(name: str, *shape: int) -> tuple[pc.Parameter, pc.Parameter]:
        scale = np.sqrt(2 / np.prod(shape[:-1]))
        return pc.parameter(draw(shape) * scale, name=name), pc.parameter(np.zeros(shape[-1]), name=f"{name} bias")

    w1, b1 = layer("first", 3, 3, 1, first)
    w2, b2 = layer("second", 3, 3, first, second)
    y = pc.relu(pc.conv2d(x, w1, padding=padding) + b1)
    y = pc.relu(pc.conv2d(y, w2, padding=padding) + b2)
    y = pc.max_pool2d(y, 2).reshape(batch, -1)
    w3, b3 = layer("dense", int(y.shape[1]), hidden)
    y = pc.relu(y @ w3 + b3)
    if dropout:
        y = y * (pc.uniform((batch, hidden)) > dropout) / (1 - dropout)
    w4, b4 = layer("last", hidden, classes)
    loss = -pc.pick(pc.log_softmax(y @ w4 + b4), label).mean()
    parameters = [w1, b1, w2, b2, w3, b3, w4, b4]
    return pc.function([x, label], loss, updates=optimizer.updates(loss, parameters)), parameters


def data(images: Images) -> tuple[np.ndarray, np.ndarray]:
    """Return made-up images and labels, always the same ones."""
    random = np.random.default_rng(1)
    x = random.normal(size=(images.batch, images.size, images.size, 1)).astype("float32")
    return x, random.integers(0, images.classes, images.batch)
