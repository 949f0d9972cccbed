"""What follows a contraction is done where its elements are made, in a whole training step, unless it may not be."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import pytest

import pellucid as pc
from backends.native.blocks import contractions, lower_thresholds, normal, program_of
from backends.native.images import Images, data, training
from pellucid.schedule.loops import (
    Apply,
    Contraction,
    Draw,
    Load,
    Loop,
    Program,
    Reduce,
    Statement,
    Store,
    Value,
    leaves,
    loads,
)
from pellucid.schedule.text import program_text, value_text

IMAGES = Images(4, 8, (8, 32), 21)
WEIGHTS = ("first", "second", "dense", "last")
OPTIMIZERS = {
    "sgd": pc.optimizers.SGD,
    "momentum": lambda: pc.optimizers.SGD(momentum=0.9),
    "adam": pc.optimizers.Adam,
}


@pytest.fixture(autouse=True)
def low(monkeypatch):
    """Small products are blocked as well; their sums are not cut."""
    lower_thresholds(monkeypatch)
    monkeypatch.setattr("pellucid.schedule.contraction.WHOLE_SUM", 1 << 20)


@functools.cache
def trained(optimizer: str) -> Program:
    step, _ = training(IMAGES, OPTIMIZERS[optimizer]())
    step(*data(IMAGES))
    return program_of(step)


@pytest.fixture(params=OPTIMIZERS)
def program(request, low) -> Program:
    """The loops of a training step of a small convolutional network: compiled once for all that read them."""
    return trained(request.param)


def forward(program: Program, weight: str) -> Contraction:
    """Return the first contraction that reads a weight."""
    return next(c for c in contractions(program) if weight in (c.left.buffer.name, c.right.buffer.name))


def stores(c: Contraction) -> list[Store]:
    return [leaf for leaf in leaves(c.body) if isinstance(leaf, Store)]


def draws(value: Value) -> Iterator[Draw]:
    if isinstance(value, Draw):
        yield value
    elif isinstance(value, Apply):
        for inner in value.values:
            yield from draws(inner)


@pytest.mark.parametrize("weight", ["first", "dense"])
def test_bias_and_activation_follow_their_product(program, weight):
    c = forward(program, weight)
    activation = stores(c)[0]
    assert value_text(activation.value).startswith("relu(")
    assert {load.buffer.name for load in loads(activation.value)} == {c.buffer.name, f"{weight} bias"}
    assert not c.kept, "nobody needs the sum itself"


def test_an_activation_lies_inside_its_padded_copy(program):
    (activation,) = stores(forward(program, "first"))
    read = forward(program, "second").left
    assert activation.buffer is read.buffer
    assert activation.buffer.size == 4 * 8 * 10 * 8, "the columns are padded; rows outside are skipped"


@pytest.mark.parametrize("weight", WEIGHTS)
def test_updates_are_done_where_the_gradient_is_made(program, weight):
    written = [c for c in contractions(program) if any(s.buffer.name == weight for s in stores(c))]
    assert len(written) == 1
    assert not written[0].kept, "the gradient is in no memory"
    assert all(
        leaf.buffer.name != weight
        for statement in program.each
        if not isinstance(statement, Contraction)
        for leaf in leaves([statement])
    )


def test_dropout_masks_are_drawn_where_they_are_used_and_never_stored(program):
    drawing = [leaf for leaf in leaves(program.each) if isinstance(leaf, Store | Reduce) and list(draws(leaf.value))]
    assert len(drawing) == 2, "once forward, once in the gradient"
    for leaf in drawing:
        assert any(isinstance(load, Load) and load.buffer.size > 1 for load in loads(leaf.value))
        assert leaf.buffer.dtype == "float32"


def vector_loops(statements: list[Statement]) -> Iterator[Loop]:
    for statement in statements:
        if isinstance(statement, Loop):
            if statement.mode == "vector":
                yield statement
            else:
                yield from vector_loops(statement.body)


def windows(loop: Loop) -> list[Loop]:
    """Return the unrolled loops over windows in a vector loop."""
    return [inner for inner in loop.body if isinstance(inner, Loop) and inner.mode == "unrolled"]


def test_pooling_and_its_gradient_are_single_vector_loops(program):
    loops = [loop for loop in vector_loops(program.each) if windows(loop)]
    pooled = [
        loop
        for loop in loops
        if loop.extent == 32
        and any(isinstance(leaf, Reduce) and leaf.operation.name == "max" for leaf in leaves(loop.body))
    ]
    assert len(pooled) == 1
    assert [type(s) for s in pooled[0].body][:2] == [Store, Loop]
    spread = [
        loop
        for loop in loops
        if loop.extent == 32 and all(isinstance(leaf, Store) for leaf in leaves([loop])) and len(loop.body) == 1
    ]
    assert len(spread) == 1
    assert next(leaves([spread[0]])).buffer.name.startswith("pad"), "straight into the copy that convolutions read"


def test_results_need_memory_only_where_others_read_them():
    x, w = pc.variable("x", (30, 20)), pc.parameter(np.ones((20, 40)), name="w")
    for outputs, kept in (([pc.tanh(x @ w)], False), ([pc.tanh(x @ w), x @ w], True)):
        f = pc.function([x], outputs)
        f(*normal(0, x))
        (c,) = contractions(program_of(f))
        assert c.kept is kept
        assert len(c.body) == 1


def test_sums_that_are_cut_are_kept(monkeypatch):
    monkeypatch.setattr("pellucid.schedule.contraction.WHOLE_SUM", 19)
    x, w = pc.variable("x", (30, 20)), pc.parameter(np.ones((20, 40)), name="w")
    f = pc.function([x], pc.tanh(x @ w))
    f(*normal(0, x))
    (c,) = contractions(program_of(f))
    assert c.kept
    assert len(c.body) == 1


def updated(readers):
    """Return the program of an update of ``w``, where others read it too; its results agree with the reference."""
    x, d = pc.variable("x", (30, 20)), pc.variable("d", (30, 20))
    arrays, found = normal(0, x, d), []
    for backend in ("native", "reference"):
        w = pc.parameter(np.ones((20, 20)), name="w")
        scale = pc.parameter(0.5, name="scale")  # or the gradient, of inputs alone, would be made once a call
        gradient = pc.matmul(x, scale * d, transpose_left=True)
        function = pc.function([x, d], readers(x, w, gradient), updates=[(w, w - 0.1 * gradient)], backend=backend)
        found.append([function(*arrays), function(*arrays), w.value])
        if backend == "native":
            program = program_of(function)
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)
    return program


def fused(program):
    return any(s.buffer.name in ("w", "new w") for c in contractions(program) for s in stores(c))


def test_an_update_waits_for_a_later_product_that_reads_the_old_weight():
    assert not fused(updated(lambda x, w, gradient: pc.tanh(gradient) @ w))


def test_a_product_that_does_not_need_the_gradient_is_moved_ahead_of_the_update():
    program = updated(lambda x, w, gradient: pc.tanh(x @ w).sum())
    assert fused(program), program_text(program)


def test_an_element_that_is_read_elsewhere_is_not_joined():
    """What is stored turned round touches other elements than the one that is being finished."""
    x, w = pc.variable("x", (20, 20)), pc.parameter(np.ones((20, 20)), name="w")
    product = x @ w
    f = pc.function([x], [pc.tanh(product), product + product.transpose()])
    (array,) = normal(0, x)
    expected = array @ np.ones((20, 20))
    np.testing.assert_allclose(f(array)[1], expected + expected.T, rtol=1e-4, atol=1e-4)
    (c,) = contractions(program_of(f))
    assert c.kept
    assert len(c.body) <= 1
