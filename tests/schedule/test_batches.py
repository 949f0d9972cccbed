"""Batches of products: one loop over the batch, whose passes keep for themselves what they make and use up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import pellucid as pc
from backends.native.blocks import contractions, normal, program_of
from pellucid.backends.reference import evaluate
from pellucid.schedule.access import accesses
from pellucid.schedule.fuse import FEWEST_PASSES
from pellucid.schedule.loops import Buffer, Contraction, Loop, Program, Statement, leaves
from pellucid.schedule.memory import plan_private, room


def loops(statements: list[Statement]) -> Iterator[Loop]:
    for statement in statements:
        if isinstance(statement, Loop):
            yield statement
            yield from loops(statement.body)


def around_products(program: Program) -> list[Loop]:
    """Return the outermost loops that have products in them."""
    outermost = [s for s in program.each if isinstance(s, Loop)]
    return [loop for loop in outermost if any(isinstance(leaf, Contraction) for leaf in leaves([loop]))]


def scored(heads: int, time: int = 96, size: int = 32) -> tuple[pc.Function, list[np.ndarray], np.ndarray]:
    """Return a function of softmax(x xᵀ) x for each head, what goes in, and what comes out."""
    x = pc.variable("x", (heads, time, size))
    zero = pc.parameter(np.zeros((), np.float32), name="zero")  # what is made of inputs alone is made once a call
    shifted = x + zero
    result = pc.softmax(pc.matmul(shifted, shifted, transpose_right=True)) @ shifted
    (array,) = normal(0, x)
    (expected,) = evaluate([result], {x: array, zero: np.float32(0)})
    return pc.function([x], result), [array], expected


def test_what_a_pass_makes_and_uses_up_is_its_own():
    f, arrays, expected = scored(16)
    np.testing.assert_allclose(f(*arrays), expected, rtol=1e-5, atol=1e-5)
    program = program_of(f)
    (loop,) = around_products(program)
    assert (loop.extent, loop.parallel) == (16, True)
    assert len(contractions(program)) == 2
    assert program.arena_bytes == 16 * 96 * 32 * 4, "what is multiplied, and no scores"


@pytest.mark.parametrize(("shape", "shared"), [((2, 8), 8), ((8, 2), 8), ((4, 4), 4)])
def test_of_loops_inside_each_other_the_longest_is_shared_out(shape, shared, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE_SIZE", "0")
    x = pc.parameter(*normal(0, pc.variable("x", (*shape, 96, 32))), name="x")
    result = pc.softmax(pc.matmul(x, x, transpose_right=True)) @ x
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("PELLUCID_THREADS", threads)
        f = pc.function([], result)
        found.append(f().tobytes())
    assert found[0] == found[1]
    parallel = [loop for loop in loops(program_of(f).each) if loop.parallel and contractions(program_of(f))]
    assert [loop.extent for loop in parallel] == [shared]


def test_few_passes_leave_products_to_all_threads():
    f, arrays, expected = scored(FEWEST_PASSES - 1)
    np.testing.assert_allclose(f(*arrays), expected, rtol=1e-5, atol=1e-5)
    program = program_of(f)
    assert len(around_products(program)) > 1
    assert program.arena_bytes > (FEWEST_PASSES - 1) * 96 * 96 * 4


def test_what_passes_keep_does_not_overlap_while_it_is_needed():
    f, arrays, _ = scored(16)
    f(*arrays)
    (loop,) = around_products(program_of(f))
    places, size = plan_private(loop)
    assert places
    body: list[Statement] = loop.body
    used: dict[Buffer, list[int]] = {}
    for k, statement in enumerate(body):
        for buffer in accesses([statement]).keys() & places.keys():
            used.setdefault(buffer, []).append(k)
    for a in places:
        assert places[a] + room(a) <= size
        for b in places:
            together = a is not b and min(used[a]) <= max(used[b]) and min(used[b]) <= max(used[a])
            apart = places[a] + room(a) <= places[b] or places[b] + room(b) <= places[a]
            assert apart or not together, (a, b)


@pytest.fixture
def dense() -> pc.Function:
    """A step that trains a dense layer with bias on (batch, time, size)."""
    x, y = pc.variable("x", (6, 50, 40)), pc.variable("y", (6, 50, 72))
    random = np.random.default_rng(1)
    w = pc.parameter(random.standard_normal((40, 72)).astype(np.float32) / 8, name="w")
    b = pc.parameter(np.zeros(72, np.float32), name="b")
    loss = pc.square(pc.relu(x @ w + b) - y).mean()
    return pc.function([x, y], loss, updates=pc.optimizers.SGD(0.1).updates(loss, [w, b]))


def test_a_batch_of_rows_that_meet_one_matrix_is_one_product(dense):
    arrays = normal(0, *dense.inputs)
    before = dense(*arrays)
    program = program_of(dense)
    assert not around_products(program)
    forward, slope = contractions(program)
    assert (forward.rows[0][1], len(forward.rows), forward.columns[0][1]) == (6 * 50, 1, 72)
    assert [s.buffer.name for s in leaves(forward.body)][-1].startswith(("relu", "subtract", "where"))
    assert slope.shared[0][1] == 6 * 50
    assert len(slope.shared) == 1
    assert [s.buffer.name for s in leaves(slope.body)] == ["w"], "the update is done where the gradient is made"
    assert dense(*arrays) < before


@pytest.mark.parametrize("shape", [(3, 5, 7), (6, 50, 40), (2, 3, 33, 65)])
def test_batches_of_rows_and_their_gradients_agree_with_the_reference(shape):
    x, c = pc.variable("x", shape), pc.variable("c", (*shape[:-1], 48))
    w = pc.variable("w", (shape[-1], 48))
    outputs = [x @ w, *pc.gradient((pc.tanh(x @ w) * c).sum(), [x, w])]
    arrays = normal(2, x, c, w)
    f = pc.function([x, c, w], outputs)
    for found, right in zip(f(*arrays), evaluate(outputs, dict(zip((x, c, w), arrays, strict=True))), strict=True):
        np.testing.assert_allclose(found, right, rtol=2e-5, atol=2e-4)


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_sums_of_products_over_some_batch_axes(axes):
    x, y = pc.variable("x", (3, 4, 40, 50)), pc.variable("y", (3, 4, 50, 60))
    output = pc.matmul(x, y).sum(axis=axes)
    arrays = normal(3, x, y)
    f = pc.function([x, y], output + 0)
    (right,) = evaluate([output], dict(zip((x, y), arrays, strict=True)))
    np.testing.assert_allclose(f(*arrays), right, rtol=1e-5, atol=1e-4)
