"""Signs, rounding, whole-number division and the classes of numbers, element by element.

Whole-number division rounds down, as Python's. Dividing an integer by zero gives 0, in every backend.
"""

from __future__ import annotations

from typing import Any

from ..core.dtypes import is_float
from ..core.expression import Expression
from ..core.operation import Domain, Facts, Notation, Operation, apply, numbers, reals
from .elementwise import elementwise, infix, named_function, takes_numbers, where, zero

UNSIGNED = ("bool", "uint8", "uint32")
HALVES = Domain(-4, 4, ("float32", "float64"), (0.5, 1.5, 2.5, -0.5, -0.0, 1e30, float("inf"), float("nan")))

abs = elementwise(
    "abs",
    "The size of x without its sign; its derivative at 0 is 0.",
    array=lambda xp, x: xp.abs(x),
    scalar=lambda b, x: x if x.dtype in UNSIGNED else b.abs(x),
    gradient=lambda g, y, x: (g * sign(x),),
    takes=takes_numbers,
    notation=Notation("abs({0})", r"\left|{0}\right|"),
    facts=Facts(even=True, range=(0.0, float("inf"))),
    tries=numbers(),
)


def _sign_body(b: Any, x: Any) -> Any:
    zero, one = b.constant(0, like=x), b.constant(1, like=x)
    below = x if x.dtype in UNSIGNED else b.select(b.compare("<", x, zero), b.constant(-1, like=x), x)
    return b.select(b.compare(">", x, zero), one, below)


sign: Operation = elementwise(
    "sign",
    "1 above zero, -1 below it; zero and NaN stay as they are.",
    array=lambda xp, x: xp.where(x > 0, xp.ones_like(x), xp.where(x < 0, -xp.ones_like(x), x)),
    scalar=_sign_body,
    gradient=lambda g, y, x: (None,),
    takes=takes_numbers,
    notation=named_function(r"\operatorname{{sign}}\left({0}\right)"),
    facts=Facts(odd=True, monotone=1, range=(-1.0, 1.0)),
    tries=numbers(),
)


def _greatest(name: str, text: str, symbol: str, pick: str) -> Operation:
    def gradient(g: Expression, z: Expression, x: Expression, y: Expression) -> tuple[Expression, Expression]:
        wins = apply(pick, x, y)
        ties = apply("equal", x, y)
        return where(wins, g, where(ties, g * 0.5, zero(g))), where(ties, g * 0.5, where(wins, zero(g), g))

    return elementwise(
        name,
        f"The {text} of x and y, NaN if either is; where they are equal each gets half the derivative.",
        array=lambda xp, x, y: getattr(xp, name)(x, y),
        scalar=lambda b, x, y: getattr(b, name)(x, y),
        gradient=gradient,
        takes=takes_numbers,
        notation=named_function(rf"\{symbol}\left({{0}}, {{1}}\right)"),
        facts=Facts(commutative=True),
        tries=(numbers(), numbers()),
    )


maximum = _greatest("maximum", "larger", "max", "greater")
minimum = _greatest("minimum", "smaller", "min", "less")


def _whole(name: str, summary: str, function: str, body: str, latex: str) -> Operation:
    return elementwise(
        name,
        summary + " Integers stay as they are; the derivative is 0.",
        array=lambda xp, x: getattr(xp, function)(x) if is_float(x.dtype.name) else x,
        scalar=lambda b, x: getattr(b, body)(x) if is_float(x.dtype) else x,
        gradient=lambda g, y, x: (None,),
        takes=takes_numbers,
        notation=named_function(latex),
        facts=Facts(monotone=1, odd=name in ("round", "trunc")),
        tries=HALVES,
    )


floor = _whole("floor", "The largest whole number that is at most x.", "floor", "floor", r"\lfloor {0} \rfloor")
ceil = _whole("ceil", "The smallest whole number that is at least x.", "ceil", "ceil", r"\lceil {0} \rceil")
trunc = _whole("trunc", "x without its fraction.", "trunc", "trunc", r"\operatorname{{trunc}}\left({0}\right)")
round = _whole(
    "round", "The nearest whole number, halves to even.", "rint", "rint", r"\operatorname{{round}}\left({0}\right)"
)


def _floor_divide_array(xp: Any, x: Any, y: Any) -> Any:
    if not is_float(x.dtype.name):
        return _over_zero(xp, xp.floor_divide, x, y)
    rest = xp.fmod(x, y)
    whole = (x - rest) / y
    whole = xp.where((rest != 0) & ((y < 0) != (rest < 0)), whole - 1, whole)
    return xp.where(y == 0, x / y, xp.rint(whole))


def _over_zero(xp: Any, function: Any, x: Any, y: Any) -> Any:
    """An integer division by something that may be zero, which gives 0; so may the lowest number by -1, which wraps."""
    negated = y == -1 if xp.iinfo(x.dtype).min < 0 else xp.zeros_like(y, dtype=bool)
    safe = xp.where((y == 0) | negated, xp.ones_like(y), y)
    by_minus_one = -x if function is xp.floor_divide else xp.zeros_like(x)
    return xp.where(y == 0, xp.zeros_like(x), xp.where(negated, by_minus_one, function(x, safe)))


def _floor_divide_body(b: Any, x: Any, y: Any) -> Any:
    zero, one = b.constant(0, like=x), b.constant(1, like=x)
    if x.dtype in UNSIGNED:
        return b.quotient(x, y)
    if not is_float(x.dtype):
        return b.subtract(b.quotient(x, y), b.select(_unlike(b, b.rest(x, y), y), one, zero))
    rest = b.call("fmod", x, y)
    whole = b.divide(b.subtract(x, rest), y)
    whole = b.select(_unlike(b, rest, y), b.subtract(whole, one), whole)
    return b.select(b.compare("==", y, zero), b.divide(x, y), b.rint(whole))


def _unlike(b: Any, rest: Any, y: Any) -> Any:
    """Whether a truncated division's rest is not zero and has the other sign than the divisor."""
    zero = b.constant(0, like=y)
    differ = b.bit_xor(b.compare("<", rest, zero), b.compare("<", y, zero))
    return b.bit_and(b.compare("!=", rest, zero), differ)


floor_divide: Operation = elementwise(
    "floor_divide",
    "The quotient x / y rounded down; an integer over zero is 0. The derivative is 0.",
    array=_floor_divide_array,
    scalar=_floor_divide_body,
    gradient=lambda g, z, x, y: (None, None),
    takes=takes_numbers,
    notation=infix("//", 5, r"\left\lfloor \frac{{{0}}}{{{1}}} \right\rfloor", tight=(1,)),
    facts=Facts(cheap=False),
    tries=(numbers(), numbers(0.5)),
)


def _remainder_array(xp: Any, x: Any, y: Any) -> Any:
    if not is_float(x.dtype.name):
        return _over_zero(xp, xp.remainder, x, y)
    rest = xp.fmod(x, y)
    rest = xp.where((rest != 0) & ((y < 0) != (rest < 0)), rest + y, rest)
    return xp.where(rest == 0, xp.copysign(xp.zeros_like(rest), y), rest)


def _remainder_body(b: Any, x: Any, y: Any) -> Any:
    if x.dtype in UNSIGNED:
        return b.rest(x, y)
    rest = b.call("fmod", x, y) if is_float(x.dtype) else b.rest(x, y)
    rest = b.select(_unlike(b, rest, y), b.add(rest, y), rest)
    if not is_float(x.dtype):
        return rest
    zero = b.constant(0, like=x)
    return b.select(b.compare("==", rest, zero), b.copysign(zero, y), rest)


remainder = elementwise(
    "remainder",
    "What x // y leaves, with the sign of y; an integer over zero leaves 0.",
    array=_remainder_array,
    scalar=_remainder_body,
    gradient=lambda g, z, x, y: (g, -g * floor_divide(x, y)),
    takes=takes_numbers,
    notation=infix("%", 5, r"{0} \bmod {1}", tight=(1,)),
    facts=Facts(cheap=False),
    tries=(numbers(), numbers(0.5)),
)
copysign: Operation = elementwise(
    "copysign",
    "The size of x with the sign of y; its derivative at 0 is 0.",
    array=lambda xp, x, y: xp.copysign(x, y),
    scalar=lambda b, x, y: b.copysign(x, y),
    gradient=lambda g, z, x, y: (g * sign(x) * copysign(1, y), None),
    tries=(reals(), reals()),
)
nextafter = elementwise(
    "nextafter",
    "The float next to x in the direction of y.",
    array=lambda xp, x, y: xp.nextafter(x, y),
    scalar=lambda b, x, y: b.call("nextafter", x, y),
    gradient=lambda g, z, x, y: (g, None),
    facts=Facts(cheap=False),
    tries=(reals(), reals()),
)


def _infinite(b: Any, x: Any) -> Any:
    return b.compare("==", b.abs(x), b.constant(float("inf"), like=x))


def _signbit_body(b: Any, x: Any) -> Any:
    one = b.constant(1, like=x)
    return b.compare("<", b.copysign(one, x), b.constant(0, like=x))


def _class(name: str, summary: str, scalar: Any) -> Operation:
    return elementwise(
        name,
        summary,
        array=lambda xp, x: getattr(xp, name)(x),
        scalar=scalar,
        gradient=lambda g, y, x: (None,),
        gives="bool",
        tries=reals(),
    )


isnan = _class("isnan", "Whether x is NaN.", lambda b, x: b.compare("!=", x, x))
isinf = _class("isinf", "Whether x is infinite.", _infinite)
isfinite = _class(
    "isfinite",
    "Whether x is neither infinite nor NaN.",
    lambda b, x: b.compare("<", b.abs(x), b.constant(float("inf"), like=x)),
)
signbit = _class("signbit", "Whether x has a minus sign, as -0.0 has.", _signbit_body)

__all__ = [
    "abs",
    "ceil",
    "copysign",
    "floor",
    "floor_divide",
    "isfinite",
    "isinf",
    "isnan",
    "maximum",
    "minimum",
    "nextafter",
    "remainder",
    "round",
    "sign",
    "signbit",
    "trunc",
]
