"""Resident workers: native threads that run a step together with the thread that calls it.

A function on several threads is ``void run(ptr table, i64 first, i64 count, i64 thread, i64 threads, ptr team)``: every
thread calls it, with its own number ``thread``, and they meet at ``@barrier(team, threads)`` (`barrier.py`). The
calling thread is number 0. The others are the workers: each waits at a mailbox for the next job, runs its
part, meets the others at one last barrier, and goes back to its mailbox, where after some 100 microseconds it sleeps
and uses no time. Handing over a job to a waiting worker is one write, where waking a thread of Python's takes some 60
microseconds.

What makes this safe inside other programs:

- Workers are threads of the system, not of Python: they never touch the interpreter, so neither its exit nor a
  library that replaces its threads (gevent) concerns them. They take no signals, which are for the program.
- Their code and the memory that they share are one module of machine code. llvmlite frees none at exit, so there is
  nothing that a worker could still be looking at when it is gone.
- The team serves one call at a time. A second one, from another thread, finds it taken (one atomic exchange, no lock
  that an interrupt could leave locked) and runs its step alone: it neither waits nor breaks, and results do not depend
  on the number of threads.
- A forked child has none of its parent's threads: its team is empty, and grows when the child first needs it.
- A process that runs everything on one thread neither compiles, loads nor starts any of this.

What the team's memory holds after the barrier's part, again `LINE` bytes apart: whether the team is taken; how many
workers there are; the job; and a mailbox for each thread, which is empty (0) or holds a job (2).
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import warnings
from functools import cached_property, lru_cache

from . import cache, engine
from .barrier import BARRIER_BYTES, LINE, barrier
from .cores import MOST_THREADS
from .target import Target, host

_TAKEN = BARRIER_BYTES
_COUNT = _TAKEN + LINE
_JOB = _COUNT + LINE
_MAILBOXES = _JOB + LINE
_TEAM_BYTES = _MAILBOXES + MOST_THREADS * LINE
_EMPTY, _FULL = 0, 2

_NAMES = ("launch", "start", "team")
_NUMBER, _POINTER = ctypes.c_int64, ctypes.c_void_p
_RUN = ctypes.CFUNCTYPE(None, _POINTER, _NUMBER, _NUMBER, _NUMBER, _NUMBER, _POINTER)
_LAUNCH = ctypes.CFUNCTYPE(None, _POINTER, _POINTER, _NUMBER, _NUMBER, _NUMBER)
_START = ctypes.CFUNCTYPE(ctypes.c_int32)

# A thread's own faults are never for others, and Python's faulthandler reports them.
_FAULTS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
_SIGNALS_BYTES = 128  # of a sigset_t on Linux; elsewhere it is smaller


def run(address: int, table: int, first: int, count: int, threads: int) -> None:
    """Run a native function on up to ``threads`` threads, and return when all are done; the GIL is free meanwhile.

    It may be fewer: one where another call has the workers, and what there is where the system gives no more.

    Args:
        address: where ``void run(ptr table, i64 first, i64 count, i64 thread, i64 threads, ptr team)`` begins. Whoever
            calls keeps the module it belongs to.
        table: the address that it works on.
        first: the first step.
        count: how many steps.
        threads: 1 to `MOST_THREADS`, usually `cores.thread_count()`.
    """
    if threads > 1:
        threads = _workers.grow(threads)
    if threads > 1:
        _workers.launch(address, table, first, count, threads)
    else:
        _function(address)(table, first, count, 0, 1, None)


@lru_cache(maxsize=256)
def _function(address: int) -> ctypes._FuncPointer:
    return _RUN(address)


class _Workers:
    """The workers of this process."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        """Begin without workers."""
        self._growing = threading.Lock()
        self._threads, self._most = 1, MOST_THREADS

    def leave(self) -> None:
        """Begin anew in a forked child, which has the parent's memory, as it was at some moment, and no workers."""
        self._forget()
        if "module" in self.__dict__:
            ctypes.memset(self.module.address("team"), 0, _TEAM_BYTES)

    @cached_property
    def module(self) -> engine.Module:
        """The machine code of the workers, which this process loads once."""
        target = host()
        code = text(target)
        key = cache.key(code, target.key, engine.version())
        kept = cache.read(key)
        if kept is None:
            (kept,) = engine.emit_objects(code, target)
            cache.write(key, kept)
        return engine.Module([kept], _NAMES, engine.outside(code))

    @cached_property
    def launch(self) -> ctypes._FuncPointer:
        """The native function that hands out a job, takes part in it, and waits for the end."""
        return _LAUNCH(self.module.address("launch"))

    def grow(self, threads: int) -> int:
        """Start workers until ``threads`` threads can run together, and return how many can."""
        if threads > self._threads:
            with self._growing:
                while self._threads < min(threads, self._most):
                    self._start()
        return min(threads, self._threads)

    def _start(self) -> None:
        start = _START(self.module.address("start"))
        # The code counts and blocks signals, not Python: an interrupt between two of Python's lines would leave a
        # worker that no one knows of, or a caller that hears no signals.
        started = ctypes.c_int64.from_address(self.module.address("team") + _COUNT)
        error = start()
        self._threads = started.value + 1
        if error == 0:
            return
        self._most = self._threads
        warnings.warn(
            f"the system starts no further thread: {os.strerror(error)}; functions of this process run on"
            f" {self._threads} at most. See `ulimit -u` and the pids limit of the container, or ask for fewer with"
            " PELLUCID_THREADS",
            stacklevel=2,
        )


def text(target: Target) -> str:
    """Return the LLVM IR of the workers.

    >>> "define void @launch(" in text(host())
    True
    """
    declarations: dict[str, None] = {}
    waiting = barrier(target, declarations)
    give, take = _rounding(target, declarations)
    team = f"@team = dso_local global [{_TEAM_BYTES} x i8] zeroinitializer, align {LINE}"
    return "\n".join([*declarations, "", team, "", waiting, _start(), _work(take), _launch(give)])


def _start() -> str:
    """Start the next worker and count it. It takes no signals: a thread begins with the mask of who starts it."""
    faults = "\n".join(f"  call i32 @sigdelset(ptr %none, i32 {fault.value})" for fault in _FAULTS)
    return f"""\
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(i64)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sigfillset(ptr)
declare i32 @sigdelset(ptr, i32)

define i32 @start() nounwind {{
entry:
  %place = alloca i64
  %none = alloca [{_SIGNALS_BYTES} x i8], align 8
  %before = alloca [{_SIGNALS_BYTES} x i8], align 8
  %count = getelementptr inbounds i8, ptr @team, i64 {_COUNT}
  %started = load i64, ptr %count
  %thread = add i64 %started, 1
  %argument = inttoptr i64 %thread to ptr
  call i32 @sigfillset(ptr %none)
{faults}
  call i32 @pthread_sigmask(i32 {int(signal.SIG_SETMASK)}, ptr %none, ptr %before)
  %error = call i32 @pthread_create(ptr %place, ptr null, ptr @work, ptr %argument)
  call i32 @pthread_sigmask(i32 {int(signal.SIG_SETMASK)}, ptr %before, ptr null)
  %good = icmp eq i32 %error, 0
  br i1 %good, label %detach, label %done
detach:
  store i64 %thread, ptr %count
  %handle = load i64, ptr %place
  call i32 @pthread_detach(i64 %handle)
  br label %done
done:
  ret i32 %error
}}
"""


# The parts of a job, each in eight bytes: the arguments of @launch, and the caller's mode of rounding.
_PARTS = f"""\
  %job = getelementptr inbounds i8, ptr @team, i64 {_JOB}
  %job.table = getelementptr inbounds i64, ptr %job, i64 1
  %job.first = getelementptr inbounds i64, ptr %job, i64 2
  %job.count = getelementptr inbounds i64, ptr %job, i64 3
  %job.threads = getelementptr inbounds i64, ptr %job, i64 4
  %job.rounding = getelementptr inbounds i64, ptr %job, i64 5
"""


def _work(take_rounding: str) -> str:
    """The life of a worker. It empties its mailbox before the last barrier, behind which the next job may come."""
    return f"""\
define internal ptr @work(ptr %argument) nounwind {{
entry:
  %thread = ptrtoint ptr %argument to i64
  %mailbox = getelementptr inbounds [{LINE} x i8], ptr getelementptr (i8, ptr @team, i64 {_MAILBOXES}), i64 %thread
{_PARTS}  br label %next
next:
  call void @await(ptr %mailbox, i32 {_EMPTY})
  store atomic i32 {_EMPTY}, ptr %mailbox monotonic, align 4
  %function = load ptr, ptr %job
  %table = load ptr, ptr %job.table
  %first = load i64, ptr %job.first
  %count = load i64, ptr %job.count
  %threads = load i64, ptr %job.threads
  {take_rounding}
  call void %function(ptr %table, i64 %first, i64 %count, i64 %thread, i64 %threads, ptr @team)
  call void @barrier(ptr @team, i64 %threads)
  br label %next
}}
"""


def _launch(give_rounding: str) -> str:
    return f"""\
define void @launch(ptr %function, ptr %table, i64 %first, i64 %count, i64 %threads) nounwind {{
entry:
  %taken = getelementptr inbounds i8, ptr @team, i64 {_TAKEN}
  %before = atomicrmw xchg ptr %taken, i32 1 acquire, align 4
  %free = icmp eq i32 %before, 0
  br i1 %free, label %publish, label %alone
alone:
  call void %function(ptr %table, i64 %first, i64 %count, i64 0, i64 1, ptr null)
  ret void
publish:
{_PARTS}  store ptr %function, ptr %job
  store ptr %table, ptr %job.table
  store i64 %first, ptr %job.first
  store i64 %count, ptr %job.count
  store i64 %threads, ptr %job.threads
  {give_rounding}
  br label %post
post:
  %thread = phi i64 [1, %publish], [%following, %post]
  %mailbox = getelementptr inbounds [{LINE} x i8], ptr getelementptr (i8, ptr @team, i64 {_MAILBOXES}), i64 %thread
  call void @post(ptr %mailbox, i32 {_FULL})
  %following = add i64 %thread, 1
  %more = icmp slt i64 %following, %threads
  br i1 %more, label %post, label %share
share:
  call void %function(ptr %table, i64 %first, i64 %count, i64 0, i64 %threads, ptr @team)
  call void @barrier(ptr @team, i64 %threads)
  store atomic i32 0, ptr %taken release, align 4
  ret void
}}
"""


def _rounding(target: Target, declarations: dict[str, None]) -> tuple[str, str]:
    """Return what copies a thread's mode of rounding into a job, and from it into another thread.

    Each thread has its own, which says how to round and whether to flush subnormal numbers to zero. A library that
    changes it in the calling thread must not make a result depend on which thread computed it.
    """
    if target.triple.startswith("x86_64"):
        declarations.setdefault("declare void @llvm.x86.sse.stmxcsr(ptr)")
        declarations.setdefault("declare void @llvm.x86.sse.ldmxcsr(ptr)")
        return (
            "call void @llvm.x86.sse.stmxcsr(ptr %job.rounding)",
            "call void @llvm.x86.sse.ldmxcsr(ptr %job.rounding)",
        )
    if target.triple.startswith(("aarch64", "arm64")):
        declarations.setdefault("declare i64 @llvm.aarch64.get.fpcr()")
        declarations.setdefault("declare void @llvm.aarch64.set.fpcr(i64)")
        give = "%rounding = call i64 @llvm.aarch64.get.fpcr()\n  store i64 %rounding, ptr %job.rounding"
        take = "%rounding = load i64, ptr %job.rounding\n  call void @llvm.aarch64.set.fpcr(i64 %rounding)"
        return give, take
    return "; each thread keeps its mode of rounding", "; each thread keeps its mode of rounding"


# What forks hold, the process holds until it ends: workers run in its module, which must never be freed.
_workers = _Workers()
os.register_at_fork(after_in_child=_workers.leave)

__all__ = ["run", "text"]
