"""Comparisons, element by element: booleans from numbers."""

from __future__ import annotations

from ..core.operation import Facts, Operation, numbers
from .elementwise import elementwise, infix, takes_any


def _comparison(name: str, symbol: str, text: str, latex: str, function: str, commutative: bool = False) -> Operation:
    return elementwise(
        name,
        f"Whether x {text} y.",
        array=lambda xp, x, y: getattr(xp, function)(x, y),
        scalar=lambda b, x, y: b.compare(symbol, x, y),
        gradient=lambda g, z, x, y: (None, None),
        takes=takes_any,
        gives="bool",
        notation=infix(symbol, 2, f"{{0}} {latex} {{1}}", tight=(0, 1)),
        facts=Facts(commutative=commutative),
        tries=(numbers(), numbers()),
    )


equal = _comparison("equal", "==", "is equal to", "=", "equal", commutative=True)
not_equal = _comparison("not_equal", "!=", "differs from", r"\neq", "not_equal", commutative=True)
less = _comparison("less", "<", "is less than", "<", "less")
less_equal = _comparison("less_equal", "<=", "is at most", r"\leq", "less_equal")
greater = _comparison("greater", ">", "is greater than", ">", "greater")
greater_equal = _comparison("greater_equal", ">=", "is at least", r"\geq", "greater_equal")

__all__ = ["equal", "greater", "greater_equal", "less", "less_equal", "not_equal"]
