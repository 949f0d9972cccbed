"""A fitted model as arrays and plain values, for pickle, joblib and copies; and back, by the plan it was made by."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..training import Model
from ..training.weights import set_values
from .plan import Plan


def kept(model: Model) -> dict[str, Any]:
    """Return what a model learnt and where its training is: nothing of its programs, which are made again."""
    rate = model.learning_rate
    return {
        "weights": {path: parameter.value for path, parameter in model.network.parameters.items()},
        "optimizer": {name: state.value for name, state in model.rule.state.items()},
        "learning_rate": rate if isinstance(rate, float) else None,
        "progress": dataclasses.replace(model.progress),
        "history": model.history,
    }


def remade(plan: Plan, state: dict[str, Any]) -> Model:
    """Return the model that ``kept`` described; with the same next steps, to the bit."""
    model = plan.model()
    set_values(model.network.parameters, state["weights"])
    trained = model.network.trainable_parameters
    model.rule.updates(None, trained, gradients=trained)  # makes the moments, which begin at zero
    model.rule.restore(state["optimizer"])
    if state["learning_rate"] is not None:
        model.learning_rate = state["learning_rate"]
    model.progress, model.history = state["progress"], state["history"]
    return model


__all__ = ["kept", "remade"]
