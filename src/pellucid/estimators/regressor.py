"""The regressor: a network that predicts numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import validate_data

from ..core.errors import InputError
from .estimator import FLOATS, Array, NetworkEstimator


@dataclass(eq=False, repr=False)
class NetworkRegressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]
    """A network as a scikit-learn regressor, of one target or several, in place of ``MLPRegressor``.

    It makes half the squared error smaller, summed over targets. Its parameters are those of ``NetworkClassifier``, all
    but ``class_weight``; with ``early_stopping`` it is R² of held-out examples that decides.

    >>> import pellucid as pc
    >>> from sklearn.datasets import make_regression
    >>> X, y = make_regression(200, 5, random_state=0)
    >>> regressor = pc.NetworkRegressor((20,), learning_rate_init=0.01, tol=1e-3, random_state=0).fit(X, y / 100)
    >>> regressor.score(X, y / 100) > 0.95
    True
    """

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train for one epoch on these examples, and go on from there at the next call."""
        return self._step(X, y, sample_weight)

    def predict(self, X: Any) -> Array:
        """Return the predicted target of each example, (n_samples,); (n_samples, n_targets) for several."""
        found = self._asked(X)
        return found[:, 0] if found.shape[1] == 1 else found

    def _examples(self, X: Any, y: Any, reset: bool, classes: Any = None) -> tuple[Array, Array]:
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=FLOATS, reset=reset)
        targets = y.reshape(len(y), -1).astype(X.dtype if reset else self._plan.dtype)
        if not np.isfinite(targets).all():
            raise InputError(f"y has values too large for {targets.dtype}; scale it")
        if not reset and targets.shape[1] != self.n_outputs_:
            raise InputError(f"y has {targets.shape[1]} targets, and the regressor was fitted with {self.n_outputs_}")
        return X, targets

    def _form(self, labels: Array) -> tuple[int, str]:
        return labels.shape[1], "identity"

    def _judge(self, outputs: Array, labels: Array, weights: Array | None) -> float:
        return float(r2_score(labels, outputs, sample_weight=weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


__all__ = ["NetworkRegressor"]
