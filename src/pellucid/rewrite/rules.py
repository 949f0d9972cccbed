"""The tables put together: what is applied before differentiation, to gradients, and before compiling."""

from __future__ import annotations

from .algebra import ALGEBRA
from .movement import MOVEMENT
from .pattern import Rule, rule, symbol
from .reduction import REDUCTION
from .stability import BY_HAND, STABILITY
from .states import STATES

_stop_gradient, _returned = symbol("stop_gradient"), symbol("returned")

# A loss and its gradient come to one normal form, so that what they have in common is computed once. The stable
# forms come first: algebra would take apart what they recognise.
SIMPLIFY: tuple[Rule, ...] = (
    rule("returned(x) → x", lambda x: _returned(x), lambda x: x, integers=True),
    *(*STABILITY, *STATES, *ALGEBRA, *MOVEMENT, *REDUCTION),
)
STABILISE: tuple[Rule, ...] = (*BY_HAND, *SIMPLIFY)
ALL: tuple[Rule, ...] = (
    *SIMPLIFY,
    rule("stop_gradient(x) → x", lambda x: _stop_gradient(x), lambda x: x, integers=True),
)

__all__ = ["ALL", "SIMPLIFY", "STABILISE"]
