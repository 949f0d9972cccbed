"""What every metric has: sums that add up over batches, and a result from the sums of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ..core.dtypes import is_float
from ..core.errors import ShapeError
from ..core.expression import Expression, as_expressions
from ..core.origins import place
from ..core.sizes import show_shape
from ..losses.agreement import agreeing
from ..losses.classification import class_numbers
from ..operations.comparison import equal
from ..operations.composed import argmax
from ..operations.elementwise import where
from ..operations.indexing import one_hot
from ..operations.movement import broadcast_to, reshape

Array = np.ndarray[Any, Any]
Sums = dict[str, Expression]
Totals = Mapping[str, Array]
PRECISE = "float64"  # what is counted and summed in: float32 stops counting at 2**24


@dataclass(frozen=True)
class Metric:
    """A number that says how good predictions are, from sums that add up over batches.

    One of your own is a subclass with ``sums``, which are expressions and so are computed in the native loop, and with
    ``result``, which is NumPy.

    Attributes:
        name: the key it has in a history.
        elementwise: whether ``result`` also takes arrays, with an element for each of many epochs, as its sums.

    >>> import pellucid as pc
    >>> x, y = pc.variable("x", ("batch",)), pc.variable("y", ("batch",))
    >>> metric = pc.metrics.get("mae")
    >>> sums = pc.function([x, y], metric.sums(x, y)).minibatches(2, shuffle=False)([1.0, 2.0, 3.0], [1.0, 1.0, 1.0])
    >>> metric.result(pc.metrics.totals(sums))
    1.0
    """

    elementwise: ClassVar[bool] = False
    _: KW_ONLY
    name: str = "metric"

    @property
    def takes(self) -> Literal["predictions", "outputs"]:
        """Whether ``sums`` takes the network's outputs, such as logits, or ``loss.predictions(outputs)``."""
        return "predictions"

    def sums(self, predictions: Expression, labels: Expression, weights: Expression | None = None) -> Sums:
        """Return sums over a batch, by name; those of several batches are added.

        Args:
            predictions: (batch, ...), or the network's outputs where ``takes`` says so.
            labels: those of the examples.
            weights: how much each example counts, (batch,); 1 each if None.
        """
        raise NotImplementedError(f"{type(self).__name__} has no sums(self, predictions, labels, weights)")

    def result(self, sums: Totals) -> Any:
        """Return the metric, a float or an array of float64, from the sums over all batches."""
        raise NotImplementedError(f"{type(self).__name__} has no result(self, sums)")


def totals(stacked: Mapping[str, Any]) -> dict[str, Array]:
    """Return sums over all steps, in float64, from those of each step, stacked on a first axis.

    >>> totals({"number": np.array([2.0, 2.0, 1.0], "float32")})
    {'number': array(5.)}
    """
    return {name: np.asarray(np.sum(steps, axis=0, dtype=np.float64)) for name, steps in stacked.items()}


def ratio(above: Any, below: Any, otherwise: float) -> Array:
    """Return a quotient in float64, and another number wherever it would divide by 0."""
    above, below = np.asarray(above, np.float64), np.asarray(below, np.float64)
    result: Array = np.divide(above, below, out=np.full(np.broadcast(above, below).shape, otherwise), where=below != 0)
    return result


def plain(value: Array) -> Any:
    """Return an array of no axes as a float, and any other as it is."""
    return float(value) if value.ndim == 0 else value


def weights_like(weights: Expression | None, values: Expression) -> Expression:
    """Return the weight of every element of some values (batch, ...), as float64.

    Raises:
        ShapeError: if there is not one weight for each example.
    """
    if weights is None:
        return broadcast_to(as_expressions(1.0)[0].astype(PRECISE), values.shape)
    if weights.shape != values.shape[:1]:
        raise ShapeError(
            f"a metric was given weights of shape {show_shape(weights.shape)}, and one for each example,"
            f" {show_shape(values.shape[:1])}, was expected{place(weights)}"
        )
    return broadcast_to(reshape(weights, (*weights.shape, *(1,) * (values.ndim - 1))).astype(PRECISE), values.shape)


def weighted_mean_sums(values: Expression, weights: Expression | None) -> Sums:
    """Return the sums that a weighted mean of one value per example is made of."""
    each = weights_like(weights, values)
    if weights is None and values.dtype == "bool":  # counted in int32, of which more fit into a vector
        return {"total": values.astype("int32").sum().astype(PRECISE), "number": each.sum()}
    return {"total": weighted(values, each).sum(), "number": each.sum()}


def weighted(values: Expression, weights: Expression) -> Expression:
    """Return values times weights in float64; a value that weighs 0 counts nothing, even NaN."""
    if values.dtype == "bool":
        return where(values, weights, 0.0)
    return where(equal(weights, 0), 0.0, values.astype(PRECISE) * weights)


def yes_or_no(owner: str, predictions: Any, labels: Any) -> tuple[Expression, Expression]:
    """Return probabilities and labels as yes (above 1/2) or no, in one shape.

    Numbers of classes (integers (batch,) beside (batch, k) probabilities) become a yes for one class each.
    """
    predictions, labels = as_expressions(predictions, labels)
    if predictions.ndim > 1 and predictions.shape[-1] != 1 and labels.shape != predictions.shape:
        classes = class_numbers(owner, predictions, labels)
        assert classes is not None
        return predictions, one_hot(classes, predictions.shape[-1], "bool")
    yes = labels if labels.dtype == "bool" else labels > (0.5 if is_float(labels.dtype) else 0)
    predictions, numbers = agreeing(owner, predictions, yes)
    return predictions, numbers > 0.5


def classes_of(labels: Expression, predictions: Expression, owner: str) -> Expression:
    """Return the numbers of classes, int32 or as given, from numbers or from one value for every class."""
    found = class_numbers(owner, predictions, labels)
    return argmax(labels, -1) if found is None else found


__all__ = [
    "Array",
    "Metric",
    "Sums",
    "Totals",
    "classes_of",
    "plain",
    "ratio",
    "totals",
    "weighted",
    "weighted_mean_sums",
    "weights_like",
    "yes_or_no",
]
