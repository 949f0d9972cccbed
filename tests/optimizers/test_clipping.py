"""Clipping: what reaches the rule. With SGD and a rate of 1, a step is the clipped gradient."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import pellucid as pc

BACKENDS = ["native", "xla", "reference"]


def clipped(gradients, backend="native", dtype="float32", **clipping):
    """Return what SGD moves parameters by, whose gradients are these."""
    parameters = [pc.parameter(np.zeros(np.shape(g)), dtype=dtype) for g in gradients]
    given = [pc.constant(g, dtype) for g in gradients]
    updates = pc.optimizers.SGD(1.0, **clipping).updates(None, parameters, given)
    pc.function([], [], updates=updates, backend=backend)()
    return [-p.value for p in parameters]


@pytest.mark.parametrize("backend", BACKENDS)
def test_by_value(backend):
    (found,) = clipped([[-3.0, -0.5, 0.0, 0.5, 3.0]], backend, clipvalue=1.0)
    np.testing.assert_array_equal(found, [-1, -0.5, 0, 0.5, 1])


@pytest.mark.parametrize("backend", BACKENDS)
def test_by_the_norm_of_each(backend):
    found = clipped([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0], 10.0], backend, clipnorm=1.0)
    for values, expected in zip(found, ([0.6, 0.8], [0.3, 0.4], [0, 0], 1.0), strict=True):
        np.testing.assert_allclose(values, expected, rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_by_the_norm_of_all(backend):
    found = clipped([[3.0, 0.0], [[4.0]]], backend, global_clipnorm=1.0)
    np.testing.assert_allclose(found[0], [0.6, 0.0], rtol=1e-6)
    np.testing.assert_allclose(found[1], [[0.8]], rtol=1e-6)
    assert [list(g) for g in clipped([[0.3], [0.4]], backend, global_clipnorm=1.0)] == [
        [np.float32(0.3)],
        [np.float32(0.4)],
    ]


values = arrays.arrays(
    np.float32, arrays.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=4), elements=st.floats(-4, 4, width=32)
)


@given(gradients=st.lists(values, min_size=1, max_size=3), limit=st.floats(0.1, 8), backend=st.sampled_from(BACKENDS))
def test_is_what_numpy_makes_of_it(gradients, limit, backend):
    wide = [np.asarray(g, "float64") for g in gradients]
    each = [g * min(1, limit / max(np.linalg.norm(g), 1e-300)) for g in wide]
    norm = np.sqrt(sum((g**2).sum() for g in wide))
    together = [g * min(1, limit / max(norm, 1e-300)) for g in wide]
    for clipping, expected in ({"clipnorm": limit}, each), ({"global_clipnorm": limit}, together):
        for found, one in zip(clipped(gradients, backend, **clipping), expected, strict=True):
            np.testing.assert_allclose(found, one, rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("clipping", ["clipnorm", "global_clipnorm"])
def test_a_gradient_whose_square_overflows_has_no_say(clipping, backend):
    with np.errstate(over="ignore"):
        (found,) = clipped([[3e30, 4e30]], backend, **{clipping: 1.0})
    np.testing.assert_array_equal(found, [0, 0])
    (found,) = clipped([[3e30, 4e30]], backend, "float64", **{clipping: 1.0})
    np.testing.assert_allclose(found, [0.6, 0.8])


@pytest.mark.parametrize("clipping", ["clipnorm", "global_clipnorm"])
def test_a_gradient_of_nan_stays_nan(clipping):
    (found,) = clipped([[np.nan, 1.0]], **{clipping: 1.0})
    assert np.isnan(found).all()


def test_dtypes_may_be_mixed():
    narrow, wide = pc.parameter([0.0]), pc.parameter([0.0], dtype="float64")
    gradients = [pc.constant([3.0]), pc.constant([4.0], "float64")]
    updates = pc.optimizers.SGD(1.0, global_clipnorm=1.0).updates(None, [narrow, wide], gradients)
    pc.function([], [], updates=updates)()
    np.testing.assert_allclose([narrow.value[0], wide.value[0]], [-0.6, -0.8], rtol=1e-6)


def test_weight_decay_is_not_clipped():
    W = pc.parameter(10.0)
    updates = pc.optimizers.SGD(1.0, clipvalue=0.5, weight_decay=0.1).updates(None, [W], [pc.constant(2.0)])
    pc.function([], [], updates=updates)()
    assert float(W.value) == pytest.approx(10 - 0.5 - 1.0)
