"""The three networks that are timed as training steps on real images: what every runner builds, from the same weights.

A network is a list of layers, channels last; each runner makes its engine's own of it. Images stay uint8 in memory and
are divided by 255 in the step. The loss is the mean cross-entropy of a minibatch. Convolutions and hidden dense layers
end in relu; all `same` padding is Keras's (at the end first). Weights are drawn here: normal, scaled by
sqrt(2 / inputs) before a relu and 1 / sqrt(inputs) before the loss; biases zero.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import images
from .images import Images, MissingDataError

EARLY_STEPS = 3
"""After so many steps without dropout all runners are compared: few enough that rounding has not grown yet."""

MOMENTUM = 0.9
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


class Convolution(NamedTuple):
    """A square convolution with `same` padding, bias and relu; weights (kernel, kernel, channels, filters)."""

    kernel: int
    filters: int


class Pool(NamedTuple):
    """Max pooling over squares with `same` padding."""

    size: int
    strides: int


class Dropout(NamedTuple):
    """Dropout, with what is kept divided by 1 - rate."""

    rate: float


class Dense(NamedTuple):
    """A dense layer on the flattened input, with bias, and relu if it is hidden; weights (inputs, units)."""

    units: int
    hidden: bool


Layer = Convolution | Pool | Dropout | Dense


class Network(NamedTuple):
    """What is trained, on what, and how; `steps` are timed as one run."""

    key: str
    shape: tuple[int, ...]
    classes: int
    layers: tuple[Layer, ...]
    optimiser: Literal["sgd", "nesterov", "adam"]
    rate: float
    batch: int
    steps: int
    data: Literal["mnist", "cifar", "animals"]


NETWORKS = {
    network.key: network
    for network in (
        Network(
            "network-3072",
            (3072,),
            2,
            (Dense(768, True), Dense(384, True), Dense(2, False)),
            "sgd",
            0.01,
            batch=128,
            steps=32,
            data="animals",
        ),
        Network(
            "mnist-cnn",
            (28, 28, 1),
            10,
            (
                Convolution(5, 32),
                Pool(2, 2),
                Convolution(5, 64),
                Pool(2, 2),
                Dense(1024, True),
                Dropout(0.5),
                Dense(10, False),
            ),
            "adam",
            0.001,
            batch=50,
            steps=12,
            data="mnist",
        ),
        Network(
            "cifar-cnn",
            (32, 32, 3),
            10,
            (
                Convolution(3, 64),
                Convolution(3, 32),
                Pool(3, 2),
                Dropout(0.25),
                Dense(128, True),
                Dropout(0.5),
                Dense(10, False),
            ),
            "nesterov",
            0.01,
            batch=128,
            steps=4,
            data="cifar",
        ),
    )
}

NETWORKS |= {
    f"cifar-cnn-{batch}": NETWORKS["cifar-cnn"]._replace(key=f"cifar-cnn-{batch}", batch=batch, steps=steps)
    for batch, steps in ((1024, 16), (4, 2))
}
"""Those of a GPU, and of trying its program on a CPU."""

ORIGINS = {
    "mnist": "MNIST, 60,000 training images",
    "cifar": "CIFAR-10 as JPEGs, the training images at hand of all ten classes",
    "animals": "CIFAR-10 as JPEGs, 5,000 cats and 5,000 dogs",
}

Weights = list[NDArray[np.float32]]


class Problem(NamedTuple):
    """Images in random order (rows, *shape) uint8, labels (rows,) int32, and starting weights: w, b, w, b, ..."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]
    start: Weights


def input_shapes(network: Network) -> list[tuple[int, ...]]:
    """The shape of one image before each layer."""
    shape, found = network.shape, []
    for layer in network.layers:
        found.append(shape)
        if isinstance(layer, Convolution):
            shape = (*shape[:2], layer.filters)
        elif isinstance(layer, Pool):
            shape = (-(-shape[0] // layer.strides), -(-shape[1] // layer.strides), shape[2])
        elif isinstance(layer, Dense):
            shape = (layer.units,)
    return found


def start(network: Network) -> Weights:
    """The weights that training starts from, float32."""
    draw, weights = np.random.default_rng(1), []
    for layer, shape in zip(network.layers, input_shapes(network), strict=True):
        if isinstance(layer, Convolution):
            sizes: tuple[int, ...] = (layer.kernel, layer.kernel, shape[2], layer.filters)
        elif isinstance(layer, Dense):
            sizes = (math.prod(shape), layer.units)
        else:
            continue
        gain = 1.0 if layer == network.layers[-1] else 2.0
        scaled = draw.standard_normal(sizes) * np.sqrt(gain / math.prod(sizes[:-1]))
        weights += [scaled.astype(np.float32), np.zeros(sizes[-1], np.float32)]
    return weights


def find(network: Network) -> Images:
    """The images that a network is trained on.

    Raises:
        MissingDataError: where they are not here.
    """
    found = {
        "mnist": lambda: images.mnist("train"),
        "cifar": lambda: images.cifar(images.CLASSES),
        "animals": lambda: images.cifar(images.ANIMALS),
    }[network.data]()
    if found is None:
        looked = " and ".join(str(folder) for folder in images.folders())
        raise MissingDataError(f"no {ORIGINS[network.data].partition(',')[0]} in {looked}")
    return found


def write(network: Network, folder: Path) -> str:
    """Write images, labels and starting weights, the rows in one random order; say what they are."""
    found = find(network)
    order = np.random.default_rng(0).permutation(len(found.labels))
    np.save(folder / f"{network.key}-images.npy", found.pixels[order].reshape(-1, *network.shape))
    np.save(folder / f"{network.key}-labels.npy", found.labels[order])
    np.savez(folder / f"{network.key}-start.npz", *start(network))
    if network.data == "mnist" and (test := images.mnist("t10k")):
        np.save(folder / f"{network.key}-test-images.npy", test.pixels)
        np.save(folder / f"{network.key}-test-labels.npy", test.labels)
    return ORIGINS[network.data]


def read_test(network: Network, folder: Path) -> Images:
    """The test images that `write` wrote."""
    return Images(
        *(np.load(folder / f"{network.key}-test-{part}.npy", allow_pickle=False) for part in ("images", "labels"))
    )


def read(network: Network, folder: Path) -> Problem:
    """What `write` wrote."""
    with np.load(folder / f"{network.key}-start.npz", allow_pickle=False) as arrays:
        weights = [arrays[name] for name in arrays.files]
    pixels, labels = (
        np.load(folder / f"{network.key}-{name}.npy", allow_pickle=False) for name in ("images", "labels")
    )
    return Problem(pixels, labels, weights)
