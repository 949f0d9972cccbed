"""The classifier: labels of all kinds, weights, early stopping, pickles, searches, and MLPClassifier beside it."""

import copy
import pickle
import warnings

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import pellucid as pc
from pellucid.core.errors import InputError
from pellucid.estimators.rates import InverseScaling

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"hidden_layer_sizes": (8,), "learning_rate_init": 0.01, "max_iter": 30, "random_state": 0}


@pytest.fixture(scope="module")
def data():
    X, y = make_classification(240, 6, n_informative=4, n_classes=3, random_state=0)
    return X.astype("float32"), y


def small(**changed):
    return pc.NetworkClassifier(**{**SMALL, **changed})


def same(a, b):
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_as_good_as_scikit_learn_on_digits():
    X, y = load_digits(return_X_y=True)
    X, test, y, answers = train_test_split((X / 16).astype("float32"), y, random_state=0, stratify=y)
    with threadpool_limits(1):
        ours, theirs = (
            [make(max_iter=40, random_state=seed).fit(X, y).score(test, answers) for seed in range(2)]
            for make in (pc.NetworkClassifier, MLPClassifier)
        )
    assert abs(np.mean(ours) - np.mean(theirs)) < 0.015 and np.mean(ours) > 0.94


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("two classes", {}),
        ("three classes", {}),
        ("labels", {}),
        ("three classes", {"solver": "sgd", "learning_rate_init": 0.1}),
        ("labels", {"alpha": 30.0}),
    ],
    ids=str,
)
def test_same_steps_as_scikit_learn_from_the_same_weights(options, kind):
    if kind == "labels":
        X, y = make_multilabel_classification(100, 6, n_classes=3, random_state=1)
        X, classes = X / 10, [0, 1, 2]
    else:
        classes = list(range(2 if kind == "two classes" else 3))
        X, y = make_classification(100, 6, n_informative=4, n_classes=len(classes), random_state=1)
    common = {"hidden_layer_sizes": (5,), "batch_size": 50, "shuffle": False, "max_iter": 1, "random_state": 0}
    weights = np.random.default_rng(0).uniform(0.5, 2, 100)
    theirs = MLPClassifier(**common, **options).partial_fit(X, y, classes=classes)
    ours = pc.NetworkClassifier(**common, **options).partial_fit(X, y, classes=classes)
    start = [np.random.default_rng(k).normal(size=w.shape) * 0.3 for k, w in enumerate(theirs.coefs_)]
    for k, value in enumerate(start):
        theirs.coefs_[k][:] = value
        theirs.intercepts_[k][:] = 0
    for path, parameter in ours.model_.network.parameters.items():
        parameter.value = start["dense_1" in path] if "kernel" in path else np.zeros(parameter.shape)
    for state in ours.model_.rule.state.values():
        state.value = np.zeros_like(state.value)
    del theirs._optimizer
    for _ in range(3):
        theirs.partial_fit(X, y, sample_weight=weights)
        ours.partial_fit(X, y, sample_weight=weights)
    for a, b in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8)
    assert ours.out_activation_ == theirs.out_activation_ and ours.n_layers_ == theirs.n_layers_
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_computes_in_the_dtype_of_the_examples(data, dtype):
    fitted = small(max_iter=2).fit(data[0].astype(dtype), data[1])
    assert {a.dtype.name for a in fitted.coefs_ + fitted.intercepts_} == {dtype}
    assert fitted.predict_proba(data[0]).dtype == dtype


def test_a_seed_repeats_a_fit_and_another_does_not(data):
    first, again, other = (small(random_state=seed).fit(*data) for seed in (1, 1, 2))
    assert same(first.coefs_, again.coefs_) and not same(first.coefs_, other.coefs_)
    drawn = np.random.RandomState(1)
    one, two = (small(random_state=drawn).fit(*data) for _ in range(2))
    assert not same(one.coefs_, two.coefs_)


def test_labels_are_strings(data):
    names = np.array(["cat", "dog", "fox"])
    fitted = small().fit(data[0], names[data[1]])
    assert list(fitted.classes_) == ["cat", "dog", "fox"]
    assert np.array_equal(fitted.predict(data[0]), names[small().fit(*data).predict(data[0])])


def test_probabilities_logarithms_and_logits_agree(data):
    for y in (data[1], data[1] > 0):
        fitted = small().fit(data[0], y)
        probabilities = fitted.predict_proba(data[0])
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(fitted.predict_log_proba(data[0]), np.log(probabilities), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(fitted.model_.predict(data[0])[:, -1], probabilities[:, -1], rtol=1e-4)
        assert np.array_equal(fitted.predict(data[0]), fitted.classes_[probabilities.argmax(axis=1)])
    extreme = fitted.predict_log_proba(data[0] * 1e4)
    assert np.isfinite(extreme).all() and extreme.min() < -200


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 255, 257, 600])
def test_predictions_do_not_depend_on_the_number_of_rows(data, rows):
    fitted, X = small(max_iter=2).fit(*data), np.tile(data[0], (3, 1))
    expected = [fitted.decision_function(row[None])[0] for row in X[:3]]
    found = fitted.decision_function(X[:rows])
    assert found.shape == (rows, 3)
    np.testing.assert_allclose(found[:3], expected[:rows], rtol=1e-5, atol=1e-6)


def test_several_labels_at_once():
    X, Y = make_multilabel_classification(200, 8, n_classes=4, random_state=0)
    X = X / 10
    fitted = small(max_iter=200).fit(X, Y)
    assert fitted.predict(X).shape == Y.shape and set(np.unique(fitted.predict(X))) == {0, 1}
    assert fitted.predict_proba(X).shape == Y.shape and fitted.out_activation_ == "logistic"
    assert (fitted.predict(X) == Y).mean() > 0.75
    stopped = small(early_stopping=True).fit(X, Y)
    assert 0 <= stopped.best_validation_score_ <= 1


def test_class_weights_are_sample_weights(data):
    weights = {0: 1.0, 1: 5.0, 2: 0.5}
    by_class = small(class_weight=weights).fit(*data)
    by_sample = small().fit(*data, sample_weight=[weights[c] for c in data[1]])
    assert same(by_class.coefs_, by_sample.coefs_) and not same(by_class.coefs_, small().fit(*data).coefs_)
    rare = np.concatenate([np.flatnonzero(data[1] == 0)[:10], np.flatnonzero(data[1] > 0)])
    X, y = data[0][rare], data[1][rare]
    balanced, plain = small(class_weight="balanced").fit(X, y), small().fit(X, y)
    assert (balanced.predict(data[0]) == 0).sum() > (plain.predict(data[0]) == 0).sum()


def test_a_weight_of_zero_is_the_same_as_not_being_there(data):
    weights = np.ones(240)
    weights[::3] = 0
    there = small().fit(*data, sample_weight=weights)
    gone = small().fit(data[0][weights > 0], data[1][weights > 0])
    np.testing.assert_allclose(there.predict_proba(data[0]), gone.predict_proba(data[0]), rtol=1e-3, atol=1e-5)


def test_stops_when_the_loss_no_longer_falls(data):
    fitted = small(max_iter=1000, tol=1e-2, n_iter_no_change=3).fit(*data)
    curve = np.array(fitted.loss_curve_)
    assert 5 < fitted.n_iter_ < 1000 and len(curve) == fitted.n_iter_ and fitted.loss_ == curve[-1]
    best = np.minimum.accumulate(np.concatenate([[np.inf], curve]))[:-1]
    assert (curve > best - 1e-2)[-4:].all() and fitted.best_loss_ == curve.min()
    same_epochs = small(max_iter=fitted.n_iter_, tol=0, n_iter_no_change=1000).fit(*data)
    assert same(fitted.coefs_, same_epochs.coefs_), "the weights are those of the epoch it stopped at"


def test_says_when_it_has_not_converged(data):
    with pytest.warns(ConvergenceWarning, match="not converged after 2 epochs"):
        small(max_iter=2).fit(*data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small(max_iter=1000, tol=1e-2, n_iter_no_change=2).fit(*data)


def test_early_stopping_keeps_the_best_weights(data):
    fitted = small(early_stopping=True, max_iter=200, validation_fraction=0.3, n_iter_no_change=5).fit(*data)
    assert len(fitted.validation_scores_) == fitted.n_iter_ < 200
    assert fitted.best_validation_score_ == max(fitted.validation_scores_)
    assert fitted.score(*data) > 0.5 and small().fit(*data).validation_scores_ is None
    with pytest.raises(InputError, match="partial_fit does not hold out"):
        small(early_stopping=True).partial_fit(*data, classes=[0, 1, 2])


def test_an_adaptive_rate_is_divided_until_it_is_small(data):
    fitted = small(solver="sgd", learning_rate="adaptive", learning_rate_init=1e-4, tol=10, n_iter_no_change=1)
    fitted.set_params(max_iter=100).fit(*data)
    # 1e-4 / 5**3 is the first at most 1e-6; the first wait begins after the first epoch, which always improves
    assert fitted.n_iter_ == 1 + 4 * 2
    assert fitted.model_.learning_rate == pytest.approx(1e-4 / 5**3)


def test_inverse_scaling_is_scikit_learns(data):
    X, y = data
    common = {**SMALL, "solver": "sgd", "learning_rate": "invscaling", "batch_size": 100, "tol": 0, "max_iter": 4}
    theirs, ours = MLPClassifier(**common).fit(X, y), pc.NetworkClassifier(**common).fit(X, y)
    expected = theirs._optimizer.learning_rate
    schedule = InverseScaling(0.01, 0.5, 240, 3)
    assert float(pc.function([], schedule(3 * ours.n_iter_))()) == pytest.approx(expected)


def test_warm_start_goes_on(data):
    once = small(warm_start=True, max_iter=5).fit(*data)
    before, curve = once.coefs_, list(once.loss_curve_)
    once.fit(*data)
    assert once.n_iter_ == 5 and len(once.loss_curve_) == 10 and once.loss_curve_[:5] == curve
    assert once.loss_curve_[5] < curve[0] and not same(before, once.coefs_)
    with pytest.raises(InputError, match="warm_start goes on with the weights"):
        once.set_params(hidden_layer_sizes=(9,)).fit(*data)
    cold = small(max_iter=5).fit(*data).fit(*data)
    assert cold.loss_curve_ == curve


def test_partial_fit_is_an_epoch_and_needs_the_classes(data):
    with pytest.raises(InputError, match="classes must be passed on the first call"):
        small().partial_fit(*data)
    fitted = small().partial_fit(data[0][:50], np.minimum(data[1][:50], 1), classes=[0, 1, 2])
    losses = [fitted.partial_fit(*data).loss_ for _ in range(40)]
    assert fitted.n_iter_ == 1 and len(fitted.loss_curve_) == 41 and losses[-1] < losses[0]
    with pytest.raises(InputError, match="classes is 0, 1, and the first call was given 0, 1, 2"):
        fitted.partial_fit(*data, classes=[0, 1])
    with pytest.raises(InputError, match=r"y has classes that the fitted ones do not include: it has 0, 5"):
        fitted.partial_fit(data[0][:2], [0, 5])
    with pytest.raises(InputError, match="class_weight='balanced' needs all examples"):
        small(class_weight="balanced").partial_fit(*data, classes=[0, 1, 2])


@pytest.mark.parametrize(
    "through",
    [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))],  # noqa: S301
    ids=["deepcopy", "pickle"],
)
@pytest.mark.parametrize("solver", ["adam", "sgd", pc.optimizers.Adam(pc.optimizers.CosineDecay(0.01, 100))], ids=str)
def test_a_copy_predicts_the_same_and_goes_on_the_same(data, through, solver):
    fitted = small(solver=solver, max_iter=5, dropout=0.2).fit(*data)
    copied = through(fitted)
    assert np.array_equal(copied.predict_proba(data[0]), fitted.predict_proba(data[0]))
    assert copied.loss_curve_ == fitted.loss_curve_ and copied.model_ is not fitted.model_
    for each in (fitted, copied):
        each.partial_fit(*data)
    assert same(copied.coefs_, fitted.coefs_), "the optimiser's moments and the order of examples go on too"


def test_joblib_and_changed_parameters(data, tmp_path):
    fitted = small().fit(*data).set_params(hidden_layer_sizes=(3, 3), activation="tanh")
    joblib.dump(fitted, tmp_path / "classifier.joblib")
    loaded = joblib.load(tmp_path / "classifier.joblib")
    assert np.array_equal(loaded.predict(data[0]), fitted.predict(data[0]))
    assert loaded.hidden_layer_sizes == (3, 3)


def test_searches_in_pipelines_on_two_workers(data):
    pipeline = make_pipeline(StandardScaler(), small(max_iter=3))
    grid = [{"networkclassifier__alpha": [1e-4, 1e-2]}, {"networkclassifier__hidden_layer_sizes": [(4,)]}]
    alone = GridSearchCV(pipeline, grid, cv=2).fit(*data)
    for backend in ("loky", "threading"):
        with joblib.parallel_config(backend=backend):
            found = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(*data)
        assert np.array_equal(found.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])


def network_of(features, outputs):
    return pc.Sequential(pc.layers.Dense(7, activation="tanh"), pc.layers.Dense(outputs))


@pytest.mark.parametrize(
    "network",
    [
        network_of,
        pc.Sequential(pc.layers.Dense(7, activation="tanh"), pc.layers.Dense(3)),
        pc.Sequential(pc.layers.Input((6,)), pc.layers.Dense(7, activation="tanh"), pc.layers.Dense(3)),
    ],
    ids=["function", "network", "built network"],
)
def test_networks_of_the_users_own(data, network):
    fitted = clone(small(network=network)).fit(*data)
    assert [w.shape for w in fitted.coefs_] == [(6, 7), (7, 3)]
    assert same(fitted.coefs_, clone(fitted).fit(*data).coefs_), "each fit begins with weights of its own"
    if network is not network_of:
        copied = pickle.loads(pickle.dumps(fitted))  # noqa: S301
        assert np.array_equal(copied.predict(data[0]), fitted.predict(data[0]))


def test_feature_names(data):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(data[0], columns=list("abcdef"))
    fitted = small(max_iter=2).fit(table, data[1])
    assert list(fitted.feature_names_in_) == list("abcdef") and fitted.n_features_in_ == 6
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(table[list("bacdef")])


WRONG = {
    "alpha": (-1, "alpha is -1, and a number 0 or more"),
    "batch_size": (1.5, "batch_size is 1.5, and a whole number"),
    "hidden_layer_sizes": ((4, 0), "hidden_layer_sizes is 0, and a number above 0"),
    "solver": ("lbfgs", "solver='lbfgs' does not; use 'adam' or 'sgd'"),
    "learning_rate": (0.1, "learning_rate is 0.1, and one of .* the number is learning_rate_init"),
    "activation": ("reloo", "'reloo' is not an activation"),
    "network": (lambda n, k: pc.layers.Dense(k + 1), r"network returns \(batch, 4\), and \(batch, 3\) is needed"),
    "dropout": (1.0, "dropout is 1.0, and a number 0 or more and below 1"),
    "max_iter": (0, "max_iter is 0, and a number above 0"),
    "n_iter_no_change": (0, "n_iter_no_change is 0"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_parameters_are_named_when_it_is_fitted(data, name):
    value, message = WRONG[name]
    with pytest.raises(InputError, match=message):
        small(**{name: value}).fit(*data)


def test_wrong_data_are_named(data):
    with pytest.raises(InputError, match=r"y has one class alone, 0\.0; two classes or more"):
        small().fit(data[0], np.zeros(240))
    with pytest.raises(InputError, match="several columns of classes"):
        small().fit(data[0], np.stack([data[1], data[1]], 1))
    with pytest.raises(ValueError, match=r"[Ss]ample weights .*zero"):
        small().fit(*data, sample_weight=np.zeros(240))
    with pytest.raises(ValueError, match="test_size = 1 should be greater or equal to the number of classes"):
        small(early_stopping=True, validation_fraction=0.001).fit(*data)
