"""The programs of a model: training, evaluation and prediction, as compiled functions of its network.

Training and evaluation return sums over a batch, of the loss, of weights, and of what each metric needs, so that an
epoch's figures are those of all its examples, however they were cut into batches.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..compile import Backend
from ..core.dtypes import is_float
from ..core.errors import InputError
from ..core.expression import Expression
from ..core.origins import inside
from ..core.sizes import show_shape
from ..function import Function, function
from ..layers.calls import state_updates
from ..layers.layer import Layer
from ..losses import Loss
from ..metrics import Metric
from ..operations.comparison import equal
from ..operations.elementwise import where
from ..operations.source import axis_size, variable
from ..optimizers.optimizer import Optimizer
from ..step import Step
from .sharing import Training, shared

Array = np.ndarray[Any, Any]
LOSS, WEIGHT = "loss", "weight"


class Program:
    """A network with a loss and metrics for inputs and labels of some dtypes and shapes.

    Args:
        network: a layer that is built.
        inputs: the variables it was built for.
        dtypes: the dtypes of the arrays it is to take.
        labels: some labels, for their dtype and shape; None where only predictions are asked for.
        weighted: whether each example has a weight.
    """

    def __init__(
        self,
        network: Layer,
        loss: Loss,
        metrics: Sequence[Metric],
        inputs: Sequence[Expression],
        dtypes: Sequence[str],
        labels: Array | None = None,
        weighted: bool = False,
    ) -> None:
        self.network, self.loss, self.metrics = network, loss, tuple(metrics)
        self.variables = [variable(str(x), x.shape, d) for x, d in zip(inputs, dtypes, strict=True)]
        given = [v.astype(x.dtype) for v, x in zip(self.variables, inputs, strict=True)]
        self.given: Any = given if len(given) > 1 else given[0]
        self.outputs = self._call(training=False)
        if labels is not None:
            self.labels = loss.label_variable(self.outputs, labels)
            batch = self.labels.shape[0]
            self.weights = variable("sample_weight", (batch,)) if weighted else None
            self.inputs = [*self.variables, self.labels, *([] if self.weights is None else [self.weights])]

    def _call(self, training: bool) -> Expression:
        outputs = self.network(self.given, training=training)
        if isinstance(outputs, list | tuple):
            raise InputError(
                f"a model's network has one output, and this has {len(outputs)}; train it with pc.function and"
                " optimizer.updates"
            )
        return outputs  # type: ignore[no-any-return]

    def predicting(self, backend: str | Backend | None = None) -> Function:
        """Return the function from inputs to predictions."""
        predictions = self.loss.predictions(self.outputs)
        written = Step(tuple(self.variables), (predictions,), ())
        return shared(lambda: function(self.variables, predictions, backend=backend), written, backend)

    def evaluating(self, backend: str | Backend | None = None) -> Function:
        """Return the function from inputs, labels and weights to sums over a batch."""
        sums, _ = self._sums(self.outputs)
        written = Step(tuple(self.inputs), tuple(sums.values()), ())
        return shared(lambda: function(self.inputs, sums, backend=backend), written, backend, list(sums))

    def training(self, optimizer: Optimizer, seed: int, backend: str | Backend | None = None) -> Function:
        """Return the function that trains on a batch, and returns sums over it."""
        outputs = self._call(training=True)
        sums, objective = self._sums(outputs)
        trained = self.network.trainable_parameters
        if not trained:
            raise InputError(f"{self.network!r} has no weights that are trained; are all its layers frozen?")
        constraints = {w.parameter: w.constraint for w, _ in self.network.all_weights().values() if w.constraint}
        constrained = [p for p in trained if p in constraints]
        stored = state_updates(outputs)

        def made() -> Function:
            pairs = dict(optimizer.updates(objective, trained))
            pairs |= {p: constraints[p](pairs[p]) for p in constrained}
            return function(self.inputs, sums, [*(pairs | dict(stored)).items()], seed, backend, allow_nan=True)

        written = (*sums.values(), objective, *(constraints[p](p) for p in constrained))
        step = Step(tuple(self.inputs), written, tuple(stored))
        return shared(made, step, backend, list(sums), seed, Training(optimizer, trained))

    def _sums(self, outputs: Expression) -> tuple[dict[str, Expression], Expression]:
        """Return what is summed over a batch, and what training makes smaller: the mean loss and penalties."""
        with inside("loss"):
            values = self.loss(outputs, self.labels)
            if values.shape != outputs.shape[:1]:
                raise InputError(f"the loss has shape {show_shape(values.shape)}; one value an example was expected")
            total = values.sum() if self.weights is None else (values * self.weights.astype(values.dtype)).sum()
            count = divisor = axis_size(values.shape[0], values.dtype)
            if self.weights is not None:
                count = self.weights.sum().astype(values.dtype)
                divisor = where(equal(count, 0), 1, count)  # all examples of a batch may weigh 0
            objective = total / divisor
            if (penalty := self._penalty(shared=True)) is not None:
                objective = objective + penalty.astype(values.dtype) / divisor  # and so nothing computes its value
            if (penalty := self._penalty(shared=False)) is not None:
                penalty = penalty.astype(values.dtype)
                objective, total = objective + penalty, total + penalty * count
        sums = {LOSS: total} | ({} if self.weights is None else {WEIGHT: self.weights.sum()})
        for metric in self.metrics:
            with inside(metric.name):
                taken = outputs if metric.takes == "outputs" else self.loss.predictions(outputs)
                found = metric.sums(taken, self.labels, self.weights)
            sums |= {f"{metric.name}/{key}": value for key, value in found.items()}
        return sums, objective

    def _penalty(self, shared: bool) -> Expression | None:
        """Return the sum of the penalties that the examples of a batch share, or of those that they do not."""
        penalties = [
            w.regularizer(w.parameter)
            for w, trained in self.network.all_weights().values()
            if w.regularizer and trained and getattr(w.regularizer, "shared", False) == shared
        ]
        return functools.reduce(operator.add, penalties) if penalties else None

    def figures(self, sums: Mapping[str, Any], rows: int) -> dict[str, Any]:
        """Return the mean loss and the metrics of sums over any number of examples, in float64."""
        found: dict[str, Any] = {LOSS: float(self._mean_loss(sums, rows))}
        for metric in self.metrics:
            found[metric.name] = metric.result(_own(metric, sums))
        return found

    def figures_by_epoch(self, sums: Mapping[str, Array], rows: int, epochs: int) -> dict[str, list[Any]]:
        """Return the same for several epochs, whose sums are stacked on a first axis: a list for each figure."""
        found: dict[str, list[Any]] = {LOSS: self._mean_loss(sums, rows).tolist()}
        for metric in self.metrics:
            own = _own(metric, sums)
            if metric.elementwise:
                found[metric.name] = metric.result(own).tolist()
            else:
                found[metric.name] = [metric.result({k: v[e] for k, v in own.items()}) for e in range(epochs)]
        return found

    def _mean_loss(self, sums: Mapping[str, Any], rows: int) -> Any:
        return np.float64(sums[LOSS]) / np.float64(sums.get(WEIGHT, rows))


def _own(metric: Metric, sums: Mapping[str, Any]) -> dict[str, Any]:
    return {k.partition("/")[2]: v for k, v in sums.items() if k.startswith(f"{metric.name}/")}


def input_dtype(array: Array, declared: str) -> str:
    """Return the dtype a network's input takes an array in: bytes and whole numbers stay as they are in memory.

    A program converts them as it reads them, so that images of bytes take a quarter of the memory of floats.
    """
    if is_float(declared):
        return (
            declared if array.dtype.kind == "f" else {"bool": "uint8", "uint8": "uint8"}.get(array.dtype.name, "int32")
        )
    return declared


__all__ = ["LOSS", "WEIGHT", "Program", "input_dtype"]
