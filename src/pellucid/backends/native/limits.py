"""The limits of this machine, measured: arithmetic as fast as it goes, and copies in each level of memory.

Arithmetic is chains of fused multiply-adds (products and sums where the target has none), more of them than the
processor has under way at once, all in registers. A copy moves arrays of a size that fits the level it measures and
not the one above, and counts what is read and what is written. Out of the caches there are two ways to copy: an
ordinary store reads a line before it overwrites it, a streaming one does not; the faster is the limit, and neither
counts that hidden read (McCalpin, STREAM, 1995; Williams, Waterman and Patterson, Roofline, CACM 2009).
"""

from __future__ import annotations

import ctypes
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from ...core.errors import PellucidError
from ...schedule.memory import LINE
from . import engine
from .machine import Machine, machine, third_level_caches
from .target import Target
from .values import BYTES, llvm_type, suffix
from .writer import MODULE_END, PAST_CACHES, Writer

LEVELS = ("L1", "L2", "L3", "memory")
DTYPES = ("float32", "float64")
RUN_SECONDS = 0.004  # less than what a busy system gives a thread at a stretch
UNROLLED = 8
VECTORS_AT_ONCE = 4
SMALLEST_COPY, LARGEST_COPY = 2**26, 2**30  # out of the caches, of all threads together
PAGE = 4096

# Threads that are started one after the other begin together once all of them have counted themselves at the gate.
_GATE = "ptr %gate, i64 %all"
_GATE_TYPES = (ctypes.c_void_p, ctypes.c_int64)
_ARITHMETIC = ctypes.CFUNCTYPE(None, *_GATE_TYPES, ctypes.c_void_p, ctypes.c_int64)
_COPY = ctypes.CFUNCTYPE(None, *_GATE_TYPES, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
Work = Callable[[int, int, int], None]


class Pair(NamedTuple):
    """A kernel and a limit, measured one right after the other.

    Attributes:
        seconds: how long the kernel took.
        rate: what the limit was then, in its unit.
    """

    seconds: float
    rate: float


class Limit:
    """A limit that can be measured at any time; once takes about RUN_SECONDS.

    Attributes:
        name: what is measured.
        unit: GFLOP/s or GB/s.
        threads: how many threads work at once.

    Args:
        work: for each thread a function that, with the GIL released, waits at a gate for all threads and then does its
            part a number of times. It takes the gate's address, and the numbers of threads and times.
        amount: operations or bytes of doing each part once.
    """

    def __init__(self, name: str, unit: str, work: Sequence[Work], amount: float) -> None:
        self.name, self.unit, self.threads = name, unit, len(work)
        self._work, self._amount, self._times = work, amount, 0

    def once(self) -> float:
        """Measure it once and return the rate in its unit."""
        if not self._times:
            self._times = self._enough()
        return self._times * self._amount / self._seconds(self._work, self._times) / 1e9

    def _enough(self) -> int:
        """Return how often one thread alone, which waits for nobody, does its part in RUN_SECONDS."""
        times = 1
        while (seconds := self._seconds(self._work[:1], times)) < RUN_SECONDS / 2:
            times = round(times * min(max(RUN_SECONDS / seconds, 2), 16))
        return times

    def _seconds(self, parts: Sequence[Work], times: int) -> float:
        """Do parts of the work on threads of their own: from when all are at the gate to the end of the last."""
        gate, began, ended = np.zeros(1, np.int64), [], []

        def run(work: Work) -> None:
            began.append(time.perf_counter())
            work(gate.ctypes.data, len(parts), times)
            ended.append(time.perf_counter())

        others = [threading.Thread(target=run, args=(work,), daemon=True) for work in parts[1:]]
        for thread in others:
            thread.start()
        run(parts[0])
        for thread in others:
            thread.join()
        return max(max(ended) - max(began), 1e-9)


def arithmetic_limit(dtype: str, threads: int, target: Target | None = None) -> Limit:
    """Return the limit of arithmetic in a dtype, in GFLOP/s; a multiply-add counts as two.

    Args:
        dtype: float32 or float64.
        threads: how many threads work at once, 1 or more.
        target: what the code is for; this machine unless told otherwise.

    Raises:
        PellucidError: the dtype has no such limit.

    >>> arithmetic_limit("float64", 1).once() > 0
    True
    """
    if dtype not in DTYPES:
        raise PellucidError(f"peak arithmetic is measured in {' and '.join(DTYPES)}, not in {dtype}")
    target = target or machine().target
    function, chains, lanes = _arithmetic(target, dtype), _chains(target), target.lanes(dtype)

    def work() -> Work:
        numbers = np.ones((chains + 2, lanes), dtype)
        numbers[:2] = [[0.5], [0.25]] if target.has_fma else [[1.0], [0.0]]  # what neither vanishes nor overflows
        return lambda gate, threads, times: function(gate, threads, numbers.ctypes.data, times)

    amount = (2 if target.has_fma else 1) * lanes * chains * UNROLLED * threads
    return Limit(f"{dtype} arithmetic", "GFLOP/s", [work() for _ in range(threads)], amount)


def copy_limit(level: str, threads: int, of: Machine | None = None) -> Limit:
    """Return the limit of copying within a level of memory, in GB/s read and written.

    Args:
        level: "L1", "L2", "L3" or "memory".
        threads: how many threads work at once, each on arrays of its own.
        of: the machine, with the sizes of its caches; this one unless told otherwise.

    Raises:
        PellucidError: there is no such level.
    """
    of = of or machine()
    if level not in levels(of):
        raise PellucidError(f"there is no level {level!r} of memory to copy in; there are {', '.join(levels(of))}")
    size = _copy_bytes(level, threads, of)
    arrays = [_Arrays(size) for _ in range(threads)]

    def limit(streaming: bool) -> Limit:
        function = _copy(of.target, streaming)
        parts = [partial(a.copy, function) for a in arrays]
        return Limit(f"copy in {level}", "GB/s", parts, 2 * size * threads)

    if level != "memory":
        return limit(streaming=False)
    return max((limit(streaming) for streaming in (False, True)), key=lambda l: max(l.once() for _ in range(3)))


def levels(of: Machine) -> tuple[str, ...]:
    """Return the levels of memory that a machine has."""
    return (*(name for name, size in zip(LEVELS, of.caches, strict=False) if size), "memory")


def alternate(kernel: Callable[[], Any], limit: Limit, rounds: int = 7) -> list[Pair]:
    """Measure a kernel and a limit in turns, so that both meet the same clock rate and the same neighbours.

    Args:
        kernel: what to time; it is called ``rounds`` times, and once before that.
        limit: what to compare it with.
        rounds: how many pairs.

    >>> pairs = alternate(lambda: sum(range(1_000)), arithmetic_limit("float32", 1), rounds=3)
    >>> [pair.seconds > 0 and pair.rate > 0 for pair in pairs]
    [True, True, True]
    """
    kernel()
    pairs = []
    for _ in range(rounds):
        rate = limit.once()
        began = time.perf_counter()
        kernel()
        pairs.append(Pair(time.perf_counter() - began, rate))
    return pairs


class _Arrays:
    """What one thread copies, from and to."""

    def __init__(self, size: int) -> None:
        # The two lie half a page apart, so that a store does not seem to meet the loads that follow it.
        self.memory = np.ones(2 * size + PAGE + LINE, np.uint8)
        self.source = self.memory.ctypes.data + -self.memory.ctypes.data % LINE
        self.target = self.source + -(-size // PAGE) * PAGE - PAGE // 2
        if self.target < self.source + size:
            self.target += PAGE // 2
        self.size = size

    def copy(self, function: Any, gate: int, threads: int, times: int) -> None:
        """Wait at the gate, and copy everything a number of times."""
        function(gate, threads, self.source, self.target, self.size // 4, times)


def _copy_bytes(level: str, threads: int, of: Machine) -> int:
    """Return how many bytes each thread copies: with where they go, they fill half a cache."""
    caches, shared = of.caches, third_level_caches() * of.caches.l3
    both = {
        "L1": caches.l1 // 2,
        "L2": caches.l2 // 2,
        "L3": caches.l2 + shared // 2 // threads,  # each line is in one of the two
        "memory": max(min(max(4 * shared, SMALLEST_COPY), LARGEST_COPY, of.memory.available // 8) // threads, LINE),
    }[level]
    step = of.target.vector_bits // 8 * VECTORS_AT_ONCE
    return max(both // 2 // step, 1) * step


def _chains(target: Target) -> int:
    """Return how many chains of operations to keep going; with two factors they fill the registers at most."""
    return 12 if target.triple.startswith("x86_64") else 24


@cache
def _arithmetic(target: Target, dtype: str) -> Any:
    return _function(_ARITHMETIC, _arithmetic_text(target, dtype), target)


@cache
def _copy(target: Target, streaming: bool) -> Any:
    return _function(_COPY, _copy_text(target, streaming), target)


def _function(signature: Any, text: str, target: Target) -> Any:
    code = engine.compile_module(text, target)
    function = signature(code.address("run"))
    function.code = code  # which has to live as long
    return function


def _arithmetic_text(target: Target, dtype: str) -> str:
    """Return LLVM IR that carries every chain on in registers, from numbers in memory that it stores back."""
    kind, chains = llvm_type(dtype, target.lanes(dtype)), range(_chains(target))
    declarations: dict[str, None] = {}
    writer = Writer(f"void @run({_GATE}, ptr %numbers, i64 %times) nounwind", declarations)
    _wait(writer)

    def at(k: int) -> str:
        return writer.address("%numbers", k, kind)

    factor, term = (writer.value(f"load {kind}, ptr {at(k)}, align 8") for k in (0, 1))
    before = [writer.value(f"load {kind}, ptr {at(k + 2)}, align 8") for k in chains]
    before_body = writer.label
    writer.line("br label %body")
    writer.start_block("body")
    places = len(writer.lines)
    current = [f"%chain{k}" for k in chains]
    for _, k in itertools.product(range(UNROLLED), chains):
        current[k] = writer.value(_operation(writer, target, dtype, k, f"{kind} {current[k]}", factor, term))
    following = writer.value("add nsw i64 %time, 1")
    going = writer.value(f"icmp slt i64 {following}, %times")
    joined = [f"  %time = phi i64 [0, %{before_body}], [{following}, %body]"]
    joined += [f"  %chain{k} = phi {kind} [{before[k]}, %{before_body}], [{current[k]}, %body]" for k in chains]
    writer.lines[places:places] = joined
    writer.line(f"br i1 {going}, label %body, label %after, !llvm.loop !0")
    writer.start_block("after")
    for k in chains:
        writer.line(f"store {kind} {current[k]}, ptr {at(k + 2)}, align 8")
    return "\n".join([*declarations, writer.text(), MODULE_END])


def _wait(writer: Writer) -> None:
    """Write what counts this thread at the gate and waits until all are there."""
    writer.value("atomicrmw add ptr %gate, i64 1 acq_rel")
    writer.line("br label %wait")
    writer.start_block("wait")
    there = writer.value("load atomic i64, ptr %gate acquire, align 8")
    missing = writer.value(f"icmp slt i64 {there}, %all")
    writer.line(f"br i1 {missing}, label %wait, label %together")
    writer.start_block("together")


def _operation(writer: Writer, target: Target, dtype: str, k: int, value: str, factor: str, term: str) -> str:
    """Return the instruction that carries a chain on: where none does both, half of them multiply and half add."""
    lanes = target.lanes(dtype)
    if target.has_fma:
        kind, name = llvm_type(dtype, lanes), f"llvm.fma.{suffix(dtype, lanes)}"
        writer.declare(f"{kind} @{name}({kind}, {kind}, {kind})")
        return f"call {kind} @{name}({value}, {kind} {factor}, {kind} {term})"
    return f"fmul {value}, {factor}" if k % 2 else f"fadd {value}, {term}"


def _copy_text(target: Target, streaming: bool) -> str:
    """Return LLVM IR that copies float32 elements, a multiple of VECTORS_AT_ONCE vectors, a number of times."""
    lanes = target.lanes("float32")
    kind, aligned = llvm_type("float32", lanes), f"align {min(lanes * BYTES['float32'], LINE)}"
    hint = PAST_CACHES if streaming else ""
    writer = Writer(f"void @run({_GATE}, ptr %source, ptr %target, i64 %elements, i64 %times) nounwind", {})
    _wait(writer)
    with writer.loop(0, "%times"), writer.loop(0, "%elements", lanes * VECTORS_AT_ONCE) as first:
        for k in range(VECTORS_AT_ONCE):
            offset = writer.add(first, k * lanes)
            loaded = writer.value(f"load {kind}, ptr {writer.address('%source', offset, 'float')}, {aligned}")
            place = writer.address("%target", offset, "float")
            writer.line(f"store {kind} {loaded}, ptr {place}, {aligned}{hint}")
    return "\n".join([writer.text(), MODULE_END])
