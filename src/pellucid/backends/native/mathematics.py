"""Vector mathematics: exponentials, logarithms, tanh, sigmoid, sine, cosine and erf, without branches.

An argument is reduced to a short interval, where a polynomial (or a ratio of two) takes over: exp and its kin by
x = n log 2 + r, logarithms by x = 2^e m, sine and cosine by x = n pi/2 + r. The constant that is subtracted n times
comes in parts short enough for n times the first to be exact. The method is W. J. Cody and W. Waite's, Software
Manual for the Elementary Functions (1980); see also J.-M. Muller, Elementary Functions, 3rd edition, chapter 11.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from . import coefficients
from .lanes import is_wide
from .values import Value

if TYPE_CHECKING:
    from .arithmetic import Arithmetic

# The largest error in units in the last place of the exact result's nearest float, on every target; held by tests.
ULP = {
    ("exp", "float32"): 1.2,
    ("expm1", "float32"): 1.6,
    ("log", "float32"): 1.0,
    ("log1p", "float32"): 1.0,
    ("tanh", "float32"): 2.5,
    ("sigmoid", "float32"): 2.5,
    ("sin", "float32"): 0.7,
    ("cos", "float32"): 0.7,
    ("erf", "float32"): 7.5,
    ("exp", "float64"): 1.2,
    ("expm1", "float64"): 1.9,
    ("log", "float64"): 1.0,
    ("log1p", "float64"): 1.0,
    ("tanh", "float64"): 2.7,
    ("sigmoid", "float64"): 2.5,
    ("sin", "float64"): 1.7,
    ("cos", "float64"): 1.7,
}


class Format(NamedTuple):
    """What reduction needs to know of a float format.

    Attributes:
        integer: the integer dtype of the same width.
        fraction: stored bits of the fraction; ``bias``: of the exponent.
        log2_high, log2_low: log 2 in two parts, the first with so few bits that n times it is exact.
        exp_low, exp_high: below and above, exp is 0 and infinite.
        expm1_low: below, exp(x) - 1 rounds to -1.
        exp, expm1, log: coefficients.
    """

    integer: str
    fraction: int
    bias: int
    log2_high: float
    log2_low: float
    exp_low: float
    exp_high: float
    expm1_low: float
    exp: tuple[float, ...]
    expm1: tuple[float, ...]
    log: tuple[float, ...]

    @property
    def magic(self) -> float:
        """A number so large that adding it rounds to an integer, which stands in the low bits of the sum."""
        return 1.5 * 2.0**self.fraction


def _parts_of_log2(bits: int) -> tuple[float, float]:
    high = math.floor(math.log(2) * 2.0**bits) / 2.0**bits
    # log 2 = 0.693147180559945309417232121458176568; its nearest double lacks 2.3e-17, which counts in the low part.
    return high, (math.log(2) - high) + 2.3190468138462996e-17


FORMATS = {
    "float32": Format(
        "int32", 23, 127, *_parts_of_log2(16), -104.0, 89.0, -18.0,
        coefficients.EXP_FLOAT32, coefficients.EXPM1_FLOAT32, coefficients.LOG_FLOAT32,
    ),
    "float64": Format(
        "int64", 52, 1023, *_parts_of_log2(32), -746.0, 710.0, -38.0,
        coefficients.EXP_FLOAT64, coefficients.EXPM1_FLOAT64, coefficients.LOG_FLOAT64,
    ),
}  # fmt: skip


def polynomial(b: Arithmetic, x: Value, coefficients: Sequence[float]) -> Value:
    """Write a polynomial by Horner's rule; coefficients from the constant up."""
    result = b.constant(coefficients[-1], like=x)
    for coefficient in reversed(coefficients[:-1]):
        result = b.fma(result, x, b.constant(coefficient, like=x))
    return result


def clamp(b: Arithmetic, x: Value, low: float | None, high: float | None) -> Value:
    """Bring x into an interval; NaN stays."""
    if high is not None:
        x = b.minimum(x, b.constant(high, like=x))
    return x if low is None else b.maximum(x, b.constant(low, like=x))


def exp(b: Arithmetic, x: Value) -> Value:
    """e^x = 2^n e^r."""
    form = FORMATS[x.dtype]
    return _exp(b, clamp(b, x, form.exp_low, form.exp_high), form)


def _exp(b: Arithmetic, x: Value, form: Format) -> Value:
    """exp where x is between the format's limits."""
    r, n, shifted = _reduce(b, x, form)
    return _scaled(b, polynomial(b, r, (1.0, 1.0, *form.exp)), n, shifted, form)


def _reduce(b: Arithmetic, x: Value, form: Format) -> tuple[Value, Value, Value]:
    """Return r and n of x = n log 2 + r, and n in the low bits of a float."""
    magic = b.constant(form.magic, like=x)
    shifted = b.fma(x, b.constant(1 / math.log(2), like=x), magic)
    n = b.subtract(shifted, magic)
    r = b.fma(n, b.constant(-form.log2_high, like=x), x)
    return b.fma(n, b.constant(-form.log2_low, like=x), r), n, shifted


def _scaled(b: Arithmetic, x: Value, n: Value, shifted: Value, form: Format) -> Value:
    """2^n x, rounded once, also where the result is subnormal or infinite; x is about 1, or NaN.

    Half of n goes straight into the exponent of x, which stays a normal number; the other half is multiplied.
    """
    if is_wide(b.target, x):
        return b.in_registers("scalef", x, n)
    bits = b.bitcast(shifted, form.integer)
    half = b.shift_right(bits, b.constant(1, like=bits))  # half of n in its low bits, and only these are used
    fraction = b.constant(form.fraction, like=bits)
    halfway = b.bitcast(b.add(b.bitcast(x, form.integer), b.shift_left(half, fraction)), x.dtype)
    return b.multiply(halfway, _power(b, b.bitcast(b.subtract(bits, half), x.dtype), form, 0))


def _exp_minus_one(b: Arithmetic, r: Value, form: Format) -> Value:
    """e^r - 1 for a reduced argument."""
    return b.fma(b.multiply(r, r), polynomial(b, r, form.expm1), r)


def _power(b: Arithmetic, shifted: Value, form: Format, bias: int) -> Value:
    """2^(n + bias) as a float, its sign and exponent taken from the low bits of a shifted n."""
    bits = b.bitcast(shifted, form.integer)
    exponent = b.shift_left(bits, b.constant(form.fraction, like=bits))
    return b.bitcast(b.add(exponent, b.constant(form.bias + bias << form.fraction, like=bits)), shifted.dtype)


def expm1(b: Arithmetic, x: Value) -> Value:
    """e^x - 1 = 2^n (e^r - 1) + (2^n - 1), computed at half its size, since 2^n may be too large for the format."""
    form = FORMATS[x.dtype]
    r, n, shifted = _reduce(b, clamp(b, x, form.expm1_low, form.exp_high), form)
    p, power = _exp_minus_one(b, r, form), _power(b, shifted, form, -1)
    halved = b.fma(power, p, b.subtract(power, b.constant(0.5, like=x)))
    unscaled = b.compare("==", n, b.constant(0.0, like=x))  # where halving would lose a bit of subnormal numbers
    return b.copysign(b.select(unscaled, p, b.add(halved, halved)), x)


def sigmoid(b: Arithmetic, x: Value) -> Value:
    """1 / (1 + e^-x), or e^x / (1 + e^x) below zero, so that e^-|x| never overflows."""
    form, one = FORMATS[x.dtype], b.constant(1.0, like=x)
    power = _exp(b, clamp(b, b.negative(b.abs(x)), form.exp_low, None), form)
    above = b.select(b.compare("<", x, b.constant(0.0, like=x)), power, one)
    return b.divide(above, b.add(power, one))


def tanh(b: Arithmetic, x: Value) -> Value:
    """(e^2x - 1) / (e^2x - 1 + 2); the difference is computed as in expm1, so small x keep their precision.

    With |x| = n log 2 / 2 + r, e^2x is 2^n e^2r. One constant for log 2 is enough: where n is so large that its error
    counts in r, the result is nearly 1.
    """
    form = FORMATS[x.dtype]
    bits, magic = b.bitcast(x, form.integer), b.constant(form.magic, like=x)
    sign = b.bit_and(bits, b.bitcast(b.constant(-0.0, like=x), form.integer))
    size = clamp(b, b.abs(x), None, 20.0)
    shifted = b.fma(size, b.constant(2 / math.log(2), like=x), magic)
    r = b.fma(b.subtract(shifted, magic), b.constant(-math.log(2) / 2, like=x), size)
    of_twice = [c * 4.0 * 2.0**k for k, c in enumerate(form.expm1)]
    change = b.fma(b.multiply(r, r), polynomial(b, r, of_twice), b.add(r, r))
    power = _power(b, shifted, form, 0)
    less_one = b.fma(power, change, b.subtract(power, b.constant(1.0, like=x)))
    ratio = b.divide(less_one, b.add(less_one, b.constant(2.0, like=x)))
    return b.bitcast(b.bit_or(b.bitcast(ratio, form.integer), sign), x.dtype)


def _odd_ratio(b: Arithmetic, x: Value, limit: float, above: Sequence[float], below: Sequence[float]) -> Value:
    """x P(x^2) / Q(x^2), with x brought within the limit, where the function is as good as 1."""
    x = clamp(b, x, -limit, limit)
    square = b.multiply(x, x)
    ratio = b.divide(b.multiply(x, polynomial(b, square, above)), polynomial(b, square, below))
    return clamp(b, ratio, -1.0, 1.0)


def log(b: Arithmetic, x: Value) -> Value:
    """log x = e log 2 + log m, with x = 2^e m and m from 3/4 to 3/2."""
    form, one = FORMATS[x.dtype], b.constant(1.0, like=x)
    if is_wide(b.target, x):
        # These instructions take subnormal numbers as they are, and give -inf, inf and NaN where log does.
        m = b.in_registers("getmant", x)
        e = b.subtract(b.in_registers("getexp", x), b.in_registers("getexp", m))
        return _log_of_parts(b, b.subtract(m, one), e, form)
    subnormal = b.compare("<", x, b.constant(2.0 ** (1 - form.bias), like=x))
    lifted = b.select(subnormal, b.multiply(x, b.constant(2.0 ** (form.fraction + 1), like=x)), x)
    m, e = _parts(b, lifted, form)
    lift = b.select(subnormal, b.constant(-(form.fraction + 1.0), like=x), b.constant(0.0, like=x))
    return _log_special(b, x, _log_of_parts(b, b.subtract(m, one), b.add(b.convert(e, x.dtype), lift), form))


def log1p(b: Arithmetic, x: Value) -> Value:
    """log(1 + x), with the rounding error of 1 + x put back after the reduction."""
    form, one = FORMATS[x.dtype], b.constant(1.0, like=x)
    u = b.add(x, one)
    x_kept = b.subtract(u, one)  # the error-free sum of D. E. Knuth, The Art of Computer Programming, 4.2.2
    lost = b.add(b.subtract(one, b.subtract(u, x_kept)), b.subtract(x, x_kept))
    m, e = _parts(b, u, form)
    back = b.bitcast(b.maximum(b.negative(e), b.constant(-form.bias, like=e)), x.dtype)
    shrunk = b.multiply(lost, _power(b, back, form, 0))
    result = _log_of_parts(b, b.add(b.subtract(m, one), shrunk), b.convert(e, x.dtype), form)
    return b.copysign(_log_special(b, u, result), x)


def _parts(b: Arithmetic, x: Value, form: Format) -> tuple[Value, Value]:
    """Return m and e of x = 2^e m, m from 3/4 to 3/2, for positive normal numbers."""
    bits = b.bitcast(x, form.integer)
    smallest = b.bitcast(b.constant(0.75, like=x), form.integer)
    shift = b.constant(form.fraction, like=bits)
    e = b.shift_right(b.subtract(bits, smallest), shift)
    return b.bitcast(b.subtract(bits, b.shift_left(e, shift)), x.dtype), e


def _log_of_parts(b: Arithmetic, f: Value, e: Value, form: Format) -> Value:
    """e log 2 + log(1 + f)."""
    high, low = b.constant(form.log2_high, like=f), b.constant(form.log2_low, like=f)
    if f.dtype == "float32":
        square = b.multiply(f, f)
        y = b.fma(b.multiply(square, f), polynomial(b, f, form.log), b.multiply(e, low))
        y = b.fma(b.constant(-0.5, like=f), square, y)
        return b.fma(e, high, b.add(f, y))
    # log(1 + f) = 2 atanh(s) = f - f^2 / 2 + s (f^2 / 2 + s^2 P(s^2)), s = f / (2 + f)
    s = b.divide(f, b.add(f, b.constant(2.0, like=f)))
    z, half_square = b.multiply(s, s), b.multiply(b.constant(0.5, like=f), b.multiply(f, f))
    y = b.fma(s, b.fma(z, polynomial(b, z, form.log), half_square), b.multiply(e, low))
    return b.fma(e, high, b.subtract(f, b.subtract(half_square, y)))


def _log_special(b: Arithmetic, x: Value, result: Value) -> Value:
    """The logarithm where x is 0, negative, infinite or NaN; ``result`` elsewhere."""
    zero, infinite = b.constant(0.0, like=x), b.constant(math.inf, like=x)
    special = b.select(b.compare("<", x, zero), b.constant(math.nan, like=x), x)
    special = b.select(b.compare("==", x, zero), b.negative(infinite), special)
    ordinary = b.bit_and(b.compare(">", x, zero), b.compare("<", x, infinite))
    return b.select(ordinary, result, special)


# pi / 2 in three parts of 33, 33 and 53 bits, so that n times each of the first two is exact for n below 2^20.
_HALF_PI = tuple(map(float.fromhex, ("0x1.921fb54400000p+0", "0x1.0b4611a600000p-34", "0x1.3198a2e037073p-69")))
_SINE_LIMIT = 1e6


def sin(b: Arithmetic, x: Value) -> Value:
    """The sine of x = n pi/2 + r is a sine or cosine of r; of angles above a million, libm's."""
    return _circular(b, x, "sin", 0)


def cos(b: Arithmetic, x: Value) -> Value:
    """The cosine is the sine a quarter turn ahead."""
    return _circular(b, x, "cos", 1)


def _circular(b: Arithmetic, x: Value, name: str, ahead: int) -> Value:
    """Compute in float64 for float32 too: r is then exact enough even where x is near a multiple of pi/2."""
    wide, magic = b.convert(x, "float64"), FORMATS["float64"].magic
    shift = b.constant(magic, like=wide)
    shifted = b.fma(wide, b.constant(2 / math.pi, like=wide), shift)
    n, r = b.subtract(shifted, shift), wide
    for part in _HALF_PI:
        r = b.fma(n, b.constant(-part, like=wide), r)
    quadrant = b.add(b.bitcast(shifted, "int64"), b.constant_of(ahead, "int64"))
    result = b.convert(_sine_of_quadrant(b, r, quadrant, x.dtype), x.dtype)
    if not ahead:
        result = b.copysign(result, b.select(b.compare("==", x, b.constant(0.0, like=x)), x, result))
    large = b.bit_not(b.compare("<=", b.abs(x), b.constant(_SINE_LIMIT, like=x)))
    return b.where_any(large, lambda: b.call(name, x), result)


def _sine_of_quadrant(b: Arithmetic, r: Value, quadrant: Value, dtype: str) -> Value:
    """sin(r + quadrant pi/2), for |r| <= pi/4."""
    short = dtype == "float32"
    sine = coefficients.SIN_FLOAT32 if short else coefficients.SIN_FLOAT64
    cosine = coefficients.COS_FLOAT32 if short else coefficients.COS_FLOAT64
    u, one = b.multiply(r, r), b.constant(1, like=quadrant)
    odd = b.fma(b.multiply(r, u), polynomial(b, u, sine), r)
    even = b.fma(
        b.multiply(u, u), polynomial(b, u, cosine), b.fma(b.constant(-0.5, like=u), u, b.constant(1.0, like=u))
    )
    chosen = b.select(b.compare("==", b.bit_and(quadrant, one), one), even, odd)
    sign = b.shift_left(b.bit_and(quadrant, b.constant(2, like=quadrant)), b.constant(62, like=quadrant))
    return b.bitcast(b.bit_xor(b.bitcast(chosen, "int64"), sign), "float64")


def erf(b: Arithmetic, x: Value) -> Value:
    """An odd ratio of polynomials in float32, and from its limit on exactly 1 or -1; libm's in float64."""
    if x.dtype == "float64":
        return b.call("erf", x)
    ratio = _odd_ratio(b, x, coefficients.ERF_LIMIT, coefficients.ERF_FLOAT32_P, coefficients.ERF_FLOAT32_Q)
    far = b.compare(">=", b.abs(x), b.constant(coefficients.ERF_LIMIT, like=x))
    return b.select(far, b.copysign(b.constant(1.0, like=x), x), ratio)  # x (1 + erf(x)) has to vanish far below 0
