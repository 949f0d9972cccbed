"""What people write by hand comes out stable, and its gradient short."""

import math

import numpy as np
import pytest

from pellucid.backends.reference import evaluate
from pellucid.core.operation import functions
from pellucid.core.traversal import topological
from pellucid.gradient import gradient
from pellucid.operations.activation import sigmoid, softplus
from pellucid.operations.composed import log_softmax, logsumexp, softmax
from pellucid.operations.elementwise import where
from pellucid.operations.exponential import exp, log
from pellucid.operations.indexing import one_hot, pick
from pellucid.operations.source import arange, variable
from pellucid.operations.trigonometric import tanh
from pellucid.rewrite.engine import Log, rewrite
from pellucid.rewrite.rules import ALL

N, K = 4, 3
LOGITS = np.array([[1000.0, 0.0, -1000.0], [1.0, 2.0, 3.0], [-900.0, -1000.0, -950.0], [5e5, 5e5, -1e30]])
LABELS = np.array([1, 0, 2, 1], "int32")


def simplified(expression):
    return rewrite([expression], ALL, Log())[0]


def size(*roots):
    return len(topological(roots))


def log_probabilities(z):
    shifted = z - z.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def picked(z, p, y, t):
    return -log(pick(p, y)).sum()


def indexed(z, p, y, t):
    return -log(p[arange(z.shape[0]), y]).sum()


def masked(z, p, y, t):
    return -(t * log(p)).sum()


def by_hand(z):
    scores = exp(z)
    return scores / scores.sum(axis=1, keepdims=True)


def shifted_by_hand(z):
    scores = exp(z - z.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def by_reciprocal(z):
    return exp(z) * (1 / exp(z).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("n", [N, "batch"])
@pytest.mark.parametrize("loss_of", [picked, indexed, masked])
@pytest.mark.parametrize("probabilities_of", [by_hand, shifted_by_hand, by_reciprocal, softmax])
def test_cross_entropy_written_by_hand(probabilities_of, loss_of, n):
    z, y, t = variable("z", (n, K)), variable("y", (n,), "int32"), variable("t", (n, K))
    loss = loss_of(z, probabilities_of(z), y, t)
    g = gradient(loss, z)
    roots = rewrite([loss, g], ALL, Log())
    smallest = simplified(
        probabilities_of(z) - where(functions["equal"](functions["reshape"](y, (*y.shape, 1)), arange(K)), 1.0, 0.0)
    )
    if loss_of is masked:
        smallest = simplified(probabilities_of(z) * t.sum(axis=1, keepdims=True) - t)
    assert size(roots[1]) <= size(smallest)
    if loss_of is not masked:
        assert roots[1] is smallest
    assert sum(node.operation.name == "exp" for node in topological(roots)) == 1, "the loss and its gradient share it"
    if n == "batch":
        return
    exact = log_probabilities(LOGITS)
    hot = np.eye(K)[LABELS]
    value, slope = evaluate(roots, {z: LOGITS.astype("float32"), y: LABELS, t: hot.astype("float32")})
    np.testing.assert_allclose(value, -exact[np.arange(N), LABELS].sum(), rtol=1e-6)
    np.testing.assert_allclose(slope, np.exp(exact) - hot, atol=1e-6)


def test_the_mean_and_other_axes():
    z, y = variable("z", (N, K)), variable("y", (N,), "int32")
    loss = -log(pick(by_hand(z), y)).mean()
    (slope,) = evaluate([simplified(gradient(loss, z))], {z: LOGITS.astype("float32"), y: LABELS})
    np.testing.assert_allclose(slope, (np.exp(log_probabilities(LOGITS)) - np.eye(K)[LABELS]) / N, atol=1e-6)
    columns = -log(exp(z) / exp(z).sum(axis=0)).sum()
    value, slope = evaluate(
        rewrite([columns, gradient(columns, z)], ALL, Log()), {z: np.roll(LOGITS, 1, 0).astype("float32")}
    )
    assert np.isfinite(value)
    assert np.isfinite(slope).all()
    vector = variable("v", (K,))
    whole = simplified(log(exp(vector) / exp(vector).sum())[1])
    assert evaluate([whole], {vector: np.float32([1000, 999, 0])})[0] == pytest.approx(-1.313262, rel=1e-5)


def test_parts_of_probabilities():
    z = variable("z", (N, K))
    for part in (lambda p: p[:, 1], lambda p: p[1:, 0:2], lambda p: p.T, lambda p: p.reshape(-1), lambda p: p[[2, 0]]):
        (value,) = evaluate([simplified(log(part(by_hand(z))))], {z: LOGITS.astype("float32")})
        expected = part(log_probabilities(LOGITS))
        np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_picked_sigmoids():
    z, y = variable("z", (N, K)), variable("y", (N,), "int32")
    (value,) = evaluate([simplified(log(pick(sigmoid(z), y)))], {z: -LOGITS.astype("float32"), y: LABELS})
    np.testing.assert_allclose(value, -np.logaddexp(0, LOGITS)[np.arange(N), LABELS], rtol=1e-6)


def test_softmax_alone_does_not_overflow_and_is_not_shifted_twice():
    z = variable("z", (N, K))
    for p in (by_hand(z), shifted_by_hand(z), softmax(z)):
        after = simplified(p)
        assert sum(n.operation.name == "max" for n in topological([after])) == 1
        (value,) = evaluate([after], {z: LOGITS.astype("float32")})
        np.testing.assert_allclose(value, np.exp(log_probabilities(LOGITS)), atol=1e-6)
        assert simplified(after) is after


@pytest.mark.parametrize("sign", [lambda z: z, lambda z: -z, lambda z: 2 * z, lambda z: 1 - z, lambda z: -3 * z - 1])
def test_log_sum_exp_is_shifted_once_whatever_stands_inside(sign):
    z = variable("z", (N, K))
    after = simplified(log(exp(sign(z)).sum(axis=1)))
    assert sum(n.operation.name == "max" for n in topological([after])) == 1
    (value,) = evaluate([after], {z: LOGITS}, precise=True)
    np.testing.assert_allclose(value, np.logaddexp.reduce(sign(LOGITS), axis=1), rtol=1e-12)


def test_log_sum_exp_by_hand_and_composed_agree():
    z = variable("z", (N, K))
    m = z.max(axis=1)
    shifted = m + log(exp(z - m.reshape(N, 1)).sum(axis=1))
    plain = log(exp(z).sum(axis=1))
    for form in (plain, logsumexp(z, axis=1), shifted):
        assert size(simplified(form)) <= size(simplified(plain))
        slope = simplified(gradient(form.sum(), z))
        assert size(slope) <= size(simplified(by_hand(z)))
    assert size(simplified(log_softmax(z))) <= size(simplified(log(by_hand(z))))


def test_infinite_logits():
    z = variable("z", (4, 3), "float64")
    rows = np.array(
        [[-math.inf, 0, 1], [-math.inf] * 3, [math.inf, 0, 1], [math.nan, 0, 1]],
    )
    total, p = evaluate(rewrite([log(exp(z).sum(axis=1)), by_hand(z)], ALL, Log()), {z: rows})
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(total, np.log(np.exp(rows).sum(axis=1)))
        np.testing.assert_allclose(p, np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True))


def test_binary_cross_entropy_written_by_hand():
    x, t = variable("x", (5,)), variable("t", (5,))
    p = 1 / (1 + exp(-x))
    loss = -(t * log(p) + (1 - t) * log(1 - p)).sum()
    value, slope = evaluate(
        rewrite([loss, gradient(loss, x)], ALL, Log()),
        {x: np.float32([1000, -1000, 0, 90, -90]), t: np.float32([0, 1, 1, 1, 0])},
    )
    assert value == pytest.approx(2000 + math.log(2), rel=1e-6)
    np.testing.assert_allclose(slope, [1, -1, -0.5, 0, 0], atol=1e-6)


def test_recognised_functions():
    x = variable("x", (3,))
    e = exp(x)
    assert simplified(1 / (1 + exp(-x))) is sigmoid(x)
    assert simplified(e / (e + 1)) is sigmoid(x)
    assert simplified(e / (1 + e) * 1) is sigmoid(x)
    assert simplified(1 - sigmoid(x)) is sigmoid(-x)
    assert simplified((e - exp(-x)) / (exp(-x) + e)) is tanh(x)
    assert simplified((exp(2 * x) - 1) / (exp(2 * x) + 1)) is tanh(x)
    assert simplified((1 - exp(-2 * x)) / (1 + exp(-2 * x))) is tanh(x)
    assert simplified(log(1 + e)) is softplus(x)
    assert simplified(log(sigmoid(-x))) is -softplus(x)


def test_slopes_of_tanh_and_sigmoid_keep_their_short_form():
    x = variable("x", ())
    y, s = tanh(x), sigmoid(x)
    assert simplified(gradient(y, x)) is 1 - y * y
    assert simplified(gradient(s, x)) is s * (1 - s)
    assert simplified(gradient(1 / (1 + exp(-x)), x)) is s * (1 - s)


def test_quotients_are_taken_apart_only_where_it_helps():
    x, y = variable("x", (3,)), variable("y", (3,))
    plain = log(x / y)
    assert simplified(plain) is plain
    assert simplified(log(x / exp(y))) is log(x) - y


def test_labels_of_a_one_hot_row():
    z, y = variable("z", (N, K)), variable("y", (N,), "int32")
    loss = -(one_hot(y, K) * log(by_hand(z))).sum()
    value, slope = evaluate(rewrite([loss, gradient(loss, z)], ALL, Log()), {z: LOGITS.astype("float32"), y: LABELS})
    np.testing.assert_allclose(value, -log_probabilities(LOGITS)[np.arange(N), LABELS].sum(), rtol=1e-6)
    np.testing.assert_allclose(slope, np.exp(log_probabilities(LOGITS)) - np.eye(K)[LABELS], atol=1e-6)
