"""What estimators make smaller: the losses of scikit-learn's perceptrons, which sum over an example's outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..core.expression import Expression
from ..losses import BinaryCrossEntropy, CrossEntropy, Loss, MeanSquaredError
from ..regularizers import L2


@dataclass(frozen=True)
class LogisticLoss(BinaryCrossEntropy):
    """The binary cross-entropy, summed over an example's labels."""

    def __call__(self, outputs: Any, labels: Any) -> Expression:
        """Return one value per example."""
        return super().__call__(outputs, labels) * float(outputs.shape[-1])


@dataclass(frozen=True)
class HalfSquaredError(MeanSquaredError):
    """Half the squared difference, summed over an example's outputs."""

    def __call__(self, outputs: Any, labels: Any) -> Expression:
        """Return one value per example."""
        return super().__call__(outputs, labels) * (0.5 * float(outputs.shape[-1]))


@dataclass(frozen=True)
class SharedL2(L2):
    """An L2 penalty that the examples of a batch share: divided by how many they are, or by the sum of their weights.

    It is ``alpha`` of scikit-learn's perceptrons: a prior on the weights counts less the more examples there are. It
    changes each step's gradient, and is not in the loss that is shown.
    """

    shared: ClassVar[bool] = True


LOSSES: Mapping[str, Loss] = {"softmax": CrossEntropy(), "logistic": LogisticLoss(), "identity": HalfSquaredError()}

__all__ = ["LOSSES", "HalfSquaredError", "LogisticLoss", "SharedL2"]
