"""Activations against formulas in float64, JAX and PyTorch; at edges; and their gradients by finite differences."""

import math

import jax
import numpy as np
import pytest

import pellucid as pc
from pellucid import activations as a
from pellucid.core.operation import Operation

VALUES = np.array([-30.0, -7.0, -3.0, -1.5, -0.25, -1e-3, 0.0, 1e-3, 0.25, 1.5, 2.9, 5.0, 7.0, 30.0]).reshape(2, 7)
EDGES = np.array([-np.inf, -1e30, -1e5, -0.0, 1e5, 1e30, np.inf, np.nan])
erf = np.vectorize(math.erf)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


SELU = (1.0507009873554805, 1.6732632423543772)
# name, formula, the function of jax.nn, of torch.nn.functional, and values at EDGES
ROWS = [
    ("linear", lambda x: x, lambda x: x, lambda t, x: x, EDGES),
    ("sigmoid", sigmoid, jax.nn.sigmoid, lambda t, x: t.sigmoid(x), [0, 0, 0, 0.5, 1, 1, 1, np.nan]),
    ("tanh", np.tanh, jax.numpy.tanh, lambda t, x: t.tanh(x), [-1, -1, -1, 0, 1, 1, 1, np.nan]),
    ("relu", lambda x: np.maximum(x, 0), jax.nn.relu, "relu", [0, 0, 0, 0, 1e5, 1e30, np.inf, np.nan]),
    (
        "leaky_relu",
        lambda x: np.where(x > 0, x, 0.2 * x),
        lambda x: jax.nn.leaky_relu(x, 0.2),
        lambda t, x: t.nn.functional.leaky_relu(x, 0.2),
        [-np.inf, -2e29, -2e4, 0, 1e5, 1e30, np.inf, np.nan],
    ),
    ("relu6", lambda x: np.clip(x, 0, 6), jax.nn.relu6, "relu6", [0, 0, 0, 0, 6, 6, 6, np.nan]),
    (
        "elu",
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        jax.nn.elu,
        "elu",
        [-1, -1, -1, 0, 1e5, 1e30, np.inf, np.nan],
    ),
    (
        "selu",
        lambda x: SELU[0] * np.where(x > 0, x, SELU[1] * np.expm1(np.minimum(x, 0))),
        jax.nn.selu,
        "selu",
        [*[-SELU[0] * SELU[1]] * 3, 0, SELU[0] * 1e5, SELU[0] * 1e30, np.inf, np.nan],
    ),
    (
        "gelu",
        lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
        lambda x: jax.nn.gelu(x, approximate=False),
        "gelu",
        [np.nan, 0, 0, 0, 1e5, 1e30, np.inf, np.nan],
    ),
    ("silu", lambda x: x * sigmoid(x), jax.nn.silu, "silu", [np.nan, 0, 0, 0, 1e5, 1e30, np.inf, np.nan]),
    (
        "mish",
        lambda x: x * np.tanh(np.log1p(np.exp(x))),
        jax.nn.mish,
        "mish",
        [np.nan, 0, 0, 0, 1e5, 1e30, np.inf, np.nan],
    ),
    (
        "softplus",
        lambda x: np.log1p(np.exp(x)),
        jax.nn.softplus,
        "softplus",
        [0, 0, 0, math.log(2), 1e5, 1e30, np.inf, np.nan],
    ),
    (
        "softsign",
        lambda x: x / (1 + abs(x)),
        jax.nn.soft_sign,
        "softsign",
        [np.nan, -1, -1e5 / (1 + 1e5), 0, 1e5 / (1 + 1e5), 1, np.nan, np.nan],
    ),
    ("softmax", softmax, jax.nn.softmax, lambda t, x: t.softmax(x, -1), None),
    ("log_softmax", lambda x: np.log(softmax(x)), jax.nn.log_softmax, lambda t, x: t.log_softmax(x, -1), None),
    ("exponential", np.exp, jax.numpy.exp, lambda t, x: t.exp(x), [0, 0, 0, 1, np.inf, np.inf, np.inf, np.nan]),
    (
        "hard_sigmoid",
        lambda x: np.clip(x + 3, 0, 6) / 6,
        jax.nn.hard_sigmoid,
        "hardsigmoid",
        [0, 0, 0, 0.5, 1, 1, 1, np.nan],
    ),
    (
        "hard_silu",
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        jax.nn.hard_silu,
        "hardswish",
        [np.nan, 0, 0, 0, 1e5, 1e30, np.inf, np.nan],
    ),
    (
        "gaussian",
        lambda x: np.exp(-(x**2)),
        lambda x: jax.numpy.exp(-(x**2)),
        lambda t, x: t.exp(-(x**2)),
        [0, 0, 0, 1, 0, 0, 0, np.nan],
    ),
]
ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}
each_row = pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])


def value(activation, x, dtype, backend="native"):
    """Return an activation's values and its derivative, weighted so that no two elements cancel."""
    z = pc.variable("x", x.shape, dtype)
    y = activation(z)
    weights = pc.constant(np.linspace(0.5, 1.5, x.size).reshape(x.shape), dtype)
    return pc.function([z], [y, pc.gradient((y * weights).sum(), z)], backend=backend)(x.astype(dtype))


def test_there_is_a_row_for_each():
    assert {row[0] for row in ROWS} | set(ALIASES) == set(a.ACTIVATIONS)
    assert all(getattr(a, name) is found for name, found in a.ACTIVATIONS.items())
    assert all(a.get(alias) is a.get(name) for alias, name in ALIASES.items())


@each_row
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_are_those_of_the_formula_and_of_jax(row, dtype):
    name, formula, peer, _, _ = row
    tolerance = {"rtol": 3e-6, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-14}
    x = VALUES.astype(dtype)
    with jax.enable_x64(True):
        theirs = np.asarray(peer(jax.numpy.asarray(x)))
    for backend in ("native", "reference"):
        y, _ = value(a.get(name), x, dtype, backend)
        assert (y.shape, y.dtype) == (x.shape, x.dtype)
        np.testing.assert_allclose(y, formula(x.astype("float64")), **tolerance)
        np.testing.assert_allclose(y, theirs, **tolerance)


@each_row
def test_gradients_are_those_of_finite_differences(row):
    name, formula, *_ = row
    x = VALUES + 0.01  # away from the corners
    _, slope = value(a.get(name), x, "float64")
    weights, step = np.linspace(0.5, 1.5, x.size).reshape(x.shape), 1e-6
    expected = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        moved = np.zeros_like(x)
        moved[place] = step
        difference = (formula(x + moved) - formula(x - moved)) * weights
        expected[place] = difference.sum() / (2 * step)
    np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.torch
@each_row
def test_the_same_as_torch_and_so_are_gradients(row):
    import torch

    name, _, _, peer, _ = row
    x = VALUES.astype("float64") + 0.01
    call = (lambda t, z: getattr(t.nn.functional, peer)(z)) if isinstance(peer, str) else peer
    z = torch.tensor(x, requires_grad=True)
    theirs = call(torch, z)
    (theirs * torch.tensor(np.linspace(0.5, 1.5, x.size).reshape(x.shape))).sum().backward()
    y, slope = value(a.get(name), x, "float64")
    np.testing.assert_allclose(y, theirs.detach().numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(slope, z.grad.numpy(), rtol=1e-7, atol=1e-10)


@each_row
@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
def test_edges(row, backend):
    """Nothing overflows on the way, and every derivative at a finite place is finite, however far out."""
    name, *_, expected = row
    if expected is None:
        pytest.skip("acts along an axis; tested with the composed functions")
    y, slope = value(a.get(name), EDGES, "float32", backend)
    np.testing.assert_allclose(y, np.asarray(expected), rtol=1e-6, atol=1e-30)
    finite = np.isfinite(EDGES) & (np.isfinite(expected))
    assert np.isfinite(slope[finite]).all(), slope


@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
def test_the_other_gelu(backend):
    def activation(x):
        return a.gelu(x, approximate=True)

    formula = 0.5 * VALUES * (1 + np.tanh(math.sqrt(2 / math.pi) * (VALUES + 0.044715 * VALUES**3)))
    with jax.enable_x64(True):
        slope = np.asarray(jax.vmap(jax.grad(jax.nn.gelu))(jax.numpy.asarray(VALUES.reshape(-1))))
    y, found = value(activation, VALUES, "float64", backend)
    np.testing.assert_allclose(y, formula, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found, np.reshape(slope, (2, 7)) * np.linspace(0.5, 1.5, 14).reshape(2, 7), atol=1e-12)
    y, slope = value(activation, EDGES, "float32", backend)
    np.testing.assert_allclose(y, [np.nan, 0, 0, 0, 1e5, 1e30, np.inf, np.nan], rtol=1e-6)
    assert np.isfinite(slope[1:-2]).all()


def test_alpha_and_slope():
    x = pc.constant([-2.0, 1.0])
    np.testing.assert_allclose(pc.function([], a.elu(x, 0.5))(), [0.5 * np.expm1(-2), 1], rtol=1e-6)
    np.testing.assert_allclose(pc.function([], a.leaky_relu(x, negative_slope=0.01))(), [-0.02, 1], rtol=1e-6)
    for alpha in (-1, "1", None, math.nan):
        with pytest.raises(pc.InputError, match=r"elu: alpha is .*, and a number 0 or more was expected"):
            a.elu(x, alpha)


def test_an_axis_may_be_named():
    x = pc.constant(np.arange(6.0).reshape(2, 3))
    np.testing.assert_allclose(pc.function([], a.softmax(x, axis=0))().sum(0), np.ones(3), rtol=1e-6)


@pytest.mark.parametrize("name", sorted(a.ACTIVATIONS))
def test_integers_become_float32(name):
    if name != "linear":
        assert a.get(name)(pc.variable("n", (3,), "int32")).dtype == "float32"


def test_what_is_defined_here_is_documented_with_an_example_and_a_source():
    for name, found in a.ACTIVATIONS.items():
        if isinstance(found, Operation) or found.__module__ != a.__name__:
            assert f">>> show({name})" in a.__doc__
        else:
            assert ">>>" in found.__doc__
            assert ", 20" in found.__doc__ or ", 19" in found.__doc__


def test_get():
    assert a.get(None) is a.linear
    assert a.get("LeakyReLU") is pc.leaky_relu
    own = lambda x: x * 2  # noqa: E731
    assert a.get(own) is own
    for wrong in ("rellu", 3, dict, np.ones(3)):
        with pytest.raises(pc.InputError, match=r"is not an activation; expected one such as .* linear, sigmoid"):
            a.get(wrong)
