"""The networks in plain NumPy: forward, backward and the optimisers, as the formulas say. It judges all runners.

Slow and in float64, but for judging the test images, which is in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .networks import BETA_1, BETA_2, EPSILON, MOMENTUM, Convolution, Dense, Layer, Network, Pool, Problem

Array = NDArray[np.floating]
JUDGED = 200
"""The loss is taken over so many rows."""

AT_ONCE = 8
"""So many images are convolved at a time: few enough that what their places meet stays in the caches."""


def padding(size: int, window: int, strides: int) -> tuple[int, int]:
    """Keras's `same`: how many places are added before an axis, and after it."""
    total = max((-(-size // strides) - 1) * strides + window - size, 0)
    return total // 2, total - total // 2


def padded(x: Array, window: int, strides: int, value: float) -> Array:
    """Images with the places of `same` padding around them."""
    widths = [padding(size, window, strides) for size in x.shape[1:3]]
    return np.pad(x, ((0, 0), *widths, (0, 0)), constant_values=value)


def places(x: Array, window: int, strides: int, sizes: Sequence[int]) -> list[Array]:
    """For each place of a square window the view of the padded images that it meets, (rows, *sizes, channels)."""
    height, width = ((size - 1) * strides + 1 for size in sizes)
    return [x[:, i : i + height : strides, j : j + width : strides] for i in range(window) for j in range(window)]


def convolve(x: Array, w: Array) -> Array:
    """A few images at a time, what each of their places meets laid out as a row, times the kernel as a matrix."""
    kernel, sizes = w.shape[0], x.shape[1:3]
    wide, matrix = padded(x, kernel, 1, 0), w.reshape(-1, w.shape[3])
    result = np.empty((*x.shape[:3], w.shape[3]), x.dtype)
    for begin in range(0, len(x), AT_ONCE):
        rows = slice(begin, begin + AT_ONCE)
        met = np.concatenate(places(wide[rows], kernel, 1, sizes), axis=3)
        result[rows] = (met.reshape(-1, len(matrix)) @ matrix).reshape(result[rows].shape)
    return result


def convolve_back(g: Array, x: Array, w: Array) -> tuple[Array, Array]:
    """The gradients of a convolution, to its images and to its kernel."""
    kernel, sizes = w.shape[0], x.shape[1:3]
    wide = padded(x, kernel, 1, 0)
    back, weights = np.zeros_like(wide), np.zeros_like(w)
    rows = g.reshape(-1, w.shape[3])
    pairs = zip(places(wide, kernel, 1, sizes), places(back, kernel, 1, sizes), strict=True)
    for k, (part, target) in enumerate(pairs):
        at = divmod(k, kernel)
        weights[at] = part.reshape(-1, w.shape[2]).T @ rows
        target += (rows @ w[at].T).reshape(target.shape)
    before = kernel // 2
    return back[:, before : before + sizes[0], before : before + sizes[1]], weights


def pool(x: Array, layer: Pool) -> tuple[Array, NDArray[np.intp]]:
    """The largest of each window, and at which of its places it was met first."""
    sizes = [-(-size // layer.strides) for size in x.shape[1:3]]
    stacked = np.stack(places(padded(x, layer.size, layer.strides, -np.inf), layer.size, layer.strides, sizes))
    return stacked.max(axis=0), stacked.argmax(axis=0)


def pool_back(g: Array, x: Array, where: NDArray[np.intp], layer: Pool) -> Array:
    """The gradient of pooling: all of it to the largest."""
    back = np.zeros_like(padded(x, layer.size, layer.strides, 0))
    for k, target in enumerate(places(back, layer.size, layer.strides, g.shape[1:3])):
        target += np.where(where == k, g, 0)
    tops = [padding(size, layer.size, layer.strides)[0] for size in x.shape[1:3]]
    return back[:, tops[0] : tops[0] + x.shape[1], tops[1] : tops[1] + x.shape[2]]


def forward(network: Network, weights: Sequence[Array], x: Array) -> tuple[Array, list[tuple[Layer, Any]]]:
    """The scores without dropout, and what the way back needs of each layer."""
    each, kept = iter(weights), list[tuple[Layer, Any]]()
    for layer in network.layers:
        if isinstance(layer, Pool):
            y, where = pool(x, layer)
            kept.append((layer, (x, where)))
        elif isinstance(layer, Convolution | Dense):
            w, b = next(each), next(each)
            x = x.reshape(len(x), -1) if isinstance(layer, Dense) else x
            y = (x @ w if isinstance(layer, Dense) else convolve(x, w)) + b
            if not isinstance(layer, Dense) or layer.hidden:
                y = np.maximum(y, 0)
            kept.append((layer, (x, y, w)))
        else:
            continue
        x = y
    return x, kept


def gradients(network: Network, weights: Sequence[Array], x: Array, labels: NDArray[np.int32]) -> list[Array]:
    """The gradient of the mean cross-entropy, to each of the weights."""
    scores, kept = forward(network, weights, x)
    g = (probabilities(scores) - np.eye(network.classes)[labels]) / len(labels)
    found: list[Array] = []
    for layer, values in reversed(kept):
        if isinstance(layer, Pool):
            x, where = values
            g = pool_back(g.reshape(where.shape), x, where, layer)
            continue
        x, y, w = values
        g = g.reshape(y.shape)
        if not isinstance(layer, Dense) or layer.hidden:
            g = g * (y > 0)
        found.append(g.reshape(-1, g.shape[-1]).sum(axis=0))
        g, to_weights = (g @ w.T, x.T @ g) if isinstance(layer, Dense) else convolve_back(g, x, w)
        found.append(to_weights)
    return found[::-1]


def probabilities(scores: Array) -> Array:
    """Softmax of the scores."""
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def scaled(network: Network, images: NDArray[np.uint8], dtype: Any = np.float64) -> Array:
    """Images between 0 and 1, in the network's shape."""
    return images.reshape(-1, *network.shape).astype(dtype) / 255


def loss(network: Network, weights: Sequence[Array], problem: Problem) -> float:
    """Mean cross-entropy over the first rows, in float64."""
    wide = [np.asarray(array, np.float64) for array in weights]
    scores, _ = forward(network, wide, scaled(network, problem.images[:JUDGED]))
    picked = probabilities(scores)[np.arange(len(scores)), problem.labels[:JUDGED]]
    return float(-np.log(np.maximum(picked, 1e-300)).mean())


def accuracy(network: Network, weights: Sequence[Array], images: NDArray[np.uint8], labels: NDArray[np.int32]) -> float:
    """The share of the images that get their label, in float32."""
    right = 0
    for begin in range(0, len(labels), JUDGED):
        rows = slice(begin, begin + JUDGED)
        scores, _ = forward(network, weights, scaled(network, images[rows], np.float32))
        right += int((scores.argmax(axis=1) == labels[rows]).sum())
    return right / len(labels)


def train(network: Network, problem: Problem, steps: int, late: bool = False) -> list[Array]:
    """So many batches in the order of the rows, without dropout.

    Adam adds epsilon before the correction of bias, as Keras does, or `late`, after it, as PyTorch does (Kingma and Ba,
    2015, algorithm 1 and the end of section 2).
    """
    weights: list[Array] = [array.astype(np.float64) for array in problem.start]
    means, squares = ([np.zeros_like(w) for w in weights] for _ in range(2))
    for step in range(1, steps + 1):
        rows = slice((step - 1) * network.batch, step * network.batch)
        found = gradients(network, weights, scaled(network, problem.images[rows]), problem.labels[rows])
        for k, g in enumerate(found):
            if network.optimiser == "sgd":
                change = g
            elif network.optimiser == "nesterov":
                means[k] = MOMENTUM * means[k] + g
                change = g + MOMENTUM * means[k]
            else:
                means[k] = BETA_1 * means[k] + (1 - BETA_1) * g
                squares[k] = BETA_2 * squares[k] + (1 - BETA_2) * g * g
                correction = np.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
                own = EPSILON * np.sqrt(1 - BETA_2**step) if late else EPSILON
                change = correction * means[k] / (np.sqrt(squares[k]) + own)
            weights[k] = weights[k] - network.rate * change
    return weights
