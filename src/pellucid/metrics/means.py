"""Metrics that are means: of any loss, of squared errors and their root; and R², which compares with a mean."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ..core.expression import Expression
from ..core.settings import check_choice
from ..losses.agreement import agreeing
from ..losses.loss import Loss
from ..losses.regression import MeanAbsoluteError as AbsoluteLoss
from ..losses.regression import MeanSquaredError as SquaredLoss
from ..operations.movement import reshape
from .metric import PRECISE, Array, Metric, Sums, Totals, plain, ratio, weighted, weighted_mean_sums, weights_like

SQUARED, ABSOLUTE = SquaredLoss(), AbsoluteLoss()


@dataclass(frozen=True)
class MeanLoss(Metric):
    """The mean of a loss over all examples; NaN over none. A loss of logits is given the network's outputs.

    >>> import pellucid as pc
    >>> pc.metrics.get("binary_crossentropy").takes, pc.metrics.get("poisson").takes
    ('outputs', 'predictions')
    """

    elementwise: ClassVar[bool] = True
    loss: Loss
    _: KW_ONLY
    name: str = "loss"

    @property
    def takes(self) -> Literal["predictions", "outputs"]:
        """The network's outputs where the loss is of logits."""
        return "outputs" if self.loss.takes_logits else "predictions"

    def sums(self, predictions: Expression, labels: Expression, weights: Expression | None = None) -> Sums:
        """Return the weighted sum of the losses, and that of the weights."""
        return weighted_mean_sums(self.loss(predictions, labels), weights)

    def result(self, sums: Totals) -> Any:
        """Return the mean."""
        return plain(ratio(sums["total"], sums["number"], np.nan))


@dataclass(frozen=True)
class MeanSquaredError(MeanLoss):
    """The mean of (ŷ - y)² over all examples and outputs.

    >>> import pellucid as pc
    >>> sums = pc.metrics.MeanSquaredError().sums(pc.constant([1.0, 2.0]), pc.constant([1.0, 4.0]))
    >>> pc.metrics.MeanSquaredError().result(pc.function([], sums)())
    2.0
    """

    loss: Loss = SQUARED
    _: KW_ONLY
    name: str = "mean_squared_error"


@dataclass(frozen=True)
class MeanAbsoluteError(MeanLoss):
    """The mean of |ŷ - y| over all examples and outputs.

    >>> import pellucid as pc
    >>> sums = pc.metrics.MeanAbsoluteError().sums(pc.constant([1.0, 2.0]), pc.constant([1.0, 4.0]))
    >>> pc.metrics.MeanAbsoluteError().result(pc.function([], sums)())
    1.0
    """

    loss: Loss = ABSOLUTE
    _: KW_ONLY
    name: str = "mean_absolute_error"


@dataclass(frozen=True)
class RootMeanSquaredError(MeanSquaredError):
    """The root of the mean of (ŷ - y)² over all examples and outputs.

    >>> import pellucid as pc
    >>> sums = pc.metrics.RootMeanSquaredError().sums(pc.constant([1.0, 2.0]), pc.constant([1.0, 6.0]))
    >>> round(pc.metrics.RootMeanSquaredError().result(pc.function([], sums)()), 4)
    2.8284
    """

    _: KW_ONLY
    name: str = "root_mean_squared_error"

    def result(self, sums: Totals) -> Any:
        """Return the root of the mean."""
        return plain(np.sqrt(super().result(sums)))


@dataclass(frozen=True)
class R2Score(Metric):
    """The coefficient of determination: 1 less the squared errors over those of the labels' mean.

    Args:
        class_aggregation: of several outputs the plain mean, "uniform_average"; the mean weighted by the variance of
            their labels, "variance_weighted_average"; or None for one score each.

    Where all labels are equal it is 1 if they are met exactly, and 0 if not, as in scikit-learn. The labels' mean is
    known at the end only, and so their squares are summed, in float64.

    >>> import pellucid as pc
    >>> sums = pc.metrics.R2Score().sums(pc.constant([1.0, 2.0, 2.5]), pc.constant([1.0, 2.0, 3.0]))
    >>> pc.metrics.R2Score().result(pc.function([], sums)())
    0.875
    """

    class_aggregation: str | None = "uniform_average"
    _: KW_ONLY
    name: str = "r2_score"

    def __post_init__(self) -> None:
        choices = ("uniform_average", "variance_weighted_average", None)
        check_choice(self, "class_aggregation", self.class_aggregation, choices)

    def sums(self, predictions: Expression, labels: Expression, weights: Expression | None = None) -> Sums:
        """Return by output the sums of labels, of their squares and of squared errors; and that of the weights."""
        predictions, labels = agreeing("R2Score", predictions, labels)
        rows = (predictions.shape[0], -1) if predictions.ndim > 1 else (predictions.shape[0], 1)
        predictions, labels = (reshape(x, rows).astype(PRECISE) for x in (predictions, labels))
        each = weights_like(weights, labels)
        return {
            "labels": weighted(labels, each).sum(axis=0),
            "squares": weighted(labels * labels, each).sum(axis=0),
            "errors": weighted((predictions - labels) ** 2, each).sum(axis=0),
            "number": each[:, :1].sum(),
        }

    def result(self, sums: Totals) -> Any:
        """Return the score, or one for each output; NaN over no examples."""
        if not sums["number"]:
            return float("nan")
        spread = np.maximum(sums["squares"] - sums["labels"] ** 2 / sums["number"], 0.0)
        spread = np.where(spread <= 1e-14 * sums["squares"], 0.0, spread)  # what rounding leaves of equal labels
        scores = np.where(spread > 0, 1 - ratio(sums["errors"], spread, 0.0), np.where(sums["errors"] == 0, 1.0, 0.0))
        return self._aggregated(scores, spread)

    def _aggregated(self, scores: Array, spread: Array) -> Any:
        if self.class_aggregation is None:
            return plain(scores[0] if len(scores) == 1 else scores)
        if self.class_aggregation == "uniform_average" or not spread.any():
            return float(scores.mean())
        return float(np.average(scores, weights=spread))


__all__ = ["MeanAbsoluteError", "MeanLoss", "MeanSquaredError", "R2Score", "RootMeanSquaredError"]
