"""Sweeps: every choice is trained as it would be alone, side by side or not; folds partition; failures are rows."""

import numpy as np
import pytest

import pellucid as pc

x, y = pc.data.moons(120)


def make(units: int = 3, seed: int = 0, rate: float = 0.5) -> pc.Model:
    network = pc.Sequential(pc.layers.Dense(units, activation="tanh"), pc.layers.Dense(2))
    return pc.Model(network, "cross_entropy", pc.optimizers.SGD(rate), metrics=["accuracy"], seed=seed)


def without_seconds(rows):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_each_network_is_trained_as_it_would_be_alone():
    found = pc.sweep(make, x, y, {"units": [1, 4], "seed": [0, 5]}, epochs=20, batch_size=32)
    assert [(row["units"], row["seed"]) for row in found.rows] == [(1, 0), (1, 5), (4, 0), (4, 5)]
    for row, model, history in zip(found.rows, found.models, found.histories, strict=True):
        alone = make(row["units"], row["seed"])
        assert alone.fit(x, y, epochs=20, batch_size=32, verbose=0).history == history
        np.testing.assert_array_equal(alone.predict(x), model.predict(x))
        assert row["loss"] == history["loss"][-1]


def test_results_do_not_depend_on_how_many_train_at_once():
    one, three = (
        pc.sweep(make, x, y, {"units": [1, 2, 3], "seed": [0, 1]}, epochs=30, batch_size=120, threads=threads)
        for threads in (1, 3)
    )
    assert without_seconds(one.rows) == without_seconds(three.rows)


def test_folds_hold_out_every_row_once_and_keep_proportions():
    from pellucid.training.splits import fold_rows

    labels = np.repeat([0, 1, 2], [10, 20, 33])
    parts = fold_rows(labels, 5, seed=3)
    np.testing.assert_array_equal(np.sort(np.concatenate([held for _, held in parts])), np.arange(63))
    for trained, held in parts:
        assert not set(trained) & set(held)
        assert len(trained) + len(held) == 63
        counts = np.bincount(labels[held], minlength=3)
        assert (abs(counts - np.array([2, 4, 6.6])) < 1).all()
    assert any(set(held) != set(other) for (_, held), (_, other) in zip(parts, fold_rows(labels, 5, 4), strict=True))


def test_a_fold_is_measured_on_what_it_did_not_see():
    found = pc.sweep(make, x, y, {"units": [3]}, epochs=50, batch_size=40, folds=3)
    from pellucid.training.splits import fold_rows

    for row, model, (_, held) in zip(found.rows, found.models, fold_rows(y, 3, 0), strict=True):
        again = model.evaluate(x[held], y[held])
        assert row["val_accuracy"] == pytest.approx(again["accuracy"])
        assert row["val_loss"] == pytest.approx(again["loss"], rel=1e-5)


def test_validation_data_are_measured_at_the_end():
    found = pc.sweep(make, x[:80], y[:80], {"units": [3]}, epochs=5, validation_data=(x[80:], y[80:]))
    assert found.rows[0]["val_loss"] == pytest.approx(found.models[0].evaluate(x[80:], y[80:])["loss"])


def test_validation_data_may_have_weights():
    weights = np.where(np.arange(40) % 2, 1.0, 0.0)
    some = (x[80:], y[80:], weights), (x[80:][1::2], y[80:][1::2])
    found = [pc.sweep(make, x[:80], y[:80], {"units": [3]}, validation_data=given).rows[0] for given in some]
    assert found[0]["val_loss"] == pytest.approx(found[1]["val_loss"], rel=1e-6)


def test_one_that_fails_is_a_row_and_the_others_go_on():
    def regression(rate):
        network = pc.Sequential(pc.layers.Dense(8, activation="relu"), pc.layers.Dense(1))
        return pc.Model(network, "mse", pc.optimizers.SGD(rate))

    found = pc.sweep(regression, x, y, {"rate": [0.01, 1e9]}, epochs=20, batch_size=40)
    good, bad = found.rows
    assert "error" not in good
    assert "loss" in good
    assert "not a number" in bad["error"]
    assert found.best("loss") is good
    assert "error" in repr(found)


def test_means_are_numpys():
    found = pc.sweep(make, x, y, {"units": [2, 3], "seed": [0, 1, 2]}, epochs=5)
    for row in found.mean("seed"):
        losses = [r["loss"] for r in found.rows if r["units"] == row["units"]]
        assert row["loss"] == pytest.approx(np.mean(losses))
        assert row["loss_deviation"] == pytest.approx(np.std(losses))
        assert row["count"] == 3


def test_a_table_is_pandas_where_it_is_installed():
    found = pc.sweep(make, x, y, {"units": [2]}, epochs=2)
    table = found.table()
    records = table if isinstance(table, list) else table.to_dict("records")
    assert without_seconds(records) == without_seconds(found.rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"choices": {"units": []}}, "no choices"),
        ({"choices": {"units": 3}}, "a list of values was expected"),
        ({"choices": {"units": "12"}}, "a list of values was expected"),
        ({"choices": {"units": [2]}, "folds": 1}, "folds is 1"),
        ({"choices": {"units": [2]}, "folds": 1000}, "folds is 1000"),
        ({"choices": {"units": [2]}, "threads": 0}, "sweep: threads is 0, and a whole number of 1 or more"),
        ({"choices": {"units": [2]}, "threads": -1}, "sweep: threads is -1"),
        ({"choices": {"units": [2]}, "folds": 2, "validation_data": (x, y)}, "give folds or validation_data, not both"),
        ({"choices": {"units": [2]}, "rows": [1, 2]}, "sweep has no rows"),
        ({"choices": {"units": [2]}, "verbose": 1}, "sweep has no verbose"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(pc.InputError, match=message):
        pc.sweep(make, x, y, **arguments)


def test_what_is_no_model_is_named():
    with pytest.raises(pc.InputError, match=r"a pc\.Model was expected"):
        pc.sweep(lambda units: units, x, y, {"units": [1]})


def test_unknown_figures_and_choices_are_named():
    found = pc.sweep(make, x, y, {"units": [1]}, epochs=1)
    with pytest.raises(pc.InputError, match="no row has the figure 'auc'; there are loss, accuracy, seconds"):
        found.best("auc")
    with pytest.raises(pc.InputError, match="did not vary 'seed'"):
        found.mean("seed")


def test_pictures():
    found = pc.sweep(make, x, y, {"units": [1, 3, 50], "seed": [0, 1]}, epochs=10)
    assert pc.view.png(pc.view.sweep(found, "units", "accuracy", "Two moons"))[:4] == b"\x89PNG"
    model = make()
    history = model.fit(x, y, epochs=4, validation_split=0.25, verbose=0)
    assert pc.view.png(pc.view.history(history))[:4] == b"\x89PNG"
    for wrong in (lambda: pc.view.sweep(found, "rate"), lambda: pc.view.sweep(found, "units", "auc")):
        with pytest.raises(pc.InputError):
            wrong()
    with pytest.raises(pc.InputError, match="no 'auc'; it has loss"):
        pc.view.history(history, ["auc"])


def test_folds_on_xla_are_measured_there_too():
    """And so weights need not leave the device; figures differ from those of native code by rounding."""
    options = {"epochs": 3, "batch_size": 40, "folds": 2}
    native, xla = (pc.sweep(make, x, y, {"units": [3]}, backend=b, **options) for b in ("native", "xla"))
    for one, other in zip(native.rows, xla.rows, strict=True):
        assert other["val_loss"] == pytest.approx(one["val_loss"], rel=1e-4)
    assert any(key[2].name == "xla" for model in xla.models for key in model._functions if key[0] == "evaluate")
