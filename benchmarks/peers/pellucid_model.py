"""The two-moons step and the softmax-regression step in Pellucid, written as mathematics."""

from __future__ import annotations

from typing import Any

import pellucid as pc


def moons_step(start: Any) -> tuple[Any, list[Any]]:
    """One full-batch pass from the given weights: the function, and its parameters W1, b1, W2, b2."""
    step, (parameters,) = moons_steps([start])
    return step, parameters


def moons_steps(starts: Any) -> tuple[Any, list[list[Any]]]:
    """One full-batch pass of one or more networks in one function, and the parameters of each."""
    X = pc.variable("X", ("batch", 2))
    y = pc.variable("y", ("batch",), dtype="int32")
    every, updates = [], []
    for start in starts:
        parameters = [
            pc.parameter(array, name=name) for array, name in zip(start, ("W1", "b1", "W2", "b2"), strict=True)
        ]
        gradients = pc.gradient(moons_loss(parameters, X, y), parameters)
        updates += [(w, w - 0.01 * g) for w, g in zip(parameters, gradients, strict=True)]
        every.append(parameters)
    return pc.function([X, y], [], updates=updates), every


def moons_loss(parameters: list[Any], X: Any, y: Any) -> Any:
    """The loss of one network."""
    W1, b1, W2, b2 = parameters
    z = pc.tanh(X @ W1 + b1) @ W2 + b2
    scores = pc.exp(z)
    p = scores / scores.sum(axis=1, keepdims=True)
    return -pc.log(pc.pick(p, y)).sum() + 0.005 * ((W1 * W1).sum() + (W2 * W2).sum())


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
