"""The networks of the tour, as mathematics, and gradient descent on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...core.expression import Expression, Parameter
from ...function import Function, function
from ...gradient import gradient
from ...operations.exponential import exp, log
from ...operations.indexing import pick
from ...operations.source import parameter, variable
from ...operations.trigonometric import tanh


@dataclass(frozen=True)
class Network:
    """Scores of classes as an expression of inputs and parameters, and what follows from them.

    Attributes:
        x: the inputs, of shape (batch, inputs).
        scores: of shape (batch, classes).
        parameters: what is learned.
    """

    x: Expression
    scores: Expression
    parameters: list[Parameter]

    @cached_property
    def label(self) -> Expression:
        """The true classes, int32 of shape (batch,)."""
        return variable("label", ("batch",), dtype="int32")

    @cached_property
    def probabilities(self) -> Expression:
        """The softmax of the scores, written out: of shape (batch, classes)."""
        return exp(self.scores) / exp(self.scores).sum(axis=1, keepdims=True)

    @cached_property
    def cross_entropy(self) -> Expression:
        """Minus the logarithm of the true class's probability, of shape (batch,)."""
        return -log(pick(self.probabilities, self.label))

    @property
    def squares(self) -> Expression:
        """The sum of the squared weights, which a penalty weighs; biases go free."""
        matrices = [p for p in self.parameters if p.ndim == 2]
        total = (matrices[0] * matrices[0]).sum()
        for matrix in matrices[1:]:
            total = total + (matrix * matrix).sum()
        return total

    def descent(self, loss: Expression, rate: float) -> Function:
        """Return a step of gradient descent, which gives the loss before it."""
        pairs = zip(self.parameters, gradient(loss, self.parameters), strict=True)
        return function([self.x, self.label], loss, updates=[(p, p - rate * g) for p, g in pairs])

    def predictor(self) -> Function:
        """Return the function from inputs to the class with the highest score."""
        return function([self.x], self.scores.argmax(axis=1))


def one_layer(inputs: int, classes: int) -> Network:
    """Return softmax regression: one matrix and a bias, which start at zero."""
    x = variable("x", ("batch", inputs))
    W, b = parameter(np.zeros((inputs, classes)), name="W"), parameter(np.zeros(classes), name="b")
    return Network(x, x @ W + b, [W, b])


def two_layers(inputs: int, hidden: int, classes: int, seed: int) -> Network:
    """Return a network with one hidden layer of tanh units; weights start normal, scaled by their inputs' root."""
    draw = np.random.default_rng(seed).standard_normal
    x = variable("x", ("batch", inputs))
    W1 = parameter(draw((inputs, hidden)) / np.sqrt(inputs), name="W1")
    b1 = parameter(np.zeros(hidden), name="b1")
    W2 = parameter(draw((hidden, classes)) / np.sqrt(hidden), name="W2")
    b2 = parameter(np.zeros(classes), name="b2")
    return Network(x, tanh(x @ W1 + b1) @ W2 + b2, [W1, b1, W2, b2])


def accuracy(predict: Any, inputs: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> float:
    """Return the share of the labels that are predicted."""
    return float(np.mean(np.asarray(predict(inputs)) == labels))
