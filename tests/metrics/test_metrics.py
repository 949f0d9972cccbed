"""Every metric against scikit-learn or NumPy, in batches, weighted, and at the edges."""

import dataclasses
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as theirs

import pellucid as pc
from draws import draws

metrics = pc.metrics
SEEDS = st.integers(0, 9999)
SOME = st.integers(1, 40)


def variable(name, array):
    kind = {"f": "float32" if array.dtype == "float32" else "float64", "b": "bool"}.get(array.dtype.kind, "int32")
    return pc.variable(name, ("batch", *array.shape[1:]), kind)


def measure(metric, p, y, w=None, batch=7, into=lambda x: x, backend="native"):
    """Return a metric of arrays, summed over batches by a compiled function."""
    arrays = [p, y] + ([] if w is None else [w])
    given = [variable(name, a) for name, a in zip("pyw", arrays, strict=False)]
    sums = metric.sums(into(given[0]), *given[1:])
    arrays = [a.astype(v.dtype) for a, v in zip(arrays, given, strict=True)]
    made = pc.function(given, sums, backend=backend)
    return metric.result(metrics.totals(made.minibatches(batch, shuffle=False)(*arrays)))


def classes(seed, rows, k, weighted=True):
    draw = np.random.default_rng(seed)
    p = draw.random((rows, k)) + 1e-3
    w = draw.integers(0, 4, rows) + 0.25 if weighted else None
    return p / p.sum(1, keepdims=True), draw.integers(0, k, rows), w


def yes_and_no(seed, rows):
    """Return probabilities with ties on a grid that thresholds do not meet, both labels, and weights."""
    draw = np.random.default_rng(seed)
    y = draw.integers(0, 2, rows + 2)
    y[:2] = 0, 1
    return (draw.integers(0, 100, rows + 2) + 0.5) / 100, y, draw.integers(0, 4, rows + 2) + 0.25


def quietly(function, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


def one_hot(y, k):
    return np.eye(k)[y]


@draws(16)
@given(seed=SEEDS, rows=SOME, k=st.integers(2, 5))
def test_categorical_accuracy(seed, rows, k):
    p, y, w = classes(seed, rows, k)
    expected = theirs.accuracy_score(y, p.argmax(1), sample_weight=w)
    for metric in (metrics.Accuracy(), metrics.CategoricalAccuracy()):
        for labels in (y, y[:, None], one_hot(y, k)):
            assert measure(metric, p, labels, w) == pytest.approx(expected, rel=1e-12)
        assert measure(metric, np.log(p), y, w) == pytest.approx(expected, rel=1e-12)
        assert measure(metric, np.log(p), y, w, into=pc.softmax) == pytest.approx(expected, rel=1e-12)


@draws(16)
@given(seed=SEEDS, rows=SOME)
def test_binary_accuracy(seed, rows):
    p, y, w = yes_and_no(seed, rows)
    expected = theirs.accuracy_score(y, p > 0.5, sample_weight=w)
    for metric in (metrics.Accuracy(), metrics.BinaryAccuracy()):
        for labels in (y, y[:, None], y.astype(bool), y.astype(float)):
            assert measure(metric, p, labels, w) == pytest.approx(expected, rel=1e-12)
            assert measure(metric, p[:, None], labels, w) == pytest.approx(expected, rel=1e-12)
    found = measure(metrics.BinaryAccuracy(threshold=0.2), p, y)
    assert found == pytest.approx(theirs.accuracy_score(y, p > 0.2), rel=1e-12)


def test_accuracy_of_several_labels_by_sigmoid_counts_each():
    z = np.array([[1.0, -1.0, 2.0], [-1.0, -2.0, 3.0]])
    y = np.array([[1, 0, 0], [0, 0, 1]])
    assert measure(metrics.Accuracy(), z, y, into=pc.sigmoid) == pytest.approx(5 / 6)


def test_accuracy_of_sequences():
    p, y, _ = classes(3, 12, 4)
    found = measure(metrics.Accuracy(), p.reshape(3, 4, 4), y.reshape(3, 4), np.array([1.0, 0.0, 1.0]))
    kept = np.r_[0:4, 8:12]
    assert found == pytest.approx((p.argmax(1) == y)[kept].mean())


@draws(16)
@given(seed=SEEDS, rows=SOME, steps=st.integers(1, 4), k=st.integers(2, 3))
def test_exact_match_is_of_examples_that_are_right_throughout(seed, rows, steps, k):
    p, y, _ = classes(seed, rows * steps, k)
    right = (p.argmax(1) == y).reshape(rows, steps).all(1)
    w = np.arange(rows) + 0.5
    found = measure(metrics.ExactMatch(), p.reshape(rows, steps, k), y.reshape(rows, steps), w)
    assert found == pytest.approx(np.average(right, weights=w), rel=1e-12)
    draw = np.random.default_rng(seed)
    bits, chances = draw.integers(0, 2, (rows, steps, 1)), draw.random((rows, steps, 1))
    found = measure(metrics.ExactMatch(), chances, bits)
    assert found == pytest.approx(((chances > 0.5) == bits).all((1, 2)).mean(), rel=1e-12)


def test_exact_match_of_one_label_is_the_accuracy():
    p, y, w = classes(5, 20, 3)
    assert measure(metrics.ExactMatch(), p, y, w) == measure(metrics.Accuracy(), p, y, w)
    p, y, w = yes_and_no(5, 20)
    assert measure(metrics.ExactMatch(), p, y, w) == measure(metrics.Accuracy(), p, y, w)


def test_huge_logits_are_not_rounded_to_ties():
    """Their softmax is 1 and 0, twice the same in float32, and the logits still differ."""
    z = np.array([[0.0, -1e4, -2e4]], "float32")
    assert measure(metrics.TopKAccuracy(k=2), z, np.array([2]), into=pc.softmax) == 0
    assert measure(metrics.TopKAccuracy(k=2), z, np.array([1]), into=pc.softmax) == 1


@draws(16)
@given(seed=SEEDS, rows=SOME, k=st.integers(1, 5))
def test_top_k(seed, rows, k):
    p, y, w = classes(seed, rows, 5)
    expected = quietly(theirs.top_k_accuracy_score, y, p, k=k, sample_weight=w, labels=range(5))
    for labels in (y, one_hot(y, 5)):
        assert measure(metrics.TopKAccuracy(k=k), p, labels, w) == pytest.approx(expected, rel=1e-12)


def test_nan_is_never_right():
    p = np.array([[np.nan, np.nan, np.nan]])
    assert measure(metrics.TopKAccuracy(k=2), p, np.array([1])) == 0


@draws(16)
@given(seed=SEEDS, rows=SOME)
def test_precision_and_recall(seed, rows):
    p, y, w = yes_and_no(seed, rows)
    for ours, other in ((metrics.Precision, theirs.precision_score), (metrics.Recall, theirs.recall_score)):
        expected = [other(y, p > t, sample_weight=w, zero_division=0) for t in (0.3, 0.5, 0.9)]
        np.testing.assert_allclose(measure(ours(thresholds=(0.3, 0.5, 0.9)), p, y, w), expected, rtol=1e-12)
        assert measure(ours(), p[:, None], y, w) == pytest.approx(expected[1], rel=1e-12)


def test_precision_of_several_classes_counts_each():
    p, y, w = classes(5, 30, 3)
    expected = theirs.precision_score(one_hot(y, 3).ravel(), p.ravel() > 0.4, sample_weight=np.repeat(w, 3))
    for labels in (y, one_hot(y, 3)):
        assert measure(metrics.Precision(thresholds=0.4), p, labels, w) == pytest.approx(expected)


@draws(16)
@given(seed=SEEDS, rows=SOME)
def test_area_under_the_roc_curve(seed, rows):
    """Thresholds at every hundredth tell all the probabilities apart."""
    p, y, w = yes_and_no(seed, rows)
    found = measure(metrics.AUC(num_thresholds=101), p, y, w)
    assert found == pytest.approx(theirs.roc_auc_score(y, p, sample_weight=w), rel=1e-10)


def test_area_under_precision_and_recall():
    """Integrated finely between thresholds, as Davis and Goadrich do: true positives are linear in what is said."""
    p, y, _ = yes_and_no(8, 60)
    limits = [-1e-7, *np.linspace(0, 1, 11)[1:-1], 1 + 1e-7]
    said = np.array([(p > t).sum() for t in limits], float)
    both = np.array([(y[p > t]).sum() for t in limits], float)
    area = 0.0
    for k in range(len(limits) - 1):
        share = (np.arange(20_000) + 0.5) / 20_000
        true, every = both[k + 1] + share * (both[k] - both[k + 1]), said[k + 1] + share * (said[k] - said[k + 1])
        area += (true / np.maximum(every, 1e-300)).mean() * (both[k] - both[k + 1]) / y.sum()
    assert measure(metrics.AUC(num_thresholds=11, curve="PR"), p, y) == pytest.approx(area, rel=1e-6)


def test_areas_of_perfect_and_reversed_predictions():
    y = np.array([0, 0, 1, 1])
    for curve, worst in (("ROC", 0.0), ("PR", None)):
        metric = metrics.AUC(curve=curve)
        assert measure(metric, np.array([0.1, 0.2, 0.8, 0.9]), y) == pytest.approx(1.0)
        if worst is not None:
            assert measure(metric, np.array([0.9, 0.8, 0.2, 0.1]), y) == pytest.approx(worst)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_only(label):
    p, y = np.array([0.2, 0.7, 0.9]), np.full(3, label)
    assert np.isnan(measure(metrics.AUC(), p, y))
    assert np.isnan(measure(metrics.AUC(curve="PR"), p, y))
    assert measure(metrics.Precision(), p, y) == label
    assert measure(metrics.Recall(), p, y) == pytest.approx(label * 2 / 3)


@draws(16)
@given(seed=SEEDS, rows=SOME, k=st.integers(2, 5))
def test_f1(seed, rows, k):
    p, y, w = classes(seed, rows, k)
    for average in (None, "macro", "weighted", "micro"):
        expected = theirs.f1_score(y, p.argmax(1), average=average, sample_weight=w, labels=range(k), zero_division=0)
        for labels in (y, one_hot(y, k)):
            np.testing.assert_allclose(measure(metrics.F1Score(average=average), p, labels, w), expected, rtol=1e-12)


@draws(16)
@given(seed=SEEDS, rows=SOME)
def test_f1_of_yes_and_no(seed, rows):
    p, y, w = yes_and_no(seed, rows)
    for shown in (p, p[:, None]):
        expected = theirs.f1_score(y, p > 0.4, sample_weight=w, zero_division=0)
        assert measure(metrics.F1Score(threshold=0.4), shown, y, w) == pytest.approx(expected, rel=1e-12)


@draws(16)
@given(seed=SEEDS, rows=SOME, k=st.integers(2, 5))
def test_confusion_matrix(seed, rows, k):
    p, y, w = classes(seed, rows, k)
    expected = quietly(theirs.confusion_matrix, y, p.argmax(1), sample_weight=w, labels=range(k))
    for labels in (y, one_hot(y, k)):
        np.testing.assert_allclose(measure(metrics.ConfusionMatrix(), p, labels, w), expected, rtol=1e-12)


def test_confusion_matrix_of_yes_and_no():
    p, y, w = yes_and_no(2, 30)
    expected = theirs.confusion_matrix(y, p > 0.5, sample_weight=w)
    np.testing.assert_allclose(measure(metrics.ConfusionMatrix(), p, y, w), expected)


def test_labels_that_number_no_class_are_in_no_row_of_the_matrix():
    p, y, _ = classes(1, 20, 3)
    wrong = np.where(np.arange(20) % 4 == 0, -1, np.where(np.arange(20) % 4 == 1, 3, y))
    kept = wrong == y
    expected = theirs.confusion_matrix(y[kept], p[kept].argmax(1), labels=range(3))
    np.testing.assert_array_equal(measure(metrics.ConfusionMatrix(), p, wrong), expected)


@draws(16)
@given(seed=SEEDS, rows=SOME, columns=st.integers(0, 3))
def test_errors_of_numbers(seed, rows, columns):
    draw = np.random.default_rng(seed)
    shape = (rows, columns) if columns else (rows,)
    p, y, w = draw.standard_normal(shape), draw.standard_normal(shape), draw.integers(0, 4, rows) + 0.25
    pairs = {
        "mean_squared_error": theirs.mean_squared_error,
        "root_mean_squared_error": lambda y, p, sample_weight: theirs.mean_squared_error(y, p, sample_weight=w) ** 0.5,
        "mean_absolute_error": theirs.mean_absolute_error,
    }
    for name, other in pairs.items():
        expected = other(y, p, sample_weight=w)
        assert measure(metrics.get(name), p, y, w) == pytest.approx(expected, rel=1e-10)


@draws(16)
@given(seed=SEEDS, rows=st.integers(2, 40), columns=st.integers(0, 3))
def test_r2(seed, rows, columns):
    draw = np.random.default_rng(seed)
    shape = (rows, columns) if columns else (rows,)
    p, y, w = draw.standard_normal(shape), draw.standard_normal(shape), draw.integers(0, 4, rows) + 0.25
    names = {"uniform_average": "uniform_average", "variance_weighted_average": "variance_weighted", None: "raw_values"}
    for ours, other in names.items():
        expected = np.squeeze(theirs.r2_score(y, p, sample_weight=w, multioutput=other))
        found = measure(metrics.R2Score(class_aggregation=ours), p, y, w)
        np.testing.assert_allclose(np.squeeze(found), expected, rtol=1e-8)


def test_r2_far_from_zero():
    """Labels near 1000 in float32: summed in float32, their squares would not tell them apart."""
    draw = np.random.default_rng(0)
    y = (1000 + draw.standard_normal(5000)).astype("float32")
    p = (y + 0.5 * draw.standard_normal(5000)).astype("float32")
    expected = theirs.r2_score(y.astype("float64"), p.astype("float64"))
    assert measure(metrics.R2Score(), p, y, batch=500) == pytest.approx(expected, rel=1e-6)


def test_r2_of_equal_labels():
    y = np.full(10, 0.1)
    assert measure(metrics.R2Score(), y, y) == 1
    assert measure(metrics.R2Score(), y + 1, y) == 0


def test_any_loss_is_a_metric():
    z, y, w = np.random.default_rng(0).standard_normal((9, 3)), np.arange(9) % 3, np.arange(9.0)
    metric = metrics.get("sparse_categorical_crossentropy")
    each = -np.log(np.exp(z) / np.exp(z).sum(1, keepdims=True))[np.arange(9), y]
    assert metric.takes == "outputs"
    assert measure(metric, z, y, w) == pytest.approx(np.average(each, weights=w), rel=1e-12)
    doubled = metrics.get(lambda p, y: 2 * abs(p - y))
    assert measure(doubled, z[:, 0], z[:, 1]) == pytest.approx(2 * abs(z[:, 0] - z[:, 1]).mean())


CASES = {name: yes_and_no(1, 20)[:2] for name in metrics.METRICS}
CASES |= {name: classes(1, 20, 3)[:2] for name in ("categorical_accuracy", "top_k_accuracy", "confusion_matrix")}


@pytest.mark.parametrize("name", metrics.METRICS)
def test_batches_and_weights_and_backends(name):
    """Weights of 0 leave examples out, even those that are NaN; how examples are batched changes nothing."""
    p, y = CASES[name]
    metric, keep = metrics.get(name), np.arange(len(y)) % 3 != 0
    expected = measure(metric, p[keep], y[keep])
    weights = keep.astype(float)
    spoilt = np.where(keep.reshape(-1, *[1] * (p.ndim - 1)), p, np.nan)
    for batch in (1, 4, 100):
        np.testing.assert_allclose(measure(metric, p, y, weights, batch), expected, rtol=1e-12)
        np.testing.assert_allclose(measure(metric, spoilt, y, weights, batch), expected, rtol=1e-12)
    for backend in ("reference", "xla"):
        np.testing.assert_allclose(measure(metric, p, y, weights, backend=backend), expected, rtol=1e-12)
    single = measure(metric, p.astype("float32"), y, weights)
    np.testing.assert_allclose(single, expected, rtol=1e-5)


@pytest.mark.parametrize("name", metrics.METRICS)
def test_no_weight_at_all(name):
    p, y = CASES[name]
    found = measure(metrics.get(name), p, y, np.zeros(len(y)))
    zero = name in ("precision", "recall", "f1_score", "confusion_matrix")
    assert np.all(found == 0) if zero else np.isnan(found)


def test_counts_do_not_stop():
    """Where float32 would: 2**24 + 1 is 2**24 there."""
    p = pc.broadcast_to(pc.constant(1.0), (2**24 + 3,))
    sums = pc.function([], metrics.Accuracy().sums(p, p))()
    assert float(sums["total"]) == float(sums["number"]) == 2**24 + 3
    steps = np.full(3, 2**24, "float32")
    assert metrics.totals({"number": np.append(steps, np.float32(1))})["number"] == 3 * 2**24 + 1


def test_metrics_by_name():
    for name, cls in metrics.METRICS.items():
        assert metrics.get(name) == metrics.get(cls) == metrics.get(cls()) == cls()
        assert metrics.get(name).name == name
    for alias, name in metrics.ALIASES.items():
        assert metrics.get(alias) == dataclasses.replace(metrics.METRICS[name](), name=alias)
    for name in [*pc.losses.LOSSES, *pc.losses.ALIASES]:
        assert metrics.get(name).name == name
    assert metrics.get(pc.losses.Huber(delta=2.0)).name == "huber"
    assert metrics.get("BinaryAccuracy").name == "binary_accuracy"
    assert metrics.get("CrossEntropy").loss == pc.losses.CrossEntropy()


def test_a_class_of_ones_own_is_made():
    class Counted(metrics.Metric):
        pass

    assert type(metrics.get(Counted)) is Counted


@pytest.mark.parametrize("wrong", ["exactness", None, 3])
def test_what_is_no_metric(wrong):
    with pytest.raises(pc.InputError, match=r"is not a metric; expected .*accuracy, .*auc, .*mse"):
        metrics.get(wrong)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.TopKAccuracy(k=0), "TopKAccuracy: k is 0, and a whole number of 1 or more"),
        (lambda: metrics.Precision(thresholds=2), "Precision: a threshold is 2, and a number from 0 to 1"),
        (lambda: metrics.Recall(thresholds=()), "Recall: thresholds are empty"),
        (lambda: metrics.AUC(num_thresholds=1), "AUC: num_thresholds is 1"),
        (lambda: metrics.AUC(curve="roc"), "AUC: curve is 'roc', and one of 'ROC', 'PR' was expected"),
        (lambda: metrics.F1Score(average="mean"), "F1Score: average is 'mean'"),
        (lambda: metrics.F1Score(threshold=-1), "F1Score: threshold is -1"),
        (lambda: metrics.ConfusionMatrix(num_classes=1), "ConfusionMatrix: num_classes is 1"),
        (lambda: metrics.R2Score(class_aggregation="sum"), "R2Score: class_aggregation is 'sum'"),
        (lambda: metrics.BinaryAccuracy(threshold=True), "BinaryAccuracy: threshold is True"),
    ],
)
def test_options_are_checked(make, message):
    with pytest.raises(pc.InputError, match=message):
        make()


def test_shapes_that_do_not_fit():
    p, y = pc.variable("p", ("batch", 3)), pc.variable("y", ("batch", 2))
    for name in metrics.METRICS:
        with pytest.raises(pc.ShapeError, match=r"shape \(batch, 3\) and the labels \(batch, 2\)"):
            metrics.get(name).sums(p, y)
    with pytest.raises(pc.ShapeError, match=r"weights of shape \(batch, 2\), and one for each example, \(batch,\)"):
        metrics.get("mse").sums(p, p, y)
    with pytest.raises(pc.ShapeError, match="4 classes along the last axis"):
        metrics.ConfusionMatrix(num_classes=4).sums(p, pc.variable("y", ("batch",), "int32"))


def test_labels_out_of_range_are_found_at_the_call():
    p, y = pc.variable("p", ("batch", 3)), pc.variable("y", ("batch",), "int32")
    made = pc.function([p, y], metrics.TopKAccuracy(k=1).sums(p, y))
    with pytest.raises(pc.InputError, match="y is 3 at row 1, and picks among 3"):
        made(np.zeros((2, 3)), [0, 3])
