"""The two steps in JAX: what its runners jit, one at a time or as a whole loop."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from .. import moons, softmax


def picked(scores: Any, labels: Any) -> Any:
    """Log-probability of each row's label."""
    return jnp.take_along_axis(jax.nn.log_softmax(scores), labels[..., None], axis=-1)


def moons_loss(weights: Any, points: Any, labels: Any) -> Any:
    """The loss of one two-moons network."""
    W1, b1, W2, b2 = weights
    scores = jnp.tanh(points @ W1 + b1) @ W2 + b2
    return -picked(scores, labels).sum() + moons.PENALTY / 2 * ((W1 * W1).sum() + (W2 * W2).sum())


def moons_step(weights: Any, points: Any, labels: Any) -> Any:
    """One pass of gradient descent."""
    gradients = jax.grad(moons_loss)(weights, points, labels)
    return tuple(weight - moons.RATE * gradient for weight, gradient in zip(weights, gradients, strict=True))


def softmax_step(weights: Any, images: Any, labels: Any) -> Any:
    """One step of softmax regression on a minibatch."""

    def loss(weights: Any) -> Any:
        W, b = weights
        return -picked(images @ W + b, labels).mean()

    gradients = jax.grad(loss)(weights)
    return tuple(weight - softmax.RATE * gradient for weight, gradient in zip(weights, gradients, strict=True))
