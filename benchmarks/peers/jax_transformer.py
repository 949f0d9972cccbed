"""JAX, a causal transformer block: with its own attention function, or with the products written out."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from ..layer_runner import layer_runner
from ..layers import Problem
from ..transformer import EPSILON, HEADS
from .jax_layer import Trainer

VARIANTS = ("its attention function", "attention written out")


def norm(weights: dict[str, Any], name: str, x: Any) -> Any:
    """Layer normalisation."""
    x = jax.nn.standardize(x, axis=-1, epsilon=EPSILON)
    return x * weights[name] + weights[f"{name}_bias"]


def linear(weights: dict[str, Any], name: str, x: Any) -> Any:
    """A product and its bias."""
    return x @ weights[name] + weights[f"{name}_bias"]


def attention(q: Any, k: Any, v: Any) -> Any:
    """Written out, of (batch, time, heads, width)."""
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / jnp.sqrt(q.shape[-1])
    scores = jnp.where(jnp.tri(q.shape[1], dtype=bool), scores, -jnp.inf)
    return jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v)


def outputs(variant: str, weights: dict[str, Any], x: Any) -> Any:
    """The block."""
    parts = linear(weights, "qkv", norm(weights, "norm1", x)).reshape(*x.shape[:2], 3, HEADS, -1)
    q, k, v = (parts[:, :, place] for place in range(3))
    own = functools.partial(jax.nn.dot_product_attention, is_causal=True)
    heads = (attention if variant == VARIANTS[1] else own)(q, k, v)
    x = x + linear(weights, "out", heads.reshape(x.shape))
    hidden = jax.nn.gelu(linear(weights, "up", norm(weights, "norm2", x)), approximate=False)
    return x + linear(weights, "down", hidden)


def prepare(problem: Problem, rate: float, variant: str) -> Trainer:
    """Its trainer."""
    return Trainer(functools.partial(outputs, variant), problem, rate)


if __name__ == "__main__":
    layer_runner("transformer", prepare)
