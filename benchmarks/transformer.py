"""A causal transformer block and its gradient in float64 NumPy, the yardstick of its runners.

    x <- x + attention(norm(x)) out + out_bias      of queries, keys and values: norm(x) qkv + qkv_bias, 8 heads
    x <- x + gelu(norm(x) up + up_bias) down + down_bias

Vaswani and others, "Attention is all you need", 2017, sections 3.1 to 3.3, with the norms before each part (Xiong and
others, "On layer normalization in the transformer architecture", 2020) and the exact GELU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

WIDTH = 256
HEADS = 8
HIDDEN = 1024
EPSILON = 1e-5

Array = NDArray[np.floating]

SHAPES = {
    "norm1": (WIDTH,),
    "norm1_bias": (WIDTH,),
    "qkv": (WIDTH, 3 * WIDTH),
    "qkv_bias": (3 * WIDTH,),
    "out": (WIDTH, WIDTH),
    "out_bias": (WIDTH,),
    "norm2": (WIDTH,),
    "norm2_bias": (WIDTH,),
    "up": (WIDTH, HIDDEN),
    "up_bias": (HIDDEN,),
    "down": (HIDDEN, WIDTH),
    "down_bias": (WIDTH,),
}
"""The columns of qkv are queries, keys and values, each of them head by head."""


def start(rng: np.random.Generator) -> dict[str, Array]:
    """Weights normal and scaled by 1/sqrt(inputs); biases small; the gains of the norms near one."""
    found = {}
    for name, shape in SHAPES.items():
        drawn = rng.standard_normal(shape) / np.sqrt(shape[0])
        found[name] = 1 + drawn if name in ("norm1", "norm2") else drawn
    return found


def erf(x: Array) -> Array:
    """The error function, element by element."""
    return np.fromiter(map(math.erf, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)


def normalised(x: Array) -> tuple[Array, Array]:
    """Rows with mean 0 and variance 1, and what their deviations were divided by."""
    scale = np.sqrt(x.var(axis=-1, keepdims=True) + EPSILON)
    return (x - x.mean(axis=-1, keepdims=True)) / scale, scale


def normalised_back(slope: Array, normal: Array, scale: Array) -> Array:
    """The gradient for the rows."""
    mean, along = (part.mean(axis=-1, keepdims=True) for part in (slope, slope * normal))
    return (slope - mean - normal * along) / scale


def heads_of(x: Array) -> Array:
    """(batch, time, width) to (batch, heads, time, width / heads)."""
    return x.reshape(*x.shape[:2], HEADS, -1).swapaxes(1, 2)


def joined(x: Array) -> Array:
    """The same backwards."""
    return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], -1)


def attention(q: Array, k: Array, v: Array) -> tuple[Array, Array]:
    """The causal attention of each head, and its weights (batch, heads, time, time)."""
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    scores = np.where(np.tri(scores.shape[-1], dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights @ v, weights


def attention_back(slope: Array, q: Array, k: Array, v: Array, weights: Array) -> tuple[Array, Array, Array]:
    """The gradients for queries, keys and values."""
    back = slope @ v.swapaxes(-1, -2)
    back = weights * (back - (back * weights).sum(axis=-1, keepdims=True)) / np.sqrt(q.shape[-1])
    return back @ k, back.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ slope


def forward(weights: Mapping[str, Array], x: Array) -> dict[str, Array]:
    """Every intermediate by name; "outputs" is (batch, time, width)."""
    w, made = weights, {}
    made["normal1"], made["scale1"] = normalised(x)
    made["rows1"] = made["normal1"] * w["norm1"] + w["norm1_bias"]
    made["q"], made["k"], made["v"] = map(heads_of, np.split(made["rows1"] @ w["qkv"] + w["qkv_bias"], 3, axis=-1))
    heads, made["attention"] = attention(made["q"], made["k"], made["v"])
    made["heads"] = joined(heads)
    middle = x + made["heads"] @ w["out"] + w["out_bias"]
    made["normal2"], made["scale2"] = normalised(middle)
    made["rows2"] = made["normal2"] * w["norm2"] + w["norm2_bias"]
    made["hidden"] = made["rows2"] @ w["up"] + w["up_bias"]
    made["share"] = 0.5 * (1 + erf(made["hidden"] / np.sqrt(2)))
    made["outputs"] = middle + (made["hidden"] * made["share"]) @ w["down"] + w["down_bias"]
    return made


def outputs(weights: Mapping[str, Array], x: Array) -> Array:
    """The outputs, (batch, time, width)."""
    return forward(weights, x)["outputs"]


def product_gradients(name: str, rows: Array, slope: Array) -> dict[str, Array]:
    """The gradients of a product's weights and bias."""
    flat = slope.reshape(-1, slope.shape[-1])
    return {name: rows.reshape(-1, rows.shape[-1]).T @ flat, f"{name}_bias": flat.sum(axis=0)}


def norm_gradients(name: str, normal: Array, slope: Array) -> dict[str, Array]:
    """The gradients of a norm's gain and bias."""
    return {name: (slope * normal).sum(axis=(0, 1)), f"{name}_bias": slope.sum(axis=(0, 1))}


def gradients(weights: Mapping[str, Array], x: Array, slope: Callable[[Array], Array]) -> dict[str, Array]:
    """The gradient for each weight; `slope` gives the loss's from the outputs."""
    w, made = weights, forward(weights, x)
    back, hidden = slope(made["outputs"]), made["hidden"]
    found = product_gradients("down", hidden * made["share"], back)
    density = np.exp(-0.5 * hidden**2) / np.sqrt(2 * np.pi)
    inner = (back @ w["down"].T) * (made["share"] + hidden * density)
    found |= product_gradients("up", made["rows2"], inner)
    inner = inner @ w["up"].T
    found |= norm_gradients("norm2", made["normal2"], inner)
    back = back + normalised_back(inner * w["norm2"], made["normal2"], made["scale2"])
    found |= product_gradients("out", made["heads"], back)
    heads = heads_of(back @ w["out"].T)
    parts = attention_back(heads, made["q"], made["k"], made["v"], made["attention"])
    inner = np.concatenate([joined(part) for part in parts], axis=-1)
    found |= product_gradients("qkv", made["rows1"], inner)
    return found | norm_gradients("norm1", made["normal1"], inner @ w["qkv"].T)
