"""The networks whose golden texts are kept. Those texts show origins, so keep these lines where they are."""

import itertools

import numpy as np

import pellucid as pc

RATE, L2 = 0.01, 0.01


def tanh_softmax(*sizes):
    """Return a training step of a tanh/softmax network on a whole batch, and its parameters: 2, 3, 2 is two moons."""
    draw = np.random.default_rng(0).standard_normal
    x, label = pc.variable("x", ("batch", sizes[0])), pc.variable("label", ("batch",), dtype="int32")
    scores, parameters, penalty = x, [], 0.0
    for k, (before, after) in enumerate(itertools.pairwise(sizes), 1):
        W, b = pc.parameter(draw((before, after)), name=f"W{k}"), pc.parameter(np.zeros(after), name=f"b{k}")
        scores = (pc.tanh(scores) if k > 1 else scores) @ W + b
        penalty = penalty + (W * W).sum()
        parameters += [W, b]
    probabilities = pc.exp(scores) / pc.exp(scores).sum(axis=1, keepdims=True)
    loss = -pc.log(pc.pick(probabilities, label)).sum() + L2 / 2 * penalty
    gradients = pc.gradient(loss, parameters)
    updates = [(p, p - RATE * g) for p, g in zip(parameters, gradients, strict=True)]
    return pc.function([x, label], loss, updates=updates), parameters


def softmax_regression(pixels=784, classes=10):
    """Return a training step of softmax regression on the mean loss of a batch, and its parameters."""
    W, b = pc.parameter(np.zeros((pixels, classes)), name="W"), pc.parameter(np.zeros(classes), name="b")
    x, label = pc.variable("x", ("batch", pixels)), pc.variable("label", ("batch",), dtype="int32")
    scores = x @ W + b
    probabilities = pc.exp(scores) / pc.exp(scores).sum(axis=1, keepdims=True)
    loss = -pc.log(pc.pick(probabilities, label)).mean()
    gradients = pc.gradient(loss, [W, b])
    updates = [(p, p - 0.5 * g) for p, g in zip([W, b], gradients, strict=True)]
    return pc.function([x, label], loss, updates=updates), [W, b]


def points(rows, features, classes, seed=0):
    """Return made-up data: points and labels."""
    random = np.random.default_rng(seed)
    return random.standard_normal((rows, features)).astype("float32"), random.integers(0, classes, rows)
