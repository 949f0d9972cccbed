"""Files that are made to do harm, or were damaged: one error, little memory, and nothing executed."""

from __future__ import annotations

import copy
import json
import random
import resource

import numpy as np
import pytest

import pellucid as pc
from pellucid.tensors import read_tensors, write_tensors
from training.networks import CLASSES, Dropping, data

HUGE = 10**12
DENSE = {"class": "layers.Dense", "arguments": {"units": HUGE}}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The arrays and the text of a good file: a functional network in a Sequential one, after an epoch and a half."""
    x = pc.layers.Input((4,))
    inner = pc.Network(x, pc.layers.Dense(5)(x * 2)[:, ::-1] + pc.parameter(np.ones(5), name="shift"))
    model = pc.Model(pc.Sequential(inner, Dropping(0.1), pc.layers.Dense(CLASSES)), "cross_entropy", "adam", "accuracy")
    model.fit(*data(), 1, 8, verbose=0, backend="reference")
    path = tmp_path_factory.mktemp("good") / "model"
    model.save(path)
    tensors, texts = read_tensors(path)
    return tensors, json.loads(texts["pellucid"])


def load(tmp_path, tensors, text):
    path = tmp_path / "model"
    write_tensors(path, tensors, {"pellucid": text if isinstance(text, str) else json.dumps(text)})
    return pc.load(path)


def network(text):
    return text["model"]["network"]["arguments"]


def nodes(text):
    return network(text)["layers"][0]["arguments"]["nodes"]


def changed(where, value):
    """Return a change of the text: a function to a dict or list, and what its last key becomes."""

    def change(text):
        *path, last = where
        for key in path:
            text = text[key]
        text[last] = value

    return change


INNER = ("model", "network", "arguments", "layers", 0, "arguments", "nodes")
BATCH = {"size": [[["batch"], 1]]}
CHANGES = {
    "a layer of more units than memory": changed(("model", "network", "arguments", "layers", 2), DENSE),
    "a parameter larger than memory": changed((*INNER, -2, "shape"), {"tuple": [HUGE]}),
    "a constant larger than its data": changed((*INNER, 1, "shape"), {"tuple": [HUGE]}),
    "a slice out of its axis": changed((*INNER, -3, "attributes", "shape"), {"tuple": [BATCH, 500]}),
    "a slice of a negative length": changed((*INNER, -3, "attributes", "shape"), {"tuple": [BATCH, -5]}),
    "an operation that is none": changed((*INNER, 2, "operation"), "__import__"),
    "an operation that is internal": changed((*INNER, 2, "operation"), "place_slice"),
    "an operand that is none": changed((*INNER, 2, "inputs"), [99, 98]),
    "an operation of other operands": changed((*INNER, 2, "inputs"), [0]),
    "a class that is none": changed(("model", "loss"), {"class": "os.system", "arguments": {}}),
    "a function as a class": changed(("model", "loss"), {"class": "activations.relu", "arguments": {}}),
    "a class of another kind": changed(("model", "network"), {"class": "losses.Huber", "arguments": {}}),
    "arguments that are none": changed(("model", "loss", "arguments"), {"command": "true"}),
    "arguments of a wrong kind": changed(("model", "loss", "arguments"), {"label_smoothing": [[1]]}),
    "an object that was not yet": changed(("model", "loss"), {"same": 10**6}),
    "an array that is not there": changed((*INNER, 1, "constant"), {"array": 10**6}),
    "a size of wrong form": changed((*INNER, 0, "shape"), {"size": 7}),
    "a negative count": changed(("progress", "steps"), -1),
    "a count that is none": changed(("progress", "epochs"), 0.5),
    "another format": changed(("format",), 2),
    "no format": changed(("format",), "1"),
    "no model": changed(("model",), [1]),
    "weights of others": changed(("optimizer names",), {"nobody/kernel": "x"}),
    "state that is not there": changed(("optimizer state",), ["nothing"]),
    "a history that is none": changed(("history",), {"keys": ["loss", "x"], "lists": 3}),
    "a seed that is none": changed(("model", "seed"), "seed"),
    "a network that is not built": changed(("model", "built"), False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_description_is_refused(tmp_path, good, name):
    tensors, text = copy.deepcopy(good)
    CHANGES[name](text)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(pc.ModelFileError, match=r"model: "):
        load(tmp_path, tensors, text)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "kilobytes"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON"),
        ('{"format": NaN}', "NaN is no number of JSON"),
        ("[" * 200_000, "no JSON"),
        ('{"format": 1' + "0" * 5000 + "}", "no JSON"),
        ("[]", "does not say the number of its format"),
        ('{"format": 1}', "no object"),
    ],
)
def test_a_text_that_is_none_is_refused(tmp_path, good, text, said):
    with pytest.raises(pc.ModelFileError, match=said):
        load(tmp_path, good[0], text)


@pytest.mark.parametrize("wrap", [lambda d: [d], lambda d: {"tuple": [d]}, lambda d: {"mapping": [["a", d]]}])
def test_descriptions_that_are_nested_deeply_are_refused(tmp_path, good, wrap):
    tensors, text = copy.deepcopy(good)
    deep = 1
    for _ in range(150):
        deep = wrap(deep)
    text["model"]["metrics"] = deep
    with pytest.raises(pc.ModelFileError, match="nested more than 100 deep"):
        load(tmp_path, tensors, text)


def test_networks_in_networks_are_saved_as_deep_as_they_are_read(tmp_path):
    network = pc.layers.Dense(2)
    for _ in range(30):
        network = pc.Sequential(network)
    pc.Model(pc.Sequential(pc.layers.Input((2,)), network), "mse").save(tmp_path / "model")
    assert len(pc.load(tmp_path / "model").network.parameters) == 2
    for _ in range(60):
        network = pc.Sequential(network)
    with pytest.raises(pc.InputError, match="nested too deeply to be saved"):
        pc.Model(network, "mse").save(tmp_path / "model")


def test_arrays_that_do_not_fit_are_refused(tmp_path, good):
    tensors, text = good
    for name, array in tensors.items():
        wrong = {**tensors, name: np.zeros((*array.shape, 2), array.dtype)}
        if not name.startswith(("history/", "sums/")):
            with pytest.raises(pc.ModelFileError):
                load(tmp_path, wrong, text)
    with pytest.raises(pc.ModelFileError, match=r"float64 .* in the file, and float32"):
        load(tmp_path, {**tensors, "parameters/dense/bias": tensors["parameters/dense/bias"].astype("float64")}, text)


def test_texts_changed_at_random_are_refused_or_read(tmp_path, good):
    """Whatever is in the text: a model, or one error that names the file."""
    chance, (tensors, text) = random.Random(0), good
    whole, messages = json.dumps(text), []
    for _ in range(150):
        place = chance.randrange(len(whole))
        piece = chance.choice(["", "0", "-1", "null", "[]", "{}", '"', "1e999", "true", ",", '{"same": 0}'])
        try:
            load(tmp_path, tensors, whole[:place] + piece + whole[place + chance.randrange(4) :])
        except pc.ModelFileError as error:
            messages.append(str(error))
    assert messages
    assert all("model: " in message for message in messages)
