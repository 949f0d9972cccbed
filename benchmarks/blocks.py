"""Several small networks as one: their hidden units side by side, the second layer block-diagonal.

How engines that pay for every call train the sweep best. Units are padded nowhere and nothing is approximated: outside
the blocks the second layer is zero, and a mask on its gradient keeps it so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .moons import Array, Weights


def join(networks: Sequence[Weights]) -> tuple[Weights, NDArray[np.float32]]:
    """One network with all hidden units and 2 outputs for each network, and the mask of its second layer's blocks."""
    sizes = [len(network.b1) for network in networks]
    W2 = np.zeros((sum(sizes), 2 * len(sizes)), np.float32)
    mask = np.zeros_like(W2)
    ends = np.cumsum(sizes)
    for k, (network, end) in enumerate(zip(networks, ends, strict=True)):
        block = (slice(end - sizes[k], end), slice(2 * k, 2 * k + 2))
        W2[block], mask[block] = network.W2, 1
    W1 = np.concatenate([network.W1 for network in networks], axis=1)
    b1, b2 = (np.concatenate([network[k] for network in networks]) for k in (1, 3))
    return Weights(W1, b1, W2, b2), mask


def part(joined: Sequence[Array], networks: Sequence[Weights]) -> list[Weights]:
    """The networks again, out of the joined one."""
    W1, b1, W2, b2 = (np.asarray(array) for array in joined)
    found, begin = [], 0
    for k, network in enumerate(networks):
        units, outputs = slice(begin, begin + len(network.b1)), slice(2 * k, 2 * k + 2)
        found.append(Weights(W1[:, units], b1[units], W2[units, outputs], b2[outputs]))
        begin = units.stop
    return found


def pad(networks: Sequence[Weights]) -> list[Array]:
    """The networks as one batch, padded with hidden units whose weights are zero, and stay so by themselves.

    W1 (networks, 2, units), b1 (networks, 1, units), W2 (networks, units, 2), b2 (networks, 1, 2).
    """
    units = max(len(network.b1) for network in networks)
    fill = [(units - len(network.b1), network) for network in networks]
    return [
        np.stack([np.pad(network.W1, ((0, 0), (0, more))) for more, network in fill]),
        np.stack([np.pad(network.b1, (0, more))[None] for more, network in fill]),
        np.stack([np.pad(network.W2, ((0, more), (0, 0))) for more, network in fill]),
        np.stack([network.b2[None] for network in networks]),
    ]


def unpad(padded: Sequence[Array], networks: Sequence[Weights]) -> list[Weights]:
    """The networks again, out of the padded batch."""
    W1, b1, W2, b2 = (np.asarray(array) for array in padded)
    sizes = [len(network.b1) for network in networks]
    return [Weights(W1[k, :, :n], b1[k, 0, :n], W2[k, :n], b2[k, 0]) for k, n in enumerate(sizes)]
