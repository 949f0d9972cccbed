"""Metrics from counts of hits: precision, recall, F1, the area under a curve, the confusion matrix.

Each counts what is predicted as yes, what is yes, and both at once: the false positives are the first less the third,
the false negatives the second less the third.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from ..core.errors import InputError, ShapeError
from ..core.expression import Expression, as_expressions
from ..core.origins import place
from ..core.settings import check_choice, check_number, check_whole
from ..core.sizes import show_shape
from ..losses.agreement import need_classes
from ..operations.comparison import greater
from ..operations.composed import argmax
from ..operations.elementwise import where
from ..operations.indexing import one_hot, scatter_add
from ..operations.logical import logical_and
from ..operations.movement import reshape
from ..operations.source import constant
from .accuracy import ranked
from .metric import (
    Array,
    Metric,
    Sums,
    Totals,
    classes_of,
    plain,
    ratio,
    weighted,
    weights_like,
    yes_or_no,
)


def hits(said: Expression, yes: Expression, weights: Expression) -> Sums:
    """Return what is said to be yes, what is, and both, each summed over the first axis; all (elements, columns)."""
    return {
        "said": weighted(said, weights).sum(axis=0),
        "yes": weighted(yes, weights).sum(axis=0),
        "both": weighted(logical_and(said, yes), weights).sum(axis=0),
    }


def at_thresholds(
    owner: str, thresholds: Any, predictions: Expression, labels: Expression, weights: Expression | None
) -> Sums:
    """Return the hits at each threshold: a prediction above it says yes. Several labels of an example count each."""
    predictions, yes = yes_or_no(owner, predictions, labels)
    limits = constant(np.asarray(thresholds, np.float64), predictions.dtype)
    flat, yes, each = (reshape(x, (-1, 1)) for x in (predictions, yes, weights_like(weights, predictions)))
    return hits(greater(flat, limits), yes, each)


def _check_thresholds(owner: str, thresholds: Any) -> None:
    several = list(thresholds) if isinstance(thresholds, Iterable) else [thresholds]
    if not several:
        raise InputError(f"{owner}: thresholds are empty; expected one number from 0 to 1, or a tuple of them")
    for threshold in several:
        check_number(owner, "a threshold", threshold, "share")


@dataclass(frozen=True)
class _AtThresholds(Metric):
    thresholds: float | tuple[float, ...] = 0.5

    def __post_init__(self) -> None:
        _check_thresholds(type(self).__name__, self.thresholds)

    def sums(self, predictions: Expression, labels: Expression, weights: Expression | None = None) -> Sums:
        """Return the weighted numbers of said, yes and both, at each threshold."""
        return at_thresholds(type(self).__name__, np.atleast_1d(self.thresholds), predictions, labels, weights)

    def _by_threshold(self, quotients: Array) -> Any:
        return quotients if isinstance(self.thresholds, Iterable) else float(quotients[0])


@dataclass(frozen=True)
class Precision(_AtThresholds):
    """How many of those predicted as yes are yes; 0 where none is predicted.

    Args:
        thresholds: above this a prediction (a probability) says yes; of several, in a tuple, the result is an array.

    Labels are booleans, or 0 and 1, of the predictions' shape; numbers of classes beside probabilities of k classes are
    k labels for each example.

    >>> import pellucid as pc
    >>> sums = pc.metrics.Precision().sums(pc.constant([0.9, 0.8, 0.7, 0.1]), pc.constant([1, 1, 0, 1]))
    >>> round(pc.metrics.Precision().result(pc.function([], sums)()), 4)
    0.6667
    """

    _: KW_ONLY
    name: str = "precision"

    def result(self, sums: Totals) -> Any:
        """Return the precision, or one for each threshold."""
        return self._by_threshold(ratio(sums["both"], sums["said"], 0.0))


@dataclass(frozen=True)
class Recall(_AtThresholds):
    """How many of those that are yes are predicted so; 0 where none is.

    Args:
        thresholds: above this a prediction (a probability) says yes; of several, in a tuple, the result is an array.

    Labels are those of ``Precision``.

    >>> import pellucid as pc
    >>> sums = pc.metrics.Recall().sums(pc.constant([0.9, 0.8, 0.7, 0.1]), pc.constant([1, 1, 0, 1]))
    >>> round(pc.metrics.Recall().result(pc.function([], sums)()), 4)
    0.6667
    """

    _: KW_ONLY
    name: str = "recall"

    def result(self, sums: Totals) -> Any:
        """Return the recall, or one for each threshold."""
        return self._by_threshold(ratio(sums["both"], sums["yes"], 0.0))


@dataclass(frozen=True)
class AUC(Metric):
    """The area under the curve of true against false positives ("ROC"), or of precision against recall ("PR").

    Args:
        num_thresholds: at how many thresholds, evenly from 0 to 1, the curve is known; 2 or more.
        curve: "ROC" or "PR".

    Predictions are probabilities, labels those of ``Precision``. Between two thresholds the ROC curve is a straight
    line, and the PR curve the one of Davis and Goadrich. Where a class is missing there is no such curve, and the
    result is NaN.

    Davis and Goadrich, *The relationship between precision-recall and ROC curves*, 2006, section 4.

    >>> import pellucid as pc
    >>> sums = pc.metrics.AUC().sums(pc.constant([0.1, 0.4, 0.35, 0.8]), pc.constant([0, 0, 1, 1]))
    >>> round(pc.metrics.AUC().result(pc.function([], sums)()), 4)
    0.75
    """

    num_thresholds: int = 200
    curve: str = "ROC"
    _: KW_ONLY
    name: str = "auc"

    def __post_init__(self) -> None:
        check_whole(self, "num_thresholds", self.num_thresholds, 2)
        check_choice(self, "curve", self.curve, ("ROC", "PR"))

    def sums(self, predictions: Expression, labels: Expression, weights: Expression | None = None) -> Sums:
        """Return the weighted numbers of said, yes and both at each threshold, and that of all."""
        inner = np.linspace(0, 1, self.num_thresholds)[1:-1]
        limits = [-1e-7, *inner, 1 + 1e-7]  # below 0 everything is said, above 1 nothing
        return at_thresholds("AUC", limits, predictions, labels, weights)

    def result(self, sums: Totals) -> float:
        """Return the area, from 0 to 1."""
        said, both, yes = sums["said"], sums["both"], float(sums["yes"][0])
        no = float(said[0]) - yes  # at the first threshold everything is said
        if yes <= 0 or no <= 0:
            return float("nan")
        return _below_precision(said, both, yes) if self.curve == "PR" else _below_roc(said, both, yes, no)


def _below_roc(said: Array, both: Array, yes: float, no: float) -> float:
    return float(-np.trapezoid(both / yes, (said - both) / no))


def _below_precision(said: Array, both: Array, yes: float) -> float:
    """The integral of precision over recall; between two thresholds true positives are linear in what is said.

    With true positives a + s n for n said, precision is a/n + s, and recall grows by s/yes dn.
    """
    more, less = said[:-1], said[1:]
    slope = ratio(both[:-1] - both[1:], more - less, 0.0)
    start = both[1:] - slope * less
    logarithm = np.log(np.where((more > 0) & (less > 0), ratio(more, less, 1.0), 1.0))
    return float((slope * (both[:-1] - both[1:] + start * logarithm)).sum() / yes)


@dataclass(frozen=True)
class F1Score(Metric):
    """The harmonic mean of precision and recall, 2 both / (said + yes), of each class; 0 where all three are 0.

    Args:
        average: None for one score each; their mean, "macro"; the mean weighted by how often each class occurs,
            "weighted"; or the score of all counts together, "micro". A single class has one score in any case.
        threshold: above this a prediction says yes. If None, the largest of an example says yes (of one it is 0.5).

    Labels are numbers of classes, or 0 and 1 of the predictions' shape. van Rijsbergen, *Information retrieval*,
    1979, chapter 7.

    >>> import pellucid as pc
    >>> sums = pc.metrics.F1Score().sums(pc.constant([[0.6, 0.4], [0.3, 0.7], [0.6, 0.4]]), pc.constant([0, 1, 1]))
    >>> pc.metrics.F1Score().result(pc.function([], sums)()).round(4)
    array([0.6667, 0.6667])
    """

    average: str | None = None
    threshold: float | None = None
    _: KW_ONLY
    name: str = "f1_score"

    def __post_init__(self) -> None:
        check_choice(self, "average", self.average, (None, "macro", "weighted", "micro"))
        check_number(self, "threshold", self.threshold, "share", or_none=True)

    def sums(self, predictions: Expression, labels: Expression, weights: Expression | None = None) -> Sums:
        """Return the weighted numbers of said, yes and both, of each class."""
        predictions, yes = yes_or_no("F1Score", predictions, labels)
        number = predictions.shape[-1] if predictions.ndim > 1 else 1
        if self.threshold is None and number != 1:
            said = one_hot(argmax(ranked(predictions), -1), number, "bool")
        else:
            said = predictions > (0.5 if self.threshold is None else self.threshold)
        each = weights_like(weights, predictions)
        return hits(*(reshape(x, (-1, number)) for x in (said, yes, each)))

    def result(self, sums: Totals) -> Any:
        """Return the score, or one for each class."""
        said, yes, both = sums["said"], sums["yes"], sums["both"]
        if self.average == "micro":
            said, yes, both = (x.sum(keepdims=True) for x in (said, yes, both))
        scores = ratio(2 * both, said + yes, 0.0)
        if len(scores) == 1:
            return float(scores[0])
        if self.average == "macro":
            return float(scores.mean())
        if self.average == "weighted":
            return float(ratio((scores * yes).sum(), yes.sum(), 0.0))
        return plain(scores)


@dataclass(frozen=True)
class ConfusionMatrix(Metric):
    """How many examples of each class (row) are predicted as each class (column).

    Args:
        num_classes: how many there are; from the predictions, if None (two where there is one probability).

    Predictions are (batch, ..., k), or probabilities of yes, (batch,) or (batch, 1), which mean class 1 above 0.5.
    Labels that number no class are not counted.

    >>> import pellucid as pc
    >>> sums = pc.metrics.ConfusionMatrix().sums(pc.constant([0.9, 0.2, 0.8, 0.1]), pc.constant([1, 1, 0, 0]))
    >>> pc.metrics.ConfusionMatrix().result(pc.function([], sums)())
    array([[1., 1.],
           [1., 1.]])
    """

    num_classes: int | None = None
    _: KW_ONLY
    name: str = "confusion_matrix"

    def __post_init__(self) -> None:
        check_whole(self, "num_classes", self.num_classes, 2, or_none=True)

    def sums(self, predictions: Expression, labels: Expression, weights: Expression | None = None) -> Sums:
        """Return the weighted number of each pair of label and prediction."""
        said, labels, number = self._classes(*as_expressions(predictions, labels))
        inside = logical_and(labels >= 0, labels < number)
        pairs = where(inside, labels.astype("int32") * number + said, number * number)
        each = weights_like(weights, labels)
        counted = scatter_add(reshape(each, (-1,)), reshape(pairs, (-1,)), number * number + 1)
        return {"pairs": reshape(counted[: number * number], (number, number))}

    def _classes(self, predictions: Expression, labels: Expression) -> tuple[Expression, Expression, int]:
        if predictions.ndim < 2 or predictions.shape[-1] == 1:
            predictions, yes = yes_or_no("ConfusionMatrix", predictions, labels)
            return (predictions > 0.5).astype("int32"), yes.astype("int32"), self.num_classes or 2
        need_classes("ConfusionMatrix", predictions, "predictions for k classes")
        number = self.num_classes or predictions.shape[-1]
        if not isinstance(number, int) or predictions.shape[-1] != number:
            raise ShapeError(
                f"ConfusionMatrix: the predictions have shape {show_shape(predictions.shape)}, and {number} classes"
                f" along the last axis were expected{place(predictions)}"
            )
        return argmax(ranked(predictions), -1), classes_of(labels, predictions, "ConfusionMatrix"), number

    def result(self, sums: Totals) -> Array:
        """Return the matrix, float64 (classes, classes)."""
        return np.asarray(sums["pairs"], np.float64)


__all__ = ["AUC", "ConfusionMatrix", "F1Score", "Precision", "Recall"]
