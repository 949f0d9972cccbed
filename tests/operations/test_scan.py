"""Loops over time: what they compute, in what structures, and how bad input is refused."""

from __future__ import annotations

import re
from typing import NamedTuple

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from draws import draws
from pellucid.core.errors import (
    DtypeError,
    InputError,
    PellucidError,
    ShapeError,
    UnknownVariableError,
)
from recurrences import CASES, parameters, unrolled, values

BACKENDS = ["reference", "native", "xla"]


def zeros(*shape):
    return pc.broadcast_to(pc.constant(0.0), shape)


def rnn_step(W, U):
    def step(h, x):
        h = pc.tanh(x @ W + h @ U)
        return h, h

    return step


def weights(inputs=3, width=4, seed=0, dtype="float32"):
    random = np.random.default_rng(seed)
    return (
        pc.parameter(random.normal(size=(inputs, width)), name="W", dtype=dtype),
        pc.parameter(random.normal(size=(width, width)) * 0.5, name="U", dtype=dtype),
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loop_computes_its_unrolled_graph(backend, case, reverse, dtype):
    made = parameters(case, dtype)
    found = pc.function([], CASES[case](pc.scan, *made, reverse=reverse), backend=backend)()
    expected = pc.function([], CASES[case](unrolled, *made, reverse=reverse), backend="reference")()
    for a, b in zip(found, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-12 if dtype == "float64" else 2e-5, atol=1e-6)


class Carry(NamedTuple):
    """A carry with names."""

    total: object
    largest: object


@pytest.mark.parametrize("backend", BACKENDS)
def test_carries_and_sequences_may_be_nested(backend):
    def step(carry, rows):
        total = carry["sums"].total + rows[0]["a"] * rows[1][0]
        return {"sums": Carry(total, pc.maximum(carry["sums"].largest, total)), "none": None}, (total, {"n": [total]})

    first = {"sums": Carry(0.0, -10.0), "none": None}
    a, b = np.float32([1, -2, 3]), np.float32([4, 5, 6])
    last, (ys, rest) = pc.scan(step, first, ({"a": pc.constant(a)}, [pc.constant(b)]))
    assert isinstance(last["sums"], Carry)
    assert last["none"] is None
    outputs = [last["sums"].total, last["sums"].largest, ys, rest["n"][0]]
    total, largest, ys, zs = pc.function([], outputs, backend=backend)()
    np.testing.assert_array_equal(ys, np.cumsum(a * b))
    np.testing.assert_array_equal(zs, ys)
    assert (total, largest) == (12, 12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_integers_and_booleans_are_carried(backend):
    def step(carry, x):
        count, even, bits = carry
        return (count + x, pc.logical_xor(even, x > 2), bits ^ x.astype("int64")), (even, bits)

    x = pc.variable("x", (5,), "int32")
    first = (pc.constant(0), pc.constant(True), pc.constant(np.array(7, "int64"), dtype="int64"))
    (count, even, bits), (evens, all_bits) = pc.scan(step, first, x)
    found = pc.function([x], [count, even, bits, evens, all_bits], backend=backend)([3, 1, 4, 1, 5])
    assert [v.dtype.name for v in found] == ["int32", "bool", "int64", "bool", "int64"]
    assert found[:3] == [14, False, 7 ^ 3 ^ 1 ^ 4 ^ 1 ^ 5]
    np.testing.assert_array_equal(found[3], [True, False, False, True, True])
    np.testing.assert_array_equal(found[4], [7, 7 ^ 3, 7 ^ 3 ^ 1, 7 ^ 3 ^ 1 ^ 4, 7 ^ 3 ^ 1 ^ 4 ^ 1])


@pytest.mark.parametrize("backend", BACKENDS)
@given(
    shape=st.tuples(*(st.integers(1, most) for most in (7, 5, 5, 17))),
    reverse=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
)
@draws(15)
def test_any_shape_agrees_with_jax(backend, shape, reverse, dtype):
    numbers = {k: v.astype(dtype) for k, v in values(shape=shape).items()}
    made = [pc.parameter(v, name=k, dtype=dtype) for k, v in numbers.items()]
    found = pc.function([], CASES["rnn"](pc.scan, *made, reverse=reverse), backend=backend)()
    _, W, U, b, h0 = numbers.values()

    def step(h, x):
        h = jax.numpy.tanh(x @ W + h @ U + b)
        return h, h

    expected = jax.lax.scan(step, h0.astype("float32"), numbers["x"].astype("float32"), reverse=reverse)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_time_and_batch_may_have_names(backend):
    x, h0 = pc.variable("x", ("time", "batch", 3)), pc.variable("h0", ("batch", 4))
    W, U = weights()
    last, ys = pc.scan(rnn_step(W, U), h0, x)
    assert [str(n) for n in ys.shape] == ["time", "batch", "4"]
    loss = (ys * ys).sum() + last.sum()
    f = pc.function([x, h0], [last, ys, pc.gradient(loss, U)], backend=backend)
    random = np.random.default_rng(0)
    for time, batch in [(1, 1), (7, 2), (3, 5), (1, 4), (7, 2)]:
        given = random.normal(size=(time, batch, 3)), random.normal(size=(batch, 4))
        sequence, first = (pc.parameter(v) for v in given)
        end, all_steps = unrolled(rnn_step(W, U), first, sequence)
        slope = pc.gradient((all_steps * all_steps).sum() + end.sum(), U)
        expected = pc.function([], [end, all_steps, slope], backend="reference")()
        for a, b in zip(f(*given), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_named_length_without_a_sequence(backend):
    x = pc.variable("x", ("n",))
    last, counts = pc.scan(lambda c, _: (c + 1, c), pc.constant(0), length=x.shape[0])
    f = pc.function([x], [last, counts, x.sum()], backend=backend)
    for n in (1, 6):
        last, counts, _ = f(np.zeros(n))
        assert last == n
        np.testing.assert_array_equal(counts, np.arange(n))


def noisy():
    """A walk whose steps draw."""

    def step(h, _):
        h = h * 0.5 + pc.normal((3,))
        return h, (h, pc.uniform((2,)))

    last, (hs, us) = pc.scan(step, zeros(3), length=6)
    return [last, hs, us]


@pytest.mark.parametrize("backend", BACKENDS)
def test_draws_differ_at_each_step_and_repeat_with_the_seed(backend):
    f, again = (pc.function([], noisy(), seed=3, backend=backend) for _ in range(2))
    one, two = f(), f()
    last, hs, us = one
    draws = hs - 0.5 * np.concatenate([np.zeros((1, 3), "float32"), hs[:-1]])
    assert len(np.unique(us)) == us.size == 12
    assert len(np.unique(draws.round(5))) == draws.size
    np.testing.assert_array_equal(last, hs[-1])
    assert not np.isin(us, two[2]).any()
    for a, b in zip([*one, *two], [*again(), *again()], strict=True):
        np.testing.assert_array_equal(a, b)
    other = pc.function([], noisy(), seed=4, backend=backend)()
    assert not np.isin(us, other[2]).any()


def test_draws_are_the_same_in_all_backends():
    expected, *others = (pc.function([], noisy(), seed=5, backend=backend)() for backend in BACKENDS)
    for found in others:
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_draws_of_nested_steps(backend):
    def step(h, _):
        inner, us = pc.scan(lambda k, _: (k + 1, pc.uniform(())), h, length=4)
        return inner, (us, pc.uniform(()))

    _, (us, vs) = pc.scan(step, pc.constant(0.0), length=3)
    us, vs = pc.function([], [us, vs], backend=backend)()
    assert us.shape == (3, 4)
    assert len(np.unique([*us.ravel(), *vs])) == 15


def test_a_draw_made_before_the_loop_is_the_same_at_each_step():
    u = pc.uniform((2,))
    _, us = pc.scan(lambda c, _: (c, u + c), zeros(2), length=3)
    us = pc.function([], us, backend="reference")()
    assert (us == us[0]).all()


def learning(backend, **options):
    """A function of a sequence that reads a parameter at each step, and updates it."""
    x = pc.variable("x", ("batch", 6, 3))
    y = pc.variable("y", ("batch", 4))
    W, U = weights()
    last, _ = pc.scan(rnn_step(W, U), zeros(x.shape[0], 4), x.transpose(1, 0, 2), **options)
    loss = ((last - y) ** 2).mean()
    updates = [(p, p - 0.1 * g) for p, g in zip((W, U), pc.gradient(loss, [W, U]), strict=True)]
    return pc.function([x, y], loss, updates, backend=backend), [W, U]


def batches(rows=20):
    random = np.random.default_rng(1)
    return random.normal(size=(rows, 6, 3)).astype("float32"), random.normal(size=(rows, 4)).astype("float32")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_parameter_read_in_the_steps_and_updated(backend):
    x, y = batches()
    f, made = learning(backend)
    W, U = (p.value for p in made)
    first = f(x, y)

    def loss(W, U):
        def step(h, x):
            return jax.numpy.tanh(x @ W + h @ U), None

        last, _ = jax.lax.scan(step, np.zeros((20, 4), "float32"), x.transpose(1, 0, 2))
        return ((last - y) ** 2).mean()

    expected, slopes = jax.value_and_grad(loss, argnums=(0, 1))(W, U)
    assert first == pytest.approx(float(expected), rel=1e-5)
    for p, start, slope in zip(made, (W, U), slopes, strict=True):
        np.testing.assert_allclose(p.value, start - 0.1 * slope, rtol=1e-4, atol=1e-6)
    assert [f(x, y) for _ in range(20)][-1] < first


@pytest.mark.parametrize("backend", BACKENDS)
def test_repeated_steps_have_the_losses_of_single_calls(backend):
    x, y = batches()
    single, _ = learning(backend)
    one_by_one = [single(x, y) for _ in range(5)]
    repeated, _ = learning(backend)
    np.testing.assert_array_equal(repeated.repeat(5)(x, y), one_by_one)
    minibatched, _ = learning(backend)
    losses = minibatched.minibatches(7, epochs=2, seed=3)(x, y)
    assert losses.shape[0] == 6
    again, _ = learning(backend)
    np.testing.assert_array_equal(again.minibatches(7, epochs=2, seed=3)(x, y), losses)


def test_minibatches_are_the_same_in_all_backends():
    x, y = batches()
    expected, *others = (learning(backend)[0].minibatches(7, epochs=2, seed=3)(x, y) for backend in BACKENDS)
    for found in others:
        np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("options", [{}, {"reverse": True}, {"recompute": True}], ids=["plain", "reverse", "recompute"])
def test_the_same_losses_on_any_number_of_threads(options, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE_SIZE", "0")
    x = np.random.default_rng(2).normal(size=(64, 33, 40)).astype("float32")
    found = []
    for threads in ("1", "2", "4"):
        monkeypatch.setenv("PELLUCID_THREADS", threads)
        sequence = pc.variable("x", (64, 33, 40))
        W, U = weights(40, 72)
        last, ys = pc.scan(rnn_step(W, U), zeros(33, 72), sequence, **options)
        loss = (last * last).mean() + (ys * ys).mean()
        updates = [(p, p - g) for p, g in zip((W, U), pc.gradient(loss, [W, U]), strict=True)]
        f = pc.function([sequence], loss, updates, backend="native")
        found.append(b"".join(v.tobytes() for v in [*(f(x) for _ in range(3)), W.value, U.value]))
    assert len(set(found)) == 1


W4 = pc.constant(np.random.default_rng(1).normal(size=(4, 4)))
X, H = pc.constant(np.zeros((5, 2, 3), "float32")), pc.constant(np.zeros((2, 3), "float32"))


def refusal(error, *parts):
    return pytest.raises(error, match="(?s)" + ".*".join(map(re.escape, parts)))


def test_sequences_of_different_lengths():
    short = pc.variable("short", (4, 2))
    with refusal(ShapeError, "xs[0] has 5 steps and xs[1]['m'] has 4", "pad", "mask"):
        pc.scan(lambda h, x: (h, None), H, (X, {"m": short}))
    with refusal(ShapeError, "xs has 5 steps and length has 3"):
        pc.scan(lambda h, x: (h, None), H, X, length=3)


def test_no_length():
    with refusal(ShapeError, "without sequences, length is needed"):
        pc.scan(lambda h, x: (h, None), H)


def test_a_sequence_that_is_a_number():
    with refusal(ShapeError, "xs[1] is a single number"):
        pc.scan(lambda h, x: (h, None), H, (X, pc.constant(1.0)))


def test_no_steps():
    with refusal(ShapeError, "length has 0 steps, and at least 1 is needed"):
        pc.scan(lambda h, x: (h, None), H, length=0)
    with refusal(ShapeError, "xs has 0 steps", "test_scan.py:"):
        pc.scan(lambda h, x: (h, None), H, pc.variable("x", (0, 3)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_named_length_of_0_at_the_call(backend):
    x = pc.variable("x", ("time", 2))
    last, _ = pc.scan(lambda h, x: (h + x, None), zeros(2), x)
    f = pc.function([x], last, backend=backend)
    with refusal(PellucidError, "0 steps", "at least 1"):
        f(np.zeros((0, 2)))
    np.testing.assert_array_equal(f(np.ones((3, 2))), [3, 3])


def test_a_carry_of_another_shape():
    with refusal(
        ShapeError, "carry['h'] (H)", "(2, 3) before a step and (2, 6) after it", "test_scan.py:", "keeps its"
    ):
        first = zeros(2, 3).named("H")
        pc.scan(lambda c, x: ({"h": pc.concatenate([c["h"], x], axis=1)}, None), {"h": first}, X)


def test_a_carry_of_another_dtype():
    with refusal(DtypeError, "carry[1] is int32 before a step and float32 after it", "begin with float32", "astype"):
        pc.scan(lambda c, x: ((c[0], c[1] + 0.5), None), (H, pc.constant(0)), X)


@pytest.mark.parametrize(
    ("returned", "after"),
    [
        (lambda h: (h, h), "carry[0], carry[1] after"),
        (lambda h: {"h": h}, "carry['h'] after"),
        (lambda h: None, "empty after"),
    ],
    ids=["a pair", "a dict", "nothing"],
)
def test_a_carry_of_another_structure(returned, after):
    with refusal(InputError, "the carry is carry before a step", after, "in the structure in which it came"):
        pc.scan(lambda h, x: (returned(h), None), H, X)


@pytest.mark.parametrize(
    "returned",
    [lambda h: h, lambda h: None, lambda h: (h, h, h), lambda h: [h, h]],
    ids=["one", "none", "three", "a list"],
)
def test_a_step_that_returns_no_pair(returned):
    with refusal(InputError, "a pair was expected: (new carry, what the step returns, or None)"):
        pc.scan(lambda h, x: returned(h), H, X)


def test_a_step_that_closes_over_a_variable_that_is_no_input():
    x, forgotten = pc.variable("x", (5, 3)), pc.variable("forgotten", (3,))
    last, _ = pc.scan(lambda h, x: (h + x * forgotten, None), zeros(3), x)
    with refusal(UnknownVariableError, "forgotten", "not an input", "test_scan.py:", "add it to the inputs"):
        pc.function([x], last)
    assert pc.function([x, forgotten], last, backend="reference")(np.ones((5, 3)), np.ones(3)).tolist() == [5, 5, 5]


def leaking(inner=False):
    kept = []

    def step(h, x):
        h = pc.tanh(h + x)
        if inner:
            pc.scan(lambda k, _: (kept.append(k) or k, None), h, length=2)
            return h + kept[0], None
        kept.append(h)
        return h, None

    x = pc.variable("x", (5, 3))
    last, _ = pc.scan(step, zeros(3).named("state"), x)
    return x, last, kept[0]


def test_a_value_of_a_step_that_is_used_outside():
    x, last, h = leaking()
    for outputs in (h, [last, (h * last).sum()]):
        with refusal(UnknownVariableError, "state", "a step", "test_scan.py:", "return it from the step"):
            pc.function([x], outputs)


def test_a_value_of_an_inner_step_that_is_used_in_the_outer_one():
    x, last, _ = leaking(inner=True)
    with refusal(UnknownVariableError, "a step", "test_scan.py:", "return it from the step"):
        pc.function([x], last)


def test_a_leaked_value_in_an_update():
    _, _, h = leaking()
    p = pc.parameter(np.zeros(3, "float32"))
    with refusal(UnknownVariableError, "return it from the step"):
        pc.function([], [], [(p, p + h)])


@pytest.mark.parametrize(
    "read",
    [
        lambda ys: pc.pad(ys, ((0, 1), (0, 0), (0, 0))) @ W4,
        lambda ys: pc.concatenate([ys, ys[:1]], axis=0) @ W4,
        lambda ys: pc.pad(ys, ((1, 0), (0, 1), (0, 0))).transpose(1, 0, 2),
        lambda ys: ys.transpose(1, 0, 2) @ W4,
    ],
    ids=["padded", "concatenated", "padded and turned", "turned"],
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_steps_return_may_be_part_of_a_larger_array(backend, read):
    x = pc.parameter(np.random.default_rng(0).normal(size=(3, 2, 4)), name="x")
    found = []
    for loop, at in ((pc.scan, backend), (unrolled, "reference")):
        _, ys = loop(lambda h, x: (pc.tanh(h @ W4 + x), h * x), zeros(2, 4) + 1, x)
        found.append(pc.function([], read(ys), backend=at)())
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


def test_a_sequence_longer_than_memory_is_refused_with_how_much_it_would_take():
    x, W = pc.variable("x", ("time", 1)), pc.parameter(np.ones((1, 65536)), name="W")
    last, h = pc.scan(lambda h, x: (pc.tanh(x @ W + h),) * 2, pc.constant(np.zeros(65536)), x)
    f = pc.function([x], (h * h).sum() + last.sum(), backend="native")
    assert np.isfinite(f(np.zeros((3, 1))))
    with pytest.raises(pc.MemoryNeededError, match=r"a call needs [\d,.]+ TiB of memory"):
        f(np.broadcast_to(np.float32(0), (10_000_000, 1)))
