"""Clipping of gradients, by value, by the norm of each, and by the norm of all of them together.

Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural networks*, 2013, section 3.2.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

from ..core.expression import Expression
from ..operations.composed import clip, square
from ..operations.exponential import sqrt
from ..operations.reduction import sum as sum_over
from ..operations.rounding import maximum


def clip_by_value(gradients: Sequence[Expression], limit: float) -> list[Expression]:
    """Return the gradients with each element limited to -``limit`` and ``limit``."""
    return [clip(g, -limit, limit) for g in gradients]


def clip_by_norm(gradients: Sequence[Expression], limit: float) -> list[Expression]:
    """Return the gradients, each that is longer than ``limit`` scaled down to that length."""
    return [g * _scale([g], limit).astype(g.dtype) for g in gradients]


def clip_by_global_norm(gradients: Sequence[Expression], limit: float) -> list[Expression]:
    """Return the gradients, all scaled by one number if they are together longer than ``limit``."""
    scale = _scale(gradients, limit)
    return [g * scale.astype(g.dtype) for g in gradients]


def _scale(gradients: Sequence[Expression], limit: float) -> Expression:
    """Return what gradients are multiplied by: 1 up to the limit, so that a norm of 0 divides nothing.

    A gradient so long that its square overflows (1.8e19 in float32) is multiplied by 0: it has no say in that step, and
    the parameters stay numbers.
    """
    squares = [sum_over(square(g)) for g in gradients]
    norm = sqrt(functools.reduce(operator.add, squares))
    scale: Expression = limit / maximum(norm, limit)
    return scale


__all__ = ["clip_by_global_norm", "clip_by_norm", "clip_by_value"]
