"""Pooling: against JAX and PyTorch, native against reference, which element the derivative goes to, and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

import pellucid as pc
from draws import draws
from operations.geometry import Geometry, geometries
from pellucid.backends.reference import evaluate
from pellucid.core.traversal import topological
from pellucid.gradient import backpropagate
from pellucid.rewrite.engine import Log, rewrite
from pellucid.rewrite.reduction import NEVER_DECREASING, max_pool_monotone
from pellucid.rewrite.rules import ALL

REFERENCE = draws(25)
NATIVE = draws(15)
MAXIMA = (pc.max_pool1d, pc.max_pool2d)
MEANS = (pc.average_pool1d, pc.average_pool2d)


def pooled(functions: Any, x: pc.Expression, geometry: Geometry) -> pc.Expression:
    """Return the pooling of the right number of axes, by its public name."""
    result: pc.Expression = functions[len(geometry.sizes) - 1](x, geometry.window, geometry.strides, geometry.padding)
    return result


@REFERENCE
@given(geometries(dtype="float64", dilated=False, narrow=True))
def test_agrees_with_jax(geometry: Geometry) -> None:
    jax = pytest.importorskip("jax")
    x = pc.variable("x", geometry.input, "float64")
    (a,) = geometry.arrays(geometry.input)
    largest, mean = evaluate([pooled(MAXIMA, x, geometry), pooled(MEANS, x, geometry)], {x: a})
    window, strides, padding = (1, *geometry.window, 1), (1, *geometry.strides, 1), ((0, 0), *geometry.pairs, (0, 0))
    with jax.enable_x64(True):
        expected = jax.lax.reduce_window(a, -np.inf, jax.lax.max, window, strides, padding)
        total = jax.lax.reduce_window(a, 0.0, jax.lax.add, window, strides, padding)
        number = jax.lax.reduce_window(np.ones_like(a), 0.0, jax.lax.add, window, strides, padding)
    np.testing.assert_array_equal(largest, expected)
    np.testing.assert_allclose(mean, total / number, rtol=1e-12, atol=1e-12)


@pytest.mark.torch
@REFERENCE
@given(geometries(dtype="float64", dilated=False, narrow=True, smallest=1))
def test_ties_go_to_the_element_that_pytorch_chooses(geometry: Geometry) -> None:
    import torch

    x = pc.variable("x", geometry.input, "float64")
    a = np.round(geometry.arrays(geometry.input)[0])  # many ties
    pairs = tuple((k // 2, k // 2) for k in geometry.window)
    geometry = geometry._replace(padding=pairs)
    if any(n + 2 * low < k for n, k, (low, _) in zip(geometry.sizes, geometry.window, pairs, strict=True)):
        return
    y = pooled(MAXIMA, x, geometry)
    g = np.cos(np.arange(float(np.prod(y.shape)))).reshape(y.shape)
    found = evaluate([y, pc.gradient((y * g).sum(), x)], {x: a})
    tx = torch.tensor(np.moveaxis(a, -1, 1).copy(), requires_grad=True)
    function = torch.nn.functional.max_pool1d if len(geometry.sizes) == 1 else torch.nn.functional.max_pool2d
    ty = function(tx, geometry.window, geometry.strides, tuple(low for low, _ in pairs))
    (ty * torch.tensor(np.moveaxis(g, -1, 1).copy())).sum().backward()
    np.testing.assert_array_equal(found[0], np.moveaxis(ty.detach().numpy(), 1, -1))
    np.testing.assert_allclose(found[1], np.moveaxis(tx.grad.numpy(), 1, -1), atol=1e-6)


@NATIVE
@given(geometries(dilated=False, narrow=True))
def test_native_agrees_with_reference(geometry: Geometry) -> None:
    x = pc.variable("x", geometry.input, geometry.dtype)
    largest, mean = pooled(MAXIMA, pc.sin(x), geometry), pooled(MEANS, pc.sin(x), geometry)
    loss = pc.square(largest).sum() + (largest * mean).sum()
    roots = [largest, mean, loss, pc.gradient(loss, x)]
    (a,) = geometry.arrays(geometry.input)
    native, reference = (pc.function([x], roots, backend=b)(a) for b in ("native", "reference"))
    for one, other in zip(native, reference, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)


@draws(10)
@given(geometries(dtype="float64", dilated=False, narrow=True, smallest=1))
def test_second_derivatives_agree_with_finite_differences(geometry: Geometry) -> None:
    """Along a random direction, where no window has two elements so close that the step would exchange them."""
    x = pc.variable("x", geometry.input, "float64")
    first = pc.gradient(pc.exp(pooled(MAXIMA, x, geometry) + pooled(MEANS, x, geometry)).sum(), x)
    loss = pc.sin(first).sum()
    a, direction = geometry.arrays(geometry.input, geometry.input)
    a = np.random.default_rng(geometry.seed).permutation(np.linspace(-1, 1, a.size)).reshape(a.shape)
    slope = float((evaluate([pc.gradient(loss, x)], {x: a})[0] * direction).sum())
    ends = [float(evaluate([loss], {x: a + s * 1e-6 * direction})[0]) for s in (1, -1)]
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4, abs=1e-3)


def gradient_of(row: list[float], backend: str, **options: Any) -> list[float]:
    """Return the largest of windows' derivative for a row, each window's counted once more than the one before."""
    x = pc.variable("x", (1, len(row), 1))
    y = pc.max_pool1d(x, **options)
    weights = np.arange(1.0, 1 + y.shape[1]).reshape(1, -1, 1)
    f = pc.function([x], pc.gradient((y * weights).sum(), x), backend=backend, allow_nan=True)
    return list(f(np.array(row, float).reshape(1, -1, 1)).ravel())


@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
def test_the_derivative_goes_to_the_first_largest(backend: str) -> None:
    nan, inf = float("nan"), float("inf")
    assert gradient_of([5, 5, 5, 5], backend) == [1, 0, 2, 0]
    assert gradient_of([1, 7, 7, 0], backend, pool_size=3, strides=1) == [0, 3, 0, 0]
    assert gradient_of([1, nan, nan, 9], backend, pool_size=4) == [0, 1, 0, 0]
    assert gradient_of([-inf, inf, inf, -inf], backend) == [0, 1, 2, 0]
    assert gradient_of([-3, -2, -1], backend, padding="same") == [0, 1, 2]
    assert gradient_of([2, 1, 2, 1, 2], backend, pool_size=2, strides=1) == [1, 0, 5, 0, 4]


@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
def test_padding_is_never_the_largest_and_not_counted(backend: str) -> None:
    x = pc.variable("x", (1, 3, 3, 1))
    roots = [pc.max_pool2d(x, 2, padding="same"), pc.average_pool2d(x, 2, padding="same")]
    largest, mean = pc.function([x], roots, backend=backend)(-np.arange(1.0, 10).reshape(1, 3, 3, 1))
    assert list(largest.ravel()) == [-1, -3, -7, -9]
    assert list(mean.ravel()) == [-3, -4.5, -7.5, -9]


@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
def test_nan_spoils_its_windows_only(backend: str) -> None:
    x = pc.variable("x", (1, 6, 1))
    roots = [pc.max_pool1d(x), pc.average_pool1d(x)]
    array = np.array([1, np.nan, 3, 4, np.inf, 6]).reshape(1, 6, 1)
    largest, mean = pc.function([x], roots, backend=backend, allow_nan=True)(array)
    np.testing.assert_array_equal(largest.ravel(), [np.nan, 4, np.inf])
    np.testing.assert_array_equal(mean.ravel(), [np.nan, 3.5, np.inf])


def test_strides_are_the_window_unless_given() -> None:
    x = pc.variable("x", ("batch", 9, 8, 2))
    for function in (pc.max_pool2d, pc.average_pool2d):
        assert function(x).shape[1:] == (4, 4, 2)
        assert function(x, (3, 2)).shape[1:] == (3, 4, 2)
        assert function(x, 3, 1).shape[1:] == (7, 6, 2)
        assert function(x, 3, 2, "same").shape[1:] == (5, 4, 2)
        assert function(x, 3, 2, 1).shape[1:] == (5, 4, 2)


def test_the_batch_may_be_named_and_empty() -> None:
    x = pc.variable("x", ("batch", 4, 4, 2))
    y = pc.max_pool2d(x) + pc.average_pool2d(x)
    f = pc.function([x], [y, pc.gradient(y.sum(), x)])
    for batch in (0, 1, 3):
        value, slope = f(np.ones((batch, 4, 4, 2)))
        assert (value.shape, slope.shape) == ((batch, 2, 2, 2), (batch, 4, 4, 2))
        assert slope.sum() == batch * 2 * 4 * 2


# The rule: max_pool(f(x)) is f(max_pool(x)).


@pytest.mark.parametrize("name", NEVER_DECREASING)
def test_the_rule_is_of_functions_that_never_decrease(name: str) -> None:
    assert pc.core.operation.operations[name].facts.monotone == 1
    x = pc.variable("x", (2, 6, 6, 2), "float64")
    before = pc.max_pool2d(getattr(pc, name)(x), 3, 2, 1)
    log = Log()
    (after,) = rewrite([before], [max_pool_monotone], log)
    assert len(log) == 1
    assert after.operation.name == name
    a = np.random.default_rng(3).normal(size=x.shape) * 2
    edges = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e30, -1e30])
    a.flat[:14:2] = edges
    values = evaluate([before, after], {x: a})
    np.testing.assert_array_equal(*values)


@pytest.mark.parametrize("name", NEVER_DECREASING)
def test_the_rule_keeps_the_gradient(name: str) -> None:
    """Where f is flat or saturates, both sides have derivatives of 0, whichever element they choose."""
    x = pc.variable("x", (2, 6, 6, 2), "float64")
    before = pc.max_pool2d(getattr(pc, name)(x), 2)
    (after,) = rewrite([before], [max_pool_monotone], Log())
    weights = np.random.default_rng(0).normal(size=before.shape)
    found = [backpropagate((side * weights).sum(), [x])[0] for side in (before, after)]  # without any rule
    assert found[0] is not found[1]
    assert pc.gradient((before * weights).sum(), x) is pc.gradient((after * weights).sum(), x)
    for scale in (1, 30, 1000):
        a = np.random.default_rng(scale).normal(size=x.shape) * scale
        one, other = evaluate(found, {x: a})
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_the_rule_leaves_what_others_read_and_what_may_decrease() -> None:
    x = pc.variable("x", (2, 6, 2))
    hidden = pc.relu(x)
    for roots in ([pc.max_pool1d(hidden), hidden], [pc.max_pool1d(pc.sin(x))], [pc.max_pool1d(pc.log(x))]):
        after = rewrite(roots, ALL, Log())
        pools = [n for n in topological(after) if n.operation.name == "max_pool"]
        assert [p.inputs[0].operation.name for p in pools] != ["variable"]


X = pc.variable("x", ("batch", 8, 3))
ERRORS = {
    "axes": (lambda: pc.max_pool2d(X), pc.AxisError, r"has 3 axes, and \(batch, height, width, channels\)"),
    "mean axes": (lambda: pc.average_pool2d(X), pc.AxisError, "average_pool2d: x.*has 3 axes"),
    "empty output": (lambda: pc.max_pool1d(X, 9), pc.ShapeError, "spans 9 elements does not fit into the 8"),
    "window": (lambda: pc.max_pool1d(X, 0), pc.ShapeError, "pool_size is a whole number of 1 or more, not 0"),
    "strides": (lambda: pc.average_pool1d(X, 2, -1), pc.ShapeError, "strides is a whole number of 1 or more, not -1"),
    "padding": (lambda: pc.max_pool1d(X, 2, padding=-1), pc.ShapeError, "padding is 'same'"),
    "word": (lambda: pc.max_pool1d(X, padding="reflect"), pc.ShapeError, "not 'reflect'"),
    "wide padding": (lambda: pc.max_pool1d(X, 2, padding=2), pc.ShapeError, "as wide as a window.*pad less"),
    "name": (lambda: pc.max_pool1d(pc.variable("x", (1, "n", 3))), pc.ShapeError, "spatial axis n of x.*is a name"),
    "integers": (lambda: pc.max_pool1d(pc.variable("x", (1, 8, 3), "int32")), pc.DtypeError, "x is int32"),
    "gradient": (
        lambda: pc.max_pool_gradient(X, pc.variable("g", ("batch", 3, 3)), 2),
        pc.ShapeError,
        r"is not what pooling x, .* gives, \(batch, 4, 3\)",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_say_what_was_wrong(case: str) -> None:
    call, error, message = ERRORS[case]
    with pytest.raises(error, match=message) as raised:
        call()
    assert "test_pooling.py" in str(raised.value)
