"""Pellucid, a causal transformer block; queries, keys and values have weights of their own."""

from __future__ import annotations

import pellucid as pc

from ..layer_runner import layer_runner
from ..layers import Problem
from ..transformer import EPSILON, HEADS, HIDDEN, WIDTH
from .pellucid_layer import ALL, Trainer

PRODUCTS = {
    "attention/query": ("qkv", slice(0, WIDTH)),
    "attention/key": ("qkv", slice(WIDTH, 2 * WIDTH)),
    "attention/value": ("qkv", slice(2 * WIDTH, 3 * WIDTH)),
    "attention/output": ("out", ALL),
    "intermediate": ("up", ALL),
    "output": ("down", ALL),
}
NORMS = {"attention_norm": "norm1", "feedforward_norm": "norm2"}

PLACES = {
    **{f"{own}/kernel": place for own, place in PRODUCTS.items()},
    **{f"{own}/bias": (f"{name}_bias", columns) for own, (name, columns) in PRODUCTS.items()},
    **{f"{own}/gamma": (name, ALL) for own, name in NORMS.items()},
    **{f"{own}/beta": (f"{name}_bias", ALL) for own, name in NORMS.items()},
}


def prepare(problem: Problem, rate: float, variant: str) -> Trainer:
    """Its trainer."""
    block = pc.layers.TransformerBlock(HEADS, HIDDEN, epsilon=EPSILON, causal=True)
    return Trainer(block, PLACES, problem, rate, variant)


if __name__ == "__main__":
    layer_runner("transformer", prepare)
