"""The classifier: a network that tells classes or labels apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import validate_data

from ..core.errors import InputError
from .estimator import FLOATS, Array, NetworkEstimator

MOST_SHOWN = 10


@dataclass(eq=False, repr=False)
class NetworkClassifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
    """A network as a scikit-learn classifier, in place of ``MLPClassifier``.

    Args:
        hidden_layer_sizes: how many units each hidden layer has.
        activation: of the hidden layers, by scikit-learn's or Keras's names, or a function of ``pc.activations``.
        solver: "adam", "sgd", another name of ``pc.optimizers``, or one of its objects, which has a rate of its own.
        alpha: of the L2 penalty, ``alpha / 2`` times the squares of the weights over the examples of a batch.
        batch_size: examples in a step; "auto" is 200, or all if there are fewer.
        learning_rate: "constant", "invscaling" or "adaptive", or a schedule of ``pc.optimizers``.
        learning_rate_init: the rate, or what it begins with.
        power_t: how fast "invscaling" falls.
        max_iter: epochs at most.
        shuffle: whether each epoch takes the examples in another order.
        random_state: a number for results that repeat; it decides weights, orders, dropout and what is held out.
        tol: by how much an epoch has to be better than the best to count as an improvement.
        verbose: 1 or True shows the progress, 2 prints a line an epoch.
        warm_start: whether ``fit`` goes on with the weights there are.
        momentum, nesterovs_momentum: of "sgd".
        early_stopping: whether the accuracy on held-out examples decides when to stop, and the best weights are kept.
        validation_fraction: the share that is held out.
        beta_1, beta_2, epsilon: of "adam" and its relatives.
        n_iter_no_change: how many epochs may pass without an improvement.
        dropout: the share of each hidden layer's outputs that is dropped in training.
        network: a network without weights, such as ``pc.Sequential(...)``, or a function ``(n_features, n_outputs) ->
            network``, in place of hidden layers, activation, penalty and dropout. It ends in logits: one for two
            classes, else one for each class or label.
        class_weight: how much classes count: a dict by label, "balanced", or None.

    Attributes:
        classes_, n_features_in_, feature_names_in_, n_outputs_, n_layers_, out_activation_, n_iter_, loss_,
            loss_curve_, best_loss_, validation_scores_, best_validation_score_, coefs_, intercepts_: as
            ``MLPClassifier``'s.
        model_: the ``pc.Model``.

    >>> import pellucid as pc
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = pc.NetworkClassifier((20,), learning_rate_init=0.01, max_iter=500, random_state=0).fit(X, y)
    >>> classifier.score(X, y) > 0.95
    True
    """

    class_weight: Any = None

    stratified: ClassVar[bool] = True

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:
        """Train for one epoch on these examples, and go on from there at the next call.

        Args:
            X, y, sample_weight: as in ``fit``.
            classes: all classes there will be, at the first call.
        """
        if self.class_weight == "balanced":
            raise InputError(
                "class_weight='balanced' needs all examples at once, and partial_fit sees some; give a dict, such as"
                " compute_class_weight makes"
            )
        if classes is None and not hasattr(self, "model_"):
            raise InputError("classes must be passed on the first call to partial_fit: all that there will be")
        return self._step(X, y, sample_weight, classes)

    def predict(self, X: Any) -> Array:
        """Return the class of each example, (n_samples,); for labels 0 and 1, (n_samples, n_labels)."""
        found = _decided(self._asked(X), self._labels)
        return found if self._labels else self.classes_[found]

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class in the order of ``classes_``, or of each label."""
        outputs = self._asked(X)
        if self.out_activation_ == "softmax":
            return softmax(outputs, axis=1)  # type: ignore[no-any-return]
        return expit(outputs) if self._labels else expit(np.hstack([-outputs, outputs]))  # type: ignore[no-any-return]

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of ``predict_proba``, also of those that round to 0 there."""
        outputs = self._asked(X)
        if self.out_activation_ == "softmax":
            return log_softmax(outputs, axis=1)  # type: ignore[no-any-return]
        return log_expit(outputs if self._labels else np.hstack([-outputs, outputs]))  # type: ignore[no-any-return]

    def decision_function(self, X: Any) -> Array:
        """Return the logits: (n_samples,) for two classes, else (n_samples, n_classes) or (n_samples, n_labels)."""
        outputs = self._asked(X)
        return outputs if self._labels or outputs.shape[1] > 1 else outputs[:, 0]

    def _examples(self, X: Any, y: Any, reset: bool, classes: Any = None) -> tuple[Array, Array]:
        X, y = validate_data(self, X, y, multi_output=True, dtype=FLOATS, reset=reset)
        kind = type_of_target(y, input_name="y")
        check_classification_targets(y)
        if kind == "multiclass-multioutput":
            raise InputError(
                "y has several columns of classes; several columns of 0 and 1 are taken, or one of classes"
            )
        labels = kind == "multilabel-indicator"
        y = (y.toarray() if hasattr(y, "toarray") else y) if labels else column_or_1d(y, warn=True)
        found = np.arange(y.shape[1]) if labels else np.unique(y)
        if reset:
            self._labels = labels
            self.classes_ = found if classes is None else np.unique(classes)
            self._need_several()
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise InputError(f"classes is {_listed(classes)}, and the first call was given {_listed(self.classes_)}")
        if labels != self._labels or not np.isin(found, self.classes_).all():
            raise InputError(
                f"y has classes that the fitted ones do not include: it has {_listed(found)}, and there are"
                f" {_listed(self.classes_)}"
            )
        return X, y.astype(np.uint8) if labels else np.searchsorted(self.classes_, y).astype(np.int32)

    def _need_several(self) -> None:
        if len(self.classes_) < 2 and not self._labels:
            raise InputError(f"y has one class alone, {_listed(self.classes_)}; two classes or more were expected")

    def _form(self, labels: Array) -> tuple[int, str]:
        if self._labels:
            return labels.shape[1], "logistic"
        return (1, "logistic") if len(self.classes_) == 2 else (len(self.classes_), "softmax")

    def _weights(self, sample_weight: Any, X: Array, labels: Array) -> Array | None:
        weights = super()._weights(sample_weight, X, labels)
        if self.class_weight is None:
            return weights
        by_class: Array = compute_sample_weight(self.class_weight, labels if self._labels else self.classes_[labels])
        return by_class if weights is None else weights * by_class

    def _judge(self, outputs: Array, labels: Array, weights: Array | None) -> float:
        right = _decided(outputs, self._labels) == labels
        return float(np.average(right.all(axis=1) if self._labels else right, weights=weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _decided(logits: Array, labels: bool) -> Array:
    """Return the number of the most likely class, or 0 or 1 for each label."""
    if labels:
        return (logits > 0).astype(int)
    found: Array = np.argmax(logits, axis=1) if logits.shape[1] > 1 else (logits[:, 0] > 0).astype(int)
    return found


def _listed(classes: Any) -> str:
    shown = ", ".join(map(repr, np.unique(classes)[:MOST_SHOWN].tolist()))
    return shown + (", ..." if len(np.unique(classes)) > MOST_SHOWN else "")


__all__ = ["NetworkClassifier"]
