"""Training on several devices of one machine: eight virtual ones, which conftest.py asks XLA for."""

import re

import numpy as np
import pytest

import pellucid as pc
from pellucid import distributed
from pellucid.compile import Backend
from pellucid.core.errors import InputError, MissingExtraError
from pellucid.training.choosing import judging
from training.models import classifier, data, same_bits, weights

BYTES = {"pred": 1, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "f64": 8}


def images(rows=43):
    random = np.random.default_rng(4)
    return random.standard_normal((rows, 6, 6, 2)).astype("float32"), random.integers(0, 3, rows)


def normalising():
    network = pc.Sequential(
        pc.layers.Conv2D(4, 3, activation="relu"),
        pc.layers.BatchNormalization(),
        pc.layers.Flatten(),
        pc.layers.Dropout(0.3),
        pc.layers.Dense(3),
    )
    return pc.Model(network, "cross_entropy", pc.optimizers.Adam(1e-2), ["accuracy"])


def fitted(model, x, y, **options):
    return model.fit(x, y, epochs=3, batch_size=16, verbose=0, **options).history


def trained_programs(model):
    """Return the programs of a model's training function."""
    (once,) = [f for key, f in model._functions.items() if key[0] == "train"]
    return [program for c in once.compilations for program in c.executable.programs.values()]


def sent(text):
    """Return what devices send each other in a program, as (operation, bytes)."""
    found = []
    for line in text.splitlines():
        named = re.match(r"\s*(?:ROOT )?%\S+ = (.*?) (all-\w+|reduce-scatter|collective-\w+)(?:-start)?\(", line)
        if named:
            shapes = re.findall(r"(\w+)\[([\d,]*)\]", named[1])
            sizes = [BYTES[dtype] * int(np.prod([int(n) for n in shape.split(",") if n])) for dtype, shape in shapes]
            found.append((named[2], sum(sizes)))
    return found


def test_there_are_eight_and_they_say_what_they_are():
    found = pc.devices()
    assert [d.number for d in found] == list(range(8))
    assert {(d.platform, d.host, d.memory) for d in found} == {("cpu", 0, None)}


def test_any_number_of_devices_learns_alike():
    """Batches of 16 and 11: the last is computed whole on each device; statistics are those of the whole batch."""
    x, y = images()
    single = normalising()
    expected = fitted(single, x, y, backend="xla")
    for devices in (8, [pc.devices()[5], pc.devices()[1]]):
        model = normalising()
        found = fitted(model, x, y, devices=devices)
        for figure, values in expected.items():
            np.testing.assert_allclose(found[figure], values, rtol=2e-4, atol=1e-5)
        for path, value in weights(single).items():
            np.testing.assert_allclose(weights(model)[path], value, rtol=1e-3, atol=2e-4, err_msg=path)


def test_the_same_number_of_devices_gives_the_same_bits():
    x, y = data()
    first, second = classifier(), classifier()
    assert fitted(first, x, y, devices=4) == fitted(second, x, y, devices=4)
    assert same_bits(first, second)


def test_devices_send_each_other_gradients_and_figures_and_nothing_else():
    x, y = data(rows=100, features=40)
    network = pc.Sequential(pc.layers.Dense(60, activation="relu"), pc.layers.Dropout(0.5), pc.layers.Dense(3))
    model = pc.Model(network, "cross_entropy", pc.optimizers.Adam(), ["accuracy"])
    fitted(model, x, y, devices=8)
    program = next(p for p in trained_programs(model) if p.batch == 16)
    messages = sent(program.text())
    assert {name for name, _ in messages} == {"all-reduce"}
    parameters = sum(p.value.nbytes for p in network.parameters.values())
    figures = 4 + 4  # the sum of the losses, and how many are right
    assert parameters <= sum(size for _, size in messages) <= 1.01 * (parameters + figures)
    for program in trained_programs(model):
        if program.batch != 16:
            assert sent(program.text()) == []


def test_matrices_of_a_loop_are_sent_once_and_its_bias_for_every_step():
    random = np.random.default_rng(0)
    steps, units = 12, 7
    x, y = random.standard_normal((32, steps, 5)).astype("float32"), random.integers(0, 3, 32)
    network = pc.Sequential(pc.layers.LSTM(units), pc.layers.Dense(3))
    model = pc.Model(network, "cross_entropy", "sgd")
    fitted(model, x, y, devices=8)
    (program,) = trained_programs(model)
    messages = sent(program.text())
    assert {name for name, _ in messages} == {"all-reduce"}
    parameters, bias = sum(p.value.nbytes for p in network.parameters.values()), 4 * units * 4
    assert sum(size for _, size in messages) <= 1.01 * (parameters + (steps - 1) * bias + 4)


def test_a_batch_that_cannot_be_shared_out_is_refused():
    x, y = data()
    with pytest.raises(InputError, match=r"batch of 20 rows .* evenly among 8 devices; a batch_size of 16 or 24 can"):
        classifier().fit(x, y, batch_size=20, verbose=0, devices=8)


@pytest.mark.parametrize("wanted", [9, 0, [], [0, 0], [-1], "two", 1.5, True, 10**12])
def test_devices_that_are_not_there(wanted):
    x, y = data()
    with pytest.raises(InputError, match=r"devices is how many to use.*XLA sees 8 \(cpu\)"):
        classifier().fit(x, y, batch_size=16, verbose=0, devices=wanted)


@pytest.mark.parametrize("wanted", [np.int64(2), [np.int64(1), np.int64(0)], np.array([2, 3])], ids=repr)
def test_devices_are_numpys_whole_numbers_as_well(wanted):
    x, y = data(rows=64)
    model = classifier()
    fitted(model, x, y, devices=wanted)
    assert {program.placement.count for program in trained_programs(model)} == {2}


def test_validation_is_measured_on_a_device_that_trains():
    x, y = data(rows=64)
    model = classifier()
    fitted(model, x, y, devices=[3, 5], validation_split=0.25)
    placements = {
        key[0]: [d.id for d in program.placement.devices]
        for key, made in model._functions.items()
        for c in made.compilations
        for program in c.executable.programs.values()
    }
    assert placements == {"train": [3, 5], "evaluate": [3]}


def test_a_host_evaluates_and_predicts_without_the_others(monkeypatch):
    monkeypatch.delenv("PELLUCID_BACKEND", raising=False)
    assert judging("xla").devices == judging(Backend("xla", 4)).devices == "own"
    monkeypatch.setattr(distributed, "hosts", lambda: 2)
    assert judging(Backend("xla", (3, 5), "bfloat16")) == Backend("xla", "own", "bfloat16")
    assert judging("native") == "native" and judging(None) is None


def test_a_whole_batch_on_the_same_rows_is_shared_out_as_well():
    x, y = data(rows=64)
    expected = classifier().fit(x, y, epochs=4, batch_size=64, verbose=0, backend="xla").history
    model = classifier()
    found = model.fit(x, y, epochs=4, batch_size=64, verbose=0, devices=8).history
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-5)
    (program,) = trained_programs(model)
    assert {name for name, _ in sent(program.text())} == {"all-reduce"}


def test_streams_and_chosen_rows():
    x, y = data(rows=64)
    kinds = [
        ({"rows": np.arange(48)}, (x, y)),
        ({"sample_weight": np.linspace(0.5, 2, 64)}, (x, y)),
        ({}, (lambda: [(x[k : k + 16], y[k : k + 16]) for k in range(0, 64, 16)], None)),
    ]
    for options, given in kinds:
        expected = fitted(classifier(), *given, backend="native", **options)
        np.testing.assert_allclose(
            fitted(classifier(), *given, devices=8, **options)["loss"], expected["loss"], rtol=1e-5
        )


def test_without_jax_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jax", None)
    with pytest.raises(MissingExtraError, match=r"jax.*pip install 'pellucid\[xla\]'"):
        pc.devices()
