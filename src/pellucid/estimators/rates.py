"""The learning rate that falls with the number of examples seen, as scikit-learn's perceptrons have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.expression import Expression, as_expressions
from ..core.settings import check_number
from ..operations.rounding import floor
from ..optimizers import LearningRateSchedule


@dataclass(frozen=True)
class InverseScaling(LearningRateSchedule):
    """The initial rate over ``(examples + 1)**power``, where the examples of whole epochs count.

    Args:
        initial_learning_rate: the rate of the first epoch.
        power: how fast it falls.
        examples: how many an epoch has.
        steps: how many steps it has.

    >>> import pellucid as pc
    >>> print(pc.function([], InverseScaling(0.5, 0.5, examples=99, steps=3)(4))())
    0.05
    """

    initial_learning_rate: float
    power: float
    examples: int
    steps: int

    def __post_init__(self) -> None:
        check_number(self, "initial_learning_rate", self.initial_learning_rate, "nonnegative")
        check_number(self, "power", self.power, "nonnegative")

    def __call__(self, step: Any) -> Expression:
        """Return the rate after ``step`` steps."""
        (done,) = as_expressions(step)
        epochs = floor(done.astype("float64") / self.steps)
        rate: Expression = self.initial_learning_rate / (epochs * self.examples + 1) ** self.power
        return rate


__all__ = ["InverseScaling"]
