"""Schedules: the learning rate as an expression of how many steps were done, so that loops evaluate it natively.

A schedule is one number, computed once a step. It is computed in float64, which costs nothing there, because float32
holds whole numbers only up to 2**24: staircases stay exact for as long as anything is trained.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..core.errors import InputError
from ..core.expression import Expression, as_expressions
from ..core.settings import check_number, is_number
from ..operations.elementwise import where
from ..operations.rounding import ceil, floor, maximum, minimum
from ..operations.source import constant
from ..operations.trigonometric import cos


class LearningRateSchedule:
    """A learning rate that depends on the step. A schedule of your own is a subclass with its own ``__call__``.

    >>> import pellucid as pc
    >>> class Halving(pc.optimizers.LearningRateSchedule):
    ...     def __call__(self, step):
    ...         return 0.5 ** step.astype("float64")
    >>> W = pc.parameter(1.0)
    >>> updates = pc.optimizers.SGD(Halving()).updates(W, [W])
    >>> pc.function([], W, updates=updates).repeat(4)()
    array([ 1.  ,  0.  , -0.5 , -0.75], dtype=float32)
    """

    def __call__(self, step: Any) -> Expression:
        """Return the rate, a float scalar.

        Args:
            step: how many steps were done before this one: a number, or a scalar expression.
        """
        raise NotImplementedError(f"{type(self).__name__} has no __call__(self, step), which a schedule needs")


def _float64(step: Any) -> Expression:
    (step,) = as_expressions(step)
    done: Expression = step.astype("float64")
    return done


def _check_decay(schedule: Any) -> None:
    check_number(schedule, "initial_learning_rate", schedule.initial_learning_rate, "nonnegative")
    check_number(schedule, "decay_steps", schedule.decay_steps, "positive")


@dataclass(frozen=True)
class _PeriodicDecay(LearningRateSchedule):
    """What decays by a rate every so many steps: smoothly, or in stairs."""

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False

    _allowed: ClassVar[str] = "positive"

    def __post_init__(self) -> None:
        _check_decay(self)
        check_number(self, "decay_rate", self.decay_rate, self._allowed)

    def _periods(self, step: Any) -> Expression:
        """Return how many periods there were before a step: whole ones, if in stairs."""
        periods = _float64(step) / self.decay_steps
        whole: Expression = floor(periods)
        return whole if self.staircase else periods


@dataclass(frozen=True)
class ExponentialDecay(_PeriodicDecay):
    """The rate times ``decay_rate`` every ``decay_steps`` steps: smoothly, or in stairs if ``staircase``.

    >>> import pellucid as pc
    >>> print(pc.function([], ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(20))())
    0.025
    """

    def __call__(self, step: Any) -> Expression:
        """Return the rate after ``step`` steps."""
        return self.initial_learning_rate * self.decay_rate ** self._periods(step)


@dataclass(frozen=True)
class InverseTimeDecay(_PeriodicDecay):
    """The rate divided by 1 + ``decay_rate`` * step / ``decay_steps``; in stairs if ``staircase``.

    Robbins and Monro, *A stochastic approximation method*, 1951: rates of 1 / t sum to infinity, their squares do not.

    >>> import pellucid as pc
    >>> print(pc.function([], InverseTimeDecay(0.1, decay_steps=10, decay_rate=0.5)(20))())
    0.05
    """

    _allowed: ClassVar[str] = "nonnegative"

    def __call__(self, step: Any) -> Expression:
        """Return the rate after ``step`` steps."""
        return self.initial_learning_rate / (1 + self.decay_rate * self._periods(step))


@dataclass(frozen=True)
class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[k]`` up to and including step ``boundaries[k]``, and the last value, one more, from there on.

    >>> import pellucid as pc
    >>> schedule = PiecewiseConstantDecay([100, 200], [0.1, 0.01, 0.001])
    >>> print(*(float(pc.function([], schedule(step))()) for step in (100, 101, 201)))
    0.1 0.01 0.001
    """

    boundaries: Sequence[float]
    values: Sequence[float]

    def __post_init__(self) -> None:
        boundaries, values = tuple(self.boundaries), tuple(self.values)
        if len(values) != len(boundaries) + 1:
            raise InputError(
                f"PiecewiseConstantDecay: {len(boundaries)} boundaries have {len(boundaries) + 1} values between and"
                f" beside them, and {len(values)} were given"
            )
        for value in values:
            check_number(self, "one of values", value, "nonnegative")
        if not all(map(is_number, boundaries)) or not all(a < b for a, b in itertools.pairwise(boundaries)):
            raise InputError(f"PiecewiseConstantDecay: boundaries are numbers that increase, not {list(boundaries)}")
        object.__setattr__(self, "boundaries", boundaries)
        object.__setattr__(self, "values", values)

    def __call__(self, step: Any) -> Expression:
        """Return the rate after ``step`` steps."""
        done = _float64(step)
        rate = constant(self.values[-1], "float64")
        for boundary, value in reversed(list(zip(self.boundaries, self.values, strict=False))):
            rate = where(done <= boundary, value, rate)
        return rate


@dataclass(frozen=True)
class PolynomialDecay(LearningRateSchedule):
    """From the initial rate to ``end_learning_rate`` in ``decay_steps`` steps, along (1 - step / decay_steps)**power.

    With ``cycle``, a rate that came to its end climbs again, to the decay over twice, three times, ... as many steps.

    >>> import pellucid as pc
    >>> print(pc.function([], PolynomialDecay(0.5, decay_steps=10, end_learning_rate=0.25)(5))())
    0.375
    """

    initial_learning_rate: float
    decay_steps: float
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False

    def __post_init__(self) -> None:
        _check_decay(self)
        check_number(self, "end_learning_rate", self.end_learning_rate, "nonnegative")
        check_number(self, "power", self.power, "positive")

    def __call__(self, step: Any) -> Expression:
        """Return the rate after ``step`` steps."""
        periods = _float64(step) / self.decay_steps
        share = periods / maximum(ceil(periods), 1) if self.cycle else minimum(periods, 1)
        return (self.initial_learning_rate - self.end_learning_rate) * (1 - share) ** self.power + (
            self.end_learning_rate
        )


@dataclass(frozen=True)
class CosineDecay(LearningRateSchedule):
    """Half a wave of the cosine, from the initial rate down to ``alpha`` times it in ``decay_steps`` steps.

    Args:
        initial_learning_rate: the rate of the first step.
        decay_steps: how many steps it decays over, after the warm-up.
        alpha: the last rate, as a share of the highest.
        warmup_target: if given, the rate first climbs to it in a straight line, and decays from there.
        warmup_steps: how many steps that takes.

    Loshchilov and Hutter, *SGDR: stochastic gradient descent with warm restarts*, 2017, section 3.

    >>> import pellucid as pc
    >>> print(pc.function([], CosineDecay(0.1, decay_steps=10)(5))())
    0.05
    """

    initial_learning_rate: float
    decay_steps: float
    alpha: float = 0.0
    warmup_target: float | None = None
    warmup_steps: float = 0

    def __post_init__(self) -> None:
        _check_decay(self)
        check_number(self, "alpha", self.alpha, "share")
        check_number(self, "warmup_target", self.warmup_target, "nonnegative", or_none=True)
        check_number(self, "warmup_steps", self.warmup_steps, "nonnegative")
        if (self.warmup_target is None) != (self.warmup_steps == 0):
            raise InputError(
                f"CosineDecay: warmup_target is {self.warmup_target!r} and warmup_steps {self.warmup_steps!r}; a"
                " warm-up needs both, a rate to climb to and in how many steps"
            )

    def __call__(self, step: Any) -> Expression:
        """Return the rate after ``step`` steps."""
        if self.warmup_target is None:
            return self._decayed(_float64(step), self.initial_learning_rate)
        after = CosineDecay(self.warmup_target, self.decay_steps, self.alpha)
        return LinearWarmup(after, self.warmup_steps, self.initial_learning_rate)(step)

    def _decayed(self, done: Expression, highest: float) -> Expression:
        wave = 0.5 * (1 + cos(math.pi * minimum(done / self.decay_steps, 1)))
        return highest * ((1 - self.alpha) * wave + self.alpha)


@dataclass(frozen=True)
class LinearWarmup(LearningRateSchedule):
    """A straight climb in ``warmup_steps`` steps to a rate, or to a schedule, whose steps count from there.

    Goyal et al., *Accurate, large minibatch SGD: training ImageNet in 1 hour*, 2017, section 2.2.

    >>> import pellucid as pc
    >>> schedule = LinearWarmup(ExponentialDecay(0.1, 10, 0.5), warmup_steps=4)
    >>> print(*(round(float(pc.function([], schedule(step))()), 4) for step in (0, 1, 4, 14)))
    0.0 0.025 0.1 0.05
    """

    learning_rate: float | LearningRateSchedule
    warmup_steps: float
    initial_learning_rate: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.learning_rate, LearningRateSchedule):
            check_number(self, "learning_rate", self.learning_rate, "nonnegative")
        check_number(self, "warmup_steps", self.warmup_steps, "positive")
        check_number(self, "initial_learning_rate", self.initial_learning_rate, "nonnegative")

    def __call__(self, step: Any) -> Expression:
        """Return the rate after ``step`` steps."""
        done, first = _float64(step), self.initial_learning_rate
        target: Any = self.learning_rate
        if isinstance(target, LearningRateSchedule):
            climbing = first + (target(constant(0, "float64")) - first) * (done / self.warmup_steps)
            after = target(maximum(done - self.warmup_steps, 0))
        else:
            climbing = first + (target - first) * (done / self.warmup_steps)
            after = constant(target, "float64")
        return where(done < self.warmup_steps, climbing, after)


__all__ = [
    "CosineDecay",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "LinearWarmup",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
]
