"""What a loss is given: outputs and labels that fit each other, and logits that are no probabilities yet."""

from __future__ import annotations

from typing import Any

from ..core.dtypes import is_float
from ..core.errors import DtypeError, InputError, ShapeError
from ..core.expression import Expression, as_expressions
from ..core.origins import name_of, place
from ..core.sizes import Shape, show_shape
from ..operations.composed import mean
from ..operations.movement import reshape
from ..rewrite.stability import normalised_over, shift_by_hand

PASSED_THROUGH = ("astype", "reshape", "stop_gradient")


def as_outputs(owner: str, outputs: Any) -> Expression:
    """Return what a network gave as an expression: floats, with an axis of examples.

    Raises:
        DtypeError, ShapeError: where it is something else.
    """
    (given,) = as_expressions(outputs)
    if not is_float(given.dtype):
        raise DtypeError(
            f"{owner}: outputs are floats, and {_shown(given)} is {given.dtype}{place(given)}; convert with"
            " .astype('float32')"
        )
    if not given.ndim:
        raise ShapeError(
            f"{owner}: the outputs have shape (), and a first axis of examples was expected{place(given)}; give one"
            " value for each example, such as a variable of shape ('batch',)"
        )
    return given


def agreeing(owner: str, outputs: Any, labels: Any) -> tuple[Expression, Expression]:
    """Return outputs and labels in one shape and dtype, those of the outputs.

    ``(batch, 1)`` and ``(batch,)`` are taken as the same, because broadcasting would compare each example with
    every other. Nothing else is stretched.

    Raises:
        ShapeError: where the shapes are not the same.
    """
    outputs = as_outputs(owner, outputs)
    (labels,) = as_expressions(labels)
    if without_last_one(labels.shape) != without_last_one(outputs.shape):
        raise ShapeError(
            f"{owner}: the outputs have shape {show_shape(outputs.shape)} and the labels {show_shape(labels.shape)};"
            f" a label for each output was expected, {show_shape(outputs.shape)}{place(outputs, labels)}; reshape"
            " one of them, or give both axes the same name if they are the same size"
        )
    return outputs, reshape(labels, outputs.shape).astype(outputs.dtype)


def without_last_one(shape: Shape) -> Shape:
    """Return a shape without its last axis if that has size 1 and is not the only one."""
    return shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape


def need_classes(owner: str, outputs: Expression, what: str) -> None:
    """Check that there is an axis of classes (or of components) beside that of the examples."""
    if outputs.ndim < 2:
        raise ShapeError(
            f"{owner}: the outputs have shape {show_shape(outputs.shape)}, and {what} along a last axis were expected,"
            f" such as (batch, k){place(outputs)}"
        )


def per_example(values: Expression) -> Expression:
    """Return the mean over every axis but the first."""
    if all(n == 1 for n in values.shape[1:]):
        return reshape(values, values.shape[:1])
    return mean(values, tuple(range(1, values.ndim)))


def logits_under(outputs: Expression) -> tuple[str, Expression] | None:
    """Return "softmax" or "sigmoid" and what it was taken of, if the outputs are one; else None.

    It is recognised by what it is, exponentials over their own sum, however it was written, and below changes of
    shape and dtype.
    """
    while outputs.operation.name in PASSED_THROUGH:
        outputs = outputs.inputs[0]
    if outputs.operation.name == "sigmoid":
        return "sigmoid", outputs.inputs[0]
    if outputs.operation.name != "divide":
        return None
    axes = normalised_over(outputs)
    if axes != (outputs.ndim - 1,):
        return None
    return "softmax", _unshifted(outputs.inputs[0].inputs[0], axes)


def _unshifted(x: Expression, axes: tuple[int, ...]) -> Expression:
    """Return z where x is z - max(z), as a stable softmax has it; else x."""
    if x.operation.name == "subtract":
        z, largest = x.inputs
        if largest.operation.name == "stop_gradient":
            largest = largest.inputs[0]
        if shift_by_hand(z - largest, axes) is not None:
            return z
    return x


def refuse_probabilities(owner: str, outputs: Expression) -> None:
    """Check that logits are not a softmax or a sigmoid already.

    Raises:
        InputError: which says where it was taken, why it spoils learning, and what to write instead.
    """
    found = logits_under(outputs)
    if found is None:
        return
    function, logits = found
    of = f" of {logits.name}" if logits.name else ""
    raise InputError(
        f"{owner} takes logits, and {_shown(outputs)} is a {function}{of} already{place(outputs)}: {owner} applies its"
        f" own, and the second one would flatten the gradient (its logits would all lie between 0 and 1) and lose"
        f" the digits of small probabilities; leave the {function} out of the network, as in Dense(k) in place of"
        f" Dense(k, activation={function!r}); predictions are probabilities all the same, because the loss's"
        f" .predictions(outputs) takes the {function} afterwards"
    )


def _shown(outputs: Expression) -> str:
    """Name the outputs without printing a whole network."""
    return name_of(outputs) or f"the network's output, {show_shape(outputs.shape)},"


__all__ = [
    "agreeing",
    "as_outputs",
    "logits_under",
    "need_classes",
    "per_example",
    "refuse_probabilities",
    "without_last_one",
]
