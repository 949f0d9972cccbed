"""Every loss against NumPy in float64, its gradient against finite differences, and what happens at the edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from draws import draws
from losses.oracles import CHOICES, ORACLES, binary_cross_entropy, cross_entropy, example, minimal_rank, one_hot

losses = pc.losses
TOLERANCE = {"float64": 1e-11, "float32": 2e-5}
each_loss = pytest.mark.parametrize("name", ORACLES)
SHAPES = st.lists(st.integers(2, 4), min_size=1, max_size=3).map(tuple)


def fitting(name, shape):
    return shape if len(shape) >= minimal_rank(name) else (*shape, 3)


def values(loss, p, y, dtype="float64", backend="native"):
    """Return the loss of arrays, computed by a compiled function of variables."""
    outputs = pc.variable("outputs", ("batch", *p.shape[1:]), dtype=dtype)
    kind = "float64" if y.dtype == "float64" else "bool" if y.dtype == "bool" else "int32"
    labels = pc.variable("labels", ("batch", *y.shape[1:]), dtype=kind)
    return pc.function([outputs, labels], loss(outputs, labels), backend=backend)(p.astype(dtype), y.astype(kind))


def gradient(loss, p, y, dtype="float64"):
    outputs, labels = pc.parameter(p, dtype=dtype), pc.parameter(y, trainable=False, dtype=y.dtype)
    return pc.function([], pc.gradient(loss(outputs, labels).sum(), outputs))()


def test_every_loss_has_an_oracle():
    assert set(ORACLES) == set(losses.LOSSES)


@each_loss
@draws(16)
@given(shape=SHAPES, seed=st.integers(0, 999), dtype=st.sampled_from(sorted(TOLERANCE)))
def test_values(name, shape, seed, dtype):
    p, y = example(name, fitting(name, shape), seed)
    found = values(losses.LOSSES[name](), p, y, dtype)
    expected = ORACLES[name](p, y)
    assert found.dtype == dtype
    assert found.shape == p.shape[:1]
    scale = 1 + abs(expected).max() * (50 if "percentage" in name else 1)  # labels near 0 are divided by
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale)


@each_loss
def test_the_backends_agree(name):
    p, y = example(name, (5, 4), 3)
    for dtype, tolerance in TOLERANCE.items():
        native, *others = (values(losses.LOSSES[name](), p, y, dtype, b) for b in ("native", "xla", "reference"))
        for other in others:
            np.testing.assert_allclose(native, other, rtol=tolerance, atol=tolerance)


@each_loss
@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_those_of_finite_differences(name, seed):
    p, y = example(name, (3, 4), seed)
    found = gradient(losses.LOSSES[name](), p, y)
    for place in np.ndindex(p.shape):
        step = 1e-6 * min(1, abs(p[place]) + 0.01)  # probabilities near 0 have steep logarithms
        high, low = p.copy(), p.copy()
        high[place] += step
        low[place] -= step
        slope = (ORACLES[name](high, y) - ORACLES[name](low, y)).sum() / (2 * step)
        assert found[place] == pytest.approx(slope, rel=1e-5, abs=1e-6 * (1 + abs(slope)))


@draws(16)
@given(seed=st.integers(0, 99), smoothing=st.floats(0, 1), rank=st.sampled_from([(5, 3), (4, 2, 3)]))
def test_label_smoothing(seed, smoothing, rank):
    p, y = example("cross_entropy", rank, seed)
    loss = losses.CrossEntropy(label_smoothing=smoothing)
    expected = cross_entropy(p, y, smoothing)
    np.testing.assert_allclose(values(loss, p, y), expected, rtol=1e-10)
    np.testing.assert_allclose(values(loss, p, one_hot(y, 3)), expected, rtol=1e-10)
    p, y = example("binary_cross_entropy", rank, seed)
    loss = losses.BinaryCrossEntropy(label_smoothing=smoothing)
    for labels in (y, y.astype("int32"), y.astype(bool)):
        np.testing.assert_allclose(values(loss, p, labels), binary_cross_entropy(p, y, smoothing), rtol=1e-9)


def test_labels_of_classes_in_every_form():
    p, y = example("cross_entropy", (6, 3), 1)
    expected = cross_entropy(p, y)
    for labels in (y, y[:, None], one_hot(y, 3), one_hot(y, 3).astype("int32"), one_hot(y, 3).astype(bool)):
        np.testing.assert_allclose(values(losses.cross_entropy, p, labels), expected, rtol=1e-10)


@pytest.mark.parametrize("name", CHOICES)
def test_yes_and_no_in_every_form(name):
    p, y = example(name, (6,), 2)
    expected = ORACLES[name](p, y)
    forms = [y, y.astype("int32"), y.astype(bool)] + ([2 * y - 1] if "hinge" in name else [])
    for labels in forms:
        np.testing.assert_allclose(values(losses.LOSSES[name](), p, labels), expected, rtol=1e-10)


@pytest.mark.parametrize("shapes", [((5,), (5, 1)), ((5, 1), (5,)), ((5, 1), (5, 1))])
@pytest.mark.parametrize("name", ["mean_squared_error", "binary_cross_entropy", "huber", "hinge"])
def test_a_last_axis_of_one_is_no_axis(name, shapes):
    """Broadcast, these would compare each example with every other."""
    p, y = example(name, (5,), 4)
    found = values(losses.LOSSES[name](), p.reshape(shapes[0]), y.reshape(shapes[1]))
    np.testing.assert_allclose(found, ORACLES[name](p, y), rtol=1e-10)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_huge_logits(dtype):
    p, y = np.array([[1e4, -1e4, 0], [1e4, -1e4, 0]]), np.array([0, 1])
    np.testing.assert_array_equal(values(losses.cross_entropy, p, y, dtype), [0, 2e4])
    np.testing.assert_array_equal(gradient(losses.cross_entropy, p, y, dtype), [[0, 0, 0], [1, -1, 0]])
    p, y = np.array([1e4, -1e4, 1e4, -1e4]), np.array([1, 0, 0, 1])
    for labels in (y, y.astype(bool), y.astype(float)):
        np.testing.assert_array_equal(values(losses.binary_cross_entropy, p, labels, dtype), [0, 0, 1e4, 1e4])
        np.testing.assert_array_equal(gradient(losses.binary_cross_entropy, p, labels, dtype), [0, 0, 1, -1])


def test_a_small_binary_loss_keeps_its_digits():
    p = np.array([20.0, -20.0])
    found = values(losses.binary_cross_entropy, p, np.array([1, 0]), "float32")
    np.testing.assert_allclose(found, np.log1p(np.exp(-20.0)), rtol=1e-6)


def test_a_zero_logit_has_the_slope_of_one_half():
    for labels in (np.array([1, 0]), np.array([1.0, 0.0])):
        np.testing.assert_array_equal(gradient(losses.binary_cross_entropy, np.zeros(2), labels), [-0.5, 0.5])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_log_cosh_from_the_smallest_to_the_largest_error(dtype):
    p = np.array([1e-4, -0.01, 19.5, 20.5, -1e6])
    expected = np.logaddexp(p, -p) - np.log(2)
    expected[:2] = np.array([1e-8, 1e-4]) / 2 - np.array([1e-16, 1e-8]) / 12
    np.testing.assert_allclose(values(losses.log_cosh, p, np.zeros(5), dtype), expected, rtol=1e-6)
    np.testing.assert_allclose(gradient(losses.log_cosh, p, np.zeros(5), dtype), np.tanh(p), rtol=1e-6)


def test_zeros_stay_finite():
    p, y = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    for dtype in TOLERANCE:
        found = values(losses.kl_divergence, p, y, dtype)
        assert found[0] == 0
        assert 80 < found[1] < 90
        assert np.isfinite(gradient(losses.kl_divergence, p, y, dtype)).all()
    zeros = np.zeros((2, 3))
    np.testing.assert_array_equal(values(losses.cosine_similarity, zeros, zeros), [0, 0])
    assert np.isfinite(gradient(losses.cosine_similarity, zeros, zeros + 1)).all()
    np.testing.assert_array_equal(values(losses.poisson, zeros, zeros), [0, 0])


def test_a_softmax_keeps_its_digits_in_the_divergence():
    """log(softmax(z)) is taken of z, where the probability itself is 0 in float32."""
    z = pc.variable("z", ("batch", 2))
    loss = losses.kl_divergence(pc.softmax(z), pc.constant([[0.0, 1.0]]).reshape(1, 2) + 0 * z)
    np.testing.assert_allclose(pc.function([z], loss)([[500.0, 0.0]]), [500.0])


def test_no_examples():
    for name in ORACLES:
        p, y = example(name, (3, 4), 0)
        assert values(losses.LOSSES[name](), p[:0], y[:0]).shape == (0,)


def test_options():
    p, y = example("huber", (6, 2), 3)
    np.testing.assert_allclose(values(losses.Huber(delta=0.3), p, y), ORACLES["huber"](p, y, 0.3))


def test_predictions():
    z = np.array([[1.0, 2.0, -3.0]], "float32")
    for name in ORACLES:
        outputs = pc.variable("outputs", ("batch", 3))
        found = pc.function([outputs], losses.LOSSES[name]().predictions(outputs))(z)
        powers = np.exp(z)
        expected = {"cross_entropy": powers / powers.sum(), "binary_cross_entropy": powers / (1 + powers)}.get(name, z)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
