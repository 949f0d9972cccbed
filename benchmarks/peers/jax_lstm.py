"""JAX, an LSTM layer as a scan over time; the products with the inputs of all times are one."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ..layer_runner import layer_runner
from ..layers import Problem
from .jax_layer import Trainer


def outputs(weights: dict[str, Any], x: Any) -> Any:
    """The states at every time."""
    given = x.swapaxes(0, 1) @ weights["kernel"] + weights["bias"]
    zeros = jnp.zeros((len(x), len(weights["recurrent"])), x.dtype)

    def step(carry: Any, given: Any) -> Any:
        state, cell = carry
        i, f, g, o = jnp.split(given + state @ weights["recurrent"], 4, axis=1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
        state = jax.nn.sigmoid(o) * jnp.tanh(cell)
        return (state, cell), state

    return jax.lax.scan(step, (zeros, zeros), given)[1].swapaxes(0, 1)


def prepare(problem: Problem, rate: float, variant: str) -> Trainer:
    """Its trainer."""
    return Trainer(outputs, problem, rate)


if __name__ == "__main__":
    layer_runner("lstm", prepare)
