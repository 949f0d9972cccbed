"""The tables put together: what is applied before differentiation, to gradients, and before compiling."""

from __future__ import annotations

from .algebra import ALGEBRA
from .movement import MOVEMENT
from .pattern import Rule, rule, symbol
from .reduction import REDUCTION
from .stability import STABILITY

_stop_gradient = symbol("stop_gradient")

# One normal form for a loss and for its gradient, so that what they have in common is computed once. The stable
# forms come first: algebra would take apart what they recognise.
STABILISE: tuple[Rule, ...] = (*STABILITY, *ALGEBRA, *MOVEMENT, *REDUCTION)
SIMPLIFY: tuple[Rule, ...] = STABILISE
ALL: tuple[Rule, ...] = (
    *STABILISE,
    rule("stop_gradient(x) → x", lambda x: _stop_gradient(x), lambda x: x, integers=True),
)

__all__ = ["ALL", "SIMPLIFY", "STABILISE"]
