"""What JAX's single layers share: one jit for each training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..layers import Problem

Outputs = Callable[[dict[str, Any], Any], Any]


class Trainer:
    """The weights are given to the step, which updates them in place. `outputs` is the layer."""

    def __init__(self, outputs: Outputs, problem: Problem, rate: float) -> None:
        self.start = problem.start
        self.data = jnp.asarray(problem.inputs), jnp.asarray(problem.targets)

        def loss(weights: dict[str, Any], x: Any, targets: Any) -> Any:
            return ((outputs(weights, x) - targets) ** 2).mean()

        def step(weights: dict[str, Any], x: Any, targets: Any) -> dict[str, Any]:
            slopes = jax.grad(loss)(weights, x, targets)
            return jax.tree.map(lambda weight, slope: weight - rate * slope, weights, slopes)

        self.step = jax.jit(step, donate_argnums=0)

    def reset(self) -> None:
        self.now = {name: jnp.array(array) for name, array in self.start.items()}

    def run(self, steps: int) -> None:
        now = self.now
        for _ in range(steps):
            now = self.step(now, *self.data)
        self.now = jax.block_until_ready(now)

    def weights(self) -> dict[str, np.ndarray]:
        return {name: np.asarray(array) for name, array in self.now.items()}
