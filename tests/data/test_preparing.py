"""Scaling, one-hot labels and splits in three."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pellucid.core.errors import InputError, NotANumberError, ShapeError
from pellucid.data import Labelled, Scaling, one_hot, split_parts


def test_one_hot_and_back():
    labels = np.array([3, 0, 1, 3])
    encoded = one_hot(labels)
    assert (encoded.dtype, encoded.shape) == (np.float32, (4, 4))
    assert encoded.sum() == 4
    np.testing.assert_array_equal(encoded.argmax(axis=1), labels)


@pytest.mark.parametrize(
    ("labels", "classes", "error", "said"),
    [
        ([[0]], None, ShapeError, "expected one axis"),
        ([0.5], None, InputError, "expected integers"),
        ([], None, InputError, "at least one"),
        ([0, -1], None, InputError, "label -1 of row 1"),
        ([0, 3], 3, InputError, "label 3 of row 1 is not from 0 to 2"),
        ([0], 0, InputError, "classes"),
    ],
)
def test_labels_that_have_no_place_are_named(labels, classes, error, said):
    with pytest.raises(error, match=said):
        one_hot(labels, classes)


@given(arrays(np.float64, (7, 3), elements=st.floats(-1e6, 1e6)))
def test_scaled_columns_have_mean_0_and_deviation_1(inputs):
    scaling = Scaling.fit(inputs)
    assert Scaling.from_json(scaling.to_json()) == scaling
    spread = inputs.std(axis=0) > 1e-3 * (1 + np.abs(inputs).max(axis=0))  # elsewhere rounding is what is left
    scaled = scaling.apply(inputs)
    np.testing.assert_allclose(scaled.mean(axis=0)[spread], 0, atol=1e-3)
    np.testing.assert_allclose(scaled.std(axis=0)[spread], 1, atol=1e-3)
    np.testing.assert_allclose(scaling.undo(scaled), inputs, rtol=1e-4, atol=1e-5 * (1 + np.abs(inputs).max()))


def test_a_column_of_one_value_is_only_shifted():
    np.testing.assert_array_equal(Scaling.fit([[0.1, 1], [0.1, 3], [0.1, 5]]).apply([[1.1, 3]]), [[1, 0]])


def test_scaling_refuses_what_does_not_fit():
    with pytest.raises(ShapeError, match=r"expected \(n, 2\)"):
        Scaling.fit([[1.0, 2.0], [3.0, 4.0]]).apply([[1.0]])
    with pytest.raises(ShapeError, match="expected"):
        Scaling.fit([1.0, 2.0])
    with pytest.raises(NotANumberError, match="row 0, column 1"):
        Scaling.fit([[1.0, np.nan]])


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"mean": [1], "scale": [0]}', '{"mean": [1, 2], "scale": [1]}', '{"mean": ["a"], "scale": [1]}'],
)
def test_json_of_another_kind_is_refused(text):
    with pytest.raises(InputError, match="scaling"):
        Scaling.from_json(text)


DATA = Labelled(np.arange(100)[:, None], np.repeat([0, 1], [80, 20]), ("a", "b"), tuple(map(str, range(100))))


def test_each_part_has_its_share_of_each_class_and_no_row_is_lost():
    parts = split_parts(DATA, validation=0.2, test=0.1, seed=1)
    assert [np.bincount(part.labels).tolist() for part in parts] == [[56, 14], [16, 4], [8, 2]]
    assert sorted(np.concatenate([part.inputs[:, 0] for part in parts]).tolist()) == list(range(100))
    for part in parts:
        assert part.classes == ("a", "b")
        assert [int(name) for name in part.names] == part.inputs[:, 0].tolist()


def test_a_split_is_drawn_by_its_seed():
    one, same, other = (split_parts(DATA, seed=seed).test.inputs for seed in (5, 5, 6))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_numbers_are_split_without_classes():
    parts = split_parts((np.zeros((10, 2)), np.linspace(0, 1, 10)), validation=0.2, test=0.3)
    assert [len(part.labels) for part in parts] == [5, 2, 3]


@pytest.mark.parametrize(
    ("data", "shares", "error", "said"),
    [
        ((np.zeros((4, 1)), np.zeros(3, int)), {}, ShapeError, "4 inputs and 3 labels"),
        ((np.zeros((4, 1)), np.array([0, 0, 0, 1])), {}, InputError, "rows of class"),
        ((np.zeros((4, 1)), np.zeros(4)), {"validation": 0.6, "test": 0.6}, InputError, "leave a part without any"),
        ((np.zeros((4, 1)), np.zeros(4)), {"validation": 2}, InputError, "validation is 2"),
    ],
)
def test_a_split_that_cannot_be_made_says_why(data, shares, error, said):
    with pytest.raises(error, match=said):
        split_parts(data, **shares)
