"""Gradients of loops: against unrolled graphs, finite differences, PyTorch and JAX."""

from __future__ import annotations

import functools
import itertools

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from draws import draws
from recurrences import CASES, loss_of, parameters, unrolled, values

BACKENDS = ["reference", "native", "xla"]
OPTIONS = [{"reverse": r, "recompute": c} for r, c in itertools.product((False, True), repeat=2)]
STEP = 1e-6


def name(options):
    return "-".join(key for key, chosen in options.items() if chosen) or "plain"


def slopes(case, loop, given, backend, **options):
    """Return the loss and its derivatives with respect to all that a case is given."""
    loss = loss_of(CASES[case](loop, *given, **options))
    return pc.function([], [loss, *pc.gradient(loss, given)], backend=backend)()


@functools.cache
def unrolled_slopes(case, reverse):
    """What every backend should find, with what is computed again or without."""
    return slopes(case, unrolled, parameters(case), "reference", reverse=reverse)


@pytest.mark.parametrize("options", OPTIONS, ids=name)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loop_has_the_gradient_of_its_unrolled_graph(backend, case, options):
    made = parameters(case)
    found = slopes(case, pc.scan, made, backend, **options)
    expected = unrolled_slopes(case, options["reverse"])
    for p, a, b in zip(["loss", *(p.name for p in made)], found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11, err_msg=p)


@pytest.mark.parametrize("case", [c for c in CASES if c != "truncated"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loop_has_the_gradient_of_finite_differences(backend, case):
    made = parameters(case)
    loss = loss_of(CASES[case](pc.scan, *made))
    value = pc.function([], loss, backend=backend)
    random = np.random.default_rng(1)
    for p, slope in zip(made, pc.function([], pc.gradient(loss, made), backend=backend)(), strict=True):
        start, direction = p.value, random.standard_normal(p.shape)
        found = []
        for sign in (1, -1):
            p.value = start + sign * STEP * direction
            found.append(float(value()))
        p.value = start
        assert (slope * direction).sum() == pytest.approx((found[0] - found[1]) / (2 * STEP), rel=1e-6, abs=1e-6)


def second_slopes(case, loop, backend, **options):
    """Return the derivatives of a sum of squares of the first ones."""
    made = parameters(case)
    first = pc.gradient(loss_of(CASES[case](loop, *made, **options)), made)
    squares = sum((g * g * (1 + k)).sum() for k, g in enumerate(first))
    return pc.function([], pc.gradient(squares, made), backend=backend)()


@functools.cache
def unrolled_second_slopes(case):
    return second_slopes(case, unrolled, "reference")


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("case", ["rnn", "lstm", "masked", "nested", "several_carries", "all_outputs"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_second_derivatives(backend, case, recompute):
    found = second_slopes(case, pc.scan, backend, recompute=recompute)
    for a, b in zip(found, unrolled_second_slopes(case), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
def test_third_derivatives_of_a_power(backend):
    x = pc.parameter(1.5, dtype="float64")
    y, _ = pc.scan(lambda y, _: (y * x, None), pc.constant(1.0, dtype="float64"), length=5)
    for _ in range(3):
        y = pc.gradient(y, x)
    assert pc.function([], y, backend=backend)() == pytest.approx(60 * 1.5**2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_derivative_flows_past_a_cut(backend):
    made = parameters("truncated")
    x = made[0]
    last, _ = CASES["truncated"](pc.scan, *made)
    (slope,) = pc.function([], [pc.gradient(last.sum(), x)], backend=backend)()
    assert not slope[:4].any()  # the fifth step cuts what came before
    assert slope[4].all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_derivatives_of_inner_expressions(backend):
    """Of a sequence and a first carry that are themselves computed, and of what the loop returns."""
    x, W, U, b, h0 = parameters("rnn")
    sequence, first = x * 2, pc.tanh(h0)
    last, ys = CASES["rnn"](pc.scan, sequence, W, U, b, first)
    loss = (ys * ys).sum() + (last**3).sum()
    wanted = pc.gradient(loss, [sequence, first, ys, last])
    found = pc.function([], [*wanted, ys, last], backend=backend)()
    last, ys = CASES["rnn"](unrolled, sequence, W, U, b, first)
    expected = pc.gradient((ys * ys).sum() + (last**3).sum(), [sequence, first])
    for a, b in zip(found[:2], pc.function([], expected, backend="reference")(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)
    np.testing.assert_allclose(found[2], 2 * found[4], rtol=1e-12)
    np.testing.assert_allclose(found[3], 3 * found[5] ** 2, rtol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loop_agrees_with_pytorch(backend, kind):
    import torch

    made = parameters(kind)
    x, W, U, b, h0 = (torch.tensor(p.value, requires_grad=True) for p in made)
    layer = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](3, 4, dtype=torch.float64)
    weights = {"weight_ih_l0": W.T, "weight_hh_l0": U.T, "bias_ih_l0": b, "bias_hh_l0": torch.zeros_like(b)}
    first = (h0[None], h0[None] * 0.5) if kind == "lstm" else h0[None]
    ys, last = torch.func.functional_call(layer, weights, (x, first))
    outputs = [last[0][0], last[1][0], ys] if kind == "lstm" else [last[0], ys]
    (sum((y * y * (y + k)).sum() for k, y in enumerate(outputs))).backward()
    mine = CASES[kind](pc.scan, *made)
    loss = sum((y * y * (y + k)).sum() for k, y in enumerate(mine))
    found = pc.function([], [*mine, *pc.gradient(loss, made)], backend=backend)()
    expected = [y.detach().numpy() for y in outputs] + [p.grad.numpy() for p in (x, W, U, b, h0)]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def jax_rnn(x, W, U, b, h0, reverse):
    def step(h, x):
        h = jax.numpy.tanh(x @ W + h @ U + b)
        return h, h * h

    last, ys = jax.lax.scan(step, h0, x, reverse=reverse)
    return (last * last).sum() + (ys * ys * ys).sum()


JAX_SLOPES = jax.jit(jax.value_and_grad(jax_rnn, argnums=tuple(range(5))), static_argnums=5)


@pytest.mark.parametrize("backend", BACKENDS)
@given(
    shape=st.tuples(*(st.integers(1, most) for most in (6, 5, 5, 9))), reverse=st.booleans(), recompute=st.booleans()
)
@draws(8)
def test_a_loop_agrees_with_jax(backend, shape, reverse, recompute):
    numbers = {k: v.astype("float32") for k, v in values(shape=shape).items()}
    made = [pc.parameter(v, name=k) for k, v in numbers.items()]
    x, W, U, b, h0 = made

    def step(h, x):
        h = pc.tanh(x @ W + h @ U + b)
        return h, h * h

    last, ys = pc.scan(step, h0, x, reverse=reverse, recompute=recompute)
    loss = (last * last).sum() + (ys * ys * ys).sum()
    found = pc.function([], [loss, *pc.gradient(loss, made)], backend=backend)()
    expected = JAX_SLOPES(*numbers.values(), reverse)
    for a, b in zip(found, [expected[0], *expected[1]], strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_recomputing_stores_less():
    def arena(recompute):
        x = pc.variable("x", (64, 8, 16))
        W, U = (pc.parameter(np.eye(16), name=n) for n in "WU")

        def step(h, x):
            a, b, c = pc.tanh(x @ W + h @ U), pc.sigmoid(h @ W), pc.exp(-h * h)
            return pc.tanh(a * b + c * h + a * a * c), None

        last, _ = pc.scan(step, pc.broadcast_to(pc.constant(0.0), (8, 16)), x, recompute=recompute)
        loss = (last * last).sum()
        f = pc.function([x], [loss, *pc.gradient(loss, [W, U])], backend="native")
        f(np.zeros((64, 8, 16)))
        return f.memory()["arena"]

    assert arena(True) < arena(False)
