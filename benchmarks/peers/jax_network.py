"""JAX, one of the networks, one jit for each step."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..network_runner import network_runner
from ..networks import BETA_1, BETA_2, EPSILON, MOMENTUM, Convolution, Dense, Network, Pool, Problem
from .jax_model import picked


def scores(network: Network, weights: Any, x: Any, key: Any) -> Any:
    """The network; without a key nothing is dropped."""
    each = iter(weights)
    for layer in network.layers:
        if isinstance(layer, Convolution):
            form = ("NHWC", "HWIO", "NHWC")
            y = jax.lax.conv_general_dilated(x, next(each), (1, 1), "SAME", dimension_numbers=form)
            x = jax.nn.relu(y + next(each))
        elif isinstance(layer, Pool):
            window, strides = (1, layer.size, layer.size, 1), (1, layer.strides, layer.strides, 1)
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, strides, "SAME")
        elif isinstance(layer, Dense):
            x = x.reshape(len(x), -1) @ next(each) + next(each)
            x = jax.nn.relu(x) if layer.hidden else x
        elif key is not None:
            key, own = jax.random.split(key)
            keep = 1 - layer.rate
            x = jnp.where(jax.random.bernoulli(own, keep, x.shape), x / keep, 0)
    return x


def update(network: Network, weights: Any, state: Any, gradients: Any) -> tuple[Any, Any]:
    """The optimiser: new weights and its new state."""
    if network.optimiser == "sgd":
        return [w - network.rate * g for w, g in zip(weights, gradients, strict=True)], state
    if network.optimiser == "nesterov":
        state = [MOMENTUM * v + g for v, g in zip(state, gradients, strict=True)]
        steps = [g + MOMENTUM * v for v, g in zip(state, gradients, strict=True)]
        return [w - network.rate * s for w, s in zip(weights, steps, strict=True)], state
    means, squares, count = state
    count = count + 1
    means = [BETA_1 * m + (1 - BETA_1) * g for m, g in zip(means, gradients, strict=True)]
    squares = [BETA_2 * v + (1 - BETA_2) * g * g for v, g in zip(squares, gradients, strict=True)]
    rate = network.rate * jnp.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
    moved = [w - rate * m / (jnp.sqrt(v) + EPSILON) for w, m, v in zip(weights, means, squares, strict=True)]
    return moved, (means, squares, count)


class Trainer:
    """A minibatch is gathered inside the jitted step, which takes weights and state to update them in place."""

    def __init__(self, network: Network, problem: Problem, variant: str) -> None:
        self.network, self.start = network, problem.start
        self.data = jnp.asarray(problem.images), jnp.asarray(problem.labels)

        def step(weights: Any, state: Any, images: Any, labels: Any, rows: Any, key: Any) -> Any:
            def loss(weights: Any) -> Any:
                found = scores(network, weights, images[rows].astype(jnp.float32) / 255, key)
                return -picked(found, labels[rows]).mean()

            return update(network, weights, state, jax.grad(loss)(weights))

        self.step = jax.jit(step, donate_argnums=(0, 1))

    def reset(self) -> None:
        self.now = [jnp.array(array) for array in self.start]
        zeros = lambda: [jnp.zeros_like(array) for array in self.now]  # noqa: E731
        states = {"sgd": lambda: None, "nesterov": zeros, "adam": lambda: (zeros(), zeros(), jnp.float32(0))}
        self.state = states[self.network.optimiser]()
        self.rng, self.key = np.random.default_rng(0), jax.random.key(0, impl="rbg")

    def run_in_order(self, steps: int) -> None:
        self.over(np.arange(steps * self.network.batch), dropping=False)

    def run_shuffled(self, steps: int) -> None:
        self.over(self.rng.permutation(min(steps * self.network.batch, len(self.data[1]))), dropping=True)

    def over(self, order: np.ndarray, dropping: bool) -> None:
        """One pass over the rows in this order."""
        now, state, batch = self.now, self.state, self.network.batch
        for begin in range(0, len(order), batch):
            rows = order[begin : begin + batch].astype(np.int32)
            own = None
            if dropping:
                self.key, own = jax.random.split(self.key)
            now, state = self.step(now, state, *self.data, rows, own)
        self.now, self.state = jax.block_until_ready((now, state))

    def weights(self) -> list[np.ndarray]:
        return [np.asarray(array) for array in self.now]


if __name__ == "__main__":
    network_runner(Trainer)
