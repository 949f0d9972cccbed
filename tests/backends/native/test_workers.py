"""Resident workers: the same results on any number of threads, and no harm to the program around them."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from backends.native.meeting import ARGUMENTS, hold, in_a_process, meet, table, until
from pellucid.backends.native import cache, workers
from pellucid.backends.native.engine import compile_module
from pellucid.backends.native.target import host

KEPT = []  # workers run as long as the process does, and so must their code
TASKS = Path("/proc/self/task")
linux = pytest.mark.skipif(not TASKS.exists(), reason="this looks at threads as Linux shows them")


@pytest.fixture
def held():
    """A table for @hold, whose threads are let go in any case."""
    result = table()
    yield result
    result[0, 1] = 1


def in_a_thread(function, *arguments):
    thread = threading.Thread(target=function, args=arguments)
    thread.start()
    return thread


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 7])
def test_all_threads_take_part(threads):
    assert [meet(threads) for _ in range(3)] == [threads] * 3


def test_the_number_may_change_from_call_to_call():
    numbers = [5, 1, 2, 7, 3, 6, 1, 4] * 3
    assert [meet(n, rounds=5) for n in numbers] == numbers


def test_sleeping_workers_are_woken():
    for _ in range(5):
        assert meet(3) == 3
        time.sleep(0.02)  # a hundred times as long as they stay awake


def test_a_second_caller_runs_alone_and_does_not_wait(held):
    first = in_a_thread(hold, held, 3)
    until(lambda: held[0, 0] == 1)
    assert meet(3) == 1
    held[0, 1] = 1
    first.join()
    assert meet(3) == 3


def test_many_callers_at_once():
    found = []

    def call():
        found.extend(meet(3, rounds=20) for _ in range(50))

    callers = [in_a_thread(call) for _ in range(4)]
    for caller in callers:
        caller.join()
    assert len(found) == 200 and set(found) <= {1, 3} and meet(3) == 3


@linux
def test_one_thread_starts_nothing_and_loads_nothing():
    program = """
from backends.native.meeting import meet
from pellucid.backends.native import cache, workers
import os
assert meet(1) == 1
print(len(os.listdir("/proc/self/task")), "module" in vars(workers._workers))
"""
    assert in_a_process(program, OPENBLAS_NUM_THREADS="1") == "1 False\n"


@linux
def test_workers_leave_signals_to_the_program():
    before = set(os.listdir(TASKS))
    assert meet(len(before) + 9) == len(before) + 9
    started = set(os.listdir(TASKS)) - before
    assert started
    for task in started:
        (line,) = [line for line in (TASKS / task / "status").read_text().splitlines() if line.startswith("SigBlk")]
        blocked = int(line.split()[1], 16)
        assert all(blocked >> number - 1 & 1 for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD))
        assert not blocked >> signal.SIGSEGV - 1 & 1
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_idle_workers_use_no_time():
    assert meet(7) == 7
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.25  # seven that waited awake would use at least half a second


@linux
def test_threads_that_wait_for_one_use_no_time(held):
    first = in_a_thread(hold, held, 7)
    until(lambda: held[0, 0] == 1)
    sleeping = np.frombuffer((ctypes.c_int32 * 64).from_address(workers._workers.module.address("team")), np.int32)
    until(lambda: sleeping[0] == 6 and sleeping[32] % 2 == 1)
    held[0, 1] = 1
    first.join()
    assert meet(7) == 7


def test_more_threads_than_cores_beside_a_busy_program():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            assert meet(7, rounds=50) == 7
        finally:
            busy.kill()


def test_where_the_system_starts_no_more_threads_there_are_fewer(monkeypatch):
    class Limited(workers._Workers):
        def _start(self):
            if self._threads == 3:
                monkeypatch.setattr(workers, "_START", lambda address: lambda: 11)
            super()._start()

    KEPT.append(Limited())
    monkeypatch.setattr(workers, "_workers", KEPT[-1])
    with pytest.warns(UserWarning, match="starts no further thread.*run on 3 at most.*PELLUCID_THREADS") as caught:
        assert [meet(5), meet(7), meet(2)] == [3, 3, 2]
    assert len(caught) == 1


ROUNDING = f"""
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
define void @exchange(ptr %new, ptr %old) {{
  call void @llvm.x86.sse.stmxcsr(ptr %old)
  call void @llvm.x86.sse.ldmxcsr(ptr %new)
  ret void
}}
define void @halve{ARGUMENTS} {{
  %place = getelementptr float, ptr %table, i64 %thread
  %x = load float, ptr %place
  %half = fmul float %x, 0.5
  store float %half, ptr %place
  ret void
}}
"""


@pytest.mark.skipif(not host().triple.startswith("x86_64"), reason="the code that changes the mode is x86's")
def test_every_thread_rounds_as_the_caller_does():
    module = compile_module(ROUNDING, host())
    exchange = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(module.address("exchange"))
    least, mode, flushing = np.finfo(np.float32).tiny, np.zeros(1, np.uint32), np.array([0x9FC0], np.uint32)
    flushed, usual = np.full(5, least), np.full(5, least)
    assert meet(5) == 5
    exchange(flushing.ctypes.data, mode.ctypes.data)
    workers.run(module.address("halve"), flushed.ctypes.data, 0, 1, 5)
    exchange(mode.ctypes.data, flushing.ctypes.data)
    workers.run(module.address("halve"), usual.ctypes.data, 0, 1, 5)
    assert np.all(flushed == 0) and np.all(usual.view(np.int32) == 0x00400000)


FORK = """
import os, sys, threading
from backends.native.meeting import hold, meet, table, until

def child(threads):
    process = os.fork()
    if process == 0:
        os._exit(0 if meet(threads) == threads else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize(
    "program",
    [
        "child(3)\nprint(meet(3))",
        "meet(3)\nchild(3)\nchild(5)\nprint(meet(3))",
        "meet(2)\nif os.fork() == 0:\n  child(3); sys.exit(0)\nassert os.wait()[1] == 0\nprint(meet(3))",
        """
held = table()
other = threading.Thread(target=hold, args=(held, 3))
other.start()
until(lambda: held[0, 0] == 1)
child(3)
held[0, 1] = 1
other.join()
print(meet(3))
""",
    ],
    ids=["before use", "after use", "of a child", "during use"],
)
def test_a_forked_child_has_workers_of_its_own(program):
    assert in_a_process(FORK + program) == "3\n"


@pytest.mark.parametrize(
    "program",
    [
        "meet(4)",
        "meet(4); time.sleep(0.1)",
        "held = table(); threading.Thread(target=hold, args=(held, 4), daemon=True).start()\n"
        "until(lambda: held[0, 0] == 1)",
        "threading.Thread(target=lambda: [meet(4) for _ in range(10**9)], daemon=True).start(); time.sleep(0.3)",
        "import atexit; atexit.register(meet, 4)",
        "meet(4); sys.exit(0)",
    ],
    ids=["awake", "asleep", "at work", "again and again", "started at the exit", "sys.exit"],
)
def test_a_program_ends_well_with_workers(program):
    start = "import sys, threading, time\nfrom backends.native.meeting import hold, meet, table, until\n"
    assert in_a_process(start + program) == ""


def programs(folder):
    """Return the files of compiled programs; what this machine is lies beside them."""
    return [file for file in folder.glob("*.object") if not file.name.startswith(cache.MEASURED)]


def test_the_code_is_kept_on_disk(cache_folder):
    program = "from backends.native.meeting import meet; print(meet(2))"
    assert in_a_process(program) == "2\n"
    (kept,) = programs(cache_folder)
    written = kept.stat().st_ino
    assert in_a_process(program) == "2\n"
    assert [file.stat().st_ino for file in programs(cache_folder)] == [written]
