"""Dropout and noise: how much, on average nothing, the same in both passes, other numbers at each step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from pellucid.core.errors import InputError, ShapeError

L = pc.layers


def ones(*shape):
    return np.ones(shape, "float32")


def in_training(layer, shape, seed=0):
    x = L.Input(shape)
    return pc.function([x], layer(x, training=True), seed=seed)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_share_that_is_dropped_and_the_expectation(rate):
    n = 40_000
    y = in_training(L.Dropout(rate), (n // 100,))(ones(100, n // 100))
    deviation = np.sqrt(rate * (1 - rate) / n)
    assert abs((y == 0).mean() - rate) < 5 * deviation
    assert abs(y.mean() - 1) < 5 * deviation / (1 - rate)
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-6)


@pytest.mark.parametrize(("rate", "value"), [(0, 1), (0.0, 1), (1, 0), (1.0, 0)])
def test_rates_of_none_and_all(rate, value):
    x = L.Input((4,))
    y = L.Dropout(rate)(x, training=True)
    found, slope = pc.function([x], [y, pc.gradient((x * y).sum(), x)])(ones(3, 4))
    np.testing.assert_array_equal(found, np.full((3, 4), value))
    np.testing.assert_array_equal(slope, np.full((3, 4), 2 * value))


@pytest.mark.parametrize("layer", [L.Dropout(0.5), L.SpatialDropout1D(0.5), L.GaussianNoise(1.0)])
def test_both_passes_see_the_same_numbers_and_each_step_others(layer):
    x, g = L.Input((6, 8)), pc.variable("g", ("batch", 6, 8))
    y = layer(x, training=True)
    f = pc.function([x, g], [y, pc.gradient((y * g).sum(), x)], seed=3)
    weights = np.random.default_rng(0).standard_normal((5, 6, 8)).astype("float32")
    values, slopes = f.repeat(4)(ones(5, 6, 8), weights)
    for value, slope in zip(values, slopes, strict=True):
        expected = weights if isinstance(layer, L.GaussianNoise) else value * weights
        np.testing.assert_allclose(slope, expected, rtol=1e-6)
    assert len({value.tobytes() for value in values}) == 4


def test_without_training_the_inputs_come_through():
    values = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype("float32")
    for layer, axes in [(L.Dropout(0.5), 4), (L.SpatialDropout1D(0.5), 3), (L.SpatialDropout2D(0.5), 4),
                        (L.GaussianNoise(1.0), 4)]:  # fmt: skip
        given = values if axes == 4 else values[0]
        x = L.Input(given.shape[1:])
        np.testing.assert_array_equal(pc.function([x], layer(x))(given), given)


@pytest.mark.parametrize("layer", [L.Dropout(0.3), L.SpatialDropout2D(0.3), L.GaussianNoise(0.3)])
def test_the_same_bits_on_any_number_of_threads(layer, monkeypatch):
    found = set()
    for threads in (1, 2, 3):
        monkeypatch.setenv("PELLUCID_THREADS", str(threads))
        f = in_training(layer, (16, 16, 32), seed=5)
        found.add((f(ones(24, 16, 16, 32)).tobytes(), f(ones(24, 16, 16, 32)).tobytes()))
    assert len(found) == 1
    first, second = found.pop()
    assert first != second


def test_large_inputs_that_are_dropped_are_zero():
    """A mask that is multiplied would make infinity times 0, which is no number."""
    y = in_training(L.Dropout(0.5), (64,))(np.full((1, 64), 1.6e38, "float32"))
    assert sorted(np.unique(y) > 0) == [False, True]


@given(st.lists(st.booleans(), min_size=3, max_size=3), st.integers(0, 9))
def test_axes_of_noise_shape_one_are_dropped_together(together, seed):
    shape = (6, 7, 8)
    noise_shape = tuple(1 if one else (None, 7, 8)[k] for k, one in enumerate(together))
    y = in_training(L.Dropout(0.5, noise_shape), shape[1:], seed)(ones(*shape))
    kept = tuple(slice(0, 1) if one else slice(None) for one in together)
    np.testing.assert_array_equal(y, np.broadcast_to(y[kept], shape))
    if not any(together):
        assert len(np.unique(y)) == 2


@pytest.mark.parametrize(("layer", "shape"), [(L.SpatialDropout1D(0.5), (9, 8)), (L.SpatialDropout2D(0.5), (3, 3, 8))])
def test_channels_are_dropped_whole(layer, shape):
    y = in_training(layer, shape)(ones(50, *shape)).reshape(50, -1, 8)
    assert (y == y[:, :1]).all()
    assert abs((y == 0).mean() - 0.5) < 5 * 0.5 / np.sqrt(400)


def test_noise_has_the_deviation_that_was_asked_for():
    y = in_training(L.GaussianNoise(0.2), (1000,))(0 * ones(100, 1000))
    assert abs(y.mean()) < 5 * 0.2 / np.sqrt(1e5)
    assert abs(y.std() - 0.2) < 5 * 0.2 / np.sqrt(2e5)


def test_two_calls_on_one_input_draw_their_own_numbers():
    """In the network that they are part of as well: the same layer, and two layers with different rates."""
    x = L.Input((200,))
    layer, other = L.Dropout(0.5), L.Dropout(0.1)
    network = pc.Network(x, [layer(x), layer(x), other(x)])
    z = L.Input((200,))
    a, b, c = pc.function([z], network(z, training=True))(ones(4, 200))
    assert (a != b).any()
    assert [round(float(y.max()), 3) for y in (a, b, c)] == [2, 2, 1.111]
    assert network.layers == [layer, other]


def test_mixed_precision_of_inputs():
    for dtype in ("float64", "float32", "uint8"):
        x = L.Input((3,), dtype)
        wanted = "float64" if dtype == "float64" else "float32"
        assert L.Dropout(0.5)(x, training=True).dtype == wanted
        assert L.GaussianNoise(0.5)(x, training=True).dtype == wanted


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: L.Dropout(1.5), InputError, "Dropout: rate is 1.5, and a number from 0 to 1"),
        (lambda: L.SpatialDropout1D("half"), InputError, "rate is 'half'"),
        (lambda: L.GaussianNoise(-1), InputError, "stddev is -1"),
        (lambda: L.Dropout(0.5, (2, 3))(L.Input((4,)), training=True), ShapeError, "noise_shape .*batch, 4"),
        (lambda: L.Dropout(0.5, (1,))(L.Input((4,)), training=True), ShapeError, "noise_shape"),
        (lambda: L.SpatialDropout2D(0.5)(L.Input((4,))), ShapeError, r"takes inputs \(batch, height"),
    ],
)
def test_errors(make, error, says):
    with pytest.raises(error, match=says):
        make()
