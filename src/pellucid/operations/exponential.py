"""Exponentials, logarithms, powers and roots, element by element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.dtypes import is_float
from ..core.expression import Expression
from ..core.operation import Facts, Notation, apply, integers, numbers, reals
from .elementwise import elementwise, named_function, takes_numbers, where

exp = elementwise(
    "exp",
    "The exponential of x.",
    array=lambda xp, x: xp.exp(x),
    scalar=lambda b, x: b.exp(x),
    gradient=lambda g, y, x: (g * y,),
    notation=named_function(r"e^{{{0}}}"),
    facts=Facts(monotone=1, range=(0.0, math.inf), cheap=False),
)
expm1 = elementwise(
    "expm1",
    "The exponential of x, minus 1, accurate near 0.",
    array=lambda xp, x: xp.expm1(x),
    scalar=lambda b, x: b.expm1(x),
    gradient=lambda g, y, x: (g * (y + 1),),
    notation=Notation("expm1({0})", r"\left(e^{{{0}}} - 1\right)"),
    facts=Facts(monotone=1, range=(-1.0, math.inf), cheap=False),
)
log = elementwise(
    "log",
    "The natural logarithm of x; NaN below zero.",
    array=lambda xp, x: xp.log(x),
    scalar=lambda b, x: b.log(x),
    gradient=lambda g, y, x: (g / x,),
    notation=named_function(r"\log\left({0}\right)"),
    facts=Facts(monotone=1, cheap=False),
    tries=reals(0.1),
)
log1p = elementwise(
    "log1p",
    "The natural logarithm of 1 + x, accurate near 0; NaN below -1.",
    array=lambda xp, x: xp.log1p(x),
    scalar=lambda b, x: b.log1p(x),
    gradient=lambda g, y, x: (g / (1 + x),),
    notation=Notation("log1p({0})", r"\log\left(1 + {0}\right)"),
    facts=Facts(monotone=1, cheap=False),
    tries=reals(-0.9),
)
log2 = elementwise(
    "log2",
    "The logarithm of x to base 2; NaN below zero.",
    array=lambda xp, x: xp.log2(x),
    scalar=lambda b, x: b.call("log2", x),
    gradient=lambda g, y, x: (g / (x * math.log(2.0)),),
    notation=named_function(r"\log_2\left({0}\right)"),
    facts=Facts(monotone=1, cheap=False),
    tries=reals(0.1),
)
log10 = elementwise(
    "log10",
    "The logarithm of x to base 10; NaN below zero.",
    array=lambda xp, x: xp.log10(x),
    scalar=lambda b, x: b.call("log10", x),
    gradient=lambda g, y, x: (g / (x * math.log(10.0)),),
    notation=named_function(r"\log_{{10}}\left({0}\right)"),
    facts=Facts(monotone=1, cheap=False),
    tries=reals(0.1),
)


def _logaddexp_body(b: Any, x: Any, y: Any) -> Any:
    largest = b.maximum(x, y)
    rest = b.log1p(b.exp(b.negative(b.abs(b.subtract(x, y)))))
    # two equal infinities have no difference
    return b.add(largest, b.select(b.compare("==", x, y), b.constant(math.log(2.0), like=x), rest))


def _logaddexp_gradient(g: Expression, z: Expression, x: Expression, y: Expression) -> tuple[Expression, Expression]:
    share = where(apply("equal", x, y), 0.5, apply("sigmoid", x - y))
    return g * share, g * (1 - share)


logaddexp = elementwise(
    "logaddexp",
    "The logarithm of exp(x) + exp(y), computed without overflow.",
    array=lambda xp, x, y: xp.logaddexp(x, y),
    scalar=_logaddexp_body,
    gradient=_logaddexp_gradient,
    notation=named_function(r"\log\left(e^{{{0}}} + e^{{{1}}}\right)"),
    facts=Facts(commutative=True, cheap=False),
    tries=(reals(), reals()),
)
sqrt = elementwise(
    "sqrt",
    "The square root of x; NaN below zero. Its derivative at 0 is infinite.",
    array=lambda xp, x: xp.sqrt(x),
    scalar=lambda b, x: b.sqrt(x),
    gradient=lambda g, y, x: (g / (2 * y),),
    notation=named_function(r"\sqrt{{{0}}}"),
    facts=Facts(monotone=1, range=(0.0, math.inf)),
    tries=reals(0.1),
)
reciprocal = elementwise(
    "reciprocal",
    "One divided by x.",
    array=lambda xp, x: xp.divide(x.dtype.type(1), x),
    scalar=lambda b, x: b.divide(b.constant(1, like=x), x),
    gradient=lambda g, y, x: (-g * y * y,),
    notation=Notation("1 / {0}", r"\frac{{1}}{{{0}}}", 5, (0,)),
    facts=Facts(odd=True),
    tries=reals(0.5),
)


def _pow_array(xp: Any, x: Any, y: Any) -> Any:
    if is_float(x.dtype.name):
        return xp.power(x, y)
    one, zero = xp.ones_like(x), xp.zeros_like(x)
    power = xp.power(x, xp.maximum(y, zero))
    sign = xp.where(y & one == 1, x, one)  # what (-1)**y and 1**y are
    return xp.where(y < 0, xp.where((x == 1) | (x == zero - one), sign, zero), power)


def _pow_body(b: Any, x: Any, y: Any) -> Any:
    if is_float(x.dtype):
        return b.call("pow", x, y)
    zero, one = b.constant(0, like=x), b.constant(1, like=x)
    odd = b.compare("==", b.bit_and(y, one), one)
    sign = b.select(odd, x, one)
    signed = x.dtype in ("int32", "int64")
    result, base, exponent = one, x, y
    for _ in range(np.iinfo(x.dtype).bits - signed):  # repeated squaring: Knuth, TAOCP volume 2, section 4.6.3
        bit = b.compare("==", b.bit_and(exponent, one), one)
        result = b.select(bit, b.multiply(result, base), result)
        base, exponent = b.multiply(base, base), b.shift_right(exponent, one)
    if not signed:
        return result
    unit = b.bit_or(b.compare("==", x, one), b.compare("==", x, b.constant(-1, like=x)))
    return b.select(b.compare("<", y, zero), b.select(unit, sign, zero), result)


def _pow_gradient(g: Expression, z: Expression, x: Expression, y: Expression) -> tuple[Expression, Expression]:
    # x**(y - 1) may be infinite at 0 where y is 0, and log(x) is where x is 0: neither counts there
    dx = g * y * pow(x, where(apply("equal", y, 0), 1, y - 1))
    return dx, g * z * log(where(apply("equal", x, 0), 1, x))


pow = elementwise(
    "pow",
    "x to the power y. Integers wrap, and to a negative power are 0 unless they are 1 or -1.",
    array=_pow_array,
    scalar=_pow_body,
    gradient=_pow_gradient,
    takes=takes_numbers,
    notation=Notation("{0} ** {1}", r"{{{0}}}^{{{1}}}", 7, (0,)),
    facts=Facts(cheap=False),
    tries=(numbers(0.5), integers(-3, 3, ("float32", "float64", "int32"))),
)
hypot = elementwise(
    "hypot",
    "The length of the vector (x, y), computed without overflow; its derivative at the origin is 0.",
    array=lambda xp, x, y: xp.hypot(x, y),
    scalar=lambda b, x, y: b.call("hypot", x, y),
    gradient=lambda g, z, x, y: (g * x / where(apply("equal", z, 0), 1, z), g * y / where(apply("equal", z, 0), 1, z)),
    notation=named_function(r"\sqrt{{{0}^2 + {1}^2}}"),
    facts=Facts(commutative=True, range=(0.0, math.inf), cheap=False),
    tries=(reals(), reals()),
)

__all__ = [
    "exp",
    "expm1",
    "hypot",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "pow",
    "reciprocal",
    "sqrt",
]
