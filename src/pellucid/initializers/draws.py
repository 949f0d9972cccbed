"""Random arrays by key: the same bits on every machine, with every version of NumPy.

Each element is Threefry's (``operations/random.py``) at a counter of its place in the array. From there to a normal
number there are only additions, products, quotients, roots and choices, which the standard for floating-point
arithmetic fixes to the last bit, and no exp, log or cos, whose last bits differ between libraries and processors.
All is computed in float64, so that a network in float64 starts from the weights of its twin in float32.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..operations.arrays import ArrayArithmetic
from ..operations.random import WORD, threefry, uniform_from_bits

Array = np.ndarray[Any, Any]
Key = tuple[int, int]

PIECE = 2**16  # elements at a time, so that what a piece needs stays in the processor's cache
ARITHMETIC = ArrayArithmetic(np)
HALF_STEP = 2.0**-54  # of the uniform numbers, which are multiples of 2**-53

# M. J. Wichura, Algorithm AS 241: the percentage points of the normal distribution, Applied Statistics 37 (1988),
# pages 477-484, routine PPND16: numerators and denominators, highest power first.
_CENTRE = (
    (
        *(2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4),
        *(1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0),
    ),
    (
        *(5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4),
        *(5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
    ),
)
_TAIL = (
    (
        *(7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0),
        *(3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0),
    ),
    (
        *(1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1),
        *(6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0),
    ),
)
_FAR = (
    (
        *(2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2),
        *(2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0),
    ),
    (
        *(2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4),
        *(1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0),
    ),
)


def key_of(seed: int, path: str) -> Key:
    """Return the key of one weight: two words (uint32) that follow from a seed and the weight's path.

    BLAKE2b (RFC 7693) of "seed:path" in UTF-8, so that neither other weights nor their order matter.

    >>> key_of(0, "dense/kernel")
    (3188020122, 3262617767)
    """
    digest = hashlib.blake2b(f"{seed}:{path}".encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")


def drawn(shape: tuple[int, ...], dtype: str, key: Key, value: Callable[[Array], Array]) -> Array:
    """Return an array whose elements are functions of uniform numbers of [0, 1), one for each place and key.

    Args:
        shape, dtype: of the result; float32 or float64.
        key: two words (uint32).
        value: from some of the uniform numbers (float64, shape (n,)) to the elements they give.
    """
    b = ARITHMETIC
    words = (b.constant_of(key[0], "uint32"), b.constant_of(key[1], "uint32"))
    flat = np.empty(math.prod(shape), dtype)
    for start in range(0, flat.size, PIECE):
        piece = flat[start : start + PIECE]
        places = np.arange(piece.size, dtype="uint32") + b.constant_of(start & WORD, "uint32")
        bits = threefry(b, words, (b.constant_of(start >> 32, "uint32"), places))
        piece[...] = value(uniform_from_bits(b, bits, "float64"))
    return flat.reshape(shape)


def normal_quantile(distance: Array) -> Array:
    """Return the standard normal number that a share of ``distance`` + 1/2 lies below, to about 16 digits.

    Args:
        distance: of the share from one half, float64 between -1/2 and 1/2, shape (n,).

    >>> normal_quantile(np.array([-0.4, 0.0, 0.475])).round(4)
    array([-1.2816,  0.    ,  1.96  ])
    """
    size = np.abs(distance)
    found = distance * _ratio(0.180625 - distance * distance, _CENTRE)
    outside = np.flatnonzero(size > 0.425)
    root = np.sqrt(-_log(0.5 - size[outside]))
    tail = np.where(root <= 5, _ratio(root - 1.6, _TAIL), _ratio(root - 5, _FAR))
    found[outside] = np.copysign(tail, distance[outside])
    return found


def centred(uniform: Array) -> Array:
    """Return the distance of uniform numbers from 1/2, moved by half a step so that it is symmetric, and never 1/2."""
    return (uniform - 0.5) + HALF_STEP


def _ratio(x: Array, table: tuple[tuple[float, ...], tuple[float, ...]]) -> Array:
    above, below = (_polynomial(x, coefficients) for coefficients in table)
    quotient: Array = above / below
    return quotient


def _polynomial(x: Array, coefficients: tuple[float, ...]) -> Array:
    """Return the polynomial by Horner's rule; each step is rounded by itself, and in place."""
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total *= x
        total += coefficient
    return total


_ARTANH_SERIES = tuple(1 / k for k in range(23, 0, -2))


def _log(x: Array) -> Array:
    """Return the logarithm of x = 2^e m as e log 2 + 2 artanh((m - 1) / (m + 1)), with m near 1."""
    m, e = np.frexp(x)  # m from 1/2 to 1
    small = m < math.sqrt(0.5)
    m, e = np.where(small, 2 * m, m), e - small
    ratio = (m - 1) / (m + 1)
    logarithm: Array = e * math.log(2) + 2 * ratio * _polynomial(ratio * ratio, _ARTANH_SERIES)
    return logarithm


__all__ = ["Array", "Key", "centred", "drawn", "key_of", "normal_quantile"]
