"""Loops are shared out only where no pass touches what another writes; sums are cut by their extent alone."""

from __future__ import annotations

import pytest

import pellucid as pc
from backends.native.blocks import normal, program_of
from pellucid.core.indices import Index, loop_variable
from pellucid.core.operation import operations
from pellucid.schedule.loops import Buffer, Load, Loop, Program, Reduce, Statement, Store
from pellucid.schedule.share import MOST_PARTS, cut_sums, share_out
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
    "columns": added(I + J * 128),
    "columns in place": Store(Y, I + J * 128, Load(Y, I + J * 128)),
    "columns of other rows": Store(Y, I + J * 128, Load(Y, I + J * 256)),
}
TOGETHER = {
    "one row": added(J),
    "one element": added(Index()),
    "windows that overlap": added(I + J),
    "windows that overlap by one": added(I * 63 + J),
    "the neighbour's element": Store(Y, I * 64 + J, Load(Y, I * 64 + J + 64)),
    "the first row": Store(Y, I * 64 + J, Load(Y, J)),
    "everybody's": Store(Y, J, Load(X, I * 64 + J)),
    "columns that overlap": added(I + J * 127),
    "the neighbour's column": Store(Y, I + J * 128, Load(Y, I + J * 128 + 1)),
    "the last column of the row before": Store(Y, I + J * 128, Load(Y, I + J * 128 - 1)),
    "columns of rows of another length": Store(Y, I + J * 128, Load(Y, I + J * 192)),
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
