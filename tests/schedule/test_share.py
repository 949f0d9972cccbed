"""Loops are shared out only where no pass touches what another writes; sums are cut by their extent alone."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pc
from backends.native.blocks import normal, program_of
from pellucid.core.indices import Index, loop_variable
from pellucid.core.operation import operations
from pellucid.schedule.loops import Buffer, Contraction, Draw, Load, Loop, Program, Reduce, Statement, Store, leaves
from pellucid.schedule.share import MOST_PARTS, cut_sums, phases, share_out
from pellucid.schedule.text import program_text


@pytest.fixture(autouse=True)
def small_loops_count(monkeypatch):
    """Let loops be worth sharing out and sums worth cutting from sizes on that tests can afford."""
    monkeypatch.setattr("pellucid.schedule.share.SHARED_WORK", 1 << 12)
    monkeypatch.setattr("pellucid.schedule.share.CUT_WORK", 1 << 15)


I, J = loop_variable("i"), loop_variable("j")
X, Y, Z = (Buffer(name, "float32", 1 << 20, "arena") for name in "xyz")


@pytest.fixture(autouse=True)
def low(monkeypatch):
    """Loops are worth sharing out, and sums worth cutting, from fewer passes on; the disk cache keeps nothing."""
    monkeypatch.setenv("PELLUCID_CACHE_SIZE", "0")
    monkeypatch.setattr("pellucid.schedule.share.SHARED_WORK", 1 << 12)
    monkeypatch.setattr("pellucid.schedule.share.CUT_WORK", 1 << 15)


def nest(*body: Statement, outer: int = 128, inner: int = 64) -> Loop:
    return Loop("i", outer, [Loop("j", inner, list(body))])


def shared(*statements: Statement) -> list[Statement]:
    program = Program([], list(statements), [X, Y, Z])
    share_out(program)
    return program.each


def added(index: Index) -> Reduce:
    return Reduce(operations["sum"], Y, index, Load(X, I * 64 + J))


APART = {
    "rows": added(I * 64 + J),
    "each element": Store(Y, I * 64 + J, Load(X, I + J)),
    "backwards": Store(Y, I * -64 + J * -1 + 8_191, Load(X, I)),
    "in place": Store(Y, I * 64 + J, Load(Y, I * 64 + J)),
}
TOGETHER = {
    "one row": added(J),
    "one element": added(Index()),
    "windows that overlap": added(I + J),
    "windows that overlap by one": added(I * 63 + J),
    "the neighbour's element": Store(Y, I * 64 + J, Load(Y, I * 64 + J + 64)),
    "the first row": Store(Y, I * 64 + J, Load(Y, J)),
    "everybody's": Store(Y, J, Load(X, I * 64 + J)),
}


@pytest.mark.parametrize("case", APART)
def test_shared_out_where_passes_do_not_meet(case):
    (loop,) = shared(nest(APART[case]))
    assert isinstance(loop, Loop)
    assert loop.parallel


@pytest.mark.parametrize("case", TOGETHER)
def test_not_shared_out_where_passes_meet(case):
    (loop,) = shared(nest(TOGETHER[case]))
    assert isinstance(loop, Loop)
    assert not loop.parallel


def test_little_work_is_not_shared_out():
    (loop,) = shared(nest(APART["rows"], outer=8, inner=8))
    assert isinstance(loop, Loop)
    assert not loop.parallel


@pytest.mark.parametrize("extent", [4_096, 5_000, 4_093, 6_006, 2_500])
def test_sums_are_cut_by_their_extent_alone(extent, monkeypatch):
    x = pc.variable("x", (extent, 33))
    texts = set()
    for threads in ("1", "2", "7"):
        monkeypatch.setenv("PELLUCID_THREADS", threads)
        f = pc.function([x], (x * x).sum(axis=0))
        f(*normal(0, x))
        texts.add(program_text(program_of(f)))
    assert len(texts) == 1
    parts = max((p for p in range(4, MOST_PARTS + 1) if extent % p == 0), default=1)
    assert (f"in {parts} parts" in texts.pop()) == (parts > 1)


def test_parts_have_sums_of_their_own_and_are_added_up_in_order():
    total = Buffer("total", "float32", 64, "arena")
    loop = nest(Reduce(operations["sum"], total, J, Load(X, I * 64 + J)), outer=1_024)
    program = Program([], [loop], [X, total])
    cut_sums(program)
    whole, joins = program.each
    assert isinstance(whole, Loop)
    assert isinstance(joins, Loop)
    assert (whole.mode, whole.parallel, whole.extent) == ("parts", True, 16)
    assert joins.extent == 16
    assert not joins.parallel
    (copy,) = set(program.buffers) - {X, total}
    assert copy.size == 16 * 64
    fill, work = whole.body
    assert isinstance(fill, Loop)
    assert isinstance(work, Loop)
    assert (fill.extent, work.extent) == (64, 64)


def test_a_fold_of_overlapping_windows_is_shared_out_over_examples_alone():
    """The gradient of pooling with windows that overlap adds several numbers to one element."""
    for batch, parallel in ((1, False), (8, True)):
        x = pc.variable("x", (batch, 40, 40, 8))
        g = pc.gradient(pc.square(pc.average_pool2d(x, 3, strides=1)).sum(), x)
        f = pc.function([x], g)
        f(*normal(0, x))
        adding = [
            s
            for s in program_of(f).each
            if isinstance(s, Loop) and any("sum" in line and "output0[" in line for line in text(s).splitlines())
        ]
        assert adding
        assert all(s.parallel == parallel for s in adding), text(adding[0])


def text(statement: Statement) -> str:
    return program_text(Program([], [statement], []))


ROWS, INPUTS, CLASSES, BATCH = 300, 784, 10, 100


def softmax_regression() -> tuple[pc.Function, list[pc.Parameter], tuple[np.ndarray, np.ndarray]]:
    """Return a training step of softmax regression, its parameters, and rows for minibatches of it."""
    draw = np.random.default_rng(5)
    images, labels = draw.random((ROWS, INPUTS), dtype=np.float32), draw.integers(0, CLASSES, ROWS).astype(np.int32)
    x, y = pc.variable("x", ("batch", INPUTS)), pc.variable("y", ("batch",), dtype="int32")
    W = pc.parameter(np.zeros((INPUTS, CLASSES), np.float32), name="W")
    b = pc.parameter(np.zeros(CLASSES, np.float32), name="b")
    loss = pc.losses.cross_entropy(x @ W + b, y).mean()
    updates = [(p, p - 0.1 * g) for p, g in zip((W, b), pc.gradient(loss, [W, b]), strict=True)]
    return pc.function([x, y], loss, updates=updates), [W, b], (images, labels)


def test_what_follows_from_a_part_of_a_product_is_done_with_it(monkeypatch):
    """Of a step's five phases, which rows a batch has, scores, errors, gradient and update, threads meet in two."""
    monkeypatch.setattr("pellucid.schedule.share.SHARED_WORK", 1 << 15)
    step, _, arrays = softmax_regression()
    batches = step.minibatches(BATCH)
    batches(*arrays)
    program = program_of(batches)
    parts = [s for s in program.each if isinstance(s, Loop) and s.mode == "parts"]
    assert [sum(isinstance(s, Contraction) for s in loop.body) for loop in parts] == [1, 1]
    assert sum(waits for waits, _ in phases(program.each, program)) == 1, "and once more when the step ends"
    drawn, updated = (leaves(loop.body) for loop in parts)
    assert any(isinstance(leaf.value, Draw) for leaf in drawn if isinstance(leaf, Store))
    assert any(leaf.buffer.place == "parameter" for leaf in updated)


@pytest.mark.parametrize("threads", ["1", "2", "3", "7"])
def test_minibatches_in_parts_are_the_steps_on_their_rows(threads, monkeypatch):
    monkeypatch.setenv("PELLUCID_THREADS", threads)
    monkeypatch.setattr("pellucid.schedule.share.SHARED_WORK", 1 << 15)
    step, parameters, (images, labels) = softmax_regression()
    step.minibatches(BATCH, epochs=2, shuffle=False)(images, labels)
    W, b = np.zeros((INPUTS, CLASSES)), np.zeros(CLASSES)
    for first in (0, 100, 200) * 2:
        x, y = images[first : first + BATCH].astype(np.float64), labels[first : first + BATCH]
        scores = np.exp(x @ W + b)
        error = (scores / scores.sum(axis=1, keepdims=True) - np.eye(CLASSES)[y]) / BATCH
        W, b = W - 0.1 * x.T @ error, b - 0.1 * error.sum(axis=0)
    for parameter, right in zip(parameters, (W, b), strict=True):
        np.testing.assert_allclose(parameter.value, right, rtol=1e-4, atol=1e-6)


def test_parts_of_a_step_give_the_same_bits_on_any_number_of_threads(monkeypatch):
    found = set()
    for threads in (1, 2, 3, 7):
        monkeypatch.setenv("PELLUCID_THREADS", str(threads))
        step, parameters, arrays = softmax_regression()
        losses = step.minibatches(BATCH, epochs=3)(*arrays)
        found.add(b"".join([losses.tobytes(), *(p.value.tobytes() for p in parameters)]))
    assert len(found) == 1
