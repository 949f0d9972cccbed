"""Layers that arrange, pad, crop, enlarge, look up and rescale: against NumPy's formulas and PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from draws import draws

Array = np.ndarray[Any, Any]
STEPS = 5


def numbers(*shape: int, dtype: str = "float32") -> Array:
    """Return random numbers, always the same ones."""
    return np.random.default_rng(7).normal(size=shape).astype(dtype)


def outputs(layer: pc.layers.Layer, x: Array) -> Array:
    """Return what a layer makes of an array."""
    declared = pc.variable("x", ("batch", *x.shape[1:]), x.dtype.name)
    return pc.function([declared], layer(declared))(x)  # type: ignore[no-any-return]


def slope(layer: pc.layers.Layer, x: Array, factors: Array) -> Array:
    """Return the gradient for its input of the sum of an affine layer's outputs times some factors."""
    declared = pc.variable("x", x.shape, x.dtype.name)
    y = layer(declared) * pc.constant(factors, x.dtype.name)
    return pc.function([], pc.gradient(y.sum(), declared))()  # type: ignore[no-any-return]


CASES: list[tuple[pc.layers.Layer, tuple[int, ...], Callable[[Array], Array]]] = [
    (pc.layers.Flatten(), (2, 3, 4, 5), lambda x: x.reshape(2, 60)),
    (pc.layers.Flatten(), (3,), lambda x: x.reshape(3, 1)),
    (pc.layers.Reshape((2, -1)), (3, 4, 5), lambda x: x.reshape(3, 2, 10)),
    (pc.layers.Reshape([20]), (3, 4, 5), lambda x: x.reshape(3, 20)),
    (pc.layers.Permute((3, 1, 2)), (2, 3, 4, 5), lambda x: x.transpose(0, 3, 1, 2)),
    (pc.layers.RepeatVector(3), (2, 4), lambda x: np.stack([x, x, x], axis=1)),
    (pc.layers.ZeroPadding1D(2), (2, 3, 4), lambda x: np.pad(x, ((0, 0), (2, 2), (0, 0)))),
    (pc.layers.ZeroPadding1D((0, 3)), (2, 3, 4), lambda x: np.pad(x, ((0, 0), (0, 3), (0, 0)))),
    (pc.layers.ZeroPadding2D((1, 2)), (2, 3, 4, 5), lambda x: np.pad(x, ((0, 0), (1, 1), (2, 2), (0, 0)))),
    (pc.layers.ZeroPadding2D(((1, 0), (2, 3))), (2, 3, 4, 5), lambda x: np.pad(x, ((0, 0), (1, 0), (2, 3), (0, 0)))),
    (pc.layers.Cropping1D(), (2, 5, 4), lambda x: x[:, 1:-1]),
    (pc.layers.Cropping1D((0, 3)), (2, 5, 4), lambda x: x[:, :-3]),
    (pc.layers.Cropping2D(), (2, 5, 4, 3), lambda x: x),
    (pc.layers.Cropping2D((2, 1)), (2, 5, 4, 3), lambda x: x[:, 2:-2, 1:-1]),
    (pc.layers.Cropping2D(((1, 0), (2, 1))), (2, 5, 4, 3), lambda x: x[:, 1:, 2:-1]),
    (pc.layers.UpSampling1D(3), (2, 4, 3), lambda x: x.repeat(3, axis=1)),
    (pc.layers.UpSampling2D(), (2, 4, 3, 2), lambda x: x.repeat(2, axis=1).repeat(2, axis=2)),
    (pc.layers.UpSampling2D((1, 3)), (2, 4, 3, 2), lambda x: x.repeat(3, axis=2)),
    (pc.layers.Rescaling(0.5, offset=-1.0), (2, 3), lambda x: x * 0.5 - 1),
    (pc.layers.Rescaling([1.0, 2.0, 4.0], offset=[0.0, 1.0, 0.0]), (2, 3), lambda x: x * [1, 2, 4] + [0, 1, 0]),
]


def shown(value):
    """A name that is the same in every process."""
    return "formula" if callable(value) and not isinstance(value, pc.layers.Layer) else repr(value)[:50]


@pytest.mark.parametrize(("layer", "shape", "formula"), CASES, ids=shown)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_are_those_of_the_formula(layer: Any, shape: Any, formula: Any, dtype: str) -> None:
    x = numbers(*shape, dtype=dtype)
    found = outputs(layer, x)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, formula(x).astype(dtype), rtol=np.finfo(dtype).eps)


@pytest.mark.parametrize(("layer", "shape", "formula"), CASES, ids=shown)
def test_gradients_are_the_transposed_map(layer: Any, shape: Any, formula: Any) -> None:
    """What one element of the input adds to the sum, all other things equal, is what the formula shows."""
    x = numbers(*shape, dtype="float64")
    factors = numbers(*formula(x).shape, dtype="float64")
    units = np.eye(x.size).reshape(-1, *shape)
    expected = [((formula(unit) - formula(np.zeros(shape))) * factors).sum() for unit in units]
    np.testing.assert_allclose(slope(layer, x, factors).ravel(), expected, atol=1e-12)


@pytest.mark.parametrize(
    "layer",
    [
        pc.layers.Flatten(),
        pc.layers.Reshape((-1,)),
        pc.layers.Permute((2, 1, 3)),
        pc.layers.ZeroPadding2D(),
        pc.layers.Cropping2D(1),
        pc.layers.UpSampling2D(),
    ],
    ids=repr,
)
def test_bytes_that_are_only_moved_stay_bytes(layer: pc.layers.Layer) -> None:
    assert outputs(layer, np.full((2, 4, 5, 1), 200, "uint8")).dtype == "uint8"


def test_images_of_bytes_are_rescaled_to_floats() -> None:
    found = outputs(pc.layers.Rescaling(2 / 255, offset=-1), np.array([[0, 255]], "uint8"))
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, [[-1, 1]], rtol=1e-6)


@pytest.mark.torch
@draws(10)
@given(
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    factors=st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
def test_bilinear_upsampling_is_that_of_pytorch(sizes: tuple[int, int], factors: tuple[int, int]) -> None:
    import torch

    x = numbers(2, *sizes, 3, dtype="float64")
    layer = pc.layers.UpSampling2D(factors, interpolation="bilinear")
    tensor = torch.tensor(np.moveaxis(x, -1, 1), requires_grad=True)
    module = torch.nn.Upsample(scale_factor=factors, mode="bilinear", align_corners=False)
    expected = module(tensor)
    np.testing.assert_allclose(outputs(layer, x), np.moveaxis(expected.detach().numpy(), 1, -1), atol=1e-12)
    weights = numbers(*(tensor.shape[0], x.shape[1] * factors[0], x.shape[2] * factors[1], 3), dtype="float64")
    (expected * torch.tensor(np.moveaxis(weights, -1, 1))).sum().backward()
    assert tensor.grad is not None
    np.testing.assert_allclose(slope(layer, x, weights), np.moveaxis(tensor.grad.numpy(), 1, -1), atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_an_embedding_learns_as_pytorchs_does(dtype: str) -> None:
    import torch

    words = np.random.default_rng(8).integers(0, 9, (6, 4)).astype(dtype)
    targets = numbers(6, 4, 3)
    layer = pc.layers.Embedding(9, 3)
    x = pc.variable("x", words.shape, dtype)
    y = layer(x, training=True)
    loss = pc.square(y - pc.constant(targets)).sum()
    module = torch.nn.Embedding.from_pretrained(torch.tensor(layer.embeddings.value), freeze=False)
    np.testing.assert_array_equal(pc.function([x], y)(words), layer.embeddings.value[words])

    updates = pc.optimizers.SGD(0.05).updates(loss, layer.trainable_parameters)
    losses = pc.function([x], loss, updates=updates).repeat(STEPS)(words)
    rule = torch.optim.SGD(module.parameters(), lr=0.05)
    expected = []
    for _ in range(STEPS):
        rule.zero_grad()
        error = ((module(torch.tensor(words.astype("int64"))) - torch.tensor(targets)) ** 2).sum()
        error.backward()
        rule.step()
        expected.append(error.item())
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_allclose(layer.embeddings.value, module.weight.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_an_index_outside_the_table_is_refused_at_the_call() -> None:
    x = pc.layers.Input((2,), dtype="int32")
    f = pc.function([x], pc.Sequential(pc.layers.Embedding(10, 3), pc.layers.Flatten())(x))
    for wrong in (10, -1):
        with pytest.raises(pc.InputError, match=f"is {wrong} at row 1, column 0.*0 to 9"):
            f(np.array([[0, 9], [wrong, 3]], "int32"))


def test_an_embedding_takes_integers_only() -> None:
    with pytest.raises(pc.DtypeError, match=r"layer embedding: Embedding\(10, 3\) takes indices.*float32"):
        pc.layers.Embedding(10, 3)(pc.layers.Input((2,)))


WRONG_ARGUMENTS: list[tuple[Callable[[], Any], str]] = [
    (lambda: pc.layers.Reshape(20), "Reshape: target_shape is 20"),
    (lambda: pc.layers.Reshape((4, 2.5)), "Reshape: a size in target_shape is 2.5"),
    (lambda: pc.layers.Permute((0, 1)), r"Permute: dims is \(0, 1\)"),
    (lambda: pc.layers.RepeatVector(0), "RepeatVector: n is 0"),
    (lambda: pc.layers.ZeroPadding1D((1, 2, 3)), r"ZeroPadding1D: padding is \(1, 2, 3\).*\(before, after\)"),
    (lambda: pc.layers.ZeroPadding2D(((1, 2), (3, -4))), "ZeroPadding2D: padding is .*top, bottom"),
    (lambda: pc.layers.Cropping2D("1"), "Cropping2D: cropping is '1'"),
    (lambda: pc.layers.UpSampling1D(1.5), "UpSampling1D: size is 1.5"),
    (lambda: pc.layers.UpSampling2D(interpolation="cubic"), "interpolation is 'cubic'.*'bilinear'"),
    (lambda: pc.layers.Embedding(0, 3), "Embedding: input_dim is 0"),
    (lambda: pc.layers.Embedding(3, -1), "Embedding: output_dim is -1"),
]


@pytest.mark.parametrize(("make", "message"), WRONG_ARGUMENTS)
def test_wrong_arguments_are_refused_when_they_are_given(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(pc.InputError, match=message):
        make()


WRONG_INPUTS = [
    (pc.layers.Reshape((3, -1)), (28,), "cannot take the shape"),
    (pc.layers.Permute((2, 1)), (2, 3, 4), "orders 2 axes"),
    (pc.layers.RepeatVector(3), (2, 3), "takes inputs .batch, features."),
    (pc.layers.ZeroPadding2D(), (28, 28), "takes inputs"),
    (pc.layers.Cropping1D(5), (10, 3), "cuts 10 elements off an axis of 10"),
    (pc.layers.Cropping2D(1), ("height", 4, 3), "off an axis of height"),
    (pc.layers.UpSampling1D(), (4, 4, 3), "takes inputs .batch, length, channels."),
    (pc.layers.UpSampling2D(), (4, 4), "takes inputs"),
    (pc.layers.Rescaling([1.0, 2.0]), (3,), "only an axis of size 1 stretches"),
]


@pytest.mark.parametrize(("layer", "shape", "message"), WRONG_INPUTS, ids=str)
def test_wrong_inputs_are_refused_and_the_layer_named(layer: Any, shape: Any, message: str) -> None:
    with pytest.raises(pc.ShapeError, match=message) as caught:
        pc.Sequential(pc.Sequential(layer, name="block"))(pc.layers.Input(shape))
    assert f"layer block/{pc.layers.calls.default_name(layer)}" in str(caught.value)
