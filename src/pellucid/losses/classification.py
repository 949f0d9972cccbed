"""Losses of classes: cross-entropies of logits, and hinges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..core.dtypes import INTEGERS, is_float
from ..core.errors import DtypeError, InputError, ShapeError
from ..core.expression import Expression, as_expressions
from ..core.origins import place
from ..core.settings import check_number
from ..core.sizes import show_shape
from ..operations.activation import relu, sigmoid, softplus
from ..operations.composed import log_softmax, mean, softmax, square
from ..operations.elementwise import where
from ..operations.indexing import pick
from ..operations.movement import reshape
from ..operations.reduction import sum as sum_over
from .agreement import agreeing, as_outputs, need_classes, per_example, refuse_probabilities
from .loss import Loss


def cross_entropy(outputs: Any, labels: Any, label_smoothing: float = 0.0) -> Expression:
    """Return minus the logarithm of the probability that softmax gives to each example's class.

    Args:
        outputs: logits, float (batch, ..., k).
        labels: the number of each class, 0 to k - 1, integers (batch, ...) or (batch, ..., 1); or the probability of
            every class, (batch, ..., k), for which integers and booleans with a single one serve too.
        label_smoothing: how much of each label is spread evenly over the classes, from 0 to 1.

    Returns:
        (batch,), of the outputs' dtype; further axes are averaged.

    Raises:
        InputError: if the outputs are a softmax already, or there is one class only.
        ShapeError, DtypeError: if the labels do not fit the logits, or are floats where numbers of classes belong.

    Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.2.2.3; label smoothing: Szegedy, Vanhoucke,
    Ioffe, Shlens and Wojna, *Rethinking the Inception architecture for computer vision*, 2016, section 7.

    >>> import pellucid as pc
    >>> loss = pc.losses.cross_entropy(pc.constant([[0.0, 0.0], [1000.0, 0.0]]), pc.constant([1, 1]))
    >>> pc.function([], loss)()
    array([6.931472e-01, 1.000000e+03], dtype=float32)
    """
    logits = as_outputs("cross_entropy", outputs)
    (labels,) = as_expressions(labels)
    check_number("cross_entropy", "label_smoothing", label_smoothing, "share")
    need_classes("cross_entropy", logits, "logits of k classes")
    if logits.shape[-1] == 1:
        raise InputError(
            f"cross_entropy: the outputs have shape {show_shape(logits.shape)}, and softmax of a single logit is always"
            f" 1{place(logits)}; use binary_cross_entropy for two classes told by one logit, or k outputs"
        )
    refuse_probabilities("cross_entropy", logits)
    logs, classes = log_softmax(logits), class_numbers("cross_entropy", logits, labels)
    if classes is not None:
        losses = -pick(logs, classes)
    else:
        losses = -sum_over(labels.astype(logits.dtype) * logs, -1)
    if label_smoothing:
        losses = (1 - label_smoothing) * losses - label_smoothing * mean(logs, -1)
    return per_example(losses)


def class_numbers(owner: str, outputs: Expression, labels: Expression) -> Expression | None:
    """Return labels that number the classes, shape (batch, ...); None where they are one value for every class.

    Raises:
        ShapeError, DtypeError: where the labels are neither.
    """
    rows = outputs.shape[:-1]
    if labels.shape == outputs.shape:
        return None
    if labels.shape not in (rows, (*rows, 1)):
        raise ShapeError(
            f"{owner}: the outputs have shape {show_shape(outputs.shape)} and the labels {show_shape(labels.shape)};"
            f" numbers of classes, {show_shape(rows)}, or one probability for each class,"
            f" {show_shape(outputs.shape)}, were expected{place(outputs, labels)}"
        )
    if labels.dtype not in INTEGERS:
        cure = (
            "convert with .astype('int32') if they number the classes, or give a probability for each class"
            if is_float(labels.dtype)
            else "use binary_cross_entropy for yes and no, or convert with .astype('int32')"
        )
        raise DtypeError(
            f"{owner}: labels of shape {show_shape(labels.shape)} number the classes with integers, and these are"
            f" {labels.dtype}{place(labels)}; {cure}"
        )
    return reshape(labels, rows)


def binary_cross_entropy(outputs: Any, labels: Any, label_smoothing: float = 0.0) -> Expression:
    """Return minus the logarithm of the probability that sigmoid gives to each label.

    Args:
        outputs: logits, float (batch,), (batch, 1) or (batch, ..., k), one for each yes or no.
        labels: of the same shape (with or without a last 1): booleans, integers 0 and 1, or floats from 0 to 1.
        label_smoothing: how far labels are drawn towards 1/2, from 0 to 1.

    Returns:
        (batch,), of the outputs' dtype; the mean over several labels of an example.

    Raises:
        InputError: if the outputs are a sigmoid already.
        ShapeError: if the shapes are not the same.

    Labels that are booleans or integers take softplus(-z) or softplus(z), which keep all digits of a small loss. For
    floats it is softplus(z) - y z. Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.2.2.2.

    >>> import pellucid as pc
    >>> z, y = pc.variable("z", ("batch",)), pc.variable("y", ("batch",))
    >>> print(pc.losses.binary_cross_entropy(z, y))
    softplus(z) - z * y
    >>> print(pc.gradient(pc.losses.binary_cross_entropy(z, y).sum(), z))
    sigmoid(z) - y
    """
    check_number("binary_cross_entropy", "label_smoothing", label_smoothing, "share")
    (given,) = as_expressions(labels)
    logits, labels = agreeing("binary_cross_entropy", outputs, given)
    refuse_probabilities("binary_cross_entropy", logits)
    if not is_float(given.dtype) and not label_smoothing:
        return per_example(softplus(where(labels > 0, -logits, logits)))
    if label_smoothing:
        labels = (1 - label_smoothing) * labels + label_smoothing / 2
    return per_example(softplus(logits) - logits * labels)


def _signs(labels: Expression) -> Expression:
    return where(labels > 0, 1.0, -1.0).astype(labels.dtype)


def hinge(outputs: Any, labels: Any) -> Expression:
    """Return by how much the margin y ŷ falls short of 1: max(1 - y ŷ, 0).

    Args:
        outputs: scores, float (batch, ...).
        labels: of the same shape: -1 and 1, or 0 and 1, as integers, booleans or floats.

    Returns:
        (batch,); the mean over several labels of an example.

    Raises:
        ShapeError: if the shapes are not the same.

    Cortes and Vapnik, *Support-vector networks*, 1995.

    >>> import pellucid as pc
    >>> pc.function([], pc.losses.hinge(pc.constant([0.25, -2.0, 3.0]), pc.constant([1, 0, 1])))()
    array([0.75, 0.  , 0.  ], dtype=float32)
    """
    outputs, labels = agreeing("hinge", outputs, labels)
    return per_example(relu(1 - _signs(labels) * outputs))


def squared_hinge(outputs: Any, labels: Any) -> Expression:
    """Return the square of ``hinge``, averaged after squaring.

    Args:
        outputs: scores, float (batch, ...).
        labels: of the same shape: -1 and 1, or 0 and 1.

    Returns:
        (batch,).

    Raises:
        ShapeError: if the shapes are not the same.

    >>> import pellucid as pc
    >>> pc.function([], pc.losses.squared_hinge(pc.constant([0.5, -2.0]), pc.constant([1, 1])))()
    array([0.25, 9.  ], dtype=float32)
    """
    outputs, labels = agreeing("squared_hinge", outputs, labels)
    return per_example(square(relu(1 - _signs(labels) * outputs)))


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """``cross_entropy`` with its option; predictions are probabilities, by softmax."""

    function = staticmethod(cross_entropy)
    takes_logits: ClassVar[bool] = True
    label_range: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_number(self, "label_smoothing", self.label_smoothing, "share")

    def predictions(self, outputs: Expression) -> Expression:
        """Return the probability of each class."""
        return softmax(outputs)


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """``binary_cross_entropy`` with its option; predictions are probabilities, by sigmoid."""

    function = staticmethod(binary_cross_entropy)
    takes_logits: ClassVar[bool] = True
    label_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_number(self, "label_smoothing", self.label_smoothing, "share")

    def predictions(self, outputs: Expression) -> Expression:
        """Return the probability of each yes."""
        return sigmoid(outputs)


@dataclass(frozen=True)
class Hinge(Loss):
    """``hinge``; predictions are the scores."""

    function = staticmethod(hinge)
    label_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)


@dataclass(frozen=True)
class SquaredHinge(Loss):
    """``squared_hinge``; predictions are the scores."""

    function = staticmethod(squared_hinge)
    label_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)


__all__ = [
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Hinge",
    "SquaredHinge",
    "binary_cross_entropy",
    "class_numbers",
    "cross_entropy",
    "hinge",
    "squared_hinge",
]
