"""The two-moons step and the softmax-regression step in Pellucid, written as mathematics."""

from __future__ import annotations

from typing import Any

import pellucid as pc


def moons_step(start: Any) -> tuple[Any, list[Any]]:
    """One full-batch pass from the given weights: the function, and its parameters W1, b1, W2, b2."""
    X = pc.variable("X", ("batch", 2))
    y = pc.variable("y", ("batch",), dtype="int32")
    parameters = [pc.parameter(array, name=name) for array, name in zip(start, ("W1", "b1", "W2", "b2"), strict=True)]
    W1, b1, W2, b2 = parameters
    z = pc.tanh(X @ W1 + b1) @ W2 + b2
    scores = pc.exp(z)
    p = scores / scores.sum(axis=1, keepdims=True)
    loss = -pc.log(pc.pick(p, y)).sum() + 0.005 * ((W1 * W1).sum() + (W2 * W2).sum())
    gradients = pc.gradient(loss, parameters)
    updates = [(w, w - 0.01 * g) for w, g in zip(parameters, gradients, strict=True)]
    return pc.function([X, y], [], updates=updates), parameters


def softmax_step(inputs: int, classes: int, rate: float) -> tuple[Any, list[Any]]:
    """One minibatch step from zero weights: the function, and its parameters W, b."""
    X = pc.variable("X", ("batch", inputs))
    y = pc.variable("y", ("batch",), dtype="int32")
    W = pc.parameter([[0.0] * classes] * inputs, name="W")
    b = pc.parameter([0.0] * classes, name="b")
    scores = pc.exp(X @ W + b)
    p = scores / scores.sum(axis=1, keepdims=True)
    loss = -pc.log(pc.pick(p, y)).mean()
    updates = [(w, w - rate * g) for w, g in zip((W, b), pc.gradient(loss, [W, b]), strict=True)]
    return pc.function([X, y], [], updates=updates), [W, b]
