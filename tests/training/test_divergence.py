"""A loss that becomes NaN, and Ctrl-C: the last good weights are kept, and it is said where it began."""

from __future__ import annotations

import signal
import threading

import numpy as np
import pytest

import pellucid as pc
from training.models import classifier, data, line, same_bits, weights

X, Y = data(rows=60)
TARGETS = X.sum(axis=1, keepdims=True)


def deep(rate):
    network = pc.Sequential(pc.layers.Dense(16, "relu"), pc.layers.Dense(16, "relu"), pc.layers.Dense(1))
    return pc.Model(network, "mse", pc.optimizers.SGD(rate))


def test_a_rate_that_is_far_too_large():
    model, other = deep(1e4), deep(1e4)
    with pytest.raises(pc.NotANumberError, match=r"the loss is not a number at step \d of epoch \d") as caught:
        model.fit(X, TARGETS, 50, 10, verbose=0)
    assert "the model keeps its last good weights" in str(caught.value)
    assert all(np.isfinite(v).all() for v in weights(model).values())
    steps = model.progress.steps
    assert model.history.epoch == list(range(model.progress.epochs))
    other.network.build((4,))
    _, _, once = other.training_step(other.batch(X, TARGETS))
    once.minibatches(10, seed=0).on(X, TARGETS).run(0, steps)
    assert same_bits(model, other)


def test_a_rate_that_diverges_slowly():
    """The loss grows for many epochs of one native block, and all those with a number are kept."""
    model = line(pc.optimizers.SGD(1.5))
    with pytest.raises(pc.NotANumberError):
        model.fit(X, TARGETS, 5000, 60, verbose=0)
    losses = model.history.history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] > 1e30
    assert model.progress.epochs == len(losses) > 20


def test_the_first_layer_without_a_number_is_named():
    network = pc.Sequential(
        pc.layers.Dense(4, name="first"), pc.layers.Lambda(pc.log, name="logarithm"), pc.layers.Dense(1)
    )
    model = pc.Model(network, "mse", pc.optimizers.SGD(0.01))
    with pytest.raises(pc.NotANumberError, match=r"step 0 of epoch 0: layer logarithm \(Lambda\) is the first"):
        model.fit(X, TARGETS, 3, 20, verbose=0)
    assert model.progress.steps == 0


def test_a_weight_that_is_no_number_from_the_start():
    model = line()
    model.network.build((4,))
    model.network.parameters["dense/bias"].value = [np.inf]
    with pytest.raises(pc.NotANumberError, match="made the weight dense/bias infinite or NaN"):
        model.fit(X, TARGETS, verbose=0)


def test_a_callback_that_stops_before_the_loss_is_no_number():
    model = line(pc.optimizers.SGD(1.5))
    stopping = pc.callbacks.EarlyStopping("loss", patience=3)
    losses = model.fit(X, TARGETS, 5000, 60, callbacks=[stopping], verbose=0).history["loss"]
    assert len(losses) == 4


class Interrupting(pc.callbacks.Callback):
    """Presses Ctrl-C when an epoch ends."""

    def __init__(self, epoch, uses_model):
        self.epoch, self.uses_model = epoch, uses_model

    def on_epoch_end(self, epoch, logs):
        if epoch == self.epoch:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("uses_model", [True, False])
def test_ctrl_c_in_a_callback(uses_model):
    model, other = classifier(), classifier()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, 300, 10, callbacks=[Interrupting(30, uses_model)], verbose=0)
    assert model.progress.epochs == 31
    assert model.history.epoch == list(range(31))
    other.fit(X, Y, 31, 10, verbose=0)
    assert same_bits(model, other)


def test_ctrl_c_in_the_middle_of_steps():
    """Wherever it comes, the weights are those after the steps that are counted, and training goes on from there."""
    model, other = classifier(pc.optimizers.Adam(0.01)), classifier(pc.optimizers.Adam(0.01))
    model.fit(X, Y, 1, 10, verbose=0)
    timer = threading.Timer(0.3, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, 10**7, 10, verbose=0)
    epochs, steps = model.progress.epochs, model.progress.steps
    assert steps == epochs * 6 + model.progress.step
    assert model.history.epoch == list(range(epochs))
    model.fit(X, Y, 3, 10, verbose=0)
    history = other.fit(X, Y, epochs + 3, 10, verbose=0)
    assert same_bits(model, other)
    assert history.history == model.history.history
