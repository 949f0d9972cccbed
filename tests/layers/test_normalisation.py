"""Normalisation against PyTorch's: the same outputs, gradients and running moments; and what rounding leaves."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from draws import draws
from pellucid.core.errors import InputError, ShapeError

torch = pytest.importorskip("torch") if importlib.util.find_spec("torch") else None


def draw(seed, *shape, dtype="float64"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def channels_first(x):
    return torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)


def channels_last(x):
    return np.moveaxis(x.detach().numpy(), 1, -1)


def compiled(layer, x, training):
    """Return the function from x and the gradient of its output to the output and the other gradients."""
    g = pc.variable("g", x.shape, x.dtype)
    y = layer(x, training=training)
    wanted = [x, *layer.trainable_parameters]
    updates = pc.state_updates(y) if training else []
    loss = (y * g).sum()
    f = pc.function([x, g], [loss, y, *pc.gradient(loss, wanted)], updates=updates)
    return lambda *arrays: f(*arrays)[1:]


def agree(found, expected):
    for have, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-9, atol=1e-9)


def set_weights(layer, theirs, seed):
    for k, (name, their) in enumerate((("gamma", theirs.weight), ("beta", theirs.bias))):
        if their is not None:
            value = draw(seed + k, *getattr(layer, name).shape)
            getattr(layer, name).value = value
            with torch.no_grad():
                their.copy_(torch.tensor(value))


SPATIAL = st.lists(st.integers(1, 4), max_size=2)


@pytest.mark.torch
@draws(15)
@given(
    batch=st.integers(2, 5), spatial=SPATIAL, channels=st.integers(1, 5), affine=st.booleans(),
    momentum=st.sampled_from([0.0, 0.5, 0.99]), epsilon=st.sampled_from([1e-5, 1e-3, 0.5]), seed=st.integers(0, 99),
)  # fmt: skip
def test_batch_normalization_as_in_torch(batch, spatial, channels, affine, momentum, epsilon, seed):
    shape = (batch, *spatial, channels)
    make = (torch.nn.BatchNorm1d, torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)[len(spatial)]
    theirs = make(channels, eps=epsilon, momentum=1 - momentum, affine=affine, dtype=torch.float64)
    layer = pc.layers.BatchNormalization(momentum=momentum, epsilon=epsilon, center=affine, scale=affine)
    x = pc.layers.Input(shape[1:], "float64")
    layer(x)
    set_weights(layer, theirs, seed)
    train, use = compiled(layer, x, training=True), compiled(layer, x, training=False)

    mean, variance = np.zeros(channels), np.ones(channels)
    for step in range(5):
        values, g = draw((seed, step, 0), *shape) * 3 + 1, draw((seed, step, 1), *shape)
        mean = momentum * mean + (1 - momentum) * values.reshape(-1, channels).mean(axis=0)
        # Their running variance is unbiased, ours is not.
        variance = momentum * variance + (1 - momentum) * values.reshape(-1, channels).var(axis=0)
        agree(train(values, g), backward(theirs, values, g))
        agree([layer.moving_mean.value, layer.moving_variance.value], [mean, variance])
        agree([layer.moving_mean.value], [theirs.running_mean])

    theirs.eval()
    with torch.no_grad():
        theirs.running_var.copy_(torch.tensor(variance))
    agree(use(values, g), backward(theirs, values, g))


def backward(theirs, values, g):
    """Return what a layer of PyTorch's computes and its gradients, with the channels last."""
    given_x = channels_first(values)
    theirs.zero_grad()
    output = theirs(given_x)
    output.backward(torch.tensor(np.moveaxis(g, -1, 1).copy()))
    weights = [w.grad for w in theirs.parameters()]
    return [channels_last(output), channels_last(given_x.grad), *weights]


@pytest.mark.torch
@draws(15)
@given(
    batch=st.integers(1, 4), spatial=SPATIAL, sizes=st.lists(st.integers(1, 5), min_size=1, max_size=2),
    affine=st.booleans(), epsilon=st.sampled_from([1e-5, 1e-3, 0.5]), seed=st.integers(0, 99),
)  # fmt: skip
def test_layer_normalization_as_in_torch(batch, spatial, sizes, affine, epsilon, seed):
    shape = (batch, *spatial, *sizes)
    theirs = torch.nn.LayerNorm(sizes, eps=epsilon, elementwise_affine=affine, dtype=torch.float64)
    axis = -1 if len(sizes) == 1 else [-1, -2]
    layer = pc.layers.LayerNormalization(axis=axis, epsilon=epsilon, center=affine, scale=affine)
    x = pc.layers.Input(shape[1:], "float64")
    layer(x)
    set_weights(layer, theirs, seed)
    values, g = draw(seed, *shape), draw((seed, 1), *shape)
    given_x = torch.tensor(values, requires_grad=True)
    output = theirs(given_x)
    output.backward(torch.tensor(g))
    expected = [output.detach(), given_x.grad, *([theirs.weight.grad, theirs.bias.grad] if affine else [])]
    agree(compiled(layer, x, training=True)(values, g), expected)


@pytest.mark.torch
@draws(15)
@given(
    batch=st.integers(2, 4), spatial=SPATIAL, groups=st.integers(1, 3), size=st.integers(1, 3),
    affine=st.booleans(), epsilon=st.sampled_from([1e-5, 1e-3, 0.5]), seed=st.integers(0, 99),
)  # fmt: skip
def test_group_normalization_as_in_torch(batch, spatial, groups, size, affine, epsilon, seed):
    shape = (batch, *spatial, groups * size)
    theirs = torch.nn.GroupNorm(groups, groups * size, eps=epsilon, affine=affine, dtype=torch.float64)
    given_groups = -1 if size == 1 else groups
    layer = pc.layers.GroupNormalization(given_groups, epsilon=epsilon, center=affine, scale=affine)
    x = pc.layers.Input(shape[1:], "float64")
    layer(x)
    set_weights(layer, theirs, seed)
    values, g = draw(seed, *shape), draw((seed, 1), *shape)
    agree(compiled(layer, x, training=True)(values, g), backward(theirs, values, g))


@pytest.mark.torch
@draws(15)
@given(
    batch=st.integers(1, 3), spatial=SPATIAL, channels=st.integers(1, 9), side=st.integers(0, 3),
    alpha=st.sampled_from([1e-4, 0.3]), beta=st.sampled_from([0.5, 0.75]), seed=st.integers(0, 99),
)  # fmt: skip
def test_local_response_normalization_as_in_torch(batch, spatial, channels, side, alpha, beta, seed):
    shape, n = (batch, *spatial, channels), 2 * side + 1
    theirs = torch.nn.LocalResponseNorm(n, alpha=alpha * n, beta=beta, k=2.0)  # their alpha is divided by n
    layer = pc.layers.LocalResponseNormalization(alpha=alpha, k=2.0, beta=beta, n=n)
    x = pc.layers.Input(shape[1:], "float64")
    values, g = draw(seed, *shape), draw((seed, 1), *shape)
    first = values if spatial else values[:, None]  # theirs wants three axes or more
    given_x = channels_first(first)
    output = theirs(given_x)
    output.backward(torch.tensor(np.moveaxis(g if spatial else g[:, None], -1, 1).copy()))
    expected = [channels_last(output).reshape(shape), channels_last(given_x.grad).reshape(shape)]
    agree(compiled(layer, x, training=False)(values, g), expected)


@pytest.mark.parametrize("axis", [1, -2])
def test_another_axis_of_channels_is_the_last_after_a_transposition(axis):
    x = pc.layers.Input((3, 4))
    turned = pc.layers.Input((4, 3))
    there, here = pc.layers.BatchNormalization(axis=axis), pc.layers.BatchNormalization()
    values = draw(0, 5, 3, 4, dtype="float32")
    y = pc.function([x], there(x, training=True))(values)
    z = pc.function([turned], here(turned, training=True))(values.transpose(0, 2, 1))
    assert there.gamma.shape == (3,)
    np.testing.assert_allclose(y, z.transpose(0, 2, 1), rtol=1e-6, atol=1e-6)
    groups = pc.layers.GroupNormalization(3, axis=axis)
    each = pc.layers.GroupNormalization(-1)
    y, z = pc.function([x], groups(x))(values), pc.function([turned], each(turned))(values.transpose(0, 2, 1))
    np.testing.assert_allclose(y, z.transpose(0, 2, 1), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("make", [pc.layers.BatchNormalization, pc.layers.LayerNormalization])
def test_a_large_mean_costs_no_digits(make):
    """In float32, whose spacing at 1e4 is 1e-3, the variance is that of the numbers that are given."""
    shape = (200, 64)
    values = (draw(1, *shape) * 0.1 + 1e4).astype("float32")
    x = pc.layers.Input((64,))
    layer = make(epsilon=1e-6)
    found = pc.function([x], layer(x, training=True))(values)
    axis = 0 if make is pc.layers.BatchNormalization else 1
    exact = values.astype("float64")
    expected = (exact - exact.mean(axis, keepdims=True)) / np.sqrt(exact.var(axis, keepdims=True) + 1e-6)
    # What is left is the rounding of the mean itself, half a spacing, over a deviation of 0.1.
    assert np.abs(found - expected).max() < 2e-2
    assert np.abs(found.std(axis) - expected.std(axis)).max() < 1e-3


def test_a_batch_of_one_is_shift_alone_and_finite():
    layer = pc.layers.BatchNormalization(beta_initializer=pc.initializers.Constant(0.5))
    x = pc.layers.Input((3,))
    step = compiled(layer, x, training=True)
    y, gx, gamma, beta = step([[7.0, -1e6, 0.0]], [[1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(y, [[0.5, 0.5, 0.5]])
    np.testing.assert_array_equal(gx, [[0, 0, 0]])
    np.testing.assert_array_equal(gamma, [0, 0, 0])
    np.testing.assert_array_equal(beta, [1, 2, 3])
    np.testing.assert_allclose(layer.moving_mean.value, [0.07, -1e4, 0], rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance.value, [0.99] * 3, rtol=1e-6)


def test_frozen_it_uses_running_moments_in_training_and_leaves_them():
    x = pc.layers.Input((3,))
    layer = pc.layers.BatchNormalization(trainable=False)
    y = layer(x, training=True)
    assert pc.state_updates(y) == []
    values = draw(0, 4, 3, dtype="float32")
    np.testing.assert_allclose(pc.function([x], y)(values), values / np.sqrt(1.001), rtol=1e-6)


def test_frozen_by_what_it_is_part_of():
    inner = pc.layers.BatchNormalization()
    outer = pc.Sequential(pc.Sequential(pc.layers.Dense(3), inner), trainable=False).build((3,))
    x = pc.layers.Input((3,))
    assert pc.state_updates(outer(x, training=True)) == []
    outer.trainable = True
    assert len(pc.state_updates(outer(x, training=True))) == 2


def test_called_twice_the_running_mean_follows_both_calls():
    layer = pc.layers.BatchNormalization(momentum=0.5)
    a, b = pc.layers.Input((1,), name="a"), pc.layers.Input((1,), name="b")
    outputs = [layer(a, training=True), layer(b, training=True)]
    updates = pc.state_updates(outputs)
    assert [str(p) for p, _ in updates] == ["batch_normalization/moving_mean", "batch_normalization/moving_variance"]
    pc.function([a, b], outputs, updates=updates)([[8.0]], [[2.0]])
    assert layer.moving_mean.value.tolist() == [(8 / 2) / 2 + 2 / 2]
    assert layer.moving_variance.value.tolist() == [0.25]


def test_the_same_call_twice_asks_for_one_update():
    """As when a model makes its training program for a second backend."""
    layer, x = pc.layers.BatchNormalization(momentum=0.5), pc.layers.Input((1,))
    layer(x, training=True)
    y = layer(x, training=True)
    pc.function([x], y, updates=pc.state_updates(y))([[8.0]])
    assert layer.moving_mean.value.tolist() == [4]


def test_bytes_are_normalised_as_floats():
    x = pc.layers.Input((2,), "uint8")
    y = pc.function([x], pc.layers.BatchNormalization(epsilon=0.0)(x, training=True))(np.uint8([[0, 200], [2, 255]]))
    np.testing.assert_allclose(y, [[-1, -1], [1, 1]], rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: pc.layers.BatchNormalization(momentum=1.5), InputError, "momentum is 1.5"),
        (lambda: pc.layers.BatchNormalization(epsilon=-1), InputError, "epsilon is -1"),
        (lambda: pc.layers.BatchNormalization(axis=0)(pc.layers.Input((3,))), ShapeError, "axis 0 .* batch's"),
        (lambda: pc.layers.BatchNormalization(axis=2)(pc.layers.Input((3,))), ShapeError, r"axis 2 .*expected 1 to 1"),
        (lambda: pc.layers.LayerNormalization(axis=[1, -1])(pc.layers.Input((3,))), InputError, "different ones"),
        (lambda: pc.layers.LayerNormalization(axis=())(pc.layers.Input((3,))), InputError, "one axis or several"),
        (lambda: pc.layers.GroupNormalization(2)(pc.layers.Input((3,))), ShapeError, "the 3 channels .* 2 groups"),
        (lambda: pc.layers.GroupNormalization(0), InputError, "groups is 0"),
        (lambda: pc.layers.LocalResponseNormalization(n=4), InputError, "n is 4, and an odd number"),
        (lambda: pc.layers.BatchNormalization()(pc.layers.Input(("width",))), ShapeError, "weight gamma .* numbers"),
    ],
)  # fmt: skip
def test_errors(make, error, says):
    with pytest.raises(error, match=says):
        make()
