"""Models and data that the tests of training share."""

from __future__ import annotations

import numpy as np

import pellucid as pc

RATE = 0.2


def data(rows=103, features=4, classes=3, seed=0, dtype="float32"):
    """Return made-up examples that can be learnt."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((rows, features))
    y = np.argmax(x[:, :classes] + 0.3 * random.standard_normal((rows, classes)), axis=1)
    return x.astype(dtype), y.astype("int32")


def classifier(optimizer=None, seed=0, **arguments):
    network = pc.Sequential(pc.layers.Dense(6, "tanh", name="hidden"), pc.layers.Dense(3, name="scores"))
    return pc.Model(network, "cross_entropy", optimizer or pc.optimizers.SGD(RATE), seed=seed, **arguments)


def line(optimizer=None, loss="mse", seed=0, **arguments):
    return pc.Model(
        pc.Sequential(pc.layers.Dense(1)), loss, optimizer or pc.optimizers.SGD(0.1), seed=seed, **arguments
    )


def weights(model):
    return {path: p.value.copy() for path, p in model.network.parameters.items()}


def same_bits(a, b):
    one, other = weights(a), weights(b)
    return one.keys() == other.keys() and all(one[k].tobytes() == other[k].tobytes() for k in one)
