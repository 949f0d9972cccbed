"""Generated and carried sets, splits and checks."""

import sys

import numpy as np
import pytest

from pellucid.core.errors import InputError, MissingExtraError, NotANumberError, ShapeError
from pellucid.data import addition, check_finite, digits, moons, split


def test_moons_are_drawn_by_their_seed():
    points, labels = moons(50, noise=0.1, seed=3)
    again, _ = moons(50, noise=0.1, seed=3)
    other, _ = moons(50, noise=0.1, seed=4)
    assert (points.dtype, labels.dtype, points.shape) == (np.float32, np.int32, (50, 2))
    assert np.array_equal(points, again)
    assert not np.array_equal(points, other)


@pytest.mark.parametrize("arguments", [{"n": 1}, {"noise": -1.0}, {"noise": float("nan")}])
def test_moons_that_cannot_be_drawn_are_refused(arguments):
    with pytest.raises(InputError, match=r"moons: (n|noise) is .* was expected"):
        moons(**arguments)


def test_a_split_keeps_each_labels_share_and_loses_nothing():
    images, labels = digits()
    parts = split(images, labels, test=0.25, seed=1)
    assert len(parts.train_labels) + len(parts.test_labels) == len(labels)
    whole = np.bincount(labels) / len(labels)
    assert np.abs(np.bincount(parts.test_labels) / len(parts.test_labels) - whole).max() < 0.005
    together = np.concatenate([parts.train_inputs, parts.test_inputs])
    assert np.array_equal(np.sort(together.sum(axis=1)), np.sort(images.sum(axis=1)))


def test_a_split_is_drawn_by_its_seed():
    images, labels = digits()
    one, same, other = (split(images, labels, seed=seed).test_labels for seed in (5, 5, 6))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_split_that_cannot_be_made_says_why():
    with pytest.raises(ShapeError, match="4 inputs and 3 labels"):
        split(np.zeros((4, 2)), np.zeros(3, dtype=int))
    with pytest.raises(InputError, match="stratified=True"):
        split(np.zeros((4, 2)), np.array([0, 0, 0, 1]))
    assert len(split(np.zeros((4, 2)), np.array([0, 0, 0, 1]), stratified=False).test_labels) == 1


@pytest.mark.parametrize("call", [digits, moons, lambda: split(np.zeros((4, 2)), np.zeros(4))])
def test_without_scikit_learn_the_extra_is_named(monkeypatch, call):
    for name in ("sklearn", "sklearn.datasets", "sklearn.model_selection"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"pip install pellucid\[learn\]"):
        call()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([[0.0, np.nan], [np.inf, 0.0]], "points is NaN at row 0, column 1 (2 of its 4 numbers are not finite)"),
        ([1.0, -np.inf], "points is infinite at row 1"),
        (np.full((1, 2, 3), np.nan), "points is NaN at index (0, 0, 0)"),
        (np.nan, "points is NaN (1 of its 1 numbers is not finite)"),
    ],
)
def test_a_number_that_is_not_finite_is_placed(data, said):
    with pytest.raises(NotANumberError) as raised:
        check_finite("points", data)
    assert said in str(raised.value)


def test_finite_and_whole_numbers_pass():
    assert check_finite("labels", [1, 2]).tolist() == [1, 2]
    assert check_finite("points", np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize("bits", [2, 8, 70])
def test_bits_of_sums_are_those_of_whole_numbers(bits):
    x, y = addition(bits, 50, seed=2)
    assert (x.shape, y.shape, x.dtype, y.dtype) == ((50, bits, 2), (50, bits, 1), np.float32, np.float32)
    for pair, total in zip(x, y, strict=True):
        first, second, right = (
            sum(int(bit) << place for place, bit in enumerate(column)) for column in np.concatenate([pair, total], 1).T
        )
        assert first + second == right
    assert x[:, -1].max() == 0
    assert x[:, :-1].mean() == pytest.approx(0.5, abs=0.1)


def test_pairs_are_drawn_by_their_seed():
    (one, _), (same, _), (other, _) = (addition(8, 20, seed) for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_every_pair_comes_once():
    x, y = addition(8, None)
    numbers = 2 ** np.arange(8) @ x
    assert numbers.tolist() == [[k // 128, k % 128] for k in range(128**2)]
    assert np.array_equal(numbers.sum(axis=1), (2 ** np.arange(8) @ y)[:, 0])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((1,), "bits is 1"), ((8, 0), "n is 0"), ((8.0,), "bits is 8.0"), ((40, None), "expected at most 67,108,864")],
)
def test_additions_that_cannot_be_drawn_are_refused(arguments, said):
    with pytest.raises(InputError, match=said):
        addition(*arguments)
