"""Every method of the arithmetic builder against NumPy, for scalars and vectors, on every target."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backends.native.kernels import FLOATS, INTEGERS, TARGETS, Array, apply, available, compiled
from pellucid.backends.native.arithmetic import Arithmetic, Value, constant_value, memory_type
from pellucid.backends.native.target import Target, host
from pellucid.core.errors import InternalError

LANES = (0, 4, 16, 64)


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Target:
    found = available(monkeypatch, request.param)
    if found is None:
        pytest.skip(f"this machine has no {request.param}")
    return found


def pairs(dtype: str, seed: int = 0) -> tuple[Array, Array]:
    """Return 256 pairs in which every special value meets every other."""
    if dtype in FLOATS:
        special = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e30, -1e-40, 2.5, -3.5, 0.5, 1.5, -0.5, 7.0, 1e-3]
    elif dtype == "bool":
        special = [0, 1] * 8
    else:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        signed = [-1, -2, -7, -100] if low < 0 else [3, 4, 6, 9]
        special = [0, 1, 2, 5, 7, 8, 31, 32, 63, 100, low, high, *signed]
    values = np.array(special).astype(dtype)
    return np.repeat(values, 16), np.tile(values, 16)


def same(found: Array, expected: Any) -> None:
    """Equal, NaN included."""
    np.testing.assert_array_equal(found, np.asarray(expected, dtype=found.dtype))


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "multiply": np.multiply,
    "subtract": np.subtract,
    "minimum": np.minimum,
    "maximum": np.maximum,
}


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_arithmetic_is_numpys(dtype: str, lanes: int, target: Target) -> None:
    x, y = pairs(dtype)
    for name, function in BINARY.items():
        with np.errstate(all="ignore"):
            expected = function(x, y)
        same(apply(lambda b, x, y, name=name: getattr(b, name)(x, y), x, y, lanes=lanes, target=target), expected)


@pytest.mark.parametrize("lanes", [0, 16])
@pytest.mark.parametrize("dtype", FLOATS)
def test_functions_of_floats(dtype: str, lanes: int, target: Target) -> None:
    x, y = pairs(dtype)
    functions = {
        "negative": np.negative,
        "abs": np.abs,
        "sqrt": np.sqrt,
        "floor": np.floor,
        "ceil": np.ceil,
        "rint": np.rint,
        "trunc": np.trunc,
        "is_nan": np.isnan,
    }
    for name, function in functions.items():
        with np.errstate(all="ignore"):
            expected = function(x)
        found = apply(lambda b, x, name=name: getattr(b, name)(x), x, lanes=lanes, target=target)
        same(found, expected)
        if name != "is_nan":
            np.testing.assert_array_equal(np.signbit(found[x == x]), np.signbit(expected[x == x]))
    with np.errstate(all="ignore"):
        same(apply(lambda b, x, y: b.divide(x, y), x, y, lanes=lanes, target=target), x / y)
        same(apply(lambda b, x, y: b.copysign(x, y), x, y, lanes=lanes, target=target), np.copysign(x, y))


@pytest.mark.parametrize("lanes", [0, 16])
@pytest.mark.parametrize("dtype", FLOATS)
def test_fma(dtype: str, lanes: int, target: Target) -> None:
    x, y = pairs(dtype)
    finite = np.isfinite(x) & np.isfinite(y) & (abs(x) < 1e20) & (abs(y) < 1e20)
    x, y = np.where(finite, x, 1), np.where(finite, y, 1)
    found = apply(lambda b, x, y: b.fma(x, y, x), x, y, lanes=lanes, target=target)
    np.testing.assert_allclose(found, x * y + x, rtol=3 * np.finfo(dtype).eps, atol=1e-38)


def test_fma_rounds_once(target: Target) -> None:
    x = np.full(16, 1 + 2.0**-12, np.float32)  # the square is 1 + 2^-11 + 2^-24, and its last term is rounded away
    found = apply(lambda b, x: b.fma(x, x, b.constant(-(1 + 2.0**-11), like=x)), x, lanes=16, target=target)
    same(found, np.full(16, 2.0**-24 if target.has_fma else 0.0))


@pytest.mark.parametrize("dtype", FLOATS)
def test_extremes_beside_a_constant(dtype: str, target: Target) -> None:
    x, _ = pairs(dtype)
    for number in (0.0, 2.0, np.inf, np.nan):
        for name in ("minimum", "maximum"):
            for turned in (False, True):

                def body(
                    b: Arithmetic, x: Value, name: str = name, turned: bool = turned, number: float = number
                ) -> Value:
                    c = b.constant(number, like=x)
                    return getattr(b, name)(c, x) if turned else getattr(b, name)(x, c)  # type: ignore[no-any-return]

                same(apply(body, x, lanes=16, target=target), getattr(np, name)(x, np.array(number, dtype)))


@pytest.mark.parametrize("lanes", [0, 16])
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, "bool"])
def test_comparisons(dtype: str, lanes: int, target: Target) -> None:
    x, y = pairs(dtype)
    orders = {"==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater}
    for order, function in (orders | {">=": np.greater_equal}).items():
        found = apply(lambda b, x, y, order=order: b.compare(order, x, y), x, y, lanes=lanes, target=target)
        assert found.dtype == bool
        same(found, function(x, y))


@pytest.mark.parametrize("lanes", [0, 16])
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, "bool"])
def test_select(dtype: str, lanes: int, target: Target) -> None:
    x, y = pairs(dtype)
    condition = np.arange(256) % 3 == 0
    found = apply(lambda b, c, x, y: b.select(c, x, y), condition, x, y, lanes=lanes, target=target)
    same(found, np.where(condition, x, y))


@pytest.mark.parametrize("lanes", [0, 16])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_division_of_integers_is_defined_everywhere(dtype: str, lanes: int, target: Target) -> None:
    x, y = pairs(dtype)
    quotient, rest = apply(lambda b, x, y: (b.quotient(x, y), b.rest(x, y)), x, y, lanes=lanes, target=target)
    for a, d, q, r in zip(x.tolist(), y.tolist(), quotient.tolist(), rest.tolist(), strict=True):
        if d == 0:
            assert (q, r) == (0, 0)
        elif a == np.iinfo(dtype).min and d == -1:
            assert (q, r) == (a, 0)
        else:
            size = abs(a) // abs(d)
            assert q == (size if (a < 0) == (d < 0) else -size)
            assert r == a - q * d


@pytest.mark.parametrize("dtype", INTEGERS)
def test_division_by_a_constant(dtype: str) -> None:
    x, _ = pairs(dtype)
    for divisor in (0, 1, 3) if np.iinfo(dtype).min == 0 else (0, 1, 3, -1, -3):

        def body(b: Arithmetic, x: Value, divisor: int = divisor) -> tuple[Value, Value]:
            return b.quotient(x, b.constant(divisor, like=x)), b.rest(x, b.constant(divisor, like=x))

        constant = apply(body, x, lanes=16)
        y = np.full_like(x, divisor)
        same(np.array(constant), apply(lambda b, x, y: (b.quotient(x, y), b.rest(x, y)), x, y, lanes=16))


@pytest.mark.parametrize("lanes", [0, 16])
@pytest.mark.parametrize("dtype", [*INTEGERS, "bool"])
def test_bits(dtype: str, lanes: int, target: Target) -> None:
    x, y = pairs(dtype)
    for name, function in (("bit_and", operator.and_), ("bit_or", operator.or_), ("bit_xor", operator.xor)):
        found = apply(lambda b, x, y, name=name: getattr(b, name)(x, y), x, y, lanes=lanes, target=target)
        same(found, function(x, y))
    same(apply(lambda b, x: b.bit_not(x), x, lanes=lanes, target=target), np.invert(x))


@pytest.mark.parametrize("lanes", [0, 16])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_shifts_of_any_amount(dtype: str, lanes: int, target: Target) -> None:
    x, y = pairs(dtype)
    found = apply(lambda b, x, y: (b.shift_left(x, y), b.shift_right(x, y)), x, y, lanes=lanes, target=target)
    same(np.array(found), [np.left_shift(x, y), np.right_shift(x, y)])
    for amount in (0, 1, 7, 200):

        def body(b: Arithmetic, x: Value, amount: int = amount) -> tuple[Value, Value]:
            return b.shift_left(x, b.constant(amount, like=x)), b.shift_right(x, b.constant(amount, like=x))

        found = apply(body, x, lanes=lanes, target=target)
        y = np.array(amount).astype(dtype)
        same(np.array(found), [np.left_shift(x, y), np.right_shift(x, y)])


def test_shifts_of_booleans() -> None:
    x, y = pairs("bool")
    found = apply(lambda b, x, y: (b.shift_left(x, y), b.shift_right(x, y)), x, y, lanes=16)
    same(np.array(found), [x & ~y, x & ~y])


@pytest.mark.parametrize("lanes", [0, 16])
@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, "bool"])
@pytest.mark.parametrize("source", [*INTEGERS, *FLOATS, "bool"])
def test_conversions(source: str, dtype: str, lanes: int, target: Target) -> None:
    x, _ = pairs(source)
    if source in FLOATS:
        x = x.copy()
        x[:24] = [-(2.0**31), -(2.0**31) - 1, 2.0**31, 2.0**31 - 1, 2.0**32, 2.0**32 - 1, 2.0**63, -(2.0**63)] * 3
        x[8:16], x[16:24] = [254.9, 255, 255.5, 256, -0.9, -1, 1e10, -1e10], x[:8] / 1.0000002
    found = apply(lambda b, x: b.convert(x, dtype), x, lanes=lanes, target=target)
    assert found.dtype == dtype
    if source in FLOATS and dtype in INTEGERS:
        limits = np.iinfo(dtype)
        low, high = limits.min, limits.max
        wanted = [0 if v != v else high if v >= high else low if v <= low else int(v) for v in x.tolist()]
        assert found.tolist() == wanted
    else:
        with np.errstate(all="ignore"):
            same(found, x.astype(dtype))


@pytest.mark.parametrize(("dtype", "other"), [("float32", "int32"), ("float32", "uint32"), ("float64", "int64")])
def test_bitcast(dtype: str, other: str) -> None:
    x, _ = pairs(dtype)
    for lanes in (0, 16):
        bits = apply(lambda b, x: b.bitcast(x, other), x, lanes=lanes)
        same(bits, x.view(other))
        assert apply(lambda b, x: b.bitcast(x, dtype), bits, lanes=lanes).tobytes() == x.tobytes()


def test_a_scalar_beside_a_vector_is_spread() -> None:
    x = np.arange(16, dtype=np.float32)

    def body(b: Arithmetic, x: Value) -> Value:
        third = b.extract(x, 3)
        return b.add(b.multiply(third, x), b.constant_of(1.0, "float32"))

    same(apply(body, x, lanes=16), 3 * x + 1)


def test_constants_are_computed_now() -> None:
    def write(b: Arithmetic, _: list[str]) -> None:
        two, three = b.constant_of(2, "int32"), b.constant_of(3, "int32")
        x = Value("%x", "int32", 16)
        assert b.add(two, b.multiply(three, three)).number == 11
        assert b.add(b.constant_of(2**31 - 1, "int32"), two).number == -(2**31) + 1
        assert b.compare("<", two, three).number is True
        assert b.convert(b.constant_of(0.1, "float32"), "float64").number == float(np.float32(0.1))
        assert b.add(x, b.constant(0, like=x)) is x
        assert b.multiply(b.constant(1, like=x), x) is x
        assert b.select(b.constant_of(True, "bool"), x, b.constant(0, like=x)) is x
        assert not b.writer.lines

    compiled(write, 1)


def test_iota_extract_assemble_slice_join() -> None:
    x = np.arange(64, dtype=np.int32)

    def body(b: Arithmetic, x: Value) -> tuple[Value, Value, Value]:
        counted = b.add(b.iota(16, "int32"), b.extract(x, 0))
        turned = b.assemble([b.extract(x, 15 - i) for i in range(16)])
        quarters = [b.slice(x, 4 * i, 4) for i in (3, 2, 1, 0)]
        return counted, turned, b.join(quarters)

    counted, turned, joined = apply(body, x, lanes=16)
    same(counted, x)
    same(turned, x.reshape(4, 16)[:, ::-1].ravel())
    same(joined, x.reshape(4, 4, 4)[:, ::-1].ravel())


@pytest.mark.parametrize("lanes", [1, 2, 8, 16, 64])
@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_reduce_lanes(dtype: str, lanes: int, target: Target) -> None:
    x = (np.random.default_rng(0).integers(-9, 9, 64) * 0.1).astype(dtype)
    found = apply(
        lambda b, x: b.splat(b.reduce_lanes(lambda b, p, q: b.maximum(p, q), x), lanes), x, lanes=lanes, target=target
    )
    same(found, np.repeat(x.reshape(-1, lanes).max(axis=1), lanes))


def test_reduce_lanes_adds_in_a_fixed_order() -> None:
    x = np.random.default_rng(0).standard_normal(16).astype(np.float32)
    found = apply(lambda b, x: b.splat(b.reduce_lanes(lambda b, p, q: b.add(p, q), x), 16), x, lanes=16)
    expected = x
    while len(expected) > 1:
        expected = expected[: len(expected) // 2] + expected[len(expected) // 2 :]
    same(found, np.repeat(expected, 16))
    with pytest.raises(InternalError, match="3 lanes cannot be halved"):
        apply(lambda b, x: b.reduce_lanes(lambda b, p, q: b.add(p, q), b.slice(x, 0, 3)), x, lanes=16)


@pytest.mark.parametrize("lanes", [0, 4, 16])
def test_repeat_while_stops_each_lane_for_itself(lanes: int, target: Target) -> None:
    x = np.arange(64, dtype=np.int32)

    def body(b: Arithmetic, x: Value) -> Value:
        return b.repeat_while(
            lambda v: b.compare("<", v, b.constant(40, like=v)), lambda v: b.add(v, b.constant(7, like=v)), x
        )

    same(apply(body, x, lanes=lanes, target=target), np.where(x < 40, x + 7 * ((46 - x) // 7), x))


@pytest.mark.parametrize("lanes", [0, 16])
def test_where_any(lanes: int) -> None:
    x = np.arange(64, dtype=np.float32)

    def body(b: Arithmetic, x: Value) -> Value:
        return b.where_any(b.compare(">", x, b.constant(40.0, like=x)), lambda: b.negative(x), x)

    same(apply(body, x, lanes=lanes), np.where(x > 40, -x, x))


ALL = [*FLOATS, *INTEGERS, "bool"]


@pytest.mark.parametrize("lanes", [0, 4, 16])
@pytest.mark.parametrize("dtype", ALL)
def test_masked_loads_and_stores_touch_nothing_else(dtype: str, lanes: int, target: Target) -> None:
    count = lanes or 1
    mask = np.arange(count) % 3 != 1
    x = (np.arange(count) % 2 + (dtype != "bool")).astype(dtype)
    before = np.full(count, 1, dtype)
    out, read = before.copy(), before.copy()

    def write(b: Arithmetic, addresses: list[str]) -> None:
        allowed = b.load(addresses[1], "bool", lanes)
        b.store(b.load(addresses[0], dtype, lanes), addresses[2], allowed)
        b.store(b.load(addresses[0], dtype, lanes, allowed), addresses[3])
        b.store(
            b.load("null", dtype, lanes, b.bit_and(allowed, b.bit_not(allowed))), "null", b.bit_xor(allowed, allowed)
        )

    _, run = compiled(write, 4, target)
    for chosen in (mask, ~mask):
        out[:], read[:] = before, before
        run(x, chosen, out, read)
        same(out, np.where(chosen, x, before))
        same(read, np.where(chosen, x, np.zeros_like(x)))


@pytest.mark.parametrize("lanes", [0, 4, 16])
@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("offset_dtype", ["int32", "int64"])
def test_gather_and_scatter(dtype: str, offset_dtype: str, lanes: int, target: Target) -> None:
    count = lanes or 1
    table = (np.arange(64) % 5).astype(dtype)
    offsets = np.random.default_rng(1).permutation(64)[:count].astype(offset_dtype)
    mask = np.arange(count) % 4 != 2
    wild = np.where(mask, offsets, 2**30).astype(offset_dtype)  # what the mask forbids is nobody's memory
    found, guarded = np.zeros(count, dtype), np.ones(count, dtype)
    spread, guarded_spread = np.zeros(64, dtype), np.zeros(64, dtype)

    def write(b: Arithmetic, a: list[str]) -> None:
        where, far = b.load(a[1], offset_dtype, lanes), b.load(a[2], offset_dtype, lanes)
        allowed = b.load(a[3], "bool", lanes)
        value = b.gather(a[0], where, dtype)
        b.store(value, a[4])
        b.store(b.gather(a[0], far, dtype, allowed), a[5])
        b.scatter(value, a[6], where)
        b.scatter(value, a[7], far, allowed)

    _, run = compiled(write, 8, target)
    run(table, offsets, wild, mask, found, guarded, spread, guarded_spread)
    same(found, table[offsets])
    same(guarded, np.where(mask, table[offsets], np.zeros_like(found)))
    expected, guarded_expected = np.zeros_like(table), np.zeros_like(table)
    expected[offsets] = table[offsets]
    guarded_expected[offsets[mask]] = table[offsets[mask]]
    same(spread, expected)
    same(guarded_spread, guarded_expected)


def test_of_two_lanes_that_scatter_to_one_place_the_last_stays(target: Target) -> None:
    out = np.zeros(4, np.int32)

    def write(b: Arithmetic, a: list[str]) -> None:
        b.scatter(b.iota(16, "int32"), a[0], b.bit_and(b.iota(16, "int64"), b.constant_of(3, "int64")))

    compiled(write, 1, target)[1](out)
    same(out, [12, 13, 14, 15])


def test_loads_need_no_alignment(target: Target) -> None:
    raw = np.arange(80, dtype=np.float32)
    out = np.zeros(17, np.float32)

    def write(b: Arithmetic, a: list[str]) -> None:
        b.store(
            b.load(b.writer.address(a[0], 3, memory_type("float32")), "float32", 16), b.writer.address(a[1], 1, "float")
        )

    compiled(write, 2, target)[1](raw, out)
    same(out, [0, *range(3, 19)])


def test_mistakes_are_named() -> None:
    def mixed(b: Arithmetic, _: list[str]) -> None:
        b.add(constant_value(1, "int32"), constant_value(1.0, "float32"))

    def ragged(b: Arithmetic, _: list[str]) -> None:
        b.add(b.iota(4, "int32"), b.iota(8, "int32"))

    for write, message in ((mixed, "int32, float32 meet"), (ragged, "4 lanes meets 8")):
        with pytest.raises(InternalError, match=message):
            compiled(write, 1)
    x = np.ones(4, np.int32)
    for body, message in (
        (lambda b, x: b.divide(x, x), "divide is of floats"),
        (lambda b, x: b.bitcast(x, "float64"), "differ in width"),
        (lambda b, x: b.call("sin", x), "no sin of int32"),
        (lambda b, x: b.constant(0.5, like=x), "0.5 is not a constant of dtype int32"),
        (lambda b, x: b.call("hypot", b.convert(x, "float32")), "hypot takes 2"),
    ):
        with pytest.raises(InternalError, match=message):
            apply(body, x, lanes=4)


def test_lanes_of_a_target() -> None:
    wide = Target("x86_64-unknown-linux-gnu", "x86-64-v4", "", 512, True)
    assert [wide.lanes(d) for d in ("float32", "float64", "bool", "uint8")] == [16, 8, 64, 64]
    assert host().vector_bits in (128, 256, 512)
