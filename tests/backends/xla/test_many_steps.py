"""Many steps in one dispatch, the order of their rows, and products and attention as XLA has them: as native code's."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pc

pytest.importorskip("jax")
DRAW = np.random.default_rng(0)


def learnt(backend, rows, calls, batch=4, shuffle=True):
    """The numbers of the rows that all steps took, and the weights after them."""
    x, W = pc.variable("x", ("batch", 3)), pc.parameter(np.ones((3, 2)), name="W")
    loss = ((x @ W - 1) ** 2).mean()
    function = pc.function([x], x[:, 0], updates=[(W, W - 0.1 * pc.gradient(loss, W))], backend=backend)
    data = np.stack([np.arange(rows), np.ones(rows), np.zeros(rows)], axis=1).astype("float32") / rows
    loop = function.minibatches(batch, shuffle=shuffle, seed=3).on(data)
    taken = [loop.run(first, steps) for first, steps in calls]
    return np.rint(np.concatenate(taken) * rows), W.value


@pytest.mark.parametrize("rows", [16, 18])
@pytest.mark.parametrize("shuffle", [True, False])
def test_rows_come_in_the_same_order_from_any_step_on(rows, shuffle):
    calls = [(0, 3), (3, 9), (2, 2), (40, 1)]
    found, weights = learnt("xla", rows, calls, shuffle=shuffle)
    expected, right = learnt("native", rows, calls, shuffle=shuffle)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(weights, right, rtol=1e-5)


def test_an_order_that_was_kept_is_not_that_of_another_seed():
    x = pc.variable("x", ("batch",))
    function = pc.function([x], x, backend="xla")
    data = np.arange(12, dtype="float32")
    orders = [function.minibatches(4, seed=seed).on(data).run(0, 3).tolist() for seed in (1, 2, 1)]
    assert orders[0] == orders[2] != orders[1]


def both(expressions, arrays, variables):
    return [pc.function(variables, expressions, backend=backend)(*arrays) for backend in ("xla", "native")]


@pytest.mark.parametrize("sizes", [(5, 3), (3, 5), (1, 4)])
@pytest.mark.parametrize("length", [3, 200])
def test_weights_of_a_loop_over_time_and_their_gradients(sizes, length):
    width, units = sizes
    x = pc.variable("x", (length, 2, width))
    W, U = (pc.parameter(DRAW.standard_normal(shape) / 3) for shape in ((width, units), (units, units)))
    zeros = pc.constant(np.zeros((2, units), "float32"))
    states = pc.scan(lambda state, row: (pc.tanh(row @ W + state @ U),) * 2, zeros, x)[1]
    found, expected = both(
        [states, *pc.gradient((states**2).mean(), [W, U])], [DRAW.standard_normal(x.shape).astype("float32")], [x]
    )
    for mine, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_where_no_key_counts(causal):
    query, key, value = (pc.variable(name, (2, 5, 4)) for name in ("query", "key", "value"))
    mask = pc.constant(np.array([[[True] * 5], [[False] * 5]]))
    output = pc.scaled_dot_product_attention(query, key, value, mask, causal)
    gradients = pc.gradient((output**2).sum(), [query, key, value])
    arrays = [DRAW.standard_normal((2, 5, 4)).astype("float32") for _ in range(3)]
    for mine, right in zip(*both([output, *gradients], arrays, [query, key, value]), strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(mine[1], 0)
