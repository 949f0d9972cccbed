"""Functions of neural networks, element by element: sigmoid, rectifiers, softplus, the error function."""

from __future__ import annotations

import math
from typing import Any

from ..core.operation import Domain, Facts, Notation, reals
from .elementwise import elementwise, named_function, takes_any, where, zero
from .exponential import exp


def _sigmoid_array(xp: Any, x: Any) -> Any:
    small = xp.exp(-xp.abs(x))  # at most 1, so nothing overflows and both tails keep their digits
    return xp.where(x >= 0, xp.ones_like(x), small) / (1 + small)


sigmoid = elementwise(
    "sigmoid",
    "The logistic function 1 / (1 + exp(-x)).",
    array=_sigmoid_array,
    scalar=lambda b, x: b.sigmoid(x),
    gradient=lambda g, y, x: (g * (y * (1 - y)),),
    notation=named_function(r"\sigma\left({0}\right)"),
    facts=Facts(monotone=1, range=(0.0, 1.0), cheap=False),
)
softplus = elementwise(
    "softplus",
    "The logarithm of 1 + exp(x), computed without overflow: a smooth rectifier.",
    array=lambda xp, x: xp.maximum(x, xp.zeros_like(x)) + xp.log1p(xp.exp(-xp.abs(x))),
    scalar=lambda b, x: b.add(b.maximum(x, b.constant(0, like=x)), b.log1p(b.exp(b.negative(b.abs(x))))),
    gradient=lambda g, y, x: (g * sigmoid(x),),
    notation=Notation("{call}", r"\log\left(1 + e^{{{0}}}\right)"),
    facts=Facts(monotone=1, range=(0.0, math.inf), cheap=False),
)
relu = elementwise(
    "relu",
    "The rectifier max(x, 0); its derivative at 0 is 0.",
    array=lambda xp, x: xp.maximum(x, xp.zeros_like(x)),
    scalar=lambda b, x: b.maximum(x, b.constant(0, like=x)),
    gradient=lambda g, y, x: (where(y > 0, g, zero(g)),),  # of y, which is kept anyhow, so that x need not be
    notation=named_function(r"\operatorname{{relu}}\left({0}\right)"),
    facts=Facts(monotone=1, range=(0.0, math.inf)),
    tries=reals(),
)
leaky_relu = elementwise(
    "leaky_relu",
    "The rectifier that keeps a slope below zero: x above, negative_slope x below (0.2, as in Keras).",
    array=lambda xp, x, negative_slope: xp.where(x > 0, x, x * x.dtype.type(negative_slope)),
    scalar=lambda b, x, negative_slope: b.select(
        b.compare(">", x, b.constant(0, like=x)), x, b.multiply(x, b.constant(negative_slope, like=x))
    ),
    gradient=lambda g, y, x, negative_slope: (where(x > 0, g, g * negative_slope),),
    attributes={"negative_slope": 0.2},
    notation=Notation("{call}", r"\operatorname{{relu}}_{{{negative_slope}}}\left({0}\right)"),
    source="Maas, Hannun and Ng, Rectifier nonlinearities improve neural network acoustic models, 2013",
)
stop_gradient = elementwise(
    "stop_gradient",
    "The same values, through which no derivative flows.",
    array=lambda xp, x: x,
    scalar=lambda b, x: x,
    gradient=lambda g, y, x: (None,),
    takes=takes_any,
    notation=Notation("stop_gradient({0})", r"\operatorname{{stop}}\left({0}\right)"),
    facts=Facts(odd=True, monotone=1),
)

returned = elementwise(
    "returned",
    "The same values as another expression, of which there may be several by number: what a layer returned.",
    array=lambda xp, x, number: x,
    scalar=lambda b, x, number: x,
    gradient=lambda g, y, x, number: (g,),
    attributes={"number": 0},
    takes=takes_any,
    notation=Notation("{0}", "{0}", 0),
    facts=Facts(odd=True, monotone=1),
)

# W. J. Cody, Rational Chebyshev approximation for the error function, Mathematics of Computation 23 (1969),
# pages 631-637: coefficients of the best rational approximations for double precision, highest power first.
_NEAR = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_MIDDLE = (
    (
        *(2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1),
        *(2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3),
        1.23033935479799725e3,
    ),
    (
        *(1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3),
        *(3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
    ),
)


def _ratio(x: Any, table: tuple[tuple[float, ...], tuple[float, ...]]) -> Any:
    above = below = x * 0
    for a, b in zip(*table, strict=True):
        above, below = above * x + x.dtype.type(a), below * x + x.dtype.type(b)
    return above / below


def _erf_array(xp: Any, x: Any) -> Any:
    one = xp.ones_like(x)
    size = xp.minimum(xp.abs(x), one * 6)  # erf is 1 to double precision from 5.9 on
    near = x * _ratio(xp.minimum(size, one) ** 2, _NEAR)
    far = one - xp.exp(-size * size) * _ratio(xp.maximum(size, one / 4), _MIDDLE)
    return xp.where(size <= 0.5, near, xp.copysign(far, x))


erf = elementwise(
    "erf",
    "The error function, 2/sqrt(pi) times the integral of exp(-t²) from 0 to x.",
    array=_erf_array,
    scalar=lambda b, x: b.erf(x),
    gradient=lambda g, y, x: (g * (2 / math.sqrt(math.pi)) * exp(-(x * x)),),
    notation=named_function(r"\operatorname{{erf}}\left({0}\right)"),
    facts=Facts(odd=True, monotone=1, range=(-1.0, 1.0), cheap=False),
    source="W. J. Cody, Rational Chebyshev approximation for the error function, 1969",
)


def _gelu_gradient(g: Any, y: Any, x: Any) -> Any:
    below = 0.5 * (1 + erf(x * math.sqrt(0.5)))
    return (g * (below + x * (exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi)))),)


def _gelu_scalar(b: Any, x: Any) -> Any:
    half, root = (b.constant(c, like=x) for c in (0.5, math.sqrt(0.5)))
    return b.multiply(b.multiply(half, x), b.add(b.constant(1, like=x), b.erf(b.multiply(x, root))))


gelu = elementwise(
    "gelu",
    "x times the probability that a standard normal number is below x; its derivative computes that anew.",
    array=lambda xp, x: 0.5 * x * (1 + _erf_array(xp, x * x.dtype.type(math.sqrt(0.5)))),
    scalar=_gelu_scalar,
    gradient=_gelu_gradient,
    notation=named_function(r"\operatorname{{gelu}}\left({0}\right)"),
    facts=Facts(cheap=False),
    # far below 0 what is left of 1 + erf is rounding
    tries=Domain(-0.25, 4.0, special=(0.0, 1.0, math.inf, math.nan, 1e30, 1e-40)),
    source="Hendrycks and Gimpel, Gaussian error linear units, 2016, section 2",
)

__all__ = ["erf", "gelu", "leaky_relu", "relu", "returned", "sigmoid", "softplus", "stop_gradient"]
