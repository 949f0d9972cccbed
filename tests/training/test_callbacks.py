"""Callbacks do what Keras's do, at exactly their epoch, in native blocks as well."""

from __future__ import annotations

import csv

import numpy as np
import pytest

import pellucid as pc
from training.models import classifier, data, line, same_bits, weights

X = np.linspace(-1, 1, 64, dtype="float32").reshape(64, 1)
Y = 3 * X + 1


class Recorder(pc.callbacks.Callback):
    """Notes what it is called with."""

    def __init__(self, every=0, uses_model=True):
        self.every, self.uses_model, self.calls = every, uses_model, []

    def on_train_begin(self):
        self.calls.append("begin")

    def on_train_end(self):
        self.calls.append("end")

    def on_epoch_begin(self, epoch):
        self.calls.append(f"epoch {epoch}")

    def on_epoch_end(self, epoch, logs):
        self.calls.append(f"after {epoch}: {', '.join(logs)}")

    def on_steps(self, step, logs):
        self.calls.append(f"step {step}: {', '.join(logs)}")


def watched(stopping, figures):
    """Return at which epoch a callback stops when it sees these figures; None if it does not."""
    model = line()
    stopping.model = model
    model.stop_training = False
    stopping.on_train_begin()
    for epoch, value in enumerate(figures):
        stopping.on_epoch_end(epoch, {stopping.monitor: value})
        if model.stop_training:
            return epoch
    return None


def test_the_order_of_calls():
    recorder = Recorder(every=3)
    line().fit(X, Y, 2, 16, callbacks=[recorder], validation_data=(X, Y), verbose=0)
    assert recorder.calls == [
        "begin", "epoch 0", "step 3: loss", "after 0: loss, val_loss", "epoch 1", "step 6: loss",
        "after 1: loss, val_loss", "end",
    ]  # fmt: skip


def test_many_epochs_of_one_block_are_told_in_order():
    recorder = Recorder(uses_model=False)
    model = line()
    model.fit(X, Y, 200, 64, callbacks=[recorder], verbose=0)
    assert recorder.calls == ["begin", *(f"after {e}: loss" for e in range(200)), "end"]


@pytest.mark.parametrize(
    ("arguments", "figures", "expected"),
    [
        ({}, [3, 2, 2], 2),
        ({"patience": 1}, [3, 2, 2], 2),
        ({"patience": 2}, [3, 2, 2, 1, 1, 1], 5),
        ({"patience": 2}, [3, 2, 2.5, 1, 0.5], None),
        ({"patience": 2, "min_delta": 0.5}, [3, 2.8, 2.6, 2.4], 2),
        ({"patience": 2, "mode": "max"}, [1, 2, 3, 3, 3], 4),
        ({"monitor": "val_accuracy", "patience": 1}, [0.1, 0.2, 0.2], 2),
        ({"monitor": "accuracy", "threshold": 0.9}, [0.1, 0.0, 0.95], 2),
        ({"threshold": 0.5}, [3, 4, 5, 0.5], 3),
        ({"threshold": 0.5, "patience": 2}, [3, 4, 5, 0.5], 2),
        ({"patience": 2, "baseline": 1.0}, [3, 2, 1.5], 1),
        ({"patience": 2, "baseline": 1.0}, [3, 0.9, 0.95, 0.99], 3),
        ({"start_from_epoch": 3}, [1, 2, 3, 4, 5], 4),
        ({"patience": 2}, [1.0, np.nan, np.nan], 2),
    ],
)
def test_early_stopping_stops_where_it_should(arguments, figures, expected):
    assert watched(pc.callbacks.EarlyStopping(**arguments), figures) == expected


def test_it_stops_exactly_inside_a_native_block():
    """The weights are those of a run that had just as many epochs."""
    stopped, other = line(pc.optimizers.Adam(0.05)), line(pc.optimizers.Adam(0.05))
    enough = pc.callbacks.EarlyStopping("loss", threshold=1e-2)
    assert not enough.uses_model
    history = stopped.fit(X, Y, 5000, 16, callbacks=[enough], verbose=0)
    epochs = len(history.epoch)
    assert 10 < epochs < 5000
    assert enough.stopped_epoch == epochs - 1
    assert history.history["loss"][-1] <= 1e-2 < history.history["loss"][-2]
    other.fit(X, Y, epochs, 16, verbose=0)
    assert same_bits(stopped, other)
    stopped.fit(X, Y, 3, 16, verbose=0)  # and training goes on as if nothing had been
    other.fit(X, Y, 3, 16, verbose=0)
    assert same_bits(stopped, other)


def test_the_best_weights_are_restored():
    x, y = data()
    model, other = classifier(), classifier()
    raising = pc.callbacks.LearningRateScheduler(lambda epoch: 0.2 if epoch < 6 else 50.0)
    keeping = pc.callbacks.EarlyStopping("loss", patience=3, restore_best_weights=True)
    history = model.fit(x, y, 30, 20, callbacks=[raising, keeping], verbose=0).history["loss"]
    best = int(np.argmin(history))
    assert len(history) == best + 4
    other.fit(x, y, best + 1, 20, callbacks=[raising], verbose=0)
    assert same_bits(model, other)


def test_a_second_fit_counts_anew():
    stopping = pc.callbacks.EarlyStopping("loss", patience=2)
    assert watched(stopping, [1, 1, 1]) == 2
    assert watched(stopping, [5, 5, 5]) == 2


def test_state_goes_on_after_restore():
    for make in (
        lambda: pc.callbacks.EarlyStopping("loss", patience=3, restore_best_weights=True),
        lambda: pc.callbacks.ReduceLROnPlateau("loss", patience=3, cooldown=2),
    ):
        model, first, second = line(), make(), make()
        model.network.build((1,))
        model.stop_training = False
        first.model = second.model = model
        first.on_train_begin()
        for epoch, value in enumerate([3.0, 2.0, 2.5]):
            first.on_epoch_end(epoch, {"loss": value})
        second.restore(first.state())
        second.on_train_begin()
        assert second.state().keys() == first.state().keys()
        assert (second.best, second.wait) == (first.best, first.wait) == (2.0, 1)
    kept = pc.callbacks.EarlyStopping("loss", restore_best_weights=True)
    kept.restore({"best": 1.0, "wait": 0, "weights": {"dense/bias": np.zeros(1)}})
    kept.model = model
    with pytest.raises(pc.InputError, match="without the best weights of dense/kernel"):
        kept.on_train_begin()


def test_the_rate_is_reduced_at_the_right_epoch():
    model = line(pc.optimizers.SGD(1.0))
    reducing = pc.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=2, cooldown=1, min_lr=0.2)
    reducing.model = model
    reducing.on_train_begin()
    rates = []
    for epoch, value in enumerate([3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2]):
        reducing.on_epoch_end(epoch, {"loss": float(value)})
        rates.append(model.learning_rate)
    assert rates == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2]


def test_a_rate_that_changes_counts_from_its_epoch_on():
    """Against the same training written out in NumPy."""
    rates = [0.1, 0.1, 0.05, 0.025, 0.0125]
    model = line(pc.optimizers.SGD(1.0))
    model.network.build((1,))
    W, b = (float(np.squeeze(v)) for v in weights(model).values())
    expected = []
    for rate in rates:
        error = W * X[:, 0].astype("float64") + b - Y[:, 0]
        expected.append((error**2).mean())
        W, b = W - rate * 2 * (error * X[:, 0]).mean(), b - rate * 2 * error.mean()
    schedule = pc.callbacks.LearningRateScheduler(rates.__getitem__)
    history = model.fit(X, Y, 5, 64, callbacks=[schedule], verbose=0).history
    assert history["learning_rate"] == rates
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-5)


def test_a_rate_that_follows_a_schedule_is_not_set_by_another():
    decay = pc.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    for callback in (pc.callbacks.ReduceLROnPlateau("loss"), pc.callbacks.LearningRateScheduler(lambda e: 0.1)):
        with pytest.raises(pc.InputError, match=r"the optimiser's follows .*; give the optimiser a number"):
            line(pc.optimizers.SGD(decay)).fit(X, Y, callbacks=[callback], verbose=0)


def test_the_history_in_a_file(tmp_path):
    x, y = data()
    path = tmp_path / "history.csv"
    model = classifier(metrics=["accuracy"])
    history = model.fit(x, y, 3, callbacks=[pc.callbacks.CSVLogger(path)], verbose=0).history
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["epoch"] for r in rows] == ["0", "1", "2"]
    for key in ("loss", "accuracy"):
        assert [float(r[key]) for r in rows] == history[key]


def test_a_run_that_is_taken_up_writes_the_same_file(tmp_path):
    whole, parts = tmp_path / "whole.csv", tmp_path / "parts.csv"
    line().fit(X, Y, 6, callbacks=[pc.callbacks.CSVLogger(whole)], verbose=0)
    first, second = line(), line()
    first.fit(X, Y, 5, callbacks=[pc.callbacks.CSVLogger(parts, append=True)], verbose=0)
    second.fit(X, Y, 3, verbose=0)  # as if the first were taken up from a checkpoint after three epochs
    second.fit(X, Y, 3, callbacks=[pc.callbacks.CSVLogger(parts, append=True)], verbose=0)
    assert parts.read_text() == whole.read_text()


def test_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(pc.OutputFolderError, match="CSVLogger cannot write"):
        line().fit(X, Y, callbacks=[pc.callbacks.CSVLogger(tmp_path / "missing" / "history.csv")], verbose=0)


def test_functions_as_callbacks():
    seen = []
    callback = pc.callbacks.LambdaCallback(
        on_train_begin=lambda: seen.append("begin"),
        on_train_end=lambda: seen.append("end"),
        on_epoch_begin=seen.append,
        on_epoch_end=lambda epoch, logs: seen.append(f"after {epoch}"),
        on_steps=lambda step, logs: seen.append(f"step {step}"),
        every=2,
    )
    line().fit(X, Y, 1, 16, callbacks=[callback], verbose=0)
    assert seen == ["begin", 0, "step 2", "after 0", "step 4", "end"]


@pytest.mark.parametrize("uses_model", [True, False])
def test_an_error_in_a_callback_leaves_the_weights_of_its_epoch(uses_model):
    def fail(epoch, logs):
        if epoch == 20:
            raise RuntimeError("mine")

    model, other = line(), line()
    recorder = Recorder(uses_model=False)
    failing = pc.callbacks.LambdaCallback(fail, uses_model=uses_model)
    with pytest.raises(RuntimeError, match="mine"):
        model.fit(X, Y, 500, 16, callbacks=[recorder, failing], verbose=0)
    assert recorder.calls[-1] == "end"
    assert model.progress.epochs == 21
    other.fit(X, Y, 21, 16, verbose=0)
    assert same_bits(model, other)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pc.callbacks.EarlyStopping(mode="up"), "mode is 'up', and one of 'auto', 'min', 'max' was expected"),
        (lambda: pc.callbacks.EarlyStopping(patience=-1), "EarlyStopping: patience is -1, and a number 0 or more"),
        (lambda: pc.callbacks.EarlyStopping(min_delta=-1), "min_delta is -1"),
        (lambda: pc.callbacks.ReduceLROnPlateau(factor=1.0), "ReduceLROnPlateau: factor is 1.0, and a number 0 or"),
        (lambda: pc.callbacks.LearningRateScheduler(0.1), "takes a function of the epoch, and was given 0.1"),
        (lambda: pc.callbacks.LambdaCallback(every=3), "on_steps and every are given together"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(pc.InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (pc.callbacks.EarlyStopping(), "watches 'val_loss', and an epoch's figures are loss; give fit validation_data"),
        (pc.callbacks.ReduceLROnPlateau("los"), "ReduceLROnPlateau watches 'los', and an epoch's figures are loss"),
        (pc.callbacks.LearningRateScheduler(lambda e: -1.0), "returned -1.0 for epoch 0; a rate of 0 or more"),
        (print, "callbacks has <built-in function print>, which is no pc.callbacks.Callback"),
    ],
)
def test_what_does_not_go_with_the_run(callback, message):
    with pytest.raises(pc.InputError, match=message):
        line().fit(X, Y, callbacks=[callback], verbose=0)


def test_a_figure_that_is_an_array_cannot_be_watched():
    stopping = pc.callbacks.EarlyStopping("confusion")
    with pytest.raises(pc.InputError, match="which is an array"):
        stopping.on_epoch_end(0, {"confusion": np.eye(2)})
