"""Arrays that no cache holds go past the caches in whole lines, and their rows are asked for ahead: the same bits."""

from __future__ import annotations

from collections.abc import Callable

import llvmlite.binding as llvm
import numpy as np
import pytest

import pellucid as pc
from backends.native.blocks import MACHINES, Array, use
from pellucid.backends.native import engine
from pellucid.backends.native.generate import Generated
from pellucid.backends.native.target import Target, host
from pellucid.backends.reference import evaluate

Make = Callable[[pc.Expression], pc.Expression]
SMALL_CACHES = "1K,2K,4K"
ROWS = 37
PROCESSORS = {
    "avx2": (Target("x86_64-unknown-linux-gnu", "x86-64-v3", "", 256, True), "vmovntps"),
    "avx512": (Target("x86_64-unknown-linux-gnu", "x86-64-v4", "", 512, True), "vmovntps"),
    "generic": (Target("x86_64-unknown-linux-gnu", "x86-64", "", 128, False), "movntps"),
    "neon": (
        Target("aarch64-unknown-linux-gnu", "generic", "", 128, True),
        "prfm",
    ),  # stores past the caches are of pairs, and these single
}


def stored(
    columns: int, make: Callable[[pc.Expression], pc.Expression] = pc.softmax
) -> tuple[pc.Function, Array, Array]:
    """Return a function that stores what is made of rows, the rows, and what is right."""
    rows = np.random.default_rng(3).normal(0, 2, (ROWS, columns)).astype(np.float32)
    x, out = pc.variable("x", rows.shape), pc.parameter(np.zeros_like(rows), name="out")
    y = make(x)
    return pc.function([x], [], updates=[(out, y)]), rows, evaluate([y], {x: rows})[0]


def text(function: pc.Function, rows: Array, target: Target | None = None) -> str:
    """Return the LLVM IR of a function after a call."""
    function(rows)
    return Generated(function.compiled().rewritten).llvm(target or host())


@pytest.fixture
def small_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_CACHE_SIZE", "0")
    monkeypatch.setenv("PELLUCID_CACHE_SIZES", SMALL_CACHES)


@pytest.mark.usefixtures("small_caches")
@pytest.mark.parametrize("machine", MACHINES[:-1])
@pytest.mark.parametrize("columns", [64, 96, 112, 500])
@pytest.mark.parametrize("threads", ["1", "3"])
def test_agrees_with_the_reference_and_has_the_bits_of_cached_stores(machine, columns, threads, monkeypatch):
    use(monkeypatch, machine)
    monkeypatch.setenv("PELLUCID_THREADS", threads)
    monkeypatch.setattr("pellucid.schedule.share.SHARED_WORK", 1 << 8)
    found = []
    for sizes in (SMALL_CACHES, "32K,1M,32M"):
        monkeypatch.setenv("PELLUCID_CACHE_SIZES", sizes)
        function, rows, right = stored(columns)
        function(rows)
        (value,) = (parameter.value for parameter in function.compiled().rewritten.parameters)
        np.testing.assert_allclose(value, right, rtol=1e-6, atol=1e-9)
        found.append(value.tobytes())
    assert found[0] == found[1]


@pytest.mark.usefixtures("small_caches")
@pytest.mark.parametrize("name", PROCESSORS)
def test_every_processor_has_instructions_for_it(name):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target, instruction = PROCESSORS[name]
    function, rows, _ = stored(64)
    code = text(function, rows, target)
    assembly = engine.assembly(code, target)
    assert instruction in assembly
    assert ("sfence" in assembly) == target.triple.startswith("x86_64"), "or others might see the stores too late"


@pytest.mark.usefixtures("small_caches")
def test_only_whole_lines_go_past_the_caches():
    """Rows of 100 floats begin within a line, which two rows share."""
    assert "!nontemporal" in text(*stored(96)[:2])
    assert "!nontemporal" not in text(*stored(100)[:2])


@pytest.mark.usefixtures("small_caches")
def test_what_is_read_as_well_stays_in_the_caches():
    rows = np.ones((ROWS, 64), np.float32)
    x, out = pc.variable("x", rows.shape), pc.parameter(rows, name="out")
    assert "!nontemporal" not in text(pc.function([x], [], updates=[(out, out * 0.5 + x)]), rows)
    assert "!nontemporal" in text(pc.function([x], [], updates=[(out, x * 0.5)]), rows)


def test_what_a_cache_holds_stays_there(monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE_SIZES", "32K,1M,32M")
    code = text(*stored(96)[:2])
    assert "!nontemporal" not in code
    assert "@llvm.prefetch" not in code


@pytest.mark.usefixtures("small_caches")
def test_rows_that_are_read_again_are_asked_for_ahead():
    prefetches = "call void @llvm.prefetch"
    assert prefetches in text(*stored(96)[:2])
    assert prefetches not in text(*stored(96, lambda x: x + 1)[:2]), "they are read once"
    assert prefetches not in text(*stored(256)[:2]), "two such rows do not fit into the first cache"


def test_what_only_unchanging_results_need_is_made_with_them():
    """A softmax of the inputs is one pass over its rows; what a changing result needs is made once a call."""
    function, rows, _ = stored(96)
    function(rows)
    assert not Generated(function.compiled().rewritten).program.once
    x, w = pc.variable("x", rows.shape), pc.parameter(np.float32(1), name="w")
    changing = pc.function([x], [], updates=[(w, (pc.softmax(x) * w).sum())])
    changing(rows)
    assert Generated(changing.compiled().rewritten).program.once


@pytest.mark.parametrize("columns", [100, 1000])
@pytest.mark.parametrize("name", ["max", "sum"])
def test_rows_of_an_input_are_gone_through_in_lanes_along_them(name, columns):
    """Lanes over the rows would gather; shorter rows are laid out anew, once a call."""
    rows = np.random.default_rng(4).normal(size=(ROWS, columns)).astype(np.float32)
    x = pc.variable("x", rows.shape)
    function = pc.function([x], getattr(x, name)(axis=1))
    np.testing.assert_allclose(function(rows), getattr(rows, name)(axis=1), rtol=1e-5, atol=1e-5)
    assert "@llvm.masked.gather" not in text(function, rows)


@pytest.mark.parametrize("machine", MACHINES[:-1])
def test_extremes_keep_what_is_no_number(machine, monkeypatch):
    use(monkeypatch, machine)
    rows = np.zeros((4, 200), np.float32)
    rows[1, 0] = rows[2, 101] = rows[3, 199] = np.nan
    x = pc.variable("x", rows.shape)
    for function in (pc.function([x], x.max(axis=1)), pc.function([x], x.min(axis=1))):
        np.testing.assert_array_equal(function(rows), [0, np.nan, np.nan, np.nan])
