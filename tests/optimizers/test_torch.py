"""The rules against PyTorch's, where its formulas are the same but for where epsilon stands."""

import numpy as np
import pytest

import pellucid as pc

TINY = 1e-14  # PyTorch adds epsilon to the root, some of Keras's rules under it: so small, it does not matter
CASES = {
    "sgd": ("SGD", {"learning_rate": 0.1}, {}),
    "momentum": ("SGD", {"learning_rate": 0.05, "momentum": 0.9}, {"momentum": 0.9}),
    "nesterov": (
        "SGD",
        {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
        {"momentum": 0.9, "nesterov": True},
    ),
    "adagrad": (
        "Adagrad",
        {"learning_rate": 0.1, "initial_accumulator_value": 0.1, "epsilon": TINY},
        {"initial_accumulator_value": 0.1, "eps": TINY},
    ),
    "adadelta": ("Adadelta", {"learning_rate": 1.0, "rho": 0.9, "epsilon": 1e-6}, {"rho": 0.9, "eps": 1e-6}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.01, "rho": 0.9, "epsilon": TINY}, {"alpha": 0.9, "eps": TINY}),
    "rmsprop-momentum": (
        "RMSprop",
        {"learning_rate": 0.01, "momentum": 0.5, "epsilon": TINY},
        {"alpha": 0.9, "momentum": 0.5, "eps": TINY},
    ),
    "adam": ("Adam", {"learning_rate": 0.01, "epsilon": TINY}, {"eps": TINY}),
    "amsgrad": ("Adam", {"learning_rate": 0.01, "epsilon": TINY, "amsgrad": True}, {"eps": TINY, "amsgrad": True}),
    "adamw": (
        "AdamW",
        {"learning_rate": 0.01, "epsilon": TINY, "weight_decay": 0.1},
        {"eps": TINY, "weight_decay": 0.1},
    ),
    "adamax": ("Adamax", {"learning_rate": 0.01, "epsilon": TINY}, {"eps": TINY}),
    "nadam": ("NAdam", {"learning_rate": 0.01, "epsilon": TINY}, {"eps": TINY, "momentum_decay": 1.0}),
}


def problem():
    draw = np.random.default_rng(7).standard_normal
    points, targets = draw((50, 6)), draw(50)
    return points, targets, draw(6)


@pytest.mark.torch
@pytest.mark.parametrize("case", CASES)
def test_the_same_path_as_torch(case):
    import torch

    name, ours, theirs = CASES[case]
    points, targets, start = problem()

    w = pc.parameter(start, name="w", dtype="float64")
    x, y = pc.variable("x", ("batch", 6), "float64"), pc.variable("y", ("batch",), "float64")
    loss = pc.square(x @ w - y).mean()
    optimizer = pc.optimizers.get(name.lower()).__class__(**ours)
    step = pc.function([x, y], w, updates=optimizer.updates(loss, [w]))
    found = step.repeat(41)(points, targets)[1:]

    weights = torch.tensor(start, requires_grad=True)
    peer = getattr(torch.optim, name)([weights], lr=ours["learning_rate"], **theirs)
    expected = []
    for _ in range(40):
        peer.zero_grad()
        ((torch.tensor(points) @ weights - torch.tensor(targets)) ** 2).mean().backward()
        peer.step()
        expected.append(weights.detach().numpy().copy())
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
