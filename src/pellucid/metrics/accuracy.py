"""Accuracies: how many examples are told rightly."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from ..core.expression import Expression
from ..core.settings import check_number, check_whole
from ..core.sizes import Shape
from ..losses.agreement import as_outputs, logits_under, need_classes, per_example
from ..operations.comparison import equal
from ..operations.composed import argmax
from ..operations.indexing import column, pick
from ..operations.logical import logical_not
from .metric import (
    Metric,
    Sums,
    Totals,
    classes_of,
    plain,
    ratio,
    weighted_mean_sums,
    yes_or_no,
)

THRESHOLD = 0.5  # a probability above it says yes


@dataclass(frozen=True)
class _Share(Metric):
    """A weighted mean of what is right; NaN over no examples."""

    elementwise: ClassVar[bool] = True

    def result(self, sums: Totals) -> Any:
        """Return the share of what is right, from 0 to 1; NaN over no examples."""
        return plain(ratio(sums["total"], sums["number"], np.nan))


def ranked(predictions: Expression) -> Expression:
    """Return what ranks classes as the predictions do: the logits of a softmax, which rounds large ones to ties."""
    found = logits_under(predictions)
    if found is not None and found[0] == "softmax" and found[1].shape == predictions.shape:
        return found[1]
    return predictions


def _mean_right(right: Expression) -> Expression:
    return right if right.ndim == 1 else per_example(right.astype("float64"))


@dataclass(frozen=True)
class BinaryAccuracy(_Share):
    """The share of yes-or-no labels that are told rightly; with several for an example, each counts.

    Args:
        threshold: above this a prediction (a probability) says yes.

    >>> import pellucid as pc
    >>> sums = pc.metrics.BinaryAccuracy().sums(pc.constant([0.9, 0.2, 0.6, 0.1]), pc.constant([1, 0, 0, 0]))
    >>> pc.metrics.BinaryAccuracy().result(pc.function([], sums)())
    0.75
    """

    threshold: float = THRESHOLD
    _: KW_ONLY
    name: str = "binary_accuracy"

    def __post_init__(self) -> None:
        check_number(self, "threshold", self.threshold, "share")

    def sums(self, predictions: Expression, labels: Expression, weights: Expression | None = None) -> Sums:
        """Return the weighted number of right examples (or share of an example), and that of all."""
        predictions, yes = yes_or_no("BinaryAccuracy", predictions, labels)
        return weighted_mean_sums(_mean_right(equal(predictions > self.threshold, yes)), weights)


@dataclass(frozen=True)
class CategoricalAccuracy(_Share):
    """The share of examples whose largest prediction is that of their class.

    Predictions are (batch, ..., k), probabilities or logits alike; labels are numbers of classes or one value for each
    class, as ``losses.cross_entropy`` takes them. Of equal predictions the first counts.

    >>> import pellucid as pc
    >>> sums = pc.metrics.CategoricalAccuracy().sums(pc.constant([[0.1, 0.9], [0.8, 0.2]]), pc.constant([1, 1]))
    >>> pc.metrics.CategoricalAccuracy().result(pc.function([], sums)())
    0.5
    """

    _: KW_ONLY
    name: str = "categorical_accuracy"

    def sums(self, predictions: Expression, labels: Expression, weights: Expression | None = None) -> Sums:
        """Return the weighted number of right examples, and that of all."""
        predictions = as_outputs("CategoricalAccuracy", predictions)
        need_classes("CategoricalAccuracy", predictions, "predictions for k classes")
        classes = classes_of(labels, predictions, "CategoricalAccuracy")
        right = equal(argmax(ranked(predictions), -1), classes)
        return weighted_mean_sums(_mean_right(right), weights)


@dataclass(frozen=True)
class Accuracy(_Share):
    """The share of examples that are told rightly: categorical or binary by what is predicted, as Keras chooses.

    One probability for each example, or probabilities by sigmoid, are yes-or-no labels (``BinaryAccuracy``).
    Otherwise the last axis is that of classes (``CategoricalAccuracy``).

    >>> import pellucid as pc
    >>> accuracy = pc.metrics.get("accuracy")
    >>> sums = accuracy.sums(pc.constant([[0.1, 0.9], [0.8, 0.2]]), pc.constant([1, 0]))
    >>> accuracy.result(pc.function([], sums)())
    1.0
    """

    _: KW_ONLY
    name: str = "accuracy"

    def sums(self, predictions: Expression, labels: Expression, weights: Expression | None = None) -> Sums:
        """Return the weighted number of right examples, and that of all."""
        chosen = BinaryAccuracy() if _is_binary(predictions, labels.shape) else CategoricalAccuracy()
        return chosen.sums(predictions, labels, weights)


def _is_binary(predictions: Expression, labels: Shape) -> bool:
    if predictions.ndim < 2 or predictions.shape[-1] == 1:
        return True
    found = logits_under(predictions)
    return labels == predictions.shape and found is not None and found[0] == "sigmoid"


@dataclass(frozen=True)
class ExactMatch(_Share):
    """The share of examples of which every label is told rightly: each bit of a sum, each character of a window.

    Predictions and labels are those of ``Accuracy``. For one label an example it is the accuracy.

    >>> import pellucid as pc
    >>> predictions, labels = pc.constant([[[0.9], [0.2]], [[0.9], [0.8]]]), pc.constant([[[1], [0]], [[1], [0]]])
    >>> sums = pc.metrics.ExactMatch().sums(predictions, labels)
    >>> pc.metrics.ExactMatch().result(pc.function([], sums)())
    0.5
    """

    _: KW_ONLY
    name: str = "exact_match"

    def sums(self, predictions: Expression, labels: Expression, weights: Expression | None = None) -> Sums:
        """Return the weighted number of examples that are right throughout, and that of all."""
        if _is_binary(predictions, labels.shape):
            predictions, yes = yes_or_no("ExactMatch", predictions, labels)
            right = equal(predictions > THRESHOLD, yes)
        else:
            predictions = as_outputs("ExactMatch", predictions)
            need_classes("ExactMatch", predictions, "predictions for k classes")
            right = equal(argmax(ranked(predictions), -1), classes_of(labels, predictions, "ExactMatch"))
        axes = tuple(range(1, right.ndim))
        return weighted_mean_sums(right.astype("int32").min(axis=axes) > 0 if axes else right, weights)


@dataclass(frozen=True)
class TopKAccuracy(_Share):
    """The share of examples whose class is among the k largest predictions; fewer than k are larger than its own.

    Predictions and labels are those of ``CategoricalAccuracy``.

    >>> import pellucid as pc
    >>> sums = pc.metrics.TopKAccuracy(k=2).sums(pc.constant([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), pc.constant([1, 2]))
    >>> pc.metrics.TopKAccuracy(k=2).result(pc.function([], sums)())
    0.5
    """

    k: int = 5
    _: KW_ONLY
    name: str = "top_k_accuracy"

    def __post_init__(self) -> None:
        check_whole(self, "k", self.k)

    def sums(self, predictions: Expression, labels: Expression, weights: Expression | None = None) -> Sums:
        """Return the weighted number of right examples, and that of all."""
        predictions = as_outputs("TopKAccuracy", predictions)
        need_classes("TopKAccuracy", predictions, "predictions for k classes")
        scores, classes = ranked(predictions), classes_of(labels, predictions, "TopKAccuracy")
        own = column(pick(scores, classes))
        larger = logical_not(scores <= own).astype("int32").sum(axis=-1)  # NaN is not at most anything
        right = larger < self.k
        return weighted_mean_sums(_mean_right(right), weights)


__all__ = ["Accuracy", "BinaryAccuracy", "CategoricalAccuracy", "ExactMatch", "TopKAccuracy"]
