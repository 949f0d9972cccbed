"""Losses of distributions: the divergence of Kullback and Leibler, and the likelihood of counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..core.expression import Expression
from ..operations.exponential import log
from ..operations.reduction import sum as sum_over
from ..operations.rounding import maximum
from .agreement import agreeing, logits_under, need_classes, per_example
from .loss import Loss

SMALLEST = 1e-37  # a little above the smallest normal number of float32: its logarithm is finite, log(0) is not


def _logarithm(x: Expression) -> Expression:
    """The logarithm of what is not below 0, finite at 0; exact where it meets an exponential."""
    meets = x.operation.name == "exp" or logits_under(x) is not None
    result: Expression = log(x if meets else maximum(x, SMALLEST))
    return result


def kl_divergence(outputs: Any, labels: Any) -> Expression:
    """Return the divergence of Kullback and Leibler, Σ y log(y / ŷ) along the last axis.

    Args:
        outputs: probabilities, float (batch, ..., k). Of a softmax the logarithm is taken exactly.
        labels: probabilities of the same shape; those of 0 contribute nothing.

    Returns:
        (batch,), 0 where both are the same distribution; further axes are averaged. Keras raises both to 1e-7 at
        least, and differs by as much.

    Raises:
        ShapeError: if the shapes are not the same, or there is no axis beside that of the examples.

    Kullback and Leibler, *On information and sufficiency*, 1951.

    >>> import pellucid as pc
    >>> outputs, labels = pc.constant([[0.5, 0.5], [0.5, 0.5]]), pc.constant([[0.5, 0.5], [1.0, 0.0]])
    >>> pc.function([], pc.losses.kl_divergence(outputs, labels))()
    array([0.       , 0.6931472], dtype=float32)
    """
    outputs, labels = agreeing("kl_divergence", outputs, labels)
    need_classes("kl_divergence", outputs, "probabilities of k classes")
    surprise = labels * (log(maximum(labels, SMALLEST)) - _logarithm(outputs))
    return per_example(sum_over(surprise, -1))


def poisson(outputs: Any, labels: Any) -> Expression:
    """Return minus the logarithm of a Poisson likelihood, less what the outputs do not change: ŷ - y log(ŷ).

    Args:
        outputs: expected counts, float (batch, ...), above 0. Of exp(z) the logarithm is taken exactly.
        labels: counts of the same shape, 0 or more.

    Returns:
        (batch,), averaged over an example's outputs.

    Raises:
        ShapeError: if the shapes are not the same.

    McCullagh and Nelder, *Generalized linear models*, 1989, chapter 6.

    >>> import pellucid as pc
    >>> pc.function([], pc.losses.poisson(pc.constant([1.0, 2.0]), pc.constant([3, 0])))()
    array([1., 2.], dtype=float32)
    """
    outputs, labels = agreeing("poisson", outputs, labels)
    return per_example(outputs - labels * _logarithm(outputs))


@dataclass(frozen=True)
class KLDivergence(Loss):
    """``kl_divergence``; predictions are the outputs, which are probabilities already."""

    function = staticmethod(kl_divergence)
    label_range: ClassVar[tuple[float, float]] = (0.0, 1.0)


@dataclass(frozen=True)
class Poisson(Loss):
    """``poisson``; predictions are the expected counts."""

    function = staticmethod(poisson)
    label_range: ClassVar[tuple[float, float]] = (0.0, math.inf)


__all__ = ["KLDivergence", "Poisson", "kl_divergence", "poisson"]
