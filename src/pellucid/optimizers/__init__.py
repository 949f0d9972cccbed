"""Optimisers: how a step changes the parameters, as expressions that fuse with the rest of it.

    updates = pc.optimizers.Adam(1e-3).updates(loss, [W, b])
    step = pc.function([x, label], loss, updates=updates)

Names, arguments, defaults and formulas are those of Keras 3.
"""

from __future__ import annotations

from typing import Any

from ..core.errors import InputError
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


def get(optimizer: Any) -> Optimizer:
    """Return an optimiser by its name, with its defaults, or the optimiser that was given.

    Raises:
        InputError: for anything else.

    >>> get("rmsprop")
    RMSprop()
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    found = OPTIMIZERS.get(optimizer.lower()) if isinstance(optimizer, str) else None
    if found is None:
        raise InputError(
            f"{optimizer!r} is no optimiser; expected one such as pc.optimizers.Adam(), or a name among"
            f" {', '.join(OPTIMIZERS)}"
        )
    return found()


__all__ = [
    "OPTIMIZERS",
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
