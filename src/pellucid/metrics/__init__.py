"""Metrics: how good predictions are, from sums that the native loop computes and that add up over batches.

    metric = pc.metrics.get("accuracy")
    sums = pc.function([x, labels], metric.sums(predictions, labels)).minibatches(100)(X, y)
    metric.result(pc.metrics.totals(sums))

Classes are given by probabilities, which are a loss's ``.predictions(outputs)``. Names and formulas are those of
Keras 3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..core.configuration import register
from ..core.settings import by_name
from ..losses import ALIASES as LOSS_ALIASES
from ..losses import LOSSES, Loss
from ..losses import get as get_loss
from .accuracy import Accuracy, BinaryAccuracy, CategoricalAccuracy, ExactMatch, TopKAccuracy
from .counts import AUC, ConfusionMatrix, F1Score, Precision, Recall
from .means import MeanAbsoluteError, MeanLoss, MeanSquaredError, R2Score, RootMeanSquaredError
from .metric import Metric, totals

METRICS: dict[str, type[Metric]] = {
    cls().name: cls
    for cls in (
        Accuracy,
        BinaryAccuracy,
        CategoricalAccuracy,
        ExactMatch,
        TopKAccuracy,
        Precision,
        Recall,
        AUC,
        F1Score,
        ConfusionMatrix,
        MeanSquaredError,
        RootMeanSquaredError,
        MeanAbsoluteError,
        R2Score,
    )
}
for _class in (*METRICS.values(), MeanLoss):
    register(_class)
ALIASES = {
    "acc": "accuracy",
    "sparse_categorical_accuracy": "categorical_accuracy",
    "top_k_categorical_accuracy": "top_k_accuracy",
    "sparse_top_k_categorical_accuracy": "top_k_accuracy",
    "f1": "f1_score",
    "mse": "mean_squared_error",
    "rmse": "root_mean_squared_error",
    "mae": "mean_absolute_error",
    "r2": "r2_score",
}
_NAMES = {name: name for name in (*METRICS, *ALIASES, *LOSSES, *LOSS_ALIASES)}


def get(metric: Any) -> Metric:
    """Return a metric by its name, with its defaults; the metric that was given; or the mean of a loss.

    Args:
        metric: a name of ours or Keras's, a loss's name included, which becomes the metric's name; a Metric or one of
            its classes; a Loss; or a function of predictions and labels that gives one value per example.

    Raises:
        InputError: for anything else; it lists the names.

    >>> get("acc"), get("huber").name, get(TopKAccuracy(k=3))
    (Accuracy(name='acc'), 'huber', TopKAccuracy(name='top_k_accuracy', k=3))
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, type) and issubclass(metric, Metric):
        return metric()
    if isinstance(metric, Loss) or callable(metric):
        loss = get_loss(metric)
        return MeanLoss(loss, name=loss.name)
    such_as = "pc.metrics.Accuracy(), a loss, a function of predictions and labels"
    name = by_name("a metric", metric, _NAMES, such_as)
    found = METRICS.get(ALIASES.get(name, name))
    return MeanLoss(get_loss(name), name=name) if found is None else replace(found(), name=name)


__all__ = [
    "ALIASES",
    "AUC",
    "METRICS",
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "ConfusionMatrix",
    "F1Score",
    "MeanAbsoluteError",
    "MeanLoss",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "R2Score",
    "Recall",
    "RootMeanSquaredError",
    "TopKAccuracy",
    "get",
    "totals",
]
