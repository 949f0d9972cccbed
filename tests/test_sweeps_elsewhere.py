"""Sweeps and searches by joblib's workers, in other processes, find what this process finds, to the bit."""

import os
import threading

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

import pellucid as pc
from pellucid.sweeps.workers import Workers, _trained
from pellucid.training.loading import unpack_state
from pellucid.training.saving import packed_state

x, y = pc.data.moons(120)
PARENT = os.getpid()


@pytest.fixture(scope="module")
def loky():
    yield {"backend": "loky", "n_jobs": 2, "max_nbytes": 100}  # so that x and y are mapped to memory
    joblib.externals.loky.get_reusable_executor().shutdown(wait=True)


@pytest.fixture(scope="module")
def dask():
    from distributed import Client, LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "processes": True}
    with LocalCluster(**options) as cluster, Client(cluster):
        yield {"backend": "dask"}


@pytest.fixture(params=["loky", "dask"])
def configured(request):
    return request.getfixturevalue(request.param)


# A worker cannot import this module: what is defined inside a function is sent as a whole.
def maker(optimizer=pc.optimizers.SGD, **options):
    def make(units=3, seed=0, rate=0.5):
        network = pc.Sequential(pc.layers.Dense(units, activation=lambda z: pc.tanh(z) + z), pc.layers.Dense(2))
        return pc.Model(network, "cross_entropy", optimizer(rate, **options), ["accuracy"], seed)

    return make


def assert_same(found, local):
    assert found.choices == local.choices
    rows = [[{k: v for k, v in row.items() if k != "seconds"} for row in sweep.rows] for sweep in (found, local)]
    assert rows[0] == rows[1]
    assert all(row["seconds"] > 0 for row in found.rows)
    assert found.histories == local.histories
    for model, other in zip(found.models, local.models, strict=True):
        assert model.progress.steps == other.progress.steps > 0
        states = [[p.value.tobytes() for p in each.state_parameters()] for each in (model, other)]
        assert states[0] == states[1]


def test_a_sweep_elsewhere_is_the_local_one(configured):
    choices = {"units": [1, 4], "seed": [0, 5]}
    make = maker(momentum=0.9)
    local = pc.sweep(make, x, y, choices, epochs=20)
    with joblib.parallel_config(**configured):
        found = pc.sweep(make, x, y, choices, epochs=20)
    assert_same(found, local)
    for model in (found.models[1], local.models[1]):  # training goes on where it was
        model.fit(x, y, epochs=3, verbose=0)
    assert found.histories == local.histories


def test_folds_elsewhere_are_the_local_ones(configured):
    make = maker(pc.optimizers.Adam)
    choices = [{"units": 3, "rate": 0.1}, {"units": 2, "rate": 0.01}]
    local = pc.sweep(make, x, y, choices, epochs=5, folds=3)
    with joblib.parallel_config(**configured):
        assert_same(pc.sweep(make, x, y, choices, epochs=5, folds=3), local)


def test_validation_data_are_sent_too(loky):
    given = {"choices": {"units": [3]}, "validation_data": (x[80:], y[80:], np.linspace(0, 1, 40)), "epochs": 3}
    local = pc.sweep(maker(), x[:80], y[:80], **given)
    with joblib.parallel_config(**loky):
        found = pc.sweep(maker(), x[:80], y[:80], threads=2, **given)
    assert "val_loss" in found.rows[0]
    assert_same(found, local)


def test_one_that_fails_elsewhere_is_a_row(loky):
    def regression(rate):
        network = pc.Sequential(pc.layers.Dense(8, activation="relu"), pc.layers.Dense(1))
        return pc.Model(network, "mse", pc.optimizers.SGD(rate))

    local = pc.sweep(regression, x, y, {"rate": [0.01, 1e9]}, epochs=20, batch_size=40)
    with joblib.parallel_config(**loky):
        found = pc.sweep(regression, x, y, {"rate": [0.01, 1e9]}, epochs=20, batch_size=40)
    assert "not a number" in found.rows[1]["error"]
    assert_same(found, local)


def test_a_search_elsewhere_is_the_local_one(dask):
    quick = pc.NetworkClassifier((5,), learning_rate_init=0.05, tol=0.01, random_state=0)
    local, found = (GridSearchCV(quick, {"alpha": [1e-4, 1.0]}, cv=2) for _ in range(2))
    local.fit(x, y)
    with joblib.parallel_config(**dask):
        found.fit(x, y)
    for figure in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(found.cv_results_[figure], local.cv_results_[figure])
    assert found.best_params_ == local.best_params_
    np.testing.assert_array_equal(found.predict_proba(x), local.predict_proba(x))


def test_only_a_backend_that_was_named_and_has_processes_is_used():
    assert Workers.configured(None) is None
    for options in ({"n_jobs": 2}, {"prefer": "threads"}, {"backend": "threading", "n_jobs": 2}):
        with joblib.parallel_config(**options):
            assert Workers.configured(None) is None
    for options, asked, count in (({}, None, -1), ({"n_jobs": 3}, None, 3), ({"n_jobs": 3}, 2, 2)):
        with joblib.parallel_config("loky", **options):
            assert Workers.configured(asked).count == count
    assert Workers.configured(None) is None


def test_what_cannot_be_sent_is_named(configured):
    lock = threading.Lock()

    def make(units):
        with lock:
            return maker()(units)

    with joblib.parallel_config(**configured):
        with pytest.raises(pc.InputError, match=r"sweep: make cannot be sent to joblib's workers: cannot pickle '_th"):
            pc.sweep(make, x, y, {"units": [1]})
        with pytest.raises(pc.InputError, match="sweep: one of the choices cannot be sent"):
            pc.sweep(lambda lock: maker()(), x, y, {"lock": [lock]})
        with pytest.raises(pc.InputError, match="sweep: x cannot be sent"):
            pc.sweep(maker(), ((x, y) for _ in range(3)), None, {"units": [1]}, steps_per_epoch=3)


def test_a_backend_that_sends_less_is_named():
    with (
        joblib.parallel_config("multiprocessing", n_jobs=2),
        pytest.raises(pc.InputError, match="define make in a mod"),
    ):
        pc.sweep(maker(), x, y, {"units": [1, 2]})


def test_what_make_raises_in_a_worker_is_raised_here(dask):
    parent = PARENT

    def make(units):
        if os.getpid() != parent:
            raise FileNotFoundError("no such vocabulary")
        return maker()(units)

    with joblib.parallel_config(**dask), pytest.raises(FileNotFoundError, match="no such vocabulary"):
        pc.sweep(make, x, y, {"units": [1, 2]})


def test_a_worker_of_another_version_is_refused():
    with pytest.raises(pc.PellucidError, match=r"a worker has Pellucid .*, and the sweep began in 0\.0"):
        _trained("0.0", maker(), None, {}, x, y, None, None)


def test_state_of_another_network_is_refused():
    three, four = maker()(3), maker()(4)
    for model in (three, four):
        model.fit(x, y, verbose=0)
    with pytest.raises(pc.ModelFileError, match="network 2 of the sweep: holds the weights of another network"):
        unpack_state(three, packed_state(four), "network 2 of the sweep")
    with pytest.raises(pc.ModelFileError, match="network 2"):
        unpack_state(three, packed_state(three)[:-1], "network 2 of the sweep")


def test_a_worker_that_dies_is_one_error_with_a_cure(loky):
    parent = PARENT  # here, and not of the module, so that it is sent

    def make(units):
        if os.getpid() != parent:
            os._exit(1)
        return maker()(units)

    wanted = r"(?s)the workers of joblib's LokyBackend did not.*let fewer train at once"
    with joblib.parallel_config(**loky), pytest.raises(pc.PellucidError, match=wanted):
        pc.sweep(make, x, y, {"units": [1, 2]})
