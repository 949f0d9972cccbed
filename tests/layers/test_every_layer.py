"""What every registered layer promises: saved and made again it is the same, it trains, and it says what it takes."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import pellucid as pc
from pellucid.core import configuration
from pellucid.core.configuration import describe, restore

L: Any = pc.layers
Array = np.ndarray[Any, Any]
ROWS = 3


class Case(NamedTuple):
    """The shapes of an example of each of a layer's inputs, its arguments if it takes some, and the inputs' dtype."""

    shapes: tuple[tuple[int, ...], ...]
    make: Callable[[], Any] | None = None
    dtype: str = "float32"


@pc.register  # so that a Lambda of it can be described
def doubled(x: pc.Expression) -> pc.Expression:
    return 2 * x


def network_of_two() -> pc.Network:
    x = L.Input((4,))
    return pc.Network(x, L.Dense(2)(L.Dense(3, activation="tanh")(x)))


VECTOR, SERIES, IMAGE = ((6,),), ((7, 4),), ((6, 5, 4),)
CASES: dict[str, Case] = {
    "Activation": Case(VECTOR, lambda: L.Activation("softplus")),
    "Add": Case(VECTOR * 2),
    "Average": Case(VECTOR * 2),
    "AveragePooling1D": Case(SERIES, lambda: L.AveragePooling1D(3, 2, "same")),
    "AveragePooling2D": Case(IMAGE, lambda: L.AveragePooling2D((3, 2), padding="same")),
    "BatchNormalization": Case(VECTOR, lambda: L.BatchNormalization(momentum=0.9)),
    "Bidirectional": Case(SERIES, lambda: L.Bidirectional(L.LSTM(3, return_sequences=True), "sum")),
    "Concatenate": Case(VECTOR * 2, lambda: L.Concatenate(axis=1)),
    "Conv1D": Case(SERIES, lambda: L.Conv1D(6, 3, 2, "same", 1, 2, "relu", kernel_regularizer="l2")),
    "Conv1DTranspose": Case(SERIES, lambda: L.Conv1DTranspose(3, 3, 2, "same", "tanh")),
    "Conv2D": Case(IMAGE, lambda: L.Conv2D(6, (3, 2), 1, ((1, 0), (0, 1)), (1, 2), 2, "relu")),
    "Conv2DTranspose": Case(IMAGE, lambda: L.Conv2DTranspose(3, (3, 2), (1, 2), use_bias=False)),
    "Cropping1D": Case(SERIES, lambda: L.Cropping1D((2, 1))),
    "Cropping2D": Case(IMAGE, lambda: L.Cropping2D(((2, 1), (0, 1)))),
    "Dense": Case(VECTOR, lambda: L.Dense(3, "tanh", bias_constraint="non_neg")),
    "DepthwiseConv1D": Case(SERIES, lambda: L.DepthwiseConv1D(3, depth_multiplier=2)),
    "DepthwiseConv2D": Case(IMAGE, lambda: L.DepthwiseConv2D(3, 1, "same", 2, activation="elu")),
    "Dropout": Case(VECTOR, lambda: L.Dropout(0.4)),
    "ELU": Case(VECTOR, lambda: L.ELU(0.7)),
    "Embedding": Case(VECTOR, lambda: L.Embedding(9, 4, embeddings_initializer="normal"), "int32"),
    "Flatten": Case(IMAGE),
    "GRU": Case(SERIES, lambda: L.GRU(3, "relu", bias_initializer="normal", recompute=True)),
    "GRUCell": Case(((4,), (3,)), lambda: L.GRUCell(3, reset_after=False)),
    "GaussianNoise": Case(VECTOR, lambda: L.GaussianNoise(0.3)),
    "GlobalAveragePooling1D": Case(SERIES, lambda: L.GlobalAveragePooling1D(keepdims=True)),
    "GlobalAveragePooling2D": Case(IMAGE, lambda: L.GlobalAveragePooling2D(keepdims=True)),
    "GlobalMaxPooling1D": Case(SERIES, lambda: L.GlobalMaxPooling1D(keepdims=True)),
    "GlobalMaxPooling2D": Case(IMAGE, lambda: L.GlobalMaxPooling2D(keepdims=True)),
    "GroupNormalization": Case(SERIES, lambda: L.GroupNormalization(2)),
    "LSTM": Case(SERIES, lambda: L.LSTM(3, return_sequences=True, dropout=0.3, recurrent_dropout=0.2)),
    "LSTMCell": Case(((4,), (3,), (3,)), lambda: L.LSTMCell(3, unit_forget_bias=False)),
    "Lambda": Case(VECTOR, lambda: L.Lambda(doubled)),
    "LayerNormalization": Case(VECTOR, lambda: L.LayerNormalization(epsilon=0.1)),
    "LeakyReLU": Case(VECTOR, lambda: L.LeakyReLU(0.2)),
    "LocalResponseNormalization": Case(IMAGE),
    "MaxPooling1D": Case(SERIES, lambda: L.MaxPooling1D(3, 2, "same")),
    "MaxPooling2D": Case(IMAGE, lambda: L.MaxPooling2D((3, 2), padding="same")),
    "Maximum": Case(VECTOR * 2),
    "Minimum": Case(VECTOR * 2),
    "MultiHeadAttention": Case(
        ((5, 6), (7, 4), (7, 3)), lambda: L.MultiHeadAttention(2, 3, 4, output_shape=5, bias_regularizer="l2")
    ),
    "Multiply": Case(VECTOR * 2),
    "Network": Case(((4,),), network_of_two),
    "PReLU": Case(VECTOR),
    "Permute": Case(IMAGE, lambda: L.Permute((3, 1, 2))),
    "PositionEmbedding": Case(SERIES, lambda: L.PositionEmbedding(9, embeddings_initializer="normal")),
    "RNN": Case(SERIES, lambda: L.RNN(L.GRUCell(3), go_backwards=True)),
    "RandomCrop": Case(IMAGE, lambda: L.RandomCrop(4, 3)),
    "RandomFlip": Case(IMAGE, lambda: L.RandomFlip("horizontal")),
    "RandomTranslation": Case(IMAGE, lambda: L.RandomTranslation((-0.2, 0.4), 0.2, "constant", 2.5)),
    "ReLU": Case(VECTOR),
    "RepeatVector": Case(VECTOR, lambda: L.RepeatVector(3)),
    "Rescaling": Case(VECTOR, lambda: L.Rescaling(0.5, offset=[1.0] * 6)),
    "Reshape": Case(SERIES, lambda: L.Reshape((4, -1))),
    "SeparableConv1D": Case(SERIES, lambda: L.SeparableConv1D(3, 3, depth_multiplier=2)),
    "SeparableConv2D": Case(IMAGE, lambda: L.SeparableConv2D(3, (3, 2), 2, "same", activation="relu")),
    "Sequential": Case(VECTOR, lambda: pc.Sequential(L.Dense(3, activation="tanh"), L.Dense(2))),
    "SimpleRNN": Case(SERIES, lambda: L.SimpleRNN(3, stateful=True, batch_size=ROWS, return_sequences=True)),
    "SimpleRNNCell": Case(((4,), (3,)), lambda: L.SimpleRNNCell(3, "relu", False, recurrent_regularizer="l2")),
    "SinePositionEncoding": Case(SERIES, lambda: L.SinePositionEncoding(50.0)),
    "Softmax": Case(VECTOR),
    "SpatialDropout1D": Case(SERIES, lambda: L.SpatialDropout1D(0.4)),
    "SpatialDropout2D": Case(IMAGE, lambda: L.SpatialDropout2D(0.4)),
    "Subtract": Case(VECTOR * 2),
    "TransformerBlock": Case(SERIES, lambda: L.TransformerBlock(2, 5, 0.2, "relu", bias_initializer="normal")),
    "UpSampling1D": Case(SERIES, lambda: L.UpSampling1D(3)),
    "UpSampling2D": Case(IMAGE, lambda: L.UpSampling2D((2, 3), interpolation="bilinear")),
    "ZeroPadding1D": Case(SERIES, lambda: L.ZeroPadding1D((2, 0))),
    "ZeroPadding2D": Case(IMAGE, lambda: L.ZeroPadding2D(((2, 0), (1, 3)))),
}
REGISTERED = {
    name.removeprefix("layers."): kind
    for name, kind in sorted(configuration._registered.items())
    if isinstance(kind, type) and issubclass(kind, L.Layer) and kind.__module__.startswith("pellucid.")
}
every_layer = pytest.mark.parametrize("name", REGISTERED)


def made(name: str) -> Any:
    make = CASES[name].make
    return REGISTERED[name]() if make is None else make()


def inputs_of(case: Case, dtype: str | None = None) -> list[pc.Expression]:
    return [L.Input(shape, dtype or case.dtype, f"x{k}") for k, shape in enumerate(case.shapes)]


def one_or_all(items: list[Any]) -> Any:
    return items if len(items) > 1 else items[0]


def listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def arrays_of(case: Case) -> list[Array]:
    random = np.random.default_rng(5)
    draw = random.normal if case.dtype == "float32" else lambda size: random.integers(0, 9, size)
    return [np.asarray(draw(size=(ROWS, *shape))).astype(case.dtype) for shape in case.shapes]


def network_of(layer: Any, case: Case, dtype: str | None = None) -> pc.Network:
    """Return a network of one layer, its weights drawn."""
    inputs = inputs_of(case, dtype)
    network: pc.Network = pc.Network(inputs, layer(one_or_all(inputs))).build(seed=3)
    return network


def trained(network: pc.Network, case: Case, backend: str) -> list[Array]:
    """Return what two steps of training have for outputs and losses, and the weights they leave."""
    y = network(one_or_all(network.inputs), training=True)
    loss = sum(pc.square(part).sum() for part in listed(y))
    parameters = network.trainable_parameters
    updates = pc.optimizers.SGD(0.01).updates(loss, parameters) if parameters else []
    pairs = [*updates, *pc.state_updates(y)]
    step = pc.function(network.inputs, [*listed(y), loss], updates=pairs, seed=4, backend=backend)
    found = [part for _ in range(2) for part in step(*arrays_of(case))]
    return [*found, *(p.value for p in network.parameters.values())]


@every_layer
def test_it_has_a_case_here_and_a_public_name(name: str) -> None:
    assert type(made(name)) is REGISTERED[name]
    assert getattr(L, name) is REGISTERED[name]
    assert name in L.__all__


@every_layer
def test_saved_as_json_and_made_again_it_computes_the_same(name: str) -> None:
    case = CASES[name]
    layer = made(name)
    described = json.loads(json.dumps(describe(layer), allow_nan=False))
    again = restore(described)
    assert type(again) is type(layer)
    assert describe(again) == described
    first, second = (network_of(given, case) for given in (layer, again))
    found, expected = (
        [pc.function(n.inputs, n.outputs[0])(*arrays_of(case)), *(p.value for p in n.parameters.values())]
        for n in (second, first)
    )
    for have, want in zip(found, expected, strict=True):
        np.testing.assert_array_equal(have, want)


@every_layer
def test_it_trains_alike_in_native_code_on_xla_and_in_numpy(name: str) -> None:
    case = CASES[name]
    *found, reference = (trained(network_of(made(name), case), case, b) for b in ("native", "xla", "reference"))
    for values in found:
        for have, want in zip(values, reference, strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-4)


@every_layer
def test_it_predicts_alike_in_native_code_and_in_numpy_and_the_same_each_time(name: str) -> None:
    case = CASES[name]
    network = network_of(made(name), case)
    native, reference = (pc.function(network.inputs, network.outputs[0], backend=b) for b in ("native", "reference"))
    arrays = arrays_of(case)
    found = native(*arrays)
    np.testing.assert_allclose(found, reference(*arrays), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found, native(*arrays))


@pytest.mark.parametrize("name", [name for name in REGISTERED if name not in ("Embedding", "Network")])
def test_float64_stays_float64(name: str) -> None:
    """An embedding takes integers, and a network is made for inputs of some dtype."""
    case = CASES[name]
    given, layer = inputs_of(case, "float64"), made(name)
    assert {y.dtype for y in listed(layer(one_or_all(given)))} == {"float64"}
    assert {p.dtype for p in layer.parameters.values()} <= {"float64"}


@every_layer
def test_a_summary_shows_its_name_shape_and_weights(name: str) -> None:
    case = CASES[name]
    network = network_of(made(name), case)
    row = network.summary().splitlines()[1 + len(case.shapes)]
    size = sum(p.value.size for p in network.parameters.values())
    assert name in row
    assert str(network.outputs[0].shape).replace("'", "") in row
    assert row.endswith(f"{size:,}" if size else ")")


@pytest.mark.parametrize("name", [name for name in REGISTERED if name not in ("Network", "Sequential")])
def test_it_says_what_it_takes(name: str) -> None:
    text = inspect.getdoc(REGISTERED[name]) or ""
    assert "Shapes: " in text
    assert ">>> " in text


@every_layer
def test_its_own_arguments_are_documented_or_those_of_a_relative(name: str) -> None:
    kind = REGISTERED[name]
    text = inspect.getdoc(kind) or ""
    if "its arguments are those of" in text.lower() or not dataclasses.is_dataclass(kind):
        return
    own = [f.name for f in dataclasses.fields(kind) if f.name not in ("name", "trainable")]
    missing = [n for n in own if not n.endswith(("_initializer", "_regularizer", "_constraint")) and n not in text]
    assert not missing
