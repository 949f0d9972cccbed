"""JAX, binary addition: all samples as one jitted scan, and the places of a sample as a scan inside it, or unrolled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..addition import BITS, RATE, Array, Problem, Weights
from ..addition_runner import addition_runner

FIRST, INSIDE = "all products with the inputs first", "each place's products together"
VARIANTS = tuple(f"{products}, {places}" for products in (INSIDE, FIRST) for places in ("a scan", "unrolled"))


def outputs(weights: Any, x: jax.Array, variant: str) -> jax.Array:
    """The outputs (bits, 1) for one sample."""
    W, U, V = weights
    first = variant.startswith(FIRST)

    def step(state: jax.Array, given: jax.Array) -> tuple[jax.Array, jax.Array]:
        state = jax.nn.sigmoid((given if first else given @ W) + state @ U)
        return state, state if first else jax.nn.sigmoid(state @ V)

    unroll = BITS if variant.endswith("unrolled") else 1
    _, found = jax.lax.scan(step, jnp.zeros(len(U), U.dtype), x @ W if first else x, unroll=unroll)
    return jax.nn.sigmoid(found @ V) if first else found


def training(variant: str) -> Callable[..., Any]:
    """The whole training: weights at the end, and the outputs for every sample before it was learnt from."""

    def loss(weights: Any, x: jax.Array, target: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = outputs(weights, x, variant)
        return 0.5 * ((y - target) ** 2).sum(), y

    def learn(weights: Any, sample: Any) -> Any:
        slopes, y = jax.grad(loss, has_aux=True)(weights, *sample)
        return [weight - RATE * slope for weight, slope in zip(weights, slopes, strict=True)], y

    return jax.jit(lambda weights, samples: jax.lax.scan(learn, weights, samples))


class Trainer:
    """In float64 where the problem is."""

    def __init__(self, problem: Problem, variant: str) -> None:
        jax.config.update("jax_enable_x64", problem.inputs.dtype == np.float64)
        self.problem = problem
        self.train = training(variant or VARIANTS[1])
        self.reset()

    def reset(self) -> None:
        self.now = [jnp.array(array) for array in self.problem.start]

    def run(self, samples: int) -> None:
        given = self.problem.inputs[:samples], self.problem.targets[:samples]
        self.now, self.given = jax.block_until_ready(self.train(self.now, given))

    def outputs(self) -> Array:
        return np.asarray(self.given)

    def weights(self) -> Weights:
        return Weights(*(np.asarray(array) for array in self.now))


if __name__ == "__main__":
    addition_runner(Trainer)
