"""When an estimator stops: scikit-learn's rule for its perceptrons, as callbacks of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.snapshot import Snapshot, snapshot
from ..training import Callback

LOWEST_RATE = 1e-6
DIVISOR = 5.0


class Convergence(Callback):
    """Keeps the loss of each epoch, and stops when it no longer falls.

    That is when ``n_iter_no_change`` epochs and one more, one after another, were not better than the best by ``tol``.
    Where the learning rate is adaptive, it is then divided by 5 instead, until it is 1e-6 or less.

    Args:
        estimator: whose parameters these are, and whose attributes are written.
    """

    block_seconds = 0.1

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self.adaptive = estimator.learning_rate == "adaptive"
        self.uses_model = self.adaptive
        self.waited = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Look whether the epoch was an improvement."""
        self.estimator.n_iter_ += 1
        self.estimator.loss_ = logs["loss"]
        self.estimator.loss_curve_.append(logs["loss"])
        self.waited = 0 if self.improved(logs["loss"]) else self.waited + 1
        if self.waited > self.estimator.n_iter_no_change:
            self._settle()

    def improved(self, loss: float) -> bool:
        """Whether the loss fell by ``tol`` or more."""
        best = self.estimator.best_loss_
        self.estimator.best_loss_ = min(loss, best)
        return bool(loss <= best - self.estimator.tol)

    def _settle(self) -> None:
        if self.adaptive and self.model.learning_rate > LOWEST_RATE:
            self.model.learning_rate = self.model.learning_rate / DIVISOR
            self.waited = 0
        else:
            self.model.stop_training = True


class ValidationConvergence(Convergence):
    """Judges each epoch by a score of held-out examples instead, and keeps the weights that had the best.

    Args:
        score: returns the score of the present weights.
    """

    def __init__(self, estimator: Any, score: Callable[[], float]) -> None:
        super().__init__(estimator)
        self.score = score
        self.uses_model = True
        self._best: Snapshot | None = None

    def improved(self, loss: float) -> bool:
        """Whether the score rose by ``tol`` or more."""
        score, estimator = self.score(), self.estimator
        estimator.validation_scores_.append(score)
        best = estimator.best_validation_score_
        if score > best or self._best is None:
            estimator.best_validation_score_ = np.fmax(score, best)
            self._keep()
        return bool(score >= best + estimator.tol)

    def _keep(self) -> None:
        if self._best is None:
            self._best = snapshot(self.model.network.parameters.values())
        self._best.take()

    def restore_best(self) -> None:
        """Give the network the weights with the best score."""
        if self._best is not None:
            self._best.restore()


__all__ = ["Convergence", "ValidationConvergence"]
