"""Models in files: what is loaded is what was saved, and is trained on as if nothing had been between."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings

import pellucid as pc
from pellucid.core.errors import InputError
from pellucid.tensors import read_tensors
from training.networks import CLASSES, WIDTH, Block, Dropping, Scale, bits, data, models

SOURCE = Path(__file__).parents[2] / "src"
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)  # explaining takes minutes
RUN = {"batch_size": 8, "verbose": 0, "backend": "reference"}


class SaveAt(pc.callbacks.Callback):
    """Saves the model in the middle of training."""

    every, rank = 1, 1

    def __init__(self, path, at):
        self.path, self.at = path, at

    def on_steps(self, step, logs):
        if step == self.at:
            self.model.save(self.path)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("models") / "model.safetensors"


@settings(max_examples=25, phases=PHASES)
@given(models())
def test_what_is_loaded_is_what_was_saved(place, model):
    x, _ = data()
    predicted = model.predict(x, backend="reference")
    model.save(place)
    again = pc.load(place)
    assert again.summary() == model.summary()
    assert bits(again) == bits(model)
    assert again.predict(x, backend="reference").tobytes() == predicted.tobytes()
    again.save(place.with_name("again"))
    assert place.with_name("again").read_bytes() == place.read_bytes()


@settings(max_examples=10, phases=PHASES)
@given(models())
def test_training_goes_on_to_the_same_bits(place, model):
    x, y = data()
    diverging = contextlib.suppress(pc.NotANumberError)  # a network that is drawn may; its last good weights are kept
    with diverging:
        model.fit(x, y, epochs=1, **RUN)
    model.save(place)
    again = pc.load(place)
    for each in (model, again):
        with diverging:
            each.fit(x, y, epochs=1, **RUN)
    assert bits(again) == bits(model)


def dropping(seed=3, optimizer="adam"):
    layers = pc.layers.Dense(8, activation="tanh"), Dropping(0.3), Scale(8), Block(8), pc.layers.Dense(CLASSES)
    return pc.Model(pc.Sequential(*layers), "cross_entropy", optimizer, ["accuracy"], seed=seed)


@pytest.mark.parametrize("step", [1, 5, 8, 11])
def test_a_file_from_the_middle_of_an_epoch_goes_on_to_the_same_bits(place, step):
    """With validation, a short last batch, Adam, and random draws; on native code."""
    (x, y), model = data(), dropping()
    held = data(seed=1, rows=13)
    model.fit(x, y, 4, 8, callbacks=[SaveAt(place, step)], validation_data=held, verbose=0)
    again = pc.load(place)
    assert (again.progress.steps, again.progress.step) == (step, step % 6)
    again.fit(x, y, 4 - again.progress.epochs, 8, validation_data=held, verbose=0)
    assert bits(again) == bits(model)


def test_an_epoch_goes_on_with_its_own_data_only(place):
    (x, y), model = data(), dropping()
    model.fit(x, y, 1, 8, callbacks=[SaveAt(place, 3)], verbose=0)
    again = pc.load(place)
    with pytest.raises(pc.InputError, match=r"step 3 of an epoch of other data:\n  batch_size: then 8, now 9\nfit it"):
        again.fit(x, y, 1, 9, verbose=0)
    with pytest.raises(pc.InputError, match=r"labels: then .* checksum .*, now .* checksum"):
        again.fit(x, y[::-1], 1, 8, verbose=0)
    again.progress.restart_epoch()
    again.fit(x, y, 1, 9, verbose=0)
    assert again.progress.epochs == 1


def test_the_figures_of_an_epoch_do_not_depend_on_where_its_blocks_end(monkeypatch):
    class Often(pc.callbacks.Callback):
        uses_model = False

    (x, y), found = data(), []
    for every in (0, 1, 2, 5, 7):
        model, often = dropping(), Often()
        often.every = every
        model.fit(x, y, 5, 4, callbacks=[often], verbose=0)
        found.append(bits(model))
    assert all(each == found[0] for each in found)


def test_a_rate_that_was_set_a_schedule_and_frozen_layers_are_kept(place):
    model = dropping()
    x, y = data()
    model.fit(x, y, 1, 8, verbose=0)
    model.learning_rate = 1 / 3
    model.network.layers[3].trainable = False
    model.network.layers[2].inner.trainable = False
    model.save(place)
    again = pc.load(place)
    assert again.learning_rate == 1 / 3
    assert again.network.trainable_parameters and [str(p) for p in again.network.trainable_parameters] == [
        str(p) for p in model.network.trainable_parameters
    ]
    scheduled = dropping(optimizer=pc.optimizers.SGD(pc.optimizers.ExponentialDecay(0.1, 10, 0.5)))
    scheduled.save(place)
    assert repr(pc.load(place).optimizer) == repr(scheduled.optimizer)


def test_a_model_that_is_not_built_keeps_its_description(place):
    dropping(seed=5).save(place)
    again, fresh = pc.load(place), dropping(seed=5)
    x, y = data()
    for each in (again, fresh):
        each.fit(x, y, 1, 8, verbose=0)
    assert bits(again) == bits(fresh)


def test_a_layer_in_two_places_stays_one_layer(place):
    shared = pc.layers.Dense(WIDTH)
    inner = pc.Sequential(shared, pc.layers.Dense(WIDTH))
    model = pc.Model(pc.Sequential(pc.layers.Input((WIDTH,)), inner, shared, pc.layers.Dense(CLASSES)), "cross_entropy")
    model.save(place)
    again = pc.load(place)
    assert again.network.layers[1] is again.network.layers[0].layers[0]
    assert list(again.network.parameters) == list(model.network.parameters)


def tied():
    """Layers and mathematics that share weights, within a network and across the border of one inside it."""
    decoded = pc.parameter(np.eye(WIDTH), name="decoded")
    z = pc.layers.Input((WIDTH,))
    inner = pc.Network(z, pc.tanh(z @ decoded))
    x, hidden = pc.layers.Input((WIDTH,)), pc.layers.Dense(CLASSES)
    back = hidden(inner(x)) @ hidden.weights["kernel"].parameter.T
    return pc.Model(pc.Network(x, pc.layers.Dense(CLASSES)(back @ decoded)), "cross_entropy", pc.optimizers.Adam(0.01))


def test_a_weight_in_two_places_stays_one_weight(place):
    model, (x, y) = tied(), data()
    model.fit(x, y, 2, 8, verbose=0)
    model.save(place)
    again = pc.load(place)
    assert list(again.network.parameters) == list(model.network.parameters)
    for each in (model, again):
        each.fit(x, y, 2, 8, verbose=0)
    assert bits(again) == bits(model)


def test_a_weight_that_is_used_before_its_layer_is_called_is_not_saved(place):
    x, hidden = pc.layers.Input((WIDTH,)), pc.layers.Dense(WIDTH)
    called = hidden(x)
    network = pc.Network(x, pc.layers.Dense(CLASSES)(x @ hidden.weights["kernel"].parameter + called))
    with pytest.raises(InputError, match="before it calls the layer"):
        pc.Model(network, "cross_entropy").save(place)


def test_large_arrays_of_a_description_lie_beside_it(place):
    table = np.random.default_rng(0).normal(size=(WIDTH, 300)).astype("float32")
    x = pc.layers.Input((WIDTH,))
    network = pc.Network(x, pc.layers.Dense(CLASSES, kernel_initializer=np.ones((300, CLASSES)))(x @ table))
    model = pc.Model(network, "cross_entropy")
    model.save(place)
    tensors, texts = read_tensors(place)
    assert any(a.shape == table.shape or a.size == table.size for a in tensors.values())
    assert len(texts["pellucid"]) < 4000
    assert pc.load(place).predict(data()[0]).tobytes() == model.predict(data()[0]).tobytes()


def test_histories_of_any_values_come_back(place):
    model = dropping()
    model.history.add(0, {"loss": 0.1, "rate": 1, "matrix": np.eye(2), "nan": float("nan")})
    model.history.add(1, {"loss": 1 / 3, "rate": 2, "matrix": np.eye(2) * 2, "nan": float("inf")})
    model.save(place)
    again = pc.load(place).history
    assert list(again.history) == ["loss", "rate", "matrix", "nan"]
    assert repr(again.history) == repr(model.history.history)
    assert again.epoch == [0, 1]


def test_files_of_one_model_are_the_same_bytes_and_no_python_is_in_them(place):
    model = dropping()
    model.fit(*data(), 1, 8, verbose=0)
    model.save(place)
    first = place.read_bytes()
    model.save(place)
    assert place.read_bytes() == first
    text = json.loads(read_tensors(place)[1]["pellucid"])
    assert text["format"] == 1
    assert text["model"]["network"]["class"] == "layers.Sequential"


def test_what_is_not_registered_cannot_be_saved(place):
    def unknown(x):
        return x

    with pytest.raises(pc.InputError, match=r"network.layers\[0\].function: .* is not registered; register it by name"):
        pc.Model(pc.Sequential(pc.layers.Lambda(unknown)), "mse").save(place)
    with pytest.raises(pc.InputError, match=r"loss.plain: .* is not registered"):
        pc.Model(pc.Sequential(pc.layers.Dense(1)), lambda outputs, labels: outputs).save(place)


def test_a_rate_that_is_an_expression_cannot_be_saved(place):
    rate = pc.parameter(0.1, name="rate")
    with pytest.raises(pc.InputError, match=r"SGD has the expression rate as its learning rate, which cannot be saved"):
        dropping(optimizer=pc.optimizers.SGD(rate)).save(place)


def test_mathematics_that_cannot_be_made_again_cannot_be_saved(place):
    x = pc.layers.Input((4,))
    slope = pc.gradient(pc.square(x[:, ::2]).sum(), x)
    with pytest.raises(pc.InputError, match=r"place_slice between its layers cannot be saved; make a layer"):
        pc.Model(pc.Network(x, slope), "mse").save(place)


def test_a_custom_layer_has_to_be_registered_where_it_is_loaded(place, tmp_path):
    dropping().save(place)
    code = "import sys, pellucid as pc\ntry:\n    pc.load(sys.argv[1])\nexcept pc.ModelFileError as e:\n    print(e)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(place)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "'Dropping' is not registered here" in done.stdout, done
    assert "call pc.register on it before loading" in done.stdout


def test_weights_go_from_file_to_network(place):
    model, other = dropping(seed=1), dropping(seed=2)
    x, _ = data()
    for each in (model, other):
        each.predict(x)
    for save in (model.save_weights, model.save):
        save(place)
        other.network.build(seed=9)
        other.load_weights(place)
        assert other.predict(x).tobytes() == model.predict(x).tobytes()


def test_weights_of_another_network_are_refused_layer_by_layer(place):
    def made(*units):
        return pc.Model(pc.Sequential(pc.layers.Input((WIDTH,)), *map(pc.layers.Dense, units)), "mse")

    made(8, 2).save_weights(place)
    other = made(7, 2, 1)
    before = bits(other)
    with pytest.raises(pc.ModelFileError) as caught:
        other.load_weights(place)
    assert str(caught.value).splitlines()[1:] == [
        "  dense: kernel is float32 (4, 8) in the file, and float32 (4, 7) here; bias is float32 (8,) in the file, and"
        " float32 (7,) here",
        "  dense_1: kernel is float32 (8, 2) in the file, and float32 (7, 2) here",
        "  dense_2: kernel is not in the file; bias is not in the file",
    ]
    assert bits(other) == before
    with pytest.raises(pc.ModelFileError, match="dense_1: bias is in the file, and not in the network; kernel"):
        made(8).load_weights(place)
    with pytest.raises(pc.InputError, match=r"has no weights yet; call network.build\(shape\)"):
        pc.Model(pc.Sequential(pc.layers.Dense(2)), "mse").load_weights(place)


def test_a_file_of_weights_alone_is_no_model(place):
    model = pc.Model(pc.Sequential(pc.layers.Input((WIDTH,)), pc.layers.Dense(1)), "mse")
    model.save_weights(place)
    with pytest.raises(pc.ModelFileError, match=r"holds arrays and no model; .* model.load_weights"):
        pc.load(place)
