"""A loss that is no number any more: in which layer it began."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.arguments import first_not_finite
from ..core.errors import NotANumberError
from ..function import function
from ..layers.composed import ComposedLayer
from .program import Program

if TYPE_CHECKING:
    from .model import Model

Array = np.ndarray[Any, Any]


def diverged(model: Model, program: Program, inputs: Sequence[Array], epoch: int, step: int) -> NotANumberError:
    """Return the error that says why a step gave no number, with the weights that it began with.

    Args:
        inputs: the examples it took.
        epoch, step: its number in its epoch.
    """
    return NotANumberError(
        f"the loss is not a number at step {step} of epoch {epoch}: {_where(model, program, inputs)}; the"
        " model keeps its last good weights. Try a smaller learning rate, gradients that are clipped"
        " (global_clipnorm=1.0), or inputs that are scaled"
    )


def _where(model: Model, program: Program, inputs: Sequence[Array]) -> str:
    for path, parameter in model.network.parameters.items():
        if (where := first_not_finite(parameter.value)) is not None:
            return f"the step before made the weight {path} infinite or NaN at {where}"
    if isinstance(program.network, ComposedLayer):
        calls = list(program.network.applied(program.given))
        with np.errstate(all="ignore"):
            values = function(program.variables, [call.output for call in calls], backend="reference")(*inputs)
        for call, value in zip(calls, values, strict=True):
            if value.dtype.kind == "f" and (where := first_not_finite(value)) is not None:
                return f"layer {call.name} ({type(call.layer).__name__}) is the first whose output is not, at {where}"
    return "every layer's output is finite, and so it began in the loss or its gradient"


__all__ = ["diverged"]
