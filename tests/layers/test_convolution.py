"""Convolution and pooling layers: against PyTorch's modules, forward, gradients and training; arguments and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import pellucid as pc
from draws import draws
from layers import twins
from layers.twins import Twins
from operations.geometry import Geometry, geometries

FAMILIES: dict[str, Callable[[Geometry], Twins]] = {
    "convolution": twins.convolution,
    "depthwise": twins.depthwise,
    "separable": twins.separable,
    "transposed": twins.transposed,
    "max_pooling": twins.max_pooling,
    "average_pooling": twins.average_pooling,
}
WITH_WEIGHTS = ("convolution", "depthwise", "separable", "transposed")
STEPS = 5


def close(found: Any, expected: Any, dtype: str, terms: int = 2000) -> None:
    """Assert that sums of some thousand terms agree, as precisely as their largest allows."""
    size = max(1.0, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=np.finfo(dtype).eps * terms * size)


def data(pair: Twins) -> tuple[Any, Any]:
    """Return inputs, and targets for the outputs."""
    random = np.random.default_rng(1)
    y = pair.layer(pc.variable("x", pair.shape, pair.dtype))
    return random.normal(size=pair.shape).astype(pair.dtype), random.normal(size=y.shape).astype(pair.dtype)


@pytest.mark.torch
@pytest.mark.parametrize("family", FAMILIES)
@draws(10)
@given(geometry=geometries(narrow=True, smallest=1))
def test_outputs_and_gradients_are_those_of_pytorch(family: str, geometry: Geometry) -> None:
    import torch

    pair = FAMILIES[family](geometry)
    inputs, factors = data(pair)
    x = pc.variable("x", pair.shape, pair.dtype)
    y = pair.layer(x)
    gradients = pc.gradient((y * pc.constant(factors, pair.dtype)).sum(), [x, *(ours for ours, _ in pair.weights)])
    found, slope, *slopes = pc.function([x], [y, *gradients])(inputs)

    tensor = torch.tensor(twins.channels_first(inputs), requires_grad=True)
    expected = pair.module(tensor)
    (expected * torch.tensor(twins.channels_first(factors))).sum().backward()
    close(found, twins.channels_last(expected), pair.dtype)
    close(slope, twins.channels_last(tensor.grad), pair.dtype)
    for ours, theirs in zip(slopes, pair.gradients(), strict=True):
        close(ours, theirs, pair.dtype)


@pytest.mark.torch
@pytest.mark.parametrize("family", WITH_WEIGHTS)
@draws(4)
@given(geometry=geometries(dtype="float64", narrow=True, smallest=1))
def test_five_steps_of_training_are_those_of_pytorch(family: str, geometry: Geometry) -> None:
    import torch

    pair = FAMILIES[family](geometry)
    inputs, targets = data(pair)
    x = pc.variable("x", pair.shape, pair.dtype)
    loss = pc.square(pair.layer(x, training=True) - pc.constant(targets, pair.dtype)).mean()
    optimizer = pc.optimizers.SGD(0.02, momentum=0.9)
    step = pc.function([x], loss, updates=optimizer.updates(loss, pair.layer.trainable_parameters))
    losses = step.repeat(STEPS)(inputs)

    rule = torch.optim.SGD(pair.module.parameters(), lr=0.02, momentum=0.9)
    given_x, wanted = (torch.tensor(twins.channels_first(a)) for a in (inputs, targets))
    expected = []
    for _ in range(STEPS):
        rule.zero_grad()
        error = ((pair.module(given_x) - wanted) ** 2).mean()
        error.backward()
        rule.step()
        expected.append(error.item())
    close(losses, expected, "float64", 10**6)
    for ours, theirs in pair.weights:
        close(ours.value, twins.as_ours(theirs, ours.shape), "float64", 10**6)


@pytest.mark.torch
def test_adam_trains_a_network_of_convolutions_as_pytorch_does() -> None:
    import torch

    layers = pc.layers
    network = pc.Sequential(
        layers.Conv2D(4, 3, padding="same", activation="relu"),
        layers.MaxPool2D(),
        layers.SeparableConv2D(6, 3, activation="tanh"),
        layers.GlobalAveragePooling2D(),
    ).build((12, 10, 2), seed=3, dtype="float64")
    kernels = [p.value for p in network.parameters.values()]
    module = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(4, 4, 3, groups=4, bias=False),
        torch.nn.Conv2d(4, 6, 1),
        torch.nn.Tanh(),
    ).double()
    forms = [1, 1, 4, 1, 1]
    for theirs, ours, groups in zip(module.parameters(), kernels, forms, strict=True):
        theirs.data = torch.tensor(twins.as_theirs(ours, groups) if ours.ndim > 1 else ours)
    random = np.random.default_rng(4)
    inputs, targets = random.normal(size=(7, 12, 10, 2)), random.normal(size=(7, 6))

    x, t = pc.variable("x", ("batch", 12, 10, 2), "float64"), pc.variable("t", ("batch", 6), "float64")
    loss = pc.square(network(x, training=True) - t).mean()
    updates = pc.optimizers.Adam(0.01, epsilon=1e-14).updates(loss, network.trainable_parameters)
    losses = pc.function([x, t], loss, updates=updates).repeat(STEPS)(inputs, targets)

    rule = torch.optim.Adam(module.parameters(), lr=0.01, eps=1e-14)
    expected = []
    for _ in range(STEPS):
        rule.zero_grad()
        outputs = module(torch.tensor(twins.channels_first(inputs))).mean((2, 3))
        error = ((outputs - torch.tensor(targets)) ** 2).mean()
        error.backward()
        rule.step()
        expected.append(error.item())
    np.testing.assert_allclose(losses, expected, rtol=1e-8)
    for ours, theirs in zip(network.parameters.values(), module.parameters(), strict=True):
        np.testing.assert_allclose(ours.value, twins.as_ours(theirs, ours.shape), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", [1, 2])
def test_global_pooling_is_over_all_places(axes: int, keepdims: bool) -> None:
    inputs = np.random.default_rng(2).normal(size=(3, *(5, 4)[:axes], 2)).astype("float32")
    over = tuple(range(1, axes + 1))
    for kind, expected in (("Max", np.max), ("Average", np.mean)):
        layer = getattr(pc.layers, f"Global{kind}Pooling{axes}D")(keepdims=keepdims)
        found = pc.function([], layer(pc.constant(inputs)))()
        np.testing.assert_allclose(found, expected(inputs, axis=over, keepdims=keepdims), rtol=1e-6)


def test_global_pooling_takes_texts_of_any_length() -> None:
    x = pc.layers.Input(("length", 2))
    f = pc.function([x], pc.layers.GlobalMaxPool1D()(x))
    assert f([[[1, 2], [3, 0]]]).tolist() == [[3, 2]]
    assert f([[[1, 2], [3, 0], [0, 7]]]).tolist() == [[3, 7]]


@pytest.mark.parametrize("kind", ["Max", "Average"])
@pytest.mark.parametrize("axes", [1, 2])
def test_short_names_are_the_same_layers(kind: str, axes: int) -> None:
    short = {"Max": "Max", "Average": "Avg"}[kind]
    for prefix in ("", "Global"):
        assert getattr(pc.layers, f"{prefix}{short}Pool{axes}D") is getattr(pc.layers, f"{prefix}{kind}Pooling{axes}D")


def test_images_of_bytes_are_convolved_as_floats() -> None:
    images = np.random.default_rng(5).integers(0, 256, (2, 6, 6, 1), dtype="uint8")
    layer = pc.layers.Conv2D(3, 3)
    x, z = pc.variable("x", ("batch", 6, 6, 1), "uint8"), pc.variable("z", ("batch", 6, 6, 1))
    found, expected = pc.function([x], layer(x))(images), pc.function([z], layer(z))(images.astype("float32"))
    assert layer.kernel.dtype == "float32"
    np.testing.assert_array_equal(found, expected)


def test_a_causal_convolution_knows_nothing_of_what_comes_later() -> None:
    layer = pc.layers.Conv1D(2, 3, dilation_rate=2, padding=((4, 0),))
    x = pc.layers.Input((9, 1))
    f = pc.function([x], layer(x))
    series = np.random.default_rng(6).normal(size=(1, 9, 1)).astype("float32")
    later = series.copy()
    later[:, 5:] += 1
    np.testing.assert_array_equal(f(series)[:, :5], f(later)[:, :5])
    assert (f(series)[:, 5:] != f(later)[:, 5:]).all()


def test_each_weight_is_set_by_its_own_arguments() -> None:
    layer = pc.layers.SeparableConv2D(
        3,
        2,
        depthwise_initializer=0.5,
        pointwise_initializer=2.0,
        bias_initializer="ones",
        depthwise_regularizer="l1",
        pointwise_regularizer="l2",
        bias_constraint="non_neg",
    )
    layer(pc.layers.Input((4, 4, 2)))
    values = {name: float(weight.parameter.value.flat[0]) for name, weight in layer.weights.items()}
    assert values == {"depthwise_kernel": 0.5, "pointwise_kernel": 2.0, "bias": 1.0}
    assert [type(w.regularizer).__name__ for w in layer.weights.values()] == ["L1", "L2", "NoneType"]
    assert [type(w.constraint).__name__ for w in layer.weights.values()] == ["NoneType", "NoneType", "NonNeg"]


@pytest.mark.parametrize(
    "layer",
    [
        pc.layers.Conv2D(3, 3, use_bias=False),
        pc.layers.DepthwiseConv2D(3, use_bias=False),
        pc.layers.Conv2DTranspose(3, 3, use_bias=False),
    ],
    ids=repr,
)
def test_without_a_bias_there_is_none(layer: pc.layers.Layer) -> None:
    layer(pc.layers.Input((8, 8, 2)))
    assert list(layer.parameters) == ["kernel"]


WRONG_ARGUMENTS: list[tuple[Callable[[], Any], str]] = [
    (lambda: pc.layers.Conv2D(0, 3), "Conv2D: filters is 0"),
    (lambda: pc.layers.Conv2D(8, (3, 3, 3)), "Conv2D: kernel_size is .* 2 of them"),
    (lambda: pc.layers.Conv1D(8, 3, strides=1.5), "Conv1D: strides is 1.5"),
    (lambda: pc.layers.Conv2D(8, 3, dilation_rate=0), "Conv2D: dilation_rate is 0"),
    (lambda: pc.layers.Conv2D(8, 3, groups=True), "Conv2D: groups is True"),
    (lambda: pc.layers.Conv2D(8, 3, activation="relux"), "'relux' is not an activation"),
    (lambda: pc.layers.DepthwiseConv2D(3, depth_multiplier=0), "depth_multiplier is 0"),
    (lambda: pc.layers.MaxPooling2D("2"), "MaxPooling2D: pool_size is '2'"),
    (lambda: pc.layers.AveragePooling1D(2, strides=0), "AveragePooling1D: strides is 0"),
]


@pytest.mark.parametrize(("make", "message"), WRONG_ARGUMENTS)
def test_wrong_arguments_are_refused_when_they_are_given(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(pc.InputError, match=message):
        make()


WRONG_INPUTS = [
    (pc.layers.Conv2D(8, 3), (28, 28), "takes inputs .batch, height, width, channels."),
    (pc.layers.Conv1D(8, 3), (28, 28, 1), "takes inputs .batch, length, channels."),
    (pc.layers.Conv2D(8, 30), (28, 28, 1), "spans 30 elements does not fit into the 28"),
    (pc.layers.Conv2D(8, 3, groups=3), (28, 28, 3), "3 groups do not divide"),
    (pc.layers.Conv2D(9, 3, groups=3), (28, 28, 4), "3 groups do not divide the 4 channels"),
    (pc.layers.Conv2D(8, 3, padding="some"), (28, 28, 3), "padding is .* not 'some'"),
    (pc.layers.Conv2D(8, 3), ("height", 28, 1), "the spatial axis height"),
    (pc.layers.Conv2D(8, 3), (28, 28, "channels"), "channels a number"),
    (pc.layers.DepthwiseConv2D(3), (28, 28), "takes inputs"),
    (pc.layers.SeparableConv2D(8, 3), (28, 28), "takes inputs"),
    (pc.layers.Conv2DTranspose(8, 3), (28, 28), "takes inputs"),
    (pc.layers.MaxPooling2D(30), (28, 28, 1), "spans 30 elements does not fit into the 28"),
    (pc.layers.AveragePooling1D(), (28, 28, 1), ".batch, length, channels. was expected"),
    (pc.layers.GlobalMaxPooling2D(), (28, 28), "takes inputs"),
]


@pytest.mark.parametrize(("layer", "shape", "message"), WRONG_INPUTS, ids=str)
def test_wrong_inputs_are_refused_and_the_layer_named(layer: Any, shape: Any, message: str) -> None:
    with pytest.raises((pc.ShapeError, pc.AxisError), match=message) as caught:
        pc.Sequential(pc.layers.Lambda(lambda x: x), pc.Sequential(layer, name="block"))(pc.layers.Input(shape))
    assert f"layer block/{pc.layers.calls.default_name(layer)}" in str(caught.value)


def test_other_channels_than_a_layer_was_built_for_are_refused() -> None:
    layer = pc.layers.Conv2D(8, 3)
    layer(pc.layers.Input((28, 28, 4)))
    with pytest.raises(pc.ShapeError, match=r"has 3 channels, .* is for 4 .*layer conv2d"):
        layer(pc.layers.Input((28, 28, 3)))
