"""The regressor: one target and several, and MLPRegressor beside it."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_regression
from sklearn.neural_network import MLPRegressor

import pellucid as pc
from pellucid.core.errors import InputError

SOURCE = Path(__file__).parents[2] / "src"
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"hidden_layer_sizes": (20,), "learning_rate_init": 0.01, "max_iter": 200, "random_state": 0}


@pytest.fixture(scope="module", params=[1, 3], ids=["one target", "three targets"])
def data(request):
    X, y = make_regression(240, 6, n_targets=request.param, noise=1.0, random_state=0)
    return X, y / 100


def test_as_good_as_scikit_learn(data):
    ours, theirs = pc.NetworkRegressor(**SMALL).fit(*data), MLPRegressor(**SMALL).fit(*data)
    assert ours.score(*data) > 0.98 and abs(ours.score(*data) - theirs.score(*data)) < 0.01
    assert ours.predict(data[0]).shape == data[1].shape == theirs.predict(data[0]).shape
    assert ours.out_activation_ == "identity"


def test_float32_stays_float32(data):
    fitted = pc.NetworkRegressor(**{**SMALL, "max_iter": 2}).fit(data[0].astype("float32"), data[1])
    assert fitted.predict(data[0]).dtype == fitted.coefs_[0].dtype == np.float32


def test_early_stopping_by_r_squared(data):
    fitted = pc.NetworkRegressor(**SMALL, early_stopping=True).fit(*data)
    assert 0.9 < fitted.best_validation_score_ <= 1 and len(fitted.validation_scores_) == fitted.n_iter_


def test_a_validation_set_of_one_is_too_small(data):
    with pytest.raises(InputError, match=r"validation_fraction=0\.001 of 240 examples is too small"):
        pc.NetworkRegressor(early_stopping=True, validation_fraction=0.001).fit(*data)


def test_partial_fit_weights_and_pickles(data):
    fitted = pc.NetworkRegressor(**SMALL)
    for _ in range(20):
        fitted.partial_fit(*data, sample_weight=np.linspace(0, 2, 240))
    copied = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    assert np.array_equal(copied.predict(data[0]), fitted.predict(data[0]))
    with pytest.raises(InputError, match=r"y has 2 targets, and the regressor was fitted with"):
        fitted.partial_fit(data[0], np.zeros((240, 2)))


def test_without_scikit_learn_the_error_says_what_to_install():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import pellucid as pc\n"
        "try: pc.NetworkRegressor\n"
        "except pc.MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=SOURCE)
    assert "pip install pellucid[learn]" in done.stdout
