"""What an estimator's model is made from: parameters checked, and a network, an optimiser and a loss by them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.configuration import describe, restore
from ..core.errors import InputError
from ..core.expression import Expression
from ..core.settings import by_name, check_number
from ..core.sizes import show_shape
from ..layers import Dense, Dropout, Input, Layer, Sequential
from ..layers.composed import ComposedLayer
from ..optimizers import OPTIMIZERS, LearningRateSchedule, Optimizer
from ..training import Model
from .objectives import LOSSES, SharedL2
from .rates import InverseScaling

RATES = ("constant", "invscaling", "adaptive")
ACTIVATIONS: Mapping[str, str] = {"identity": "linear", "logistic": "sigmoid"}
"""scikit-learn's names that differ from Keras's."""

NUMBERS = {
    "alpha": "nonnegative",
    "learning_rate_init": "positive",
    "power_t": "nonnegative",
    "tol": "nonnegative",
    "momentum": "share",
    "validation_fraction": "decay",
    "beta_1": "decay",
    "beta_2": "decay",
    "epsilon": "positive",
    "dropout": "decay",
}


@dataclass(frozen=True)
class Plan:
    """All that decides what a model is, apart from what it has learnt; a model is made of it again after unpickling.

    Attributes:
        estimator: with the parameters that the model is made by, not fitted.
        features: how many numbers an example has.
        outputs: how many the network is to return.
        out_activation: "softmax", "logistic" or "identity": what predictions are made of them by.
        dtype: that it computes in.
        seed: the key of everything random.
        examples: how many an epoch has.
        batch: how many a step has.
    """

    estimator: Any
    features: int
    outputs: int
    out_activation: str
    dtype: str
    seed: int
    examples: int
    batch: int

    def model(self) -> Model:
        """Return a new model, its network built and its weights drawn."""
        network = self._own() if self.estimator.network is None else self._given()
        return Model(network, LOSSES[self.out_activation], self._optimizer(), seed=self.seed)

    def _own(self) -> ComposedLayer:
        made, activation = self.estimator, self.estimator.activation
        name = ACTIVATIONS.get(activation, activation) if isinstance(activation, str) else activation
        penalty = SharedL2(0.5 * made.alpha) if made.alpha else None
        layers: list[Layer] = []
        for units in hidden_sizes(made):
            layers.append(Dense(units, name, kernel_regularizer=penalty))
            if made.dropout:
                layers.append(Dropout(made.dropout))
        last = Dense(self.outputs, kernel_regularizer=penalty)
        network: ComposedLayer = Sequential(Input((self.features,), self.dtype), *layers, last).build(seed=self.seed)
        return network

    def _given(self) -> ComposedLayer:
        """Return the user's network with weights of its own, so that each fit starts anew."""
        given = self.estimator.network
        made = restore(describe(given)) if isinstance(given, Layer) else given(self.features, self.outputs)
        if not isinstance(made, Layer):
            raise InputError(f"network returned {made!r}, and a network such as pc.Sequential(...) was expected")
        network: Any = made if isinstance(made, ComposedLayer) else Sequential(made)
        network.build((self.features,), seed=self.seed, dtype=self.dtype)
        outputs = network(network.inputs[0])
        if not isinstance(outputs, Expression) or outputs.shape[1:] != (self.outputs,):
            shown = show_shape(outputs.shape) if isinstance(outputs, Expression) else f"{len(outputs)} outputs"
            raise InputError(
                f"network returns {shown}, and (batch, {self.outputs}) is needed here: one logit for two classes, else"
                " one for each class, label or target, without an activation; a function (n_features, n_outputs) ->"
                " network is told how many"
            )
        return network  # type: ignore[no-any-return]

    def _optimizer(self) -> Optimizer:
        made = self.estimator
        if isinstance(made.solver, Optimizer):
            return dataclasses.replace(made.solver)  # with moments of its own
        rule = by_name("a solver", made.solver, OPTIMIZERS, "pc.optimizers.Adam()")
        options: dict[str, Any] = {}
        if rule is OPTIMIZERS["sgd"]:
            options = {"momentum": made.momentum, "nesterov": bool(made.nesterovs_momentum and made.momentum)}
        elif {"beta_1", "beta_2"} <= {field.name for field in dataclasses.fields(rule)}:
            options = {"beta_1": made.beta_1, "beta_2": made.beta_2, "epsilon": made.epsilon}
        return rule(self._rate(), **options)

    def _rate(self) -> Any:
        made = self.estimator
        if isinstance(made.learning_rate, LearningRateSchedule):
            return made.learning_rate
        if made.learning_rate == "invscaling":
            steps = math.ceil(self.examples / self.batch)
            return InverseScaling(made.learning_rate_init, made.power_t, self.examples, steps)
        return float(made.learning_rate_init)


def hidden_sizes(estimator: Any) -> list[int]:
    """Return how many units each hidden layer has."""
    given = estimator.hidden_layer_sizes
    sizes = list(given) if isinstance(given, Iterable) else [given]
    return [_count(estimator, "hidden_layer_sizes", size) for size in sizes]


def _count(owner: object, name: str, value: Any) -> int:
    check_number(owner, name, value, "positive")
    if value != int(value):
        raise InputError(f"{type(owner).__name__}: {name} is {value!r}, and a whole number was expected")
    return int(value)


def check_parameters(estimator: Any) -> None:
    """Check an estimator's parameters, as scikit-learn wants it when it is fitted; the network's when it is made.

    Raises:
        InputError: which names the parameter, its value and what was expected.
    """
    for name, kind in NUMBERS.items():
        check_number(estimator, name, getattr(estimator, name), kind)
    _count(estimator, "max_iter", estimator.max_iter)
    if estimator.n_iter_no_change != math.inf:
        _count(estimator, "n_iter_no_change", estimator.n_iter_no_change)
    if estimator.batch_size != "auto":
        _count(estimator, "batch_size", estimator.batch_size)
    name = type(estimator).__name__
    rate = estimator.learning_rate
    if not isinstance(rate, LearningRateSchedule) and rate not in RATES:
        raise InputError(
            f"{name}: learning_rate is {rate!r}, and one of {', '.join(map(repr, RATES))} or a schedule of"
            " pc.optimizers was expected; the number is learning_rate_init"
        )
    if isinstance(estimator.solver, Optimizer):
        if rate not in ("constant", "adaptive"):
            raise InputError(f"{name}: the solver is an optimiser, which has its own rate; give it the schedule")
        if rate == "adaptive" and not isinstance(estimator.solver.learning_rate, int | float):
            raise InputError(f"{name}: learning_rate='adaptive' divides a number, and the solver has a schedule")
    if estimator.solver == "lbfgs":
        raise InputError(f"{name} trains in minibatches, and solver='lbfgs' does not; use 'adam' or 'sgd'")
    if estimator.network is not None and not callable(estimator.network):
        raise InputError(
            f"{name}: network is {estimator.network!r}; expected a network, a function that makes one, or None"
        )


__all__ = ["Plan", "check_parameters", "hidden_sizes"]
