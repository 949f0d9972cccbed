"""Native functions for the tests of threads: one whose threads read what the others wrote, and one that lasts.

Other processes import this too: the tests of forks and exits start them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache

import numpy as np

from pellucid.backends.native import workers
from pellucid.backends.native.barrier import barrier
from pellucid.backends.native.engine import Module, compile_module
from pellucid.backends.native.target import host
from pellucid.backends.native.writer import MODULE_END, Writer

MOST = 64
ROUNDS = 300
ARGUMENTS = "(ptr %table, i64 %first, i64 %count, i64 %thread, i64 %threads, ptr %team) nounwind"


@cache
def functions() -> Module:
    """Return the module of @meet and @hold."""
    declarations: dict[str, None] = {}
    waiting = barrier(host(), declarations)
    parts = [waiting, _meet(declarations), _hold(declarations)]
    return compile_module("\n".join([*declarations, *parts, MODULE_END]), host())


def _meet(declarations: dict[str, None]) -> str:
    """In each round every thread adds to its own place, and then adds up everyone's places."""
    w = Writer(f"void @meet{ARGUMENTS}", declarations)
    own, total, seen = (w.address("%table", w.add("%thread", k * MOST), "i64") for k in range(3))
    w.line(f"store i64 %threads, ptr {seen}")
    step = w.add("%thread", 1)
    with w.loop("%first", w.add("%first", "%count")) as i:
        grown = w.add(w.value(f"load i64, ptr {own}"), w.multiply(step, w.add(i, 1)))
        w.line(f"store i64 {grown}, ptr {own}")
        w.line("call void @barrier(ptr %team, i64 %threads)")
        with w.loop(0, "%threads") as k:
            theirs = w.value(f"load i64, ptr {w.address('%table', k, 'i64')}")
            w.line(f"store i64 {w.add(w.value(f'load i64, ptr {total}'), theirs)}, ptr {total}")
        w.line("call void @barrier(ptr %team, i64 %threads)")
    return w.text()


def _hold(declarations: dict[str, None]) -> str:
    """The first thread says that it has begun, and stays until it is told to go."""
    w = Writer(f"void @hold{ARGUMENTS}", declarations)
    w.declare("i32 @sched_yield()")
    with w.branch(w.value("icmp eq i64 %thread, 0")):
        begun, go = w.address("%table", 0, "i64"), w.address("%table", 1, "i64")
        w.line(f"store atomic i64 1, ptr {begun} release, align 8")
        look, after = w.fresh("look"), w.fresh("after")
        w.line(f"br label %{look}")
        w.start_block(look)
        w.value("call i32 @sched_yield()")
        told = w.value(f"load atomic i64, ptr {go} acquire, align 8")
        w.line(f"br i1 {w.value(f'icmp ne i64 {told}, 0')}, label %{after}, label %{look}")
        w.start_block(after)
    return w.text()


def table() -> np.ndarray:
    return np.zeros((3, MOST), np.int64)


def expected(threads: int, rounds: int = ROUNDS) -> np.ndarray:
    """Return what @meet makes of an empty table."""
    result, steps = table(), np.arange(1, threads + 1)
    sums = np.cumsum(np.arange(1, rounds + 1))
    result[0, :threads] = steps * sums[-1]
    result[1, :threads] = steps.sum() * sums.sum()
    result[2, :threads] = threads
    return result


def meet(threads: int, rounds: int = ROUNDS) -> int:
    """Let some threads meet, check what each has read, and return how many they were."""
    found = table()
    workers.run(functions().address("meet"), found.ctypes.data, 0, rounds, threads)
    there = int(found[2, 0])
    np.testing.assert_array_equal(found, expected(there, rounds))
    return there


def hold(held: np.ndarray, threads: int) -> None:
    """Keep the workers until ``held[0, 1]`` is set; meanwhile ``held[0, 0]`` is."""
    workers.run(functions().address("hold"), held.ctypes.data, 0, 1, threads)


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread or process will do; a minute is as good as never."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited for a minute"
        time.sleep(0.001)


def in_a_process(program: str, **environment: str) -> str:
    """Run a program that may import this file; it must end well and silently. Return what it prints.

    Only that to fork beside threads is dangerous, which Python from 3.12 on says, may be said.
    """
    path = os.pathsep.join(sys.path)
    ended = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        env=os.environ | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout
