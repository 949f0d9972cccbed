"""Optimisers: how a step changes the parameters, as expressions that fuse with the rest of it.

    updates = pc.optimizers.Adam(1e-3).updates(loss, [W, b])
    step = pc.function([x, label], loss, updates=updates)

Names, arguments, defaults and formulas are those of Keras 3.
"""

from __future__ import annotations

from typing import Any

from ..core.configuration import register
from ..core.settings import by_name
from .optimizer import Optimizer
from .rules import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Nadam, RMSprop
from .schedules import (
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    LinearWarmup,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

OPTIMIZERS: dict[str, type[Optimizer]] = {
    rule.__name__.lower(): rule for rule in (SGD, Adagrad, Adadelta, RMSprop, Adam, AdamW, Adamax, Nadam)
}
SCHEDULES = (
    CosineDecay, ExponentialDecay, InverseTimeDecay, LinearWarmup, PiecewiseConstantDecay, PolynomialDecay
)  # fmt: skip
for _class in (*OPTIMIZERS.values(), *SCHEDULES):
    register(_class)


def get(optimizer: Any) -> Optimizer:
    """Return an optimiser by its name, with its defaults, or the optimiser that was given.

    Raises:
        InputError: for anything else.

    >>> get("rmsprop")
    RMSprop()
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    return by_name("an optimiser", optimizer, OPTIMIZERS, "pc.optimizers.Adam()")()


__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "CosineDecay",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "LinearWarmup",
    "Nadam",
    "Optimizer",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "RMSprop",
    "get",
]
