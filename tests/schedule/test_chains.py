"""What goes row by row from one small product to the next is one loop over parts of the rows."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pc
from backends.native.blocks import MACHINES, program_of, use
from pellucid.schedule.loops import Contraction, Loop, Statement, leaves
from pellucid.schedule.text import program_text

ROWS, INPUTS, HIDDEN, CLASSES, BATCH = 160, 12, 20, 5, 64


@pytest.fixture(autouse=True)
def low(monkeypatch):
    """Products are worth cutting from sizes on that tests can afford; the disk cache keeps nothing."""
    monkeypatch.setenv("PELLUCID_CACHE_SIZE", "0")
    monkeypatch.setattr("pellucid.schedule.chains.CUT_PRODUCT", 1 << 12)
    monkeypatch.setattr("pellucid.schedule.layout.NESTED_TOTAL", 0)
    monkeypatch.setattr("pellucid.schedule.layout.NESTED_WORK", 0)


def perceptron(backend=None):
    """Return a training step of a network with a hidden layer, and its parameters."""
    rng = np.random.default_rng(0)
    shapes = {"W1": (INPUTS, HIDDEN), "b1": (HIDDEN,), "W2": (HIDDEN, CLASSES), "b2": (CLASSES,)}
    W1, b1, W2, b2 = parameters = [pc.parameter(0.3 * rng.normal(size=s), name=n) for n, s in shapes.items()]
    x, y = pc.variable("x", ("batch", INPUTS)), pc.variable("y", ("batch",), "int32")
    loss = pc.losses.cross_entropy(pc.relu(x @ W1 + b1) @ W2 + b2, y).mean()
    updates = pc.optimizers.Adam(0.01).updates(loss, parameters)
    return pc.function([x, y], loss, updates=updates, backend=backend), parameters


def examples():
    rng = np.random.default_rng(1)
    return rng.normal(size=(ROWS, INPUTS)).astype("float32"), rng.integers(0, CLASSES, ROWS).astype("int32")


def trained(backend=None):
    """Return the losses of some epochs, and the parameters after them, as one array."""
    step, parameters = perceptron(backend)
    losses = step.minibatches(BATCH, epochs=3)(*examples())
    return np.concatenate([np.ravel(losses), *(p.value.ravel() for p in parameters)])


def chains(statements: list[Statement]) -> list[list[Contraction]]:
    """Return the products in each loop over parts that has any."""
    loops = [s for s in statements if isinstance(s, Loop) and s.mode == "parts"]
    found = [[leaf for leaf in leaves(loop.body) if isinstance(leaf, Contraction)] for loop in loops]
    return [products for products in found if products]


def test_a_network_takes_its_rows_all_the_way_and_back_in_one_loop():
    step, _ = perceptron()
    compilation, _ = step.minibatches(BATCH)._example(examples())
    statements = compilation.executable.program.each
    there_and_back, *_ = chains(statements)
    part = BATCH // 4
    by_rows = [c for c in there_and_back if part in dict(c.rows).values()]
    assert len(by_rows) == 3, "the two products forward, and the gradient of what the first layer made"
    summed = [c for c in there_and_back if part in dict(c.shared).values()]
    assert [c.buffer.size for c in summed] == [4 * 112], "the gradient of W2: 20 x 5, in whole lines"
    assert "in parts" in program_text(compilation.executable.program), "other sums have one for each part as well"


def test_parts_follow_from_the_rows_alone(monkeypatch):
    texts = set()
    for threads in ("1", "3"):
        monkeypatch.setenv("PELLUCID_THREADS", threads)
        compilation, _ = perceptron()[0].minibatches(BATCH)._example(examples())
        texts.add(compilation.executable.text)
    assert len(texts) == 1


@pytest.mark.parametrize("machine", MACHINES)
def test_it_computes_what_the_reference_does(machine, monkeypatch):
    use(monkeypatch, machine)
    assert np.allclose(trained(), trained("reference"), rtol=2e-4, atol=1e-5)


def test_on_any_number_of_threads_the_bits_are_the_same(monkeypatch):
    found = set()
    for threads in ("1", "2", "3", "7"):
        monkeypatch.setenv("PELLUCID_THREADS", threads)
        found.add(trained().tobytes())
    assert len(found) == 1


def test_rows_that_make_no_parts_stay_whole():
    x = pc.variable("x", (97, 64))
    W, V = pc.parameter(np.ones((64, 40)), name="W"), pc.parameter(np.ones((40, 8)), name="V")
    f = pc.function([x], pc.tanh(x @ W) @ V)
    f(np.ones((97, 64), "float32"))
    assert not chains(program_of(f).each)


def test_products_over_the_batch_are_no_part_of_a_chain():
    """A gradient of weights needs all rows, also where there are as many rows as units."""
    x = pc.variable("x", (64, 16))
    W, V = (pc.parameter(np.full(s, 0.1), name=n) for n, s in (("W", (16, 64)), ("V", (64, 64))))
    loss = pc.square(pc.tanh(x @ W) @ V).sum()
    f = pc.function([x], [loss, *pc.gradient(loss, [W, V])])
    g = pc.function([x], [loss, *pc.gradient(loss, [W, V])], backend="reference")
    given = np.random.default_rng(0).normal(size=(64, 16)).astype("float32")
    for found, expected in zip(f(given), g(given), strict=True):
        assert np.allclose(found, expected, rtol=1e-4, atol=1e-3)
