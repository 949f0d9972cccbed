"""Losses of numbers: how far outputs are from labels of the same shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..core.expression import Expression
from ..core.settings import check_number
from ..operations.composed import clip, square
from ..operations.exponential import log1p, sqrt
from ..operations.reduction import sum as sum_over
from ..operations.rounding import abs as absolute
from ..operations.rounding import maximum
from ..operations.trigonometric import sinh
from .agreement import agreeing, need_classes, per_example
from .loss import Loss

LONGEST_COSH = 20.0  # from here on log(cosh(x)) is |x| - log(2) to double precision
SHORTEST = 1e-7  # Keras's epsilon: the least length or size that is divided by


def mean_squared_error(outputs: Any, labels: Any) -> Expression:
    """Return the squared difference (ŷ - y)², averaged over an example's outputs.

    Args:
        outputs: float (batch, ...).
        labels: numbers of the same shape; ``(batch, 1)`` and ``(batch,)`` are taken as the same.

    Returns:
        (batch,), of the outputs' dtype.

    Raises:
        ShapeError: if the shapes are not the same.

    Gauss, *Theoria combinationis observationum*, 1823.

    >>> import pellucid as pc
    >>> outputs, labels = pc.constant([[1.0, 2.0], [3.0, 4.0]]), pc.constant([[1.0, 4.0], [3.0, 3.0]])
    >>> pc.function([], pc.losses.mean_squared_error(outputs, labels))()
    array([2. , 0.5], dtype=float32)
    """
    outputs, labels = agreeing("mean_squared_error", outputs, labels)
    return per_example(square(outputs - labels))


def mean_absolute_error(outputs: Any, labels: Any) -> Expression:
    """Return the size of the difference |ŷ - y|, averaged over an example's outputs.

    Args:
        outputs: float (batch, ...).
        labels: numbers of the same shape; ``(batch, 1)`` and ``(batch,)`` are taken as the same.

    Returns:
        (batch,); its derivative where they are equal is 0.

    Raises:
        ShapeError: if the shapes are not the same.

    >>> import pellucid as pc
    >>> pc.function([], pc.losses.mean_absolute_error(pc.constant([1.0, 2.0]), pc.constant([0.5, 4.0])))()
    array([0.5, 2. ], dtype=float32)
    """
    outputs, labels = agreeing("mean_absolute_error", outputs, labels)
    return per_example(absolute(outputs - labels))


def huber(outputs: Any, labels: Any, delta: float = 1.0) -> Expression:
    """Return a parabola near the label that goes on as a straight line: e²/2 up to delta, then delta (|e| - delta/2).

    Args:
        outputs: float (batch, ...).
        labels: numbers of the same shape.
        delta: where the line begins, above 0.

    Returns:
        (batch,), averaged over an example's outputs.

    Raises:
        ShapeError: if the shapes are not the same.
        InputError: if delta is not above 0.

    Huber, *Robust estimation of a location parameter*, 1964. With c = e limited to ±delta both pieces are c (e - c/2).

    >>> import pellucid as pc
    >>> pc.function([], pc.losses.huber(pc.constant([0.5, 3.0]), pc.constant([0.0, 0.0])))()
    array([0.125, 2.5  ], dtype=float32)
    """
    check_number("huber", "delta", delta, "positive")
    outputs, labels = agreeing("huber", outputs, labels)
    error = outputs - labels
    near = clip(error, -delta, delta)
    return per_example(near * (error - near / 2))


def log_cosh(outputs: Any, labels: Any) -> Expression:
    """Return log(cosh(ŷ - y)): e²/2 for a small error e, |e| - log(2) for a large one.

    Args:
        outputs: float (batch, ...).
        labels: numbers of the same shape.

    Returns:
        (batch,), averaged over an example's outputs.

    Raises:
        ShapeError: if the shapes are not the same.

    cosh(e) = 1 + 2 sinh²(e/2), so that log1p keeps the digits of a small error, and beyond 20 only |e| grows.

    >>> import pellucid as pc
    >>> small, large = pc.function([], pc.losses.log_cosh(pc.constant([0.001, 1000.0]), pc.constant([0.0, 0.0])))()
    >>> print(f"{small:.4e} {large:.2f}")
    5.0000e-07 999.31
    """
    outputs, labels = agreeing("log_cosh", outputs, labels)
    error = outputs - labels
    near = clip(error, -LONGEST_COSH, LONGEST_COSH)
    return per_example(log1p(2 * square(sinh(near / 2))) + absolute(error - near))


def mean_squared_logarithmic_error(outputs: Any, labels: Any) -> Expression:
    """Return the squared difference of log(1 + ŷ) and log(1 + y), averaged over an example's outputs.

    Args:
        outputs: float (batch, ...); what is below 0 counts as 0, as in Keras.
        labels: numbers of the same shape, 0 or more.

    Returns:
        (batch,).

    Raises:
        ShapeError: if the shapes are not the same.

    >>> import pellucid as pc
    >>> outputs, labels = pc.constant([0.0, 1.0]), pc.constant([0.0, 3.0])
    >>> pc.function([], pc.losses.mean_squared_logarithmic_error(outputs, labels))()
    array([0.      , 0.480453], dtype=float32)
    """
    outputs, labels = agreeing("mean_squared_logarithmic_error", outputs, labels)
    return per_example(square(log1p(maximum(outputs, 0)) - log1p(maximum(labels, 0))))


def mean_absolute_percentage_error(outputs: Any, labels: Any) -> Expression:
    """Return the difference in percent of the label, 100 |ŷ - y| / |y|, averaged over an example's outputs.

    Args:
        outputs: float (batch, ...).
        labels: numbers of the same shape; a size below 1e-7 counts as 1e-7, as in Keras.

    Returns:
        (batch,).

    Raises:
        ShapeError: if the shapes are not the same.

    >>> import pellucid as pc
    >>> outputs, labels = pc.constant([1.0, 3.0]), pc.constant([2.0, 2.0])
    >>> pc.function([], pc.losses.mean_absolute_percentage_error(outputs, labels))()
    array([50., 50.], dtype=float32)
    """
    outputs, labels = agreeing("mean_absolute_percentage_error", outputs, labels)
    return per_example(100 * absolute((outputs - labels) / maximum(absolute(labels), SHORTEST)))


def cosine_similarity(outputs: Any, labels: Any) -> Expression:
    """Return minus the cosine of the angle between outputs and labels along the last axis: -1 where they agree.

    Args:
        outputs: float (batch, ..., k).
        labels: numbers of the same shape. A vector shorter than 1e-7 has a cosine near 0 with everything, as in Keras.

    Returns:
        (batch,), from -1 to 1; further axes are averaged.

    Raises:
        ShapeError: if the shapes are not the same, or there is no axis beside that of the examples.

    >>> import pellucid as pc
    >>> outputs, labels = pc.constant([[3.0, 4.0], [1.0, 0.0]]), pc.constant([[6.0, 8.0], [0.0, 1.0]])
    >>> pc.function([], pc.losses.cosine_similarity(outputs, labels))()
    array([-1., -0.], dtype=float32)
    """
    outputs, labels = agreeing("cosine_similarity", outputs, labels)
    need_classes("cosine_similarity", outputs, "the components of vectors")
    return per_example(-sum_over(_direction(outputs) * _direction(labels), -1))


def _direction(x: Expression) -> Expression:
    # The root of the limited sum, not the limited root: the derivative of a root at 0 is infinite.
    return x / sqrt(maximum(sum_over(square(x), -1, keepdims=True), SHORTEST**2))


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """``mean_squared_error``."""

    function = staticmethod(mean_squared_error)


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """``mean_absolute_error``."""

    function = staticmethod(mean_absolute_error)


@dataclass(frozen=True)
class Huber(Loss):
    """``huber`` with its option."""

    function = staticmethod(huber)
    delta: float = 1.0

    def __post_init__(self) -> None:
        check_number(self, "delta", self.delta, "positive")


@dataclass(frozen=True)
class LogCosh(Loss):
    """``log_cosh``."""

    function = staticmethod(log_cosh)


@dataclass(frozen=True)
class MeanSquaredLogarithmicError(Loss):
    """``mean_squared_logarithmic_error``."""

    function = staticmethod(mean_squared_logarithmic_error)
    label_range: ClassVar[tuple[float, float]] = (0.0, math.inf)


@dataclass(frozen=True)
class MeanAbsolutePercentageError(Loss):
    """``mean_absolute_percentage_error``."""

    function = staticmethod(mean_absolute_percentage_error)


@dataclass(frozen=True)
class CosineSimilarity(Loss):
    """``cosine_similarity``."""

    function = staticmethod(cosine_similarity)


__all__ = [
    "CosineSimilarity",
    "Huber",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "cosine_similarity",
    "huber",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
]
