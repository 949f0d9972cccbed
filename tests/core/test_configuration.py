"""Objects as data and back: values, arrays, objects that are shared, and what is not registered."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from pellucid.core.configuration import describe, differences, register, restore
from pellucid.core.sizes import named

PLAIN = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text()
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text() | st.sampled_from(["class", "array", "same", "number"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@register
@dataclass(frozen=True)
class Pair:
    first: object = None
    second: object = 1.0


@given(VALUES)
def test_plain_values_come_back_through_json(value):
    data = json.loads(json.dumps(describe(value), allow_nan=False))
    assert repr(restore(data)) == repr(value)


@pytest.mark.parametrize("beside", [False, True])
def test_arrays_come_back_inside_the_data_or_beside_it(beside):
    arrays = [] if beside else None
    values = [np.array([[np.nan, -0.0], [np.inf, 1e-300]]), np.arange(3, dtype="int16"), np.array(2.5, "float32")]
    data = json.loads(json.dumps(describe(values, arrays=arrays), allow_nan=False))
    again = restore(data, arrays or ())
    assert [a.tobytes() for a in again] == [a.tobytes() for a in values]
    assert [(a.dtype, a.shape) for a in again] == [(a.dtype, a.shape) for a in values]


def test_sizes_and_functions_come_back():
    size = named("batch") * 2 + 1
    assert restore(describe((size, pc.activations.gelu, pc.exp))) == (size, pc.activations.gelu, pc.exp)


def test_every_operation_can_be_named_as_a_function():
    for function in (pc.sin, pc.square, pc.tanh, pc.softmax, pc.activations.selu):
        assert restore(describe(function)) is function


def test_what_has_no_name_needs_one():
    part = functools.partial(pc.activations.elu, alpha=0.5)
    with pytest.raises(pc.InputError, match="has no name of its own; give it one"):
        register(part)
    assert restore(describe(register(part, "half elu"))) is part
    with pytest.raises(pc.InputError, match="register takes a class or a function"):
        register(3)


def test_an_object_that_occurs_twice_stays_one():
    inner = Pair(1)
    again = restore(describe([Pair(inner, inner), inner]))
    assert again[0].first is again[0].second is again[1]


def test_every_name_of_ours_is_of_its_part_and_what_a_user_registers_takes_no_place_of_it():
    @register
    class Dense(pc.layers.Layer):
        pass

    assert describe(pc.losses.Huber())["class"] == "losses.Huber"
    assert describe(pc.metrics.MeanSquaredError())["class"] == "metrics.MeanSquaredError"
    assert type(restore(describe(pc.losses.MeanSquaredError()))) is pc.losses.MeanSquaredError
    assert type(restore(describe(pc.layers.Dense(2)))) is pc.layers.Dense
    assert describe(Dense())["class"] == "Dense"
    with pytest.raises(pc.InputError, match="'relu' is not registered"):
        restore({"function": "relu"})


def test_a_later_registration_takes_the_place_of_an_earlier_one():
    def make():
        @register
        class Replaced(Pair):
            pass

        return Replaced

    first, second = make(), make()
    assert type(restore(describe(second()))) is second
    with pytest.raises(pc.InputError, match="Replaced is not registered"):
        describe(first())


def test_arguments_are_those_of_now():
    layer = pc.layers.Dense(3)
    layer.units, layer.trainable = 5, False
    again = restore(describe(layer))
    assert (again.units, again.trainable) == (5, False)


def test_what_cannot_be_described_is_named_with_its_place():
    with pytest.raises(pc.InputError, match=r"a\[1\].second: .*object.* cannot be saved"):
        describe({"a": [1, Pair(1, object())]})
    with pytest.raises(pc.InputError, match="only mappings by text can be saved"):
        describe({1: 2})
    circle = []
    circle.append(circle)
    with pytest.raises(pc.InputError, match="nested too deeply"):
        describe(circle)


def test_differences_are_found_by_path():
    have, want = (describe(pc.Sequential(pc.layers.Dense(n))) for n in (2, 3))
    assert list(differences(have, want)) == [("layers[0].units", 2, 3)]
    assert list(differences([1], [True])) == [("[0]", 1, True)]
    assert not list(differences({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}))
