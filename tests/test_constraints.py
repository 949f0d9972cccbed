"""Constraints against Keras's formulas in float64, what keeps to its bound, and what is refused."""

import math

import numpy as np
import pytest

import pellucid as pc
from pellucid import constraints as c

W = np.random.default_rng(3).normal(size=(3, 2, 4, 5))
W[..., 0] = 0


def norms(w, axis):
    return np.sqrt((w**2).sum(axis, keepdims=True))


def max_norm(w, limit, axis):
    return w * np.clip(norms(w, axis), 0, limit) / (1e-7 + norms(w, axis))


def min_max(w, low, high, rate, axis):
    wanted = rate * np.clip(norms(w, axis), low, high) + (1 - rate) * norms(w, axis)
    return w * wanted / (1e-7 + norms(w, axis))


ROWS = [
    (c.MaxNorm(), max_norm(W, 2, 0)),
    (c.MaxNorm(0.5, axis=(0, 1, 2)), max_norm(W, 0.5, (0, 1, 2))),
    (c.MaxNorm(0.5, axis=[0, -1]), max_norm(W, 0.5, (0, 3))),
    (c.MaxNorm(0.5, axis=None), max_norm(W, 0.5, None)),
    (c.NonNeg(), W * (W >= 0)),
    (c.UnitNorm(), W / (1e-7 + norms(W, 0))),
    (c.UnitNorm((0, 1, 2)), W / (1e-7 + norms(W, (0, 1, 2)))),
    (c.MinMaxNorm(), min_max(W, 0, 1, 1, 0)),
    (c.MinMaxNorm(0.8, 1.2, 0.25, axis=(0, 1, 2)), min_max(W, 0.8, 1.2, 0.25, (0, 1, 2))),
]


@pytest.mark.parametrize(("constraint", "expected"), ROWS, ids=[repr(row[0]) for row in ROWS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
def test_values(constraint, expected, dtype, backend):
    x = pc.variable("w", W.shape, dtype)
    found = pc.function([x], constraint(x), backend=backend)(W.astype(dtype))
    assert (found.shape, found.dtype.name) == (W.shape, dtype)
    np.testing.assert_allclose(found, expected, rtol=3e-6, atol=1e-12)


@pytest.mark.parametrize("constraint", [c.MaxNorm(3.0), c.MinMaxNorm(0.5, 3.0, 0.7), c.NonNeg()], ids=repr)
def test_what_keeps_to_its_bound_stays_to_the_last_bit(constraint):
    """A shrink by 1e-7 a step would be a decay of weights that nobody asked for."""
    W = pc.parameter(np.abs(np.random.default_rng(1).normal(size=(4, 300))), name="W")
    inside = W.value[:, (np.linalg.norm(W.value, axis=0) > 0.51) & (np.linalg.norm(W.value, axis=0) < 2.99)]
    W = pc.parameter(inside, name="W")
    pc.function([], [], updates=[(W, constraint(W))]).repeat(100)()
    np.testing.assert_array_equal(W.value, inside)


def test_norms_are_at_most_the_bound():
    x = pc.constant(1e3 * W)
    assert (np.linalg.norm(pc.function([], c.MaxNorm(0.5)(x))(), axis=0) <= 0.5 * (1 + 1e-6)).all()


def test_get():
    assert c.get(None) is None
    assert c.get("max_norm") == c.get("MaxNorm") == c.MaxNorm()
    assert (c.get("non_neg"), c.get("unit_norm"), c.get("min_max_norm")) == (c.NonNeg(), c.UnitNorm(), c.MinMaxNorm())
    own = lambda w: w  # noqa: E731
    assert c.get(own) is own
    assert c.MaxNorm(axis=[0, 1]) == c.MaxNorm(axis=(0, 1))
    assert hash(c.MaxNorm(axis=[0, 1])) == hash(c.MaxNorm(axis=(0, 1)))


REFUSED = [
    (lambda: c.get("max"), "'max' is not a constraint; .*max_norm, non_neg"),
    (lambda: c.get(c.NonNeg), "is not a constraint"),
    (lambda: c.get(2.0), "2.0 is not a constraint"),
    (lambda: c.MaxNorm(0), "MaxNorm: max_value is 0, and a number above 0 was expected"),
    (lambda: c.MaxNorm(math.nan), "MaxNorm: max_value is nan"),
    (lambda: c.MaxNorm(axis=0.5), "MaxNorm: axis is 0.5, and a whole number was expected, several of them, or None"),
    (lambda: c.UnitNorm(axis="0"), "UnitNorm: axis is '0'"),
    (lambda: c.UnitNorm(axis=(0, None)), r"UnitNorm: axis is \(0, None\)"),
    (lambda: c.MinMaxNorm(-1), "MinMaxNorm: min_value is -1"),
    (lambda: c.MinMaxNorm(2.0, 1.0), "MinMaxNorm: min_value is 2.0, and a number of at most max_value, 1.0"),
    (lambda: c.MinMaxNorm(rate=2), "MinMaxNorm: rate is 2, and a number from 0 to 1"),
]


@pytest.mark.parametrize(("use", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_is_refused(use, message):
    with pytest.raises(pc.InputError, match=message):
        use()


def test_an_axis_that_is_not_there_is_found_at_the_call():
    with pytest.raises(pc.AxisError, match="axis 2 is not an axis"):
        c.MaxNorm(axis=2)(pc.variable("w", (3, 4)))
