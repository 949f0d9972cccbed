"""The barrier: what was written before it is read behind it, whoever comes first, and nobody waits in vain."""

import ctypes
import threading

import llvmlite.binding as llvm
import numpy as np
import pytest

from backends.native.meeting import ROUNDS, expected, functions, table, until
from pellucid.backends.native.barrier import BARRIER_BYTES, LINE, barrier
from pellucid.backends.native.target import Target
from pellucid.backends.native.workers import text

RUN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *[ctypes.c_int64] * 4, ctypes.c_void_p)
THREADS = (1, 2, 3, 4, 7)


def started(team, found, threads, members):
    function = RUN(functions().address("meet"))
    arguments = [(found.ctypes.data, 0, ROUNDS, k, threads, team.ctypes.data) for k in members]
    result = [threading.Thread(target=function, args=a, daemon=True) for a in arguments]
    for thread in result:
        thread.start()
    return result


def end(threads):
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "waits in vain"


def new_team():
    return np.zeros(BARRIER_BYTES // 4, np.int32)


@pytest.mark.parametrize("threads", THREADS)
def test_every_thread_reads_what_every_other_wrote_in_the_same_round(threads):
    team, found = new_team(), table()
    end(started(team, found, threads, range(threads)))
    np.testing.assert_array_equal(found, expected(threads))
    assert team[0] == 0 and team[LINE // 4] % 2 == 0


def test_one_thread_needs_no_team():
    found = table()
    RUN(functions().address("meet"))(found.ctypes.data, 0, ROUNDS, 0, 1, None)
    np.testing.assert_array_equal(found, expected(1))


def test_who_sleeps_at_the_barrier_is_woken_by_the_last():
    team, found = new_team(), table()
    early = started(team, found, 3, [0, 2])
    until(lambda: team[0] == 2 and team[LINE // 4] == 1)  # both have come, and one at least sleeps
    end(early + started(team, found, 3, [1]))
    np.testing.assert_array_equal(found, expected(3))


@pytest.mark.parametrize(
    ("triple", "pause", "sleep"),
    [
        ("x86_64-unknown-linux-gnu", "@llvm.x86.sse2.pause()", "@syscall(i64 202,"),
        ("aarch64-unknown-linux-gnu", "@llvm.aarch64.hint(i32 1)", "@syscall(i64 98,"),
        ("arm64-apple-darwin", "@llvm.aarch64.hint(i32 1)", "@usleep("),
        ("riscv64-unknown-linux-gnu", "no instruction", "@usleep("),
    ],
)
def test_each_machine_waits_in_its_own_way(triple, pause, sleep):
    target = Target(triple, "generic", "", 128, False)
    code = barrier(target, {})
    assert pause in code and f"call {'i64 (i64, ...)' if 'syscall' in sleep else 'i32'} {sleep}" in code
    llvm.parse_assembly(text(target)).verify()
