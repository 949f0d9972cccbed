"""Layers that join expressions: what they compute, and what they say where shapes do not fit."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from draws import draws
from pellucid.core.errors import InputError, ShapeError

L = pc.layers
JOINED = {
    L.Add: sum,
    L.Multiply: lambda arrays: functools.reduce(np.multiply, arrays),
    L.Average: lambda arrays: sum(arrays) / len(arrays),
    L.Maximum: lambda arrays: functools.reduce(np.maximum, arrays),
    L.Minimum: lambda arrays: functools.reduce(np.minimum, arrays),
}


@draws(20)
@given(st.integers(2, 4), st.lists(st.integers(1, 4), min_size=1, max_size=3), st.data())
def test_what_they_compute(number, shape, data):
    """Of shapes with axes of size 1 that stretch, too."""
    shapes = [[n if data.draw(st.booleans()) else 1 for n in shape] for _ in range(number - 1)] + [shape]
    inputs = [L.Input(s, "float64", name=f"x{k}") for k, s in enumerate(shapes)]
    arrays = [np.random.default_rng(k).standard_normal((3, *s)) for k, s in enumerate(shapes)]
    for make, meaning in JOINED.items():
        y = pc.function(inputs, make()(inputs))(*arrays)
        np.testing.assert_allclose(y, meaning(arrays), rtol=1e-14)


def test_difference_and_concatenation():
    a, b = L.Input((2, 3), name="a"), L.Input((2, 3), name="b")
    A, B = np.arange(6.0).reshape(1, 2, 3).astype("float32"), np.ones((1, 2, 3), "float32")
    np.testing.assert_array_equal(pc.function([a, b], L.Subtract()([a, b]))(A, B), A - B)
    for axis in (0, 1, -1):
        y = pc.function([a, b], L.Concatenate(axis)([a, b]))(A, B)
        np.testing.assert_array_equal(y, np.concatenate([A, B], axis))


def test_gradients_reach_every_input():
    a, b = L.Input((2,), name="a"), L.Input((2,), name="b")
    y = L.Concatenate()([L.Multiply()([a, b]), L.Subtract()([a, b])])
    found = pc.function([a, b], pc.gradient(y.sum(), [a, b]))([[2, 3]], [[5, 7]])
    np.testing.assert_array_equal(found, [[[6, 8]], [[1, 2]]])


def test_as_part_of_a_network():
    x, z = L.Input((3,)), L.Input((3,), name="z")
    network = pc.Network([x, z], L.Add(name="both")([L.Dense(4)(x), L.Dense(4)(z)]))
    assert list(network.children()) == ["dense", "dense_1", "both"]
    assert network([x, z]).shape[1:] == (4,)


def shaped(*shapes):
    return [L.Input(s, name=f"x{k}") for k, s in enumerate(shapes)]


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (
            lambda: L.Add(name="both")(shaped((3,), (4,))),
            ShapeError,
            r"layer both: .* x0 \(batch, 3\), x1 \(batch, 4\)",
        ),
        (lambda: L.Add()(shaped((3,), (4, 3))), ShapeError, "layer add: .*the numbers of axes differ"),
        (lambda: L.Concatenate()(shaped((3,), (4, 3))), ShapeError, r"layer concatenate: .* cannot join x0"),
        (lambda: L.Concatenate(axis=5)(shaped((3,), (3,))), ShapeError, "layer concatenate: .* axis 5"),
        (lambda: L.Concatenate(1)(shaped((3, 2), (3, 4))), ShapeError, "layer concatenate"),
        (lambda: L.Add()(shaped((3,))), InputError, "layer add: .*two or more expressions, and was given 1"),
        (lambda: L.Add()(shaped((3,))[0]), InputError, r"layer add: .*call it as layer\(\[a, b\]\)"),
        (lambda: L.Concatenate()(shaped((3,))[0]), InputError, "layer concatenate: .*two or more"),
        (lambda: L.Subtract()(shaped((3,), (3,), (3,))), InputError, "layer subtract: .*two expressions, .* given 3"),
    ],
)
def test_errors_name_the_layer(make, error, says):
    with pytest.raises(error, match=says):
        make()


def test_a_layer_that_is_shared_checks_every_call():
    layer = L.Add()
    layer(shaped((3,), (3,)))
    with pytest.raises(ShapeError, match="cannot join"):
        layer(shaped((3,), (4,)))
