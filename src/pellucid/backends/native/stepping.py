"""The function that every thread runs: step after step, kernel after kernel."""

from __future__ import annotations

from .context import NUMBERS, Context
from .writer import Writer

KERNEL_ARGUMENTS = "ptr noalias %context, i64 %step, i64 %thread, i64 %threads, ptr %team, ptr noalias %scratch"
MONOTONIC_CLOCK = 1  # on Linux


def run_function(
    kernels: int,
    once: bool,
    team: bool,
    timed: bool,
    scratch_bytes: int,
    context: Context,
    declarations: dict[str, None],
) -> str:
    """Return ``run(context, first, count, thread, threads, team)`` as LLVM IR.

    Args:
        kernels: how many a step has: ``@kernel0`` and so on.
        once: whether ``@once`` is to be run at the first step of a call.
        team: whether several threads may run it; they then wait for each other after each step.
        timed: whether the first thread adds up each kernel's nanoseconds in the context's clock (the last place is for
            ``@once``).
        scratch_bytes: how much memory each thread has for itself.
    """
    arguments = "ptr noalias %context, i64 %first, i64 %count, i64 %thread, i64 %threads, ptr %team"
    writer = Writer(f"void @run({arguments}) nounwind", declarations)
    scratch = writer.value(f"load ptr, ptr {_number(writer, context, 'scratch')}")
    own = writer.address(scratch, writer.multiply("%thread", scratch_bytes), "i8")
    rest = f"i64 %thread, i64 %threads, ptr %team, ptr {own})"
    clock = _Clock(writer, context) if timed else None

    def call(name: str, step: str, place: int, last: bool) -> None:
        writer.line(f"call void @{name}(ptr %context, i64 {step}, {rest}")
        if team and (last or timed):
            writer.line("call void @barrier(ptr %team, i64 %threads)")
        if clock:
            clock.add(place)

    if once:
        with writer.branch(writer.value("icmp eq i64 %first, 0")):
            call("once", "0", kernels, last=True)
    with writer.loop("%first", writer.value("add i64 %first, %count")) as step:
        for k in range(kernels):
            call(f"kernel{k}", step, k, last=k == kernels - 1)
    return writer.text()


def _number(writer: Writer, context: Context, name: str) -> str:
    return writer.address("%context", context.numbers + NUMBERS.index(name), "i64")


class _Clock:
    """Writes what adds the time since it was last asked to a place of a table; of the first thread alone."""

    def __init__(self, writer: Writer, context: Context) -> None:
        self.writer = writer
        self.times = writer.allocate("i64", 2)
        self.before = writer.allocate("i64")
        self.table = writer.value(f"load ptr, ptr {_number(writer, context, 'clock')}")
        writer.declare("i32 @clock_gettime(i32, ptr)")
        writer.line(f"store i64 {self._now()}, ptr {self.before}")

    def _now(self) -> str:
        self.writer.value(f"call i32 @clock_gettime(i32 {MONOTONIC_CLOCK}, ptr {self.times})")
        seconds = self.writer.value(f"load i64, ptr {self.times}")
        rest = self.writer.value(f"load i64, ptr {self.writer.address(self.times, 1, 'i64')}")
        return str(self.writer.add(self.writer.multiply(seconds, 10**9), rest))

    def add(self, place: int) -> None:
        """Add the time since the last call to a place."""
        writer, now = self.writer, self._now()
        before = writer.value(f"load i64, ptr {self.before}")
        writer.line(f"store i64 {now}, ptr {self.before}")
        with writer.branch(writer.value("icmp eq i64 %thread, 0")):
            at = writer.address(self.table, place, "i64")
            total = writer.add(writer.value(f"load i64, ptr {at}"), writer.subtract(now, before))
            writer.line(f"store i64 {total}, ptr {at}")
