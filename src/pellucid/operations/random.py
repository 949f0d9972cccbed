"""Random numbers that are functions of a counter: the same on every backend, in any order, on any thread.

Each number is Threefry-2x32 with 20 rounds, keyed by (seed, draw) and counting by (step, element), all of them modulo
2**32: *seed* is the function's, *draw* the number of the draw in it, *step* how often it ran, and *element* the place
in the array. Salmon, Moraes, Dror and Shaw, *Parallel random numbers: as easy as 1, 2, 3*, SC 2011.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..core.dtypes import check_dtype, is_float
from ..core.errors import DtypeError
from ..core.expression import Expression, fresh_token, node
from ..core.operation import Facts, Notation, Operation, Try, composed, register
from ..core.sizes import as_axis, as_shape
from .arrays import ArrayArithmetic
from .comparison import less

# Table 2 of the paper (the two-word variant), and Skein's key-schedule parity constant cut to 32 bits.
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA
ROUNDS = 20
WORD = 0xFFFFFFFF
FEISTEL_ROUNDS = 8


def threefry(b: Any, key: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return the two random words (uint32) of a key and a counter.

    Args:
        b: an arithmetic builder, of native code or of arrays.
        key: two values of uint32.
        counter: two values of uint32.
    """
    parity = b.bit_xor(b.bit_xor(key[0], key[1]), b.constant_of(PARITY, "uint32"))
    keys = (*key, parity)
    x, y = b.add(counter[0], keys[0]), b.add(counter[1], keys[1])
    for k in range(ROUNDS):
        x = b.add(x, y)
        y = b.bit_xor(_rotated(b, y, ROTATIONS[k % 8]), x)
        if k % 4 == 3:
            injection = k // 4 + 1
            x = b.add(x, keys[injection % 3])
            y = b.add(y, b.add(keys[(injection + 1) % 3], b.constant_of(injection, "uint32")))
    return x, y


def _rotated(b: Any, x: Any, places: int) -> Any:
    up, down = b.constant(places, like=x), b.constant(32 - places, like=x)
    return b.bit_or(b.shift_left(x, up), b.shift_right(x, down))


def uniform_from_bits(b: Any, words: tuple[Any, Any], dtype: str) -> Any:
    """Return a float of [0, 1) from two random words: 24 bits for float32, 53 for float64."""
    if dtype == "float32":
        high = b.shift_right(words[0], b.constant_of(8, "uint32"))
        return b.multiply(b.convert(b.bitcast(high, "int32"), dtype), b.constant_of(2.0**-24, dtype))
    high = b.convert(b.shift_right(words[0], b.constant_of(5, "uint32")), dtype)
    low = b.convert(b.shift_right(words[1], b.constant_of(6, "uint32")), dtype)
    whole = b.add(b.multiply(high, b.constant_of(2.0**26, dtype)), low)  # below 2**53, so exact
    return b.multiply(whole, b.constant_of(2.0**-53, dtype))


def _normal_from_bits(b: Any, words: tuple[Any, Any], dtype: str) -> Any:
    one, scale = b.constant_of(1.0, dtype), b.constant_of(2.0**-32, dtype)
    share = b.multiply(b.add(b.convert(words[0], dtype), one), scale)  # in (0, 1], so the logarithm is finite
    radius = b.sqrt(b.multiply(b.constant_of(-2.0, dtype), b.log(share)))
    turn = b.convert(b.bitcast(words[1], "int32"), dtype)
    return b.multiply(radius, b.cos(b.multiply(turn, b.constant_of(math.pi * 2.0**-31, dtype))))


def _draw(name: str, summary: str, value: Callable[..., Any], latex: str, source: str) -> Operation:
    """Make a random operation whose elements are functions of their two words each."""

    def make(shape: Any = (), dtype: Any = "float32") -> Expression:
        wanted = check_dtype(dtype)
        if not is_float(wanted):
            raise DtypeError(f"{name} draws float32 or float64, not {wanted}; convert afterwards with .astype")
        return node(operation, (), token=fresh_token(), shape=as_shape(shape), dtype=wanted)

    def scalar(b: Any, seed: Any, draw: Any, step: Any, element: Any, *, dtype: str, **_: Any) -> Any:
        return value(b, threefry(b, (seed, draw), (step, element)), dtype)

    def array(xp: Any, *, token: int, shape: Any, dtype: str, seed: int = 0, step: int = 0) -> Any:
        b = ArrayArithmetic(xp)
        seed_word, draw, step_word = (b.constant_of(n & WORD, "uint32") for n in (seed, token, step))
        element = xp.arange(math.prod(shape), dtype="uint32")
        return xp.reshape(scalar(b, seed_word, draw, step_word, element, dtype=dtype), shape)

    operation = Operation(
        name=name,
        kind="random",
        summary=summary,
        make=make,
        shape=lambda *, shape, **_: shape,
        dtype=lambda *, dtype, **_: dtype,
        array=array,
        scalar=scalar,
        notation=Notation(f"{name}{{shape}}", latex),
        facts=Facts(cheap=False),
        tries=tuple(Try((), (), {"shape": s, "dtype": d}) for s in ((2, 3), (), (0,), (33,)) for d in DRAWN),
        source=source,
    )
    return register(operation)


DRAWN = ("float32", "float64")
standard_uniform = _draw(
    "standard_uniform",
    "Random floats, evenly spread over 0 to 1 (0 included, 1 not).",
    uniform_from_bits,
    r"\mathcal{{U}}_{{{shape}}}",
    "Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011",
)
standard_normal = _draw(
    "standard_normal",
    "Random floats of the normal distribution of mean 0 and variance 1, at most 6.7 in size.",
    _normal_from_bits,
    r"\mathcal{{N}}_{{{shape}}}",
    "Box and Muller, A note on the generation of random normal deviates, 1958",
)


@composed
def uniform(shape: Any = (), low: Any = 0.0, high: Any = 1.0, dtype: Any = "float32") -> Expression:
    """Return random floats spread evenly from ``low`` to ``high``; each use of the call is a draw of its own.

    Args:
        shape: its axes, sizes or names.
        low, high: numbers or expressions; the default 0 and 1 give [0, 1), others [low, high) up to rounding.
        dtype: float32 (24 random bits) or float64 (53).

    >>> uniform((2, 3)).shape, uniform() is uniform()
    ((2, 3), False)
    """
    drawn = standard_uniform(shape, dtype)
    plain = isinstance(low, int | float) and isinstance(high, int | float) and (low, high) == (0, 1)
    return drawn if plain else low + (high - low) * drawn


@composed
def normal(shape: Any = (), mean: Any = 0.0, deviation: Any = 1.0, dtype: Any = "float32") -> Expression:
    """Return random floats of a normal distribution, by Box and Muller's method from two words each.

    Args:
        shape: its axes, sizes or names.
        mean, deviation: of the distribution; numbers or expressions.
        dtype: float32, or float64, which has 32 random bits to the logarithm and 32 to the angle.

    >>> normal(("batch", 3)).shape
    (batch, 3)
    """
    drawn = standard_normal(shape, dtype)
    scaled = drawn if isinstance(deviation, int | float) and deviation == 1 else drawn * deviation
    return scaled if isinstance(mean, int | float) and mean == 0 else scaled + mean


@composed
def bernoulli(p: Any, shape: Any = (), dtype: Any = "bool") -> Expression:
    """Return truth values that each hold with probability ``p`` (as numbers 0 and 1, if ``dtype`` is a number's).

    Args:
        p: a number or an expression that broadcasts against ``shape``; 0 never holds and 1 always.
        shape: its axes, sizes or names.

    >>> bernoulli(0.5, (3,)).dtype
    'bool'
    """
    drawn = less(standard_uniform(shape, "float32"), p)
    return drawn.astype(dtype)


# permutation: a keyed bijection, so that any place of the order is found without the others


def permuted_scalar(b: Any, position: Any, n: int, seed: Any, draw: Any, step: Any) -> Any:
    """Return where a keyed bijection on 0 to n - 1 takes a position (uint32).

    It is a Feistel network of 8 rounds on the fewest bits that hold n - 1, walked on until it is below n
    (Black and Rogaway, *Ciphers with arbitrary finite domains*, CT-RSA 2002, section 3). A position outside, which only
    the unused lanes of a vector have, counts as the last: from outside, the walk might never come in.
    """
    if n <= 1:
        return b.multiply(position, b.constant(0, like=position))
    bits = (n - 1).bit_length()
    counters = [(step, b.constant_of(k, "uint32")) for k in range(FEISTEL_ROUNDS // 2)]
    keys = [word for counter in counters for word in threefry(b, (seed, draw), counter)]
    inside = b.minimum(position, b.constant(n - 1, like=position))

    def encipher(x: Any) -> Any:
        return _feistel(b, x, bits, keys)

    return b.repeat_while(lambda x: b.compare(">=", x, b.constant(n, like=x)), encipher, encipher(inside))


def _feistel(b: Any, x: Any, bits: int, keys: list[Any]) -> Any:
    """Mix the low half into the high one and the high one into the low one, in turn; each turn undoes itself."""
    low_bits, high_bits = (bits + 1) // 2, bits // 2
    places = b.constant(low_bits, like=x)
    low, high = b.bit_and(x, b.constant(2**low_bits - 1, like=x)), b.shift_right(x, places)
    for k, key in enumerate(keys):
        if k % 2:
            low = b.bit_xor(low, _top_bits(b, _scrambled(b, b.add(high, key)), low_bits))
        elif high_bits:
            high = b.bit_xor(high, _top_bits(b, _scrambled(b, b.add(low, key)), high_bits))
    return b.bit_or(b.shift_left(high, places), low)


def _top_bits(b: Any, x: Any, bits: int) -> Any:
    return b.shift_right(x, b.constant(32 - bits, like=x))


def _scrambled(b: Any, x: Any) -> Any:
    """MurmurHash3's finaliser (Appleby, 2008): every bit of the input alters half of those of the result."""
    x = b.multiply(b.bit_xor(x, b.shift_right(x, b.constant(16, like=x))), b.constant(0x85EBCA6B, like=x))
    x = b.multiply(b.bit_xor(x, b.shift_right(x, b.constant(13, like=x))), b.constant(0xC2B2AE35, like=x))
    return b.bit_xor(x, b.shift_right(x, b.constant(16, like=x)))


def permuted(xp: Any, position: Any, n: int, seed: int, draw: int, step: int) -> Any:
    """Return where a keyed bijection on 0 to n - 1 takes an array of positions (uint32)."""
    b = ArrayArithmetic(xp)
    words = (b.constant_of(number & WORD, "uint32") for number in (seed, draw, step))
    return permuted_scalar(b, position, n, *words)


def _permutation_scalar(b: Any, seed: Any, draw: Any, step: Any, element: Any, *, shape: Any, **_: Any) -> Any:
    return b.convert(permuted_scalar(b, element, shape[0], seed, draw, step), "int32")


def _permutation_array(xp: Any, *, token: int, shape: Any, seed: int = 0, step: int = 0) -> Any:
    position = xp.arange(shape[0], dtype="uint32")
    return permuted(xp, position, shape[0], seed, token, step).astype("int32")


permutation: Operation = register(
    Operation(
        name="permutation",
        kind="random",
        summary="The whole numbers from 0 to n - 1 in a random order.",
        make=lambda n: node(permutation, (), token=fresh_token(), shape=(as_axis(n),)),
        shape=lambda *, shape, **_: shape,
        dtype=lambda **_: "int32",
        array=_permutation_array,
        scalar=_permutation_scalar,
        notation=Notation("permutation{shape}", r"\operatorname{{permutation}}{shape}"),
        facts=Facts(cheap=False),
        tries=tuple(Try((), (), {"n": n}) for n in (0, 1, 2, 17, 100)),
        source="Black and Rogaway, Ciphers with arbitrary finite domains, CT-RSA 2002",
    )
)

__all__ = [
    "bernoulli",
    "normal",
    "permutation",
    "permuted",
    "permuted_scalar",
    "standard_normal",
    "standard_uniform",
    "threefry",
    "uniform",
    "uniform_from_bits",
]
