"""Layers that are activations, against PyTorch's, values and gradients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from draws import draws
from pellucid.core.errors import InputError, ShapeError

L = pc.layers


def found(layer, values, training=False):
    x = L.Input(values.shape[1:], "float64")
    y = layer(x, training=training)
    return pc.function([x], [y, *pc.gradient((y * y).sum(), [x, *layer.trainable_parameters])])(values)


def expected(layer, values):
    import torch

    x = torch.tensor(values, requires_grad=True)
    y = layer(x)
    y.square().sum().backward()
    return [y.detach(), x.grad, *(p.grad for p in getattr(layer, "parameters", list)())]


def agree(ours, theirs):
    for have, want in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-12, atol=1e-12)


SHAPES = st.lists(st.integers(1, 5), min_size=2, max_size=4).map(tuple)


@pytest.mark.torch
@draws(20)
@given(SHAPES, st.sampled_from([0.0, 0.1, 0.3, 1.0]), st.sampled_from([0.5, 1.0, 2.0]), st.integers(0, 99))
def test_as_in_torch(shape, slope, alpha, seed):
    from torch import nn

    values = np.random.default_rng(seed).standard_normal(shape) * 4
    agree(found(L.ReLU(), values), expected(nn.ReLU(), values))
    agree(found(L.ReLU(max_value=6), values), expected(nn.ReLU6(), values))
    agree(found(L.LeakyReLU(slope), values), expected(nn.LeakyReLU(slope), values))
    agree(found(L.ReLU(negative_slope=slope), values), expected(nn.LeakyReLU(slope), values))
    agree(found(L.ELU(alpha), values), expected(nn.ELU(alpha), values))
    axis = seed % (len(shape) - 1) + 1
    agree(found(L.Softmax(axis), values), expected(nn.Softmax(axis), values))
    agree(found(L.Activation("tanh"), values), expected(nn.Tanh(), values))


@pytest.mark.torch
@pytest.mark.parametrize(("shape", "shared"), [((3, 4), None), ((2, 3, 4, 5), (1, 2)), ((2, 3, 5), 1)])
def test_a_slope_for_each_channel_as_in_torch(shape, shared):
    import torch

    values = np.random.default_rng(0).standard_normal(shape)
    channels = shape[-1]
    layer = L.PReLU(alpha_initializer=0.25, shared_axes=shared)
    theirs = torch.nn.PReLU(channels, init=0.25, dtype=torch.float64)
    moved = torch.tensor(np.moveaxis(values, -1, 1).copy(), requires_grad=True)
    y = theirs(moved)
    y.square().sum().backward()
    wanted = [np.moveaxis(a.detach().numpy(), 1, -1) for a in (y, moved.grad)]
    ours = found(layer, values)
    agree([*ours[:2], ours[2].reshape(channels)], [*wanted, theirs.weight.grad])


def test_a_slope_for_each_place_unless_shared():
    layer = L.PReLU()
    layer(L.Input((3, 4)))
    assert layer.alpha.shape == (3, 4)
    np.testing.assert_array_equal(found(L.PReLU(), np.float64([[-1, 2]]))[0], [[0, 2]])


def test_threshold_and_limit():
    """Keras's formula: x from the threshold on, at most the limit, and a slope times the distance below."""
    values = np.float64([[-1, 0.5, 1, 2, 9]])
    y, slope = found(L.ReLU(max_value=6, negative_slope=0.5, threshold=1), values)
    np.testing.assert_array_equal(y, [[-1, -0.25, 1, 2, 6]])
    np.testing.assert_array_equal(slope, 2 * y * [[0.5, 0.5, 1, 1, 0]])
    np.testing.assert_array_equal(found(L.ReLU(threshold=1), values)[0], [[0, 0, 1, 2, 9]])


def test_a_function_of_ones_own():
    np.testing.assert_array_equal(found(L.Activation(lambda x: x * x), np.float64([[3]]))[0], [[9]])


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: L.Activation("rely"), InputError, "'rely' is not an activation"),
        (lambda: L.ReLU(max_value=-1), InputError, "max_value is -1"),
        (lambda: L.LeakyReLU(None), InputError, "negative_slope is None"),
        (lambda: L.ELU("x"), InputError, "alpha is 'x'"),
        (lambda: L.PReLU(shared_axes=0)(L.Input((3,))), ShapeError, "shared_axes .* among 1 to 1"),
        (lambda: L.PReLU(shared_axes=(1, 2))(L.Input((3,))), ShapeError, "shared_axes"),
    ],
)
def test_errors(make, error, says):
    with pytest.raises(error, match=says):
        make()
