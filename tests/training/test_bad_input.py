"""Mistakes in what fit is given end with one clear message, before a weight is changed."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pc
from training.models import classifier, data, line

X, Y = data(rows=60)


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


NUMBERS = np.zeros((60, 1), "float32")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": changed(X, (7, 2), np.nan)}, pc.NotANumberError, "input is NaN or infinite at row 7, column 2"),
        ({"x": changed(X, (59, 3), -np.inf)}, pc.NotANumberError, "input is NaN or infinite at row 59, column 3"),
        ({"y": changed(Y, 3, 9)}, pc.InputError, "labels is 9 at row 3, and picks among 3: 0 to 2 were expected"),
        ({"y": changed(Y, 3, -1)}, pc.InputError, "the label at row 3 is -1, and labels 0 or more were"),
        ({"y": Y[:-1]}, pc.InputError, "one row for each example in every array: x has 60, y has 59"),
        ({"y": None}, pc.InputError, "there are no labels: y is needed beside x"),
        ({"x": X[:0], "y": Y[:0]}, pc.EmptyBatchError, "has no rows"),
        ({"y": np.array(["cat"] * 60)}, pc.DtypeError, "y is of <U3, which is not numbers"),
        ({"x": [[1.0, 2.0], [3.0]]}, pc.InputError, "rows that differ in length"),
        ({"x": X[:, :3]}, pc.InputError, r"input input has shape \(60, 3\), and \(batch, 4\) was declared"),
        ({"x": X[:, :, None]}, pc.InputError, "3 axes, not 2"),
        ({"class_weight": {7: 2.0}}, pc.InputError, "class_weight names the class 7, which is not among the labels"),
        ({"class_weight": {1: -2.0}}, pc.InputError, "class_weight: the weight of class 1 is -2.0, and a number 0 or"),
        ({"class_weight": {1: "two"}}, pc.InputError, "the weight of class 1 is 'two'"),
        ({"class_weight": "balanced"}, pc.InputError, "class_weight is 'balanced', and a number for each class"),
        ({"class_weight": [1.0, 3.0, 1.0]}, pc.InputError, "was expected, such as {1: 3.0}"),
        ({"class_weight": {0: 0.0, 1: 0.0, 2: 0.0}}, pc.InputError, "all weights are 0"),
        ({"sample_weight": np.ones(59)}, pc.InputError, r"sample_weight has shape \(59,\), and \(60,\) was expected"),
        (
            {"sample_weight": changed(np.ones(60), 5, np.nan)},
            pc.NotANumberError,
            "sample_weight is not finite at row 5",
        ),
        ({"validation_split": 1.5}, pc.InputError, "validation_split is 1.5, and a share between 0 and 1"),
        ({"validation_split": "half"}, pc.InputError, "validation_split is 'half', and a share between 0 and 1"),
        ({"validation_split": 0.01}, pc.InputError, "leaves class 0, which has .* rows, without any in validation"),
        ({"validation_split": 0.99}, pc.InputError, "without any in training"),
        ({"validation_data": X}, pc.InputError, r"validation_data is \(x, y\) or \(x, y, sample_weight\)"),
        ({"validation_data": (X, changed(Y, 3, 9))}, pc.InputError, "labels is 9 at row 3"),
        ({"validation_data": (changed(X, (1, 1), np.nan), Y)}, pc.NotANumberError, "at row 1, column 1"),
        ({"epochs": -1}, pc.InputError, "epochs is -1, and a whole number of 0 or more"),
        ({"epochs": 1.5}, pc.InputError, "epochs is 1.5, and a whole number"),
        ({"batch_size": 0}, pc.InputError, "batch_size is 0, and a whole number of 1 or more"),
        ({"initial_epoch": -1}, pc.InputError, "initial_epoch is -1"),
        ({"steps_per_epoch": 3}, pc.InputError, "steps_per_epoch is for streams"),
        ({"steps_per_epoch": 0}, pc.InputError, "steps_per_epoch is 0"),
    ],
)
def test_what_fit_refuses(arguments, error, message):
    model = classifier()
    model.network.build((4,))
    before = [p.value.copy() for p in model.network.parameters.values()]
    with pytest.raises(error, match=message):
        model.fit(**{"x": X, "y": Y, "verbose": 0} | arguments)
    assert all((p.value == old).all() for p, old in zip(model.network.parameters.values(), before, strict=True))
    assert model.history.epoch == []


def test_labels_of_another_shape_than_the_outputs():
    with pytest.raises(pc.ShapeError, match="labels"):
        line().fit(X, np.zeros((60, 3), "float32"), verbose=0)


def test_numbers_that_are_no_number_among_labels():
    with pytest.raises(pc.NotANumberError, match="y is NaN or infinite at row 5, column 0"):
        line().fit(X, changed(NUMBERS, 5, np.nan), verbose=0)


def test_a_network_of_several_inputs_given_one():
    first, second = pc.layers.Input((2,), name="first"), pc.layers.Input((3,), name="second")
    network = pc.Network([first, second], pc.layers.Dense(1)(first) + pc.layers.Dense(1)(second))
    model = pc.Model(network, "mse", "sgd")
    with pytest.raises(pc.InputError, match="x has the inputs first, and the network takes first, second"):
        model.fit({"first": X[:, :2]}, NUMBERS, verbose=0)
    with pytest.raises(pc.InputError, match="first has 60, second has 59"):
        model.fit([X[:, :2], X[:-1, :3]], NUMBERS, verbose=0)
    with pytest.raises(pc.InputError, match="x has 3 arrays, and the network takes 2 inputs"):
        model.fit([X, X, X], NUMBERS, verbose=0)
    with pytest.raises(pc.InputError, match="takes 2 inputs; give x as a dict or list of first, second"):
        model.fit(X, NUMBERS, verbose=0)


def test_nothing_to_train():
    model = classifier()
    model.network.trainable = False
    with pytest.raises(pc.InputError, match="has no weights that are trained; are all its layers frozen"):
        model.fit(X, Y, verbose=0)


def test_a_softmax_before_a_loss_of_logits_is_explained():
    model = pc.Model(pc.Sequential(pc.layers.Dense(3, "softmax")), "cross_entropy", "sgd")
    with pytest.raises(pc.InputError, match="softmax"):
        model.fit(X, Y, verbose=0)


def test_what_a_model_is_not_made_of():
    with pytest.raises(pc.InputError, match="a model is made of a network, and was given 3"):
        pc.Model(3, "mse")
    with pytest.raises(pc.InputError, match="the seed of a model is a whole number"):
        pc.Model(pc.Sequential(pc.layers.Dense(1)), "mse", seed=0.5)


def test_rates_that_are_none():
    model = line()
    with pytest.raises(pc.InputError, match=r"Model: learning_rate is -1\.0, and a number 0 or more was expected"):
        model.learning_rate = -1.0
    with pytest.raises(pc.InputError, match="learning_rate is 'fast'"):
        model.learning_rate = "fast"


@pytest.mark.parametrize("size", [0, -1, 2.5])
def test_a_batch_that_evaluate_and_predict_refuse(size):
    """None is for a size that is chosen for the rows, and 0 is not."""
    model = classifier()
    expected = f"batch_size is {size}, and a whole number of 1 or more was expected"
    with pytest.raises(pc.InputError, match=f"evaluate: {expected}"):
        model.evaluate(X, Y, batch_size=size)
    with pytest.raises(pc.InputError, match=f"predict: {expected}"):
        model.predict(X, batch_size=size)
