"""Derivatives against finite differences and JAX, and as the mathematics they print."""

import jax
import numpy as np
import pytest

from pellucid.backends.reference import evaluate
from pellucid.core.errors import GradientError
from pellucid.core.operation import functions as f
from pellucid.core.traversal import specialise, topological
from pellucid.gradient import backpropagate, gradient
from pellucid.operations.source import constant, parameter, variable
from pellucid.rewrite.engine import Entry, Log, rewrite
from pellucid.rewrite.rules import ALL, SIMPLIFY, STABILISE

exp, log, tanh, pick = f["exp"], f["log"], f["tanh"], f["pick"]
STEP = 1e-6


def two_moons(n="batch", dtype="float32"):
    """The workshop's 2-3-2 network, its loss written out by hand, with L2 on the weights."""
    x, y = variable("x", (n, 2), dtype), variable("y", (n,), "int32")
    random = np.random.default_rng(0)
    shapes = {"W1": (2, 3), "b1": (3,), "W2": (3, 2), "b2": (2,)}
    parameters = [parameter(random.normal(size=s), name=k, dtype=dtype) for k, s in shapes.items()]
    W1, b1, W2, b2 = parameters
    scores = exp(tanh(x @ W1 + b1) @ W2 + b2)
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    loss = -log(pick(probabilities, y)).sum() + 0.005 * ((W1 * W1).sum() + (W2 * W2).sum())
    return loss, parameters, x, y


def test_the_first_program_prints_its_gradient():
    x, W = variable("x", (2,)), parameter([0.2, 0.7], name="W")
    y = (x * W).sum()
    assert str(gradient(y, W)) == "x"
    assert gradient(y, W) is x
    assert gradient(y, [W, x]) == [x, W]


def test_what_is_not_used_gets_zeros():
    W, unused = parameter([1.0, 2.0]), parameter(np.ones((3, 4)), dtype="float64")
    zeros = gradient((W * W).sum(), unused)
    assert (zeros.shape, zeros.dtype) == ((3, 4), "float64")
    np.testing.assert_array_equal(evaluate([zeros], {})[0], np.zeros((3, 4)))
    (slope,) = evaluate([gradient((W * 0).sum(), W)], {})
    np.testing.assert_array_equal(slope, [0, 0])


def test_a_weight_used_twice():
    x, W = variable("x", (2,)), parameter([[1.0, 2.0], [3.0, 4.0]], name="W")
    twice = (W @ (W @ x)).sum()
    values = {x: np.float32([1, -1]), W: W.value}
    (slope,) = evaluate([gradient(twice, W)], values)
    ones, inner = np.ones(2), W.value @ values[x]
    np.testing.assert_allclose(slope, np.outer(ones, inner) + np.outer(W.value.T @ ones, values[x]))
    assert str(gradient((W * W).sum(), W)) == "2 * W"


def test_the_derivative_of_an_inner_expression():
    x = variable("x", (3,))
    inner = tanh(x)
    assert gradient((inner * inner).sum(), inner) is 2 * inner


def test_a_loss_is_stable_with_respect_to_inner_expressions_as_well():
    """Also where one of them is computed from another, and beside a variable."""
    x = variable("x", (3,), "float64")
    hidden = 2 * x
    logits = hidden + 1
    scores = exp(logits)
    loss = -log((scores / scores.sum())[0])
    found = evaluate(gradient(loss, [x, hidden, logits]), {x: np.array([0.0, 500.0, 0.0])})
    for value, factor in zip(found, (2, 1, 1), strict=True):
        np.testing.assert_allclose(value, factor * np.array([-1.0, 1.0, 0.0]))


def test_an_inner_expression_is_met_wherever_it_occurs():
    """Rules would take the one apart, log(exp(x)), and not the other."""
    x = variable("x", (2,), "float64")
    inner = exp(x)
    values = {x: np.array([0.5, -1.0])}
    (found,) = evaluate([gradient((log(inner) + inner * x).sum(), inner)], values)
    np.testing.assert_allclose(found, 1 / np.exp(values[x]) + values[x])
    assert gradient(inner.sum(), inner.sum()) == constant(1.0, "float64")


def test_the_gradient_of_a_gradient():
    x = variable("x", (), "float64")
    third = gradient(gradient(gradient(x**4, x), x), x)
    assert evaluate([third], {x: np.float64(2.0)})[0] == 48
    curved = gradient(gradient(tanh(x), x), x)
    t = np.tanh(0.3)
    assert evaluate([curved], {x: np.float64(0.3)})[0] == pytest.approx(-2 * t * (1 - t * t))


LOSSES = {
    "two moons": None,
    "mean and variance": lambda W, x: ((x @ W - (x @ W).mean(axis=0)) ** 2).mean() + f["var"](W),
    "norms": lambda W, x: (W * W).sum() ** 0.5 + f["sqrt"]((x @ W).max() ** 2 + 1),
    "movements": lambda W, x: (
        (W.T.reshape(2, 3)[::-1, 1:] * W[:2, 1:]).sum() + f["concatenate"]([W, W * x[:3, :1]]).sum()
    ),
    "batched": lambda W, x: tanh(f["stack"]([W, -W]) @ f["stack"]([W.T, W.T])).sum(),
    "choices": lambda W, x: f["where"](W > 0, W * W, exp(W)).sum() + f["maximum"](x @ W, 0.1).sum(),
    "log-sum-exp": lambda W, x: log(exp(x @ W).sum(axis=1)).sum() + f["softmax"](x @ W)[:, 0].sum(),
    "hand-shifted": lambda W, x: (
        log(f["sum"](exp(x @ W - (x @ W).max(axis=1, keepdims=True)), axis=1, keepdims=True)).sum()
        + (exp(W - W.max()) / exp(W - W.max()).sum())[1, 0]
    ),
    "binary cross-entropy": lambda W, x: (
        -(0.3 * log(1 / (1 + exp(-(x @ W)))) + 0.7 * log(1 - 1 / (1 + exp(-(x @ W))))).sum()
    ),
    "rows": lambda W, x: (W[[0, 2, 2]] * x[:3]).sum() ** 2,
    "powers and quotients": lambda W, x: (W**3 / (1 + W**2)).sum() - (2.0**W).sum() + (1 / (2 + W)).prod(),
}


def problem(name):
    random = np.random.default_rng(3)
    if name == "two moons":
        loss, parameters, x, y = two_moons(6, "float64")
        values = {p: p.value for p in parameters}
        return loss, parameters, values | {x: random.normal(size=(6, 2)), y: random.integers(0, 2, 6).astype("int32")}
    W, x = variable("W", (3, 2), "float64"), variable("x", (5, 3), "float64")
    x = variable("x", (5, 3), "float64") if name != "rows" else variable("x", (5, 2), "float64")
    return LOSSES[name](W, x), [W], {W: random.normal(size=W.shape), x: random.normal(size=x.shape)}


def finite_differences(loss, target, values):
    slope = np.zeros(target.shape)
    for place in np.ndindex(*target.shape):
        sides = []
        for step in (STEP, -STEP):
            moved = values[target].copy()
            moved[place] += step
            sides.append(evaluate([loss], values | {target: moved})[0])
        slope[place] = (sides[0] - sides[1]) / (2 * STEP)
    return slope


@pytest.mark.parametrize("name", LOSSES)
def test_against_finite_differences(name):
    loss, targets, values = problem(name)
    found = gradient(loss, targets)
    for target, slope in zip(targets, evaluate(found, values), strict=True):
        np.testing.assert_allclose(slope, finite_differences(loss, target, values), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", LOSSES)
def test_against_jax(name):
    loss, targets, values = problem(name)
    found = rewrite(gradient(loss, targets), ALL, Log())

    def meaning(arrays):
        return evaluate([loss], values | dict(zip(targets, arrays, strict=True)), xp=jax.numpy)[0]

    with jax.enable_x64(True):
        theirs = jax.jit(jax.grad(meaning))([jax.numpy.asarray(values[t]) for t in targets])
    for ours, other in zip(evaluate(found, values), theirs, strict=True):
        np.testing.assert_allclose(ours, np.asarray(other), rtol=1e-9, atol=1e-12)


def test_named_sizes_bound_before_or_after():
    """A gradient taken and rewritten before its sizes are known is the one taken after."""
    loss, targets, x, y = two_moons("batch", "float64")
    loss = loss / f["axis_size"]("batch", "float64") + (x.mean(axis=0) * x.sum(axis=0)).sum() + f["var"](x)
    roots = rewrite([loss, *gradient(loss, [*targets, x])], ALL, Log())
    random = np.random.default_rng(1)
    here, labels = variable("x", (5, 2), "float64"), variable("y", (5,), "int32")
    values = {p: p.value for p in targets} | {here: random.normal(size=(5, 2)), labels: np.int32([0, 1, 1, 0, 1])}
    late = specialise(roots, {"batch": 5}, {x: here, y: labels})
    (bound,) = specialise([loss], {"batch": 5}, {x: here, y: labels})
    early = [bound, *gradient(bound, [*targets, here])]
    for one, other in zip(evaluate(late, values), evaluate(early, values), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    for again, other in zip(evaluate(rewrite(late, ALL, Log()), values), evaluate(early, values), strict=True):
        np.testing.assert_allclose(again, other, rtol=1e-12)


def test_the_two_moons_gradient_is_short():
    loss, parameters, *_ = two_moons()
    slopes = gradient(loss, parameters)
    step = rewrite([loss, *(p - 0.01 * g for p, g in zip(parameters, slopes, strict=True))], ALL, Log())
    names = [n.operation.name for n in topological(step)]
    assert names.count("exp") == names.count("tanh") == names.count("log") == 1
    assert names.count("matmul") == 5
    assert names.count("permute") == names.count("broadcast_to") == 0
    assert len(names) <= 66


def test_the_rewrites_of_the_two_moons_gradient(golden):
    loss, parameters, *_ = two_moons()
    entries = Log()
    (stable,) = rewrite([loss], STABILISE, entries)
    slopes = rewrite(backpropagate(stable, parameters), SIMPLIFY, entries)
    assert slopes == gradient(loss, parameters)
    lines = [str(Entry(e.rule, e.before, e.after, ())) for e in entries]
    golden("rewrites-two-moons-gradient", "\n".join(lines))
    golden("gradient-two-moons", "\n\n".join(f"{p.name}: {g}" for p, g in zip(parameters, slopes, strict=True)))


def test_a_derivative_has_the_dtype_of_what_it_is_of():
    """Also where that met a wider one on the way, by conversion or beside it."""
    narrow, wide = parameter([1.0, 2.0], name="narrow"), parameter([3.0, 4.0], name="wide", dtype="float64")
    for loss in ((narrow * wide).sum(), (narrow * narrow).sum().astype("float64") + wide.sum()):
        first, second = gradient(loss, [narrow, wide])
        assert (first.dtype, second.dtype) == ("float32", "float64")


def test_wrong_uses_are_refused():
    x, k = variable("x", (2,)), variable("k", (), "int32")
    for scalar, wrt in ((x, x), (x.sum(), k), (k, x), (1.0, x), (x.sum(), [1.0])):
        with pytest.raises(GradientError):
            gradient(scalar, wrt)
    with pytest.raises(GradientError):
        gradient(constant(1), x)
