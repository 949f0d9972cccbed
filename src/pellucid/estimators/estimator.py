"""What both estimators share: their parameters, fitting, predictions in batches of few sizes, copies and pickles."""

from __future__ import annotations

import warnings
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..core.errors import InputError
from ..function import Function, function
from ..step import Step
from ..training import Model
from ..training.sharing import shared
from .convergence import Convergence, ValidationConvergence
from .pickling import kept, remade
from .plan import Plan, check_parameters

Array = np.ndarray[Any, Any]
FLOATS = (np.float64, np.float32)
AUTO_BATCH = 200
PREDICTED_ROWS = (1, 16, 256)


@dataclass(eq=False, repr=False)
class NetworkEstimator(BaseEstimator):  # type: ignore[misc]
    """The parameters of both estimators, by the names of scikit-learn's ``MLPClassifier`` where they mean the same."""

    hidden_layer_sizes: Any = (100,)
    activation: Any = "relu"
    _: KW_ONLY
    solver: Any = "adam"
    alpha: float = 0.0001
    batch_size: Any = "auto"
    learning_rate: Any = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    max_iter: int = 200
    shuffle: bool = True
    random_state: Any = None
    tol: float = 1e-4
    verbose: Any = False
    warm_start: bool = False
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: Any = 10
    dropout: float = 0.0
    network: Any = None

    stratified: ClassVar[bool] = False  # whether examples are held out in the proportions of their labels

    # What the two do each in its own way

    def _examples(self, X: Any, y: Any, reset: bool, classes: Any = None) -> tuple[Array, Array]:
        """Return checked examples, and labels as the loss takes them."""
        raise NotImplementedError

    def _form(self, labels: Array) -> tuple[int, str]:
        """Return how many outputs the network has, and the function that makes predictions of them."""
        raise NotImplementedError

    def _weights(self, sample_weight: Any, X: Array, labels: Array) -> Array | None:
        """Return how much each example counts."""
        if sample_weight is None:
            return None
        weights: Array = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        if not weights.any():
            raise InputError("all sample weights are zero, so that no example counts")
        return weights

    def _judge(self, outputs: Array, labels: Array, weights: Array | None) -> float:
        """Return the score of the network's outputs."""
        raise NotImplementedError

    # Fitting

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train until the loss (or, with ``early_stopping``, the validation score) no longer improves.

        Args:
            X: (n_samples, n_features); float32 is computed with in float32, anything else in float64.
            y: the labels or targets, (n_samples,) or (n_samples, n_outputs).
            sample_weight: how much each example counts, 0 or more; without it all count the same.

        Raises:
            ValueError: for parameters and data that do not fit; the message says which.
        """
        check_parameters(self)
        again = bool(self.warm_start) and hasattr(self, "model_")
        X, labels = self._examples(X, y, not again)
        X, labels, weights = self._counted(X, labels, sample_weight)
        random = check_random_state(self.random_state)
        held = None
        if self.early_stopping:
            X, labels, weights, *held = self._hold_out(X, labels, weights, random)
        self._begin(X, labels, random, again)
        watching = Convergence(self) if held is None else self._validation(*held)
        self._train(X, labels, weights, self.max_iter, watching)
        if isinstance(watching, ValidationConvergence):
            watching.restore_best()
        if not self.model_.stop_training:
            message = f"{type(self).__name__} had not converged after {self.n_iter_} epochs, as many as max_iter allows"
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
        return self

    def _step(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Any:
        """Train for one epoch; the public ``partial_fit`` of the two."""
        check_parameters(self)
        if self.early_stopping:
            raise InputError("partial_fit does not hold out examples; set early_stopping=False")
        first = not hasattr(self, "model_")
        X, labels = self._examples(X, y, first, classes)
        X, labels, weights = self._counted(X, labels, sample_weight)
        if first:
            self._begin(X, labels, check_random_state(self.random_state), False)
        self._train(X, labels, weights, 1, Convergence(self))
        return self

    def _counted(self, X: Array, labels: Array, sample_weight: Any) -> tuple[Array, Array, Array | None]:
        """Return the examples that count and their weights: a weight of 0 is the same as not being there."""
        weights = self._weights(sample_weight, X, labels)
        if weights is None or weights.all():
            return X, labels, weights
        counts = weights > 0
        return X[counts], labels[counts], weights[counts]

    def _hold_out(self, X: Array, labels: Array, weights: Array | None, random: Any) -> Any:
        rows = np.arange(len(X))
        by = labels if self.stratified and labels.ndim == 1 else None
        trained, held = train_test_split(rows, test_size=self.validation_fraction, random_state=random, stratify=by)
        if len(held) < 2:
            raise InputError(
                f"validation_fraction={self.validation_fraction} of {len(X)} examples is too small a validation set;"
                " increase it, or give more examples"
            )
        return [None if a is None else a[part] for part in (trained, held) for a in (X, labels, weights)]

    def _validation(self, X: Array, labels: Array, weights: Array | None) -> ValidationConvergence:
        return ValidationConvergence(self, lambda: self._judge(self._outputs(X), labels, weights))

    def _batch(self, examples: int) -> int:
        return min(AUTO_BATCH if self.batch_size == "auto" else int(self.batch_size), examples)

    def _begin(self, X: Array, labels: Array, random: Any, again: bool) -> None:
        """Make a model: with new weights, or ``again`` with those of the one there is."""
        outputs, form = self._form(labels)
        seed, batch = int(random.randint(2**31 - 1)), self._batch(len(X))
        plan = Plan(clone(self), X.shape[1], outputs, form, X.dtype.name, seed, len(X), batch)
        model: Model = plan.model()
        if again:
            _take_weights(model, self.model_)
        else:
            self.loss_curve_: list[float] = []
            self.best_loss_ = np.inf
            self.validation_scores_: list[float] | None = [] if self.early_stopping else None
            self.best_validation_score_ = -np.inf if self.early_stopping else None
        self.model_: Model = model
        self._plan, self._program = plan, _outputs_of(model)
        self.n_outputs_, self.out_activation_ = outputs, form

    def _train(self, X: Array, labels: Array, weights: Array | None, epochs: int, watching: Convergence) -> None:
        self.n_iter_ = 0
        self.model_.fit(
            X.astype(self._plan.dtype, copy=False),
            labels,
            epochs=epochs,
            batch_size=self._batch(len(X)),
            callbacks=[watching],
            verbose=int(self.verbose),
            sample_weight=weights,
            shuffle=bool(self.shuffle),
        )

    # Predictions

    def _asked(self, X: Any) -> Array:
        """Check examples, and return the network's outputs, (n_samples, n_outputs), before the last activation."""
        check_is_fitted(self, "model_")
        return self._outputs(validate_data(self, X, dtype=FLOATS, reset=False))

    def _outputs(self, X: Array) -> Array:
        """Return outputs in batches of three sizes alone, filled up with zeros: each size is compiled once."""
        X = X.astype(self.model_.network.inputs[0].dtype, copy=False)
        size = next((rows for rows in PREDICTED_ROWS if rows >= len(X)), PREDICTED_ROWS[-1])
        whole = len(X) // size * size
        parts = [self._program.minibatches(size, shuffle=False)(X[:whole])] if whole else []
        if whole < len(X):
            rest = np.zeros((size, *X.shape[1:]), X.dtype)
            rest[: len(X) - whole] = X[whole:]
            parts.append(self._program(rest)[: len(X) - whole])
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    # What it learnt

    @property
    def coefs_(self) -> list[Array]:
        """The weights of each layer, (inputs, units) in a dense one."""
        return self._values("kernel")

    @property
    def intercepts_(self) -> list[Array]:
        """The biases of each layer."""
        return self._values("bias")

    @property
    def n_layers_(self) -> int:
        """How many layers of units there are, inputs and outputs included."""
        return len(self.coefs_) + 1

    def _values(self, name: str) -> list[Array]:
        weights = self.model_.network.parameters
        return [parameter.value for path, parameter in weights.items() if path.rpartition("/")[2] == name]

    # Copies and pickles

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "model_" in state:
            state["model_"] = kept(state["model_"])
            del state["_program"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "model_" in state:
            self.model_ = remade(self._plan, state["model_"])
            self._program = _outputs_of(self.model_)


def _outputs_of(model: Model) -> Function:
    inputs = model.network.inputs
    outputs = model.network(inputs[0])
    return shared(lambda: function(inputs, outputs), Step(tuple(inputs), (outputs,), ()), None)


def _take_weights(model: Model, earlier: Model) -> None:
    """Give a model the weights of an earlier one."""
    new, old = model.network.parameters, earlier.network.parameters
    shapes, had = ({path: p.shape for path, p in weights.items()} for weights in (new, old))
    if shapes != had:
        raise InputError(
            f"warm_start goes on with the weights {had}, and these parameters and data make {shapes}; set"
            " warm_start=False to begin anew"
        )
    for path, parameter in new.items():
        parameter.value = old[path].value


__all__ = ["FLOATS", "NetworkEstimator"]
