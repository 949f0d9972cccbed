"""Trigonometric and hyperbolic functions and their inverses, element by element; angles are in radians."""

from __future__ import annotations

import math
from typing import Any

from ..core.expression import Expression
from ..core.operation import Domain, Facts, Operation, apply, reals
from .elementwise import elementwise, named_function, where
from .exponential import sqrt


def _function(
    name: str,
    summary: str,
    gradient: Any,
    latex: str,
    facts: Facts,
    scalar: Any = None,
    tries: Domain = reals(),
) -> Operation:
    return elementwise(
        name,
        summary,
        array=lambda xp, x: getattr(xp, NUMPY_NAMES.get(name, name))(x),
        scalar=scalar or (lambda b, x: b.call(name, x)),
        gradient=lambda g, y, x: (gradient(g, y, x),),
        notation=named_function(rf"{latex}\left({{0}}\right)"),
        facts=facts,
        tries=tries,
    )


NUMPY_NAMES = {
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
}
# Far from zero an angle's own rounding decides its sine, so the tests' special values stop at moderate ones.
ANGLES = Domain(-4, 4, ("float32", "float64"), (0.0, -0.0, 100.0, float("inf"), float("-inf"), float("nan")))
TURN = math.pi / 2

sin: Operation = _function(
    "sin",
    "The sine of x.",
    lambda g, y, x: g * cos(x),
    r"\sin",
    Facts(odd=True, range=(-1.0, 1.0), cheap=False),
    lambda b, x: b.sin(x),
    ANGLES,
)
cos: Operation = _function(
    "cos",
    "The cosine of x.",
    lambda g, y, x: -g * sin(x),
    r"\cos",
    Facts(even=True, range=(-1.0, 1.0), cheap=False),
    lambda b, x: b.cos(x),
    ANGLES,
)
tan = _function(
    "tan", "The tangent of x.", lambda g, y, x: g * (1 + y * y), r"\tan", Facts(odd=True, cheap=False), tries=ANGLES
)
asin = _function(
    "asin",
    "The angle whose sine is x, from -pi/2 to pi/2; NaN outside -1 to 1.",
    lambda g, y, x: g / sqrt(1 - x * x),
    r"\arcsin",
    Facts(odd=True, monotone=1, range=(-TURN, TURN), cheap=False),
    tries=reals(-0.9, 0.9),
)
acos = _function(
    "acos",
    "The angle whose cosine is x, from 0 to pi; NaN outside -1 to 1.",
    lambda g, y, x: -g / sqrt(1 - x * x),
    r"\arccos",
    Facts(monotone=-1, range=(0.0, math.pi), cheap=False),
    tries=reals(-0.9, 0.9),
)
atan = _function(
    "atan",
    "The angle whose tangent is x, from -pi/2 to pi/2.",
    lambda g, y, x: g / (1 + x * x),
    r"\arctan",
    Facts(odd=True, monotone=1, range=(-TURN, TURN), cheap=False),
)


def _atan2_gradient(g: Expression, z: Expression, y: Expression, x: Expression) -> tuple[Expression, Expression]:
    squared = x * x + y * y
    scale = g / where(apply("equal", squared, 0), 1, squared)
    return scale * x, -scale * y


atan2 = elementwise(
    "atan2",
    "The angle of the point (y second, x first) from the positive x axis: atan2(y, x), from -pi to pi.",
    array=lambda xp, y, x: xp.arctan2(y, x),
    scalar=lambda b, y, x: b.call("atan2", y, x),
    gradient=_atan2_gradient,
    notation=named_function(r"\operatorname{{atan2}}\left({0}, {1}\right)"),
    facts=Facts(range=(-math.pi, math.pi), cheap=False),
    tries=(reals(), reals(0.5)),
)
sinh: Operation = _function(
    "sinh",
    "The hyperbolic sine of x.",
    lambda g, y, x: g * cosh(x),
    r"\sinh",
    Facts(odd=True, monotone=1, cheap=False),
)
cosh: Operation = _function(
    "cosh",
    "The hyperbolic cosine of x.",
    lambda g, y, x: g * sinh(x),
    r"\cosh",
    Facts(even=True, range=(1.0, math.inf), cheap=False),
)
tanh = _function(
    "tanh",
    "The hyperbolic tangent of x.",
    lambda g, y, x: g * (1 - y * y),
    r"\tanh",
    Facts(odd=True, monotone=1, range=(-1.0, 1.0), cheap=False),
    lambda b, x: b.tanh(x),
)
asinh = _function(
    "asinh",
    "The number whose hyperbolic sine is x.",
    lambda g, y, x: g / sqrt(x * x + 1),
    r"\operatorname{{arsinh}}",
    Facts(odd=True, monotone=1, cheap=False),
)
acosh = _function(
    "acosh",
    "The number from 0 up whose hyperbolic cosine is x; NaN below 1.",
    lambda g, y, x: g / sqrt((x - 1) * (x + 1)),
    r"\operatorname{{arcosh}}",
    Facts(monotone=1, range=(0.0, math.inf), cheap=False),
    tries=reals(1.1, 4.0),
)
atanh = _function(
    "atanh",
    "The number whose hyperbolic tangent is x; NaN outside -1 to 1.",
    lambda g, y, x: g / ((1 - x) * (1 + x)),
    r"\operatorname{{artanh}}",
    Facts(odd=True, monotone=1, cheap=False),
    tries=reals(-0.9, 0.9),
)

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "sin",
    "sinh",
    "tan",
    "tanh",
]
