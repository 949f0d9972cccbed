"""Every rule, on both backends, against plain NumPy: a quadratic, logistic regression in minibatches, exact edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import pellucid as pc
from optimizers.oracles import ORACLES, run
from pellucid.core.snapshot import snapshot

STEPS = {"float64": 30, "float32": 10}  # near the minimum, signs of gradients hang on the last digit
BACKENDS = ["native", "xla", "reference"]
TOLERANCE = {"float64": 1e-9, "float32": 2e-4}
CASES = [(name, arguments) for name, (_, several) in ORACLES.items() for arguments in several]
SHOWN = [f"{name}-{'-'.join(map(str, arguments)) or 'defaults'}" for name, arguments in CASES]
each_case = pytest.mark.parametrize(("name", "arguments"), CASES, ids=SHOWN)


def make(name, **arguments):
    return pc.optimizers.OPTIMIZERS[name](**arguments)


def quadratic(dtype, rows=4, columns=3):
    """Return a parameter, a loss (wᵀ A w) / 2 summed over columns, and its gradient A w in NumPy."""
    draw = np.random.default_rng(3).standard_normal
    root = draw((rows, rows))
    A, start = root @ root.T / rows, draw((rows, columns))
    W = pc.parameter(start, name="W", dtype=dtype)
    loss = (W * (pc.constant(A, dtype) @ W)).sum() / 2
    return W, loss, W.value.astype("float64"), lambda w: A @ w


def test_every_optimiser_has_an_oracle():
    assert set(ORACLES) == set(pc.optimizers.OPTIMIZERS)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", TOLERANCE)
@each_case
def test_a_quadratic(name, arguments, dtype, backend):
    W, loss, start, gradient = quadratic(dtype)
    arguments = {"learning_rate": 0.05, **arguments}
    step = pc.function([], W, updates=make(name, **arguments).updates(loss, [W]), backend=backend)
    found = np.concatenate([step.repeat(STEPS[dtype])(), W.value[None]])[1:]  # outputs are of the old values
    expected = run(ORACLES[name][0], start, gradient, STEPS[dtype], **arguments)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@each_case
def test_defaults_are_those_of_keras(name, arguments):
    W, loss, start, gradient = quadratic("float64")
    step = pc.function([], [], updates=make(name, **arguments).updates(loss, [W]))
    step.repeat(30)()
    expected = run(ORACLES[name][0], start, gradient, 30, **arguments)[-1]
    np.testing.assert_allclose(W.value, expected, rtol=1e-9, atol=1e-11)


def logistic(dtype="float64", rows=37, features=5):
    draw = np.random.default_rng(5).standard_normal
    points = draw((rows, features)).astype(dtype)
    labels = (points @ draw(features) + draw(rows) > 0).astype(dtype)
    w, b = pc.parameter(draw(features), name="w", dtype=dtype), pc.parameter(0.0, name="b", dtype=dtype)
    x, label = pc.variable("x", ("batch", features), dtype=dtype), pc.variable("label", ("batch",), dtype=dtype)
    scores = x @ w + b
    loss = (pc.softplus(scores) - label * scores).mean()
    return [w, b], [x, label], loss, (points, labels)


@pytest.mark.parametrize("backend", BACKENDS)
@each_case
def test_logistic_regression_in_minibatches(name, arguments, backend):
    """Two epochs of 10, 10, 10 and 7 rows; the weights and the bias are stepped with one count."""
    parameters, inputs, loss, (points, labels) = logistic()
    both = np.append(parameters[0].value, parameters[1].value)
    arguments = {"learning_rate": 0.05, **arguments}
    updates = make(name, **arguments).updates(loss, parameters)
    step = pc.function(inputs, loss, updates=updates, backend=backend)
    step.minibatches(10, epochs=2, shuffle=False)(points, labels)

    kept = {}
    for t, rows in enumerate([*np.split(np.arange(37), [10, 20, 30])] * 2, 1):
        chance = 1 / (1 + np.exp(-(points[rows] @ both[:-1] + both[-1])))
        slope = np.append(points[rows].T @ (chance - labels[rows]), (chance - labels[rows]).sum()) / len(rows)
        both = ORACLES[name][0](both, slope, kept, t, **arguments)
    found = np.append(parameters[0].value, parameters[1].value)
    np.testing.assert_allclose(found, both, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ORACLES)
def test_one_call_of_many_steps_is_many_calls(name):
    results = []
    for many in (True, False):
        parameters, inputs, loss, data = logistic("float32")
        step = pc.function(inputs, [], updates=make(name, learning_rate=0.1).updates(loss, parameters))
        if many:
            step.repeat(7)(*data)
        else:
            for _ in range(7):
                step(*data)
        results.append([p.value.tobytes() for p in parameters])
    assert results[0] == results[1]


shapes = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


@given(name=st.sampled_from(sorted(ORACLES)), shape=shapes, seed=st.integers(0, 99))
def test_any_shape(name, shape, seed):
    draw = np.random.default_rng(seed).standard_normal
    W, other = pc.parameter(draw(shape), dtype="float64"), pc.parameter(draw((2,)), dtype="float64")
    start, pull = W.value, draw(shape)
    loss = (W * W).sum() / 2 + (W * pc.constant(pull, "float64")).sum() + other.sum()
    updates = make(name, learning_rate=0.1).updates(loss, [W, other])
    pc.function([], [], updates=updates).repeat(5)()
    expected = run(ORACLES[name][0], start, lambda w: w + pull, 5, learning_rate=0.1)[-1]
    assert W.value.shape == shape
    np.testing.assert_allclose(W.value, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("clipping", [{}, {"clipnorm": 1.0}, {"global_clipnorm": 1.0}, {"clipvalue": 1.0}])
@each_case
def test_a_gradient_of_any_size_leaves_numbers(name, arguments, clipping, backend):
    """Squares of 1e25 overflow float32, and those of 1e-30 vanish: a step may be 0, and never NaN."""
    W = pc.parameter([1.0, 2.0], name="W")
    pull = pc.variable("pull", (2,))
    optimizer = make(name, **{"learning_rate": 0.1, **arguments, **clipping})
    updates = optimizer.updates((W * pull).sum(), [W])
    step = pc.function([pull], [], updates=updates, backend=backend).repeat(3)
    start = snapshot([parameter for parameter, _ in updates])
    for size in (0.0, 1e-30, 1e25):
        start.restore()
        with np.errstate(over="ignore"):
            step([size, size])
            step([1.0, -1.0])
        if size < 1e25 or clipping or not (name == "sgd" or "centered" in arguments):
            # SGD does what it is told, and the variance of what is infinite is not a number
            assert np.abs(W.value).max() < 1e3, size


def test_centred_rmsprop_of_a_constant_gradient_stays_a_number():
    """The average square less the squared average is 0, and comes out below 0 for some float32."""
    W = pc.parameter(np.zeros(1000), name="W")
    pull = pc.constant(np.random.default_rng(0).standard_normal(1000) * 1e4)
    updates = make("rmsprop", centered=True).updates((W * pull).sum(), [W])
    pc.function([], [], updates=updates).repeat(400)()
    assert np.isfinite(W.value).all()


@pytest.mark.parametrize("name", ["adam", "adamax", "nadam"])
def test_corrections_keep_their_digits(name):
    """At any step count, and at the first, where 1 - 0.999 in float32 has four digits left."""
    W = pc.parameter(np.ones(3), name="W")
    optimizer = make(name, learning_rate=0.001, epsilon=1e-12)
    updates = optimizer.updates((W * 3.0).sum(), [W])
    step = pc.function([], [], updates=updates)
    step()
    first = 1 - W.value
    expected = 1 - run(ORACLES[name][0], np.ones(3), lambda w: 3.0 + 0 * w, 1, learning_rate=0.001, epsilon=1e-12)[0]
    np.testing.assert_allclose(first, expected, rtol=1e-4)  # 1 - W itself has four digits
    optimizer.state["iterations"].value = 2**40
    before = W.value
    step()
    assert optimizer.state["iterations"].value == 2**40 + 1
    assert np.isfinite(W.value).all()
    assert (W.value < before).all()
