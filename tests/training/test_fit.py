"""Model.fit against the same training written out in NumPy, and against itself in other ways."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss

import pellucid as pc
from pellucid.core.expression import storage_of
from pellucid.training.splits import split_rows
from training.models import RATE, classifier, data, line, same_bits, weights


def numpy_training(start, x, y, epochs, batch_size, sample_weight=None):
    """Train the classifier in float64 by plain gradient descent, in the order of the rows; return losses and weights.

    The loss of an epoch is the mean over its examples, each measured before the step that it is in.
    """
    W1, b1, W2, b2 = (start[k].astype("float64") for k in start)
    weight = np.ones(len(x)) if sample_weight is None else sample_weight
    losses = []
    for _ in range(epochs):
        total = 0.0
        for first in range(0, len(x), batch_size):
            rows = slice(first, first + batch_size)
            h = np.tanh(x[rows] @ W1 + b1)
            scores = h @ W2 + b2
            p = np.exp(scores - scores.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            w, each = weight[rows], np.arange(len(p))
            total += float((-np.log(p[each, y[rows]]) * w).sum())
            g = p.copy()
            g[each, y[rows]] -= 1
            g *= (w / w.sum())[:, None]
            gh = (g @ W2.T) * (1 - h * h)
            W2, b2 = W2 - RATE * h.T @ g, b2 - RATE * g.sum(axis=0)
            W1, b1 = W1 - RATE * x[rows].T @ gh, b1 - RATE * gh.sum(axis=0)
        losses.append(total / weight.sum())
    return losses, dict(zip(start, (W1, b1, W2, b2), strict=True))


@pytest.mark.parametrize("batch_size", [103, 20, 7, 1000])
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_and_weights_are_those_of_numpy(batch_size, weighted):
    x, y = data()
    sample_weight = np.random.default_rng(1).uniform(0.5, 2, len(x)) if weighted else None
    model = classifier()
    model.network.build(x.shape[1:])
    expected, final = numpy_training(weights(model), x, y, 6, batch_size, sample_weight)
    found = model.fit(x, y, 6, batch_size, shuffle=False, verbose=0, sample_weight=sample_weight).history["loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    for path, value in weights(model).items():
        np.testing.assert_allclose(value, final[path], rtol=2e-4, atol=2e-5)


def test_a_network_of_float64_is_precise():
    x, y = data(dtype="float64")
    network = pc.Sequential(pc.layers.Input((4,), "float64"), pc.layers.Dense(6, "tanh"), pc.layers.Dense(3))
    model = pc.Model(network, "cross_entropy", pc.optimizers.SGD(RATE))
    assert {p.dtype for p in network.parameters.values()} == {"float64"}
    expected, _ = numpy_training(weights(model), x, y, 6, 20)
    found = model.fit(x, y, 6, 20, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.torch
def test_adam_and_regularisers_are_those_of_torch():
    import torch

    x, y = data()
    network = pc.Sequential(
        pc.layers.Dense(6, "tanh", kernel_regularizer=pc.regularizers.L2(0.01)), pc.layers.Dense(3)
    ).build(x.shape[1:])
    model = pc.Model(network, "cross_entropy", pc.optimizers.Adam(0.01))
    W1, b1, W2, b2 = (torch.tensor(v.astype("float64"), requires_grad=True) for v in weights(model).values())
    optimizer = torch.optim.Adam([W1, b1, W2, b2], 0.01, eps=model.optimizer.epsilon)
    X, Y = torch.tensor(x.astype("float64")), torch.tensor(y.astype("int64"))
    expected = []
    for _ in range(5):
        total = 0.0
        for rows in torch.split(torch.arange(len(x)), 25):
            optimizer.zero_grad()
            scores = torch.tanh(X[rows] @ W1 + b1) @ W2 + b2
            loss = torch.nn.functional.cross_entropy(scores, Y[rows]) + 0.01 * (W1**2).sum()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        expected.append(total / len(x))
    found = model.fit(x, y, 5, 25, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_shuffle_takes_every_row_once_in_another_order_each_epoch():
    x = np.arange(40, dtype="float32").reshape(40, 1)
    model = line(pc.optimizers.SGD(0.0))
    model.network.build((1,))
    orders = []
    for shuffle in (True, False):
        _, _, once = model.training_step(model.batch(x, x))
        loop = once.minibatches(8, shuffle=shuffle, seed=model.seed).on(x, x)
        orders.append([np.concatenate([loop.rows(e * 5 + s) for s in range(5)]) for e in range(2)])
    shuffled, plain = orders
    assert all(sorted(order) == list(range(40)) for order in shuffled)
    assert list(shuffled[0]) != list(shuffled[1])
    assert list(plain[0]) == list(plain[1]) == list(range(40))


def test_shuffle_changes_the_training_and_its_seed_decides_how():
    x, y = data()

    def trained(**arguments):
        model = classifier(seed=arguments.pop("seed", 0))
        model.network.build(x.shape[1:], seed=5)
        model.fit(x, y, 2, 10, verbose=0, **arguments)
        return model

    assert same_bits(trained(), trained())
    assert not same_bits(trained(), trained(shuffle=False))
    assert not same_bits(trained(), trained(seed=1))


def test_the_split_is_seeded_and_stratified():
    x, y = data(rows=120)
    y[:12], y[12:] = 0, y[12:] % 2 + 1  # one class is rare
    histories = []
    for seed in (0, 0, 1):
        model = classifier(seed=seed, metrics=["accuracy"])
        model.network.build(x.shape[1:], seed=7)
        histories.append(model.fit(x, y, 2, 16, validation_split=0.25, shuffle=False, verbose=0).history)
    assert histories[0] == histories[1]
    assert histories[0]["val_loss"] != histories[2]["val_loss"]
    trained, held = split_rows(y, 0.25, 0)
    assert sorted([*trained, *held]) == list(range(120))
    assert np.bincount(y[held]).tolist() == [round(n / 4) for n in np.bincount(y)] or len(held) == 30


def test_held_out_rows_are_not_trained_on():
    x, y = data()
    trained, held = split_rows(y, 0.2, 0)
    split, given = classifier(), classifier()
    one = split.fit(x, y, 3, 10, validation_split=0.2, shuffle=False, verbose=0).history
    other = given.fit(
        x[trained], y[trained], 3, 10, validation_data=(x[held], y[held]), shuffle=False, verbose=0
    ).history
    np.testing.assert_allclose(one["loss"], other["loss"], rtol=1e-6)
    np.testing.assert_allclose(one["val_loss"], other["val_loss"], rtol=1e-6)


def test_class_weights_are_repetitions_of_rows():
    x, y = data(rows=60)
    repeated = np.concatenate([np.flatnonzero(y != 1), np.repeat(np.flatnonzero(y == 1), 3)])
    weighted, plain = classifier(), classifier()
    one = weighted.fit(x, y, 5, 1000, class_weight={1: 3.0}, verbose=0).history["loss"]
    other = plain.fit(x[repeated], y[repeated], 5, 1000, verbose=0).history["loss"]
    np.testing.assert_allclose(one, other, rtol=1e-5)
    for a, b in zip(weights(weighted).values(), weights(plain).values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_sample_weights_are_repetitions_of_rows_in_loss_and_metrics():
    x, y = data(rows=60)
    times = np.random.default_rng(0).integers(0, 4, 60)
    weighted, plain = classifier(metrics=["accuracy"]), classifier(metrics=["accuracy"])
    one = weighted.fit(x, y, 5, 1000, sample_weight=times.astype("float64"), verbose=0).history
    rows = np.repeat(np.arange(60), times)
    other = plain.fit(x[rows], y[rows], 5, 1000, verbose=0).history
    np.testing.assert_allclose(one["loss"], other["loss"], rtol=1e-5)
    np.testing.assert_allclose(one["accuracy"], other["accuracy"], rtol=1e-6)


def test_a_batch_that_weighs_nothing_changes_nothing():
    x, y = data(rows=20)
    weight = np.repeat([1.0, 0.0], 10)
    model, other = classifier(), classifier()
    model.fit(x, y, 1, 10, sample_weight=weight, shuffle=False, verbose=0)
    other.fit(x[:10], y[:10], 1, 10, shuffle=False, verbose=0)
    assert same_bits(model, other)


def test_metrics_are_those_of_the_predictions():
    x, y = data()
    model = classifier(metrics=["accuracy"])
    model.fit(x, y, 20, 20, verbose=0)
    predicted = model.predict(x)
    np.testing.assert_allclose(predicted.sum(axis=1), 1, rtol=1e-5)
    found = model.evaluate(x, y)
    assert found["accuracy"] == pytest.approx(accuracy_score(y, predicted.argmax(axis=1)))
    predicted = predicted.astype("float64")
    assert found["loss"] == pytest.approx(log_loss(y, predicted / predicted.sum(axis=1, keepdims=True)), rel=1e-5)


def test_the_epochs_metrics_are_over_all_its_examples():
    """With a rate of 0 the training's figures are the evaluation's, with whatever batches."""
    x, y = data()
    model = classifier(pc.optimizers.SGD(0.0), metrics=["accuracy"])
    history = model.fit(x, y, 2, 20, validation_data=(x, y), verbose=0).history
    assert history["accuracy"] == [pytest.approx(model.evaluate(x, y)["accuracy"])] * 2
    np.testing.assert_allclose(history["loss"], history["val_loss"], rtol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 50, 103, 500])
def test_batches_change_no_evaluation_and_no_prediction(batch_size):
    x, y = data()
    model = classifier(metrics=["accuracy"])
    whole, predicted = model.evaluate(x, y, 103), model.predict(x, 103)
    for key, value in model.evaluate(x, y, batch_size).items():
        assert value == pytest.approx(whole[key], rel=1e-5)
    np.testing.assert_allclose(model.predict(x, batch_size), predicted, rtol=1e-5)


def test_two_inputs_as_a_list_and_by_name():
    random = np.random.default_rng(0)
    a, b = random.standard_normal((50, 2)).astype("float32"), random.standard_normal((50, 3)).astype("float32")
    y = a.sum(axis=1, keepdims=True) - b.sum(axis=1, keepdims=True)
    losses = []
    for named in (False, True):
        first, second = pc.layers.Input((2,), name="first"), pc.layers.Input((3,), name="second")
        network = pc.Network([first, second], pc.layers.Dense(1)(first) + pc.layers.Dense(1)(second))
        model = pc.Model(network, "mse", pc.optimizers.SGD(0.1))
        given = {"second": b, "first": a} if named else [a, b]
        losses.append(model.fit(given, y, 60, 10, verbose=0).history["loss"])
        assert model.predict(given).shape == (50, 1)
    assert losses[0] == losses[1]
    assert losses[0][-1] < 1e-3


def test_images_of_bytes_are_not_made_floats_first():
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (40, 5), dtype="uint8")
    y = (x[:, 0] > 127).astype("int32")
    network = pc.Sequential(pc.layers.Input((5,), "uint8"), lambda t: t.astype("float32") / 255, pc.layers.Dense(2))
    floats = pc.Sequential(pc.layers.Dense(2))
    model = pc.Model(network, "cross_entropy", pc.optimizers.SGD(0.5))
    other = pc.Model(floats, "cross_entropy", pc.optimizers.SGD(0.5))
    one = model.fit(x, y, 5, 8, verbose=0).history["loss"]
    network_weights = weights(model)
    assert len(network_weights) == 2
    other.network.build((5,))
    for p, v in zip(other.network.parameters.values(), network_weights.values(), strict=True):
        p.value = v
    assert other.evaluate(x.astype("float32") / 255, y)["loss"] == pytest.approx(model.evaluate(x, y)["loss"], rel=1e-5)
    assert one[-1] < one[0]


def test_frozen_layers_stay_as_they_are():
    x, y = data()
    model = classifier(pc.optimizers.Adam(0.1))
    model.network.build(x.shape[1:])
    before = weights(model)
    model.network["hidden"].trainable = False
    model.fit(x, y, 2, verbose=0)
    after = weights(model)
    assert all((before[k] == after[k]).all() == k.startswith("hidden") for k in before)
    model.network["hidden"].trainable = True
    model.fit(x, y, 1, verbose=0)
    assert not (weights(model)["hidden/kernel"] == before["hidden/kernel"]).all()


def test_constraints_hold_after_every_step():
    x, y = data()
    network = pc.Sequential(pc.layers.Dense(3, kernel_constraint=pc.constraints.NonNeg()))
    model = pc.Model(network, "cross_entropy", pc.optimizers.SGD(0.5))
    model.fit(x, y, 1, 10, verbose=0)
    kernel = weights(model)["dense/kernel"]
    assert kernel.min() == 0
    assert kernel.max() > 0


def test_a_penalty_is_in_the_loss():
    x, y = data()
    plain = pc.Model(pc.Sequential(pc.layers.Dense(3)), "cross_entropy", pc.optimizers.SGD(0.0))
    kept = pc.Model(
        pc.Sequential(pc.layers.Dense(3, kernel_regularizer=pc.regularizers.L1(0.1))),
        "cross_entropy",
        pc.optimizers.SGD(0.0),
    )
    one, other = (m.fit(x, y, 1, 20, verbose=0).history["loss"][0] for m in (plain, kept))
    assert other - one == pytest.approx(0.1 * np.abs(weights(kept)["dense/kernel"]).sum(), rel=1e-4)


@pytest.mark.parametrize("batch_size", [1000, 20])
def test_two_fits_in_a_row_are_one_longer_one(batch_size):
    x, y = data()
    once, twice = (classifier(pc.optimizers.Adam(0.01), metrics=["accuracy"]) for _ in range(2))
    whole = once.fit(x, y, 7, batch_size, verbose=0)
    twice.fit(x, y, 3, batch_size, verbose=0)
    parts = twice.fit(x, y, 4, batch_size, verbose=0)
    assert same_bits(once, twice)
    assert whole.history == parts.history
    assert whole.epoch == parts.epoch == list(range(7))


def test_initial_epoch_is_kerass():
    x, y = data()
    model, other = classifier(), classifier()
    model.fit(x, y, 3, 20, verbose=0)
    history = model.fit(x, y, epochs=5, batch_size=20, initial_epoch=3, verbose=0)
    other.fit(x, y, 5, 20, verbose=0)
    assert same_bits(model, other)
    assert history.epoch == list(range(5))
    model.fit(x, y, epochs=5, initial_epoch=5, verbose=0)
    assert len(history.epoch) == 5


def test_the_bits_are_the_same_on_any_number_of_threads(monkeypatch):
    x, y = data(rows=600, features=40)
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setenv("PELLUCID_THREADS", str(threads))
        model = classifier(pc.optimizers.Adam(0.01), metrics=["accuracy"])
        history = model.fit(x, y, 3, 128, validation_split=0.2, verbose=0).history
        found.append((history, {k: v.tobytes() for k, v in weights(model).items()}))
    assert found[0] == found[1] == found[2]


def test_train_on_batch_is_a_step_of_fit():
    x, y = data(rows=40)
    model, other = classifier(pc.optimizers.Adam(0.01)), classifier(pc.optimizers.Adam(0.01))
    losses = [model.train_on_batch(x[k : k + 10], y[k : k + 10])["loss"] for k in range(0, 40, 10)]
    history = other.fit(x, y, 1, 10, shuffle=False, verbose=0).history
    assert same_bits(model, other)
    assert np.mean(losses) == pytest.approx(history["loss"][0], rel=1e-6)
    assert model.progress.steps == 4


def test_the_reference_backend_trains_alike():
    x, y = data()
    one = classifier().fit(x, y, 3, 20, verbose=0).history["loss"]
    other = classifier().fit(x, y, 3, 20, verbose=0, backend="reference").history["loss"]
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_nothing_is_trained_in_no_epochs():
    x, y = data()
    model = classifier()
    assert model.fit(x, y, 0, verbose=0).epoch == []
    assert all(storage_of(p).drawn for p in model.network.parameters.values())


def test_another_batch_size_after_an_epoch_that_was_left_unfinished():
    x, y = data(rows=40)
    model = classifier()
    stop = pc.callbacks.LambdaCallback(on_steps=lambda step, logs: setattr(model, "stop_training", True), every=3)
    model.fit(x, y, 1, 10, callbacks=[stop], verbose=0)
    assert (model.progress.step, model.progress.epochs) == (3, 0)
    with pytest.raises(pc.InputError, match="batch_size: then 10, now 20"):
        model.fit(x, y, 1, 20, verbose=0)
    model.progress.restart_epoch()
    assert model.fit(x, y, 1, 20, verbose=0).epoch == [0]
    assert model.progress.steps == 5


def test_the_lists_of_a_history_stay_of_one_length():
    x, y = data()
    model = classifier()
    model.fit(x, y, 2, verbose=0)
    model.fit(x, y, 1, validation_data=(x, y), verbose=0)
    history = model.fit(x, y, 1, verbose=0).history
    assert len(history["loss"]) == 4
    assert np.isnan(history["val_loss"]).tolist() == [True, True, False, True]


def test_freezing_statistics_is_noticed_where_no_weight_is_trained():
    """Of a batch normalisation without scale and shift, whether it is frozen shows in no weight."""
    random = np.random.default_rng(0)
    x, y = random.normal(5, 1, (64, 3)).astype("float32"), random.normal(size=(64, 1)).astype("float32")
    normalised = pc.layers.BatchNormalization(center=False, scale=False)
    model = pc.Model(pc.Sequential(normalised, pc.layers.Dense(1)), "mse", "sgd")
    model.fit(x, y, verbose=0)
    moved = [p.value for p in normalised.parameters.values()]
    assert moved[0].mean() > 0
    normalised.trainable = False
    model.fit(x, y, verbose=0)
    for parameter, value in zip(normalised.parameters.values(), moved, strict=True):
        np.testing.assert_array_equal(parameter.value, value)
