"""The rules once more, as plainly as the papers and Keras write them: NumPy in float64, one array, step by step.

Each takes the parameter, its gradient, what it kept so far (a dict), the number of the step from 1, and its arguments.
"""

from __future__ import annotations

import numpy as np


def sgd(w, g, kept, t, learning_rate=0.01, momentum=0.0, nesterov=False):
    velocity = momentum * kept.get("velocity", 0) - learning_rate * g
    kept["velocity"] = velocity
    return w + (momentum * velocity - learning_rate * g if nesterov else velocity)


def adagrad(w, g, kept, t, learning_rate=0.001, initial_accumulator_value=0.1, epsilon=1e-7):
    kept["sum"] = kept.get("sum", initial_accumulator_value) + g**2
    return w - learning_rate * g / np.sqrt(kept["sum"] + epsilon)


def adadelta(w, g, kept, t, learning_rate=0.001, rho=0.95, epsilon=1e-7):
    kept["g"] = rho * kept.get("g", 0) + (1 - rho) * g**2
    step = -np.sqrt(kept.get("x", 0) + epsilon) / np.sqrt(kept["g"] + epsilon) * g
    kept["x"] = rho * kept.get("x", 0) + (1 - rho) * step**2
    return w + learning_rate * step


def rmsprop(w, g, kept, t, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
    kept["v"] = rho * kept.get("v", 0) + (1 - rho) * g**2
    kept["g"] = rho * kept.get("g", 0) + (1 - rho) * g
    spread = kept["v"] - kept["g"] ** 2 if centered else kept["v"]
    kept["m"] = momentum * kept.get("m", 0) + learning_rate * g / np.sqrt(spread + epsilon)
    return w - kept["m"]


def adam(w, g, kept, t, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False):
    kept["m"] = beta_1 * kept.get("m", 0) + (1 - beta_1) * g
    kept["v"] = beta_2 * kept.get("v", 0) + (1 - beta_2) * g**2
    kept["largest"] = np.maximum(kept.get("largest", 0), kept["v"])
    rate = learning_rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
    return w - rate * kept["m"] / (np.sqrt(kept["largest"] if amsgrad else kept["v"]) + epsilon)


def adamw(w, g, kept, t, learning_rate=0.001, weight_decay=0.004, **arguments):
    return adam(w - learning_rate * weight_decay * w, g, kept, t, learning_rate, **arguments)


def adamax(w, g, kept, t, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    kept["m"] = beta_1 * kept.get("m", 0) + (1 - beta_1) * g
    kept["u"] = np.maximum(beta_2 * kept.get("u", 0), np.abs(g))
    return w - learning_rate / (1 - beta_1**t) * kept["m"] / (kept["u"] + epsilon)


def nadam(w, g, kept, t, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    now, then = beta_1 * (1 - 0.5 * 0.96**t), beta_1 * (1 - 0.5 * 0.96 ** (t + 1))
    kept["product"] = kept.get("product", 1.0) * now
    kept["m"] = beta_1 * kept.get("m", 0) + (1 - beta_1) * g
    kept["v"] = beta_2 * kept.get("v", 0) + (1 - beta_2) * g**2
    mean = then * kept["m"] / (1 - kept["product"] * then) + (1 - now) * g / (1 - kept["product"])
    return w - learning_rate * mean / (np.sqrt(kept["v"] / (1 - beta_2**t)) + epsilon)


# by the name of the optimiser: its oracle, and arguments that are worth a test
ORACLES = {
    "sgd": (sgd, [{}, {"momentum": 0.9}, {"momentum": 0.8, "nesterov": True}]),
    "adagrad": (adagrad, [{}, {"initial_accumulator_value": 0.0, "epsilon": 1e-3}]),
    "adadelta": (adadelta, [{}, {"rho": 0.5, "epsilon": 1e-3, "learning_rate": 1.0}]),
    "rmsprop": (
        rmsprop,
        [{}, {"rho": 0.5, "momentum": 0.7}, {"centered": True, "epsilon": 1e-3}, {"centered": True, "momentum": 0.5}],
    ),
    "adam": (adam, [{}, {"beta_1": 0.5, "beta_2": 0.6, "epsilon": 1e-3}, {"amsgrad": True}, {"beta_1": 0.0}]),
    "adamw": (adamw, [{}, {"weight_decay": 0.1, "amsgrad": True}]),
    "adamax": (adamax, [{}, {"beta_1": 0.5, "beta_2": 0.6}]),
    "nadam": (nadam, [{}, {"beta_1": 0.5, "beta_2": 0.6, "epsilon": 1e-3}]),
}


def run(rule, start, gradient, steps, **arguments):
    """Return the parameter after each of some steps; ``gradient`` is a function of it."""
    w, kept, path = np.asarray(start, "float64"), {}, []
    for t in range(1, steps + 1):
        w = rule(w, gradient(w), kept, t, **arguments)
        path.append(w)
    return np.array(path)
