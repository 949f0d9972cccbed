"""From a step to LLVM code: schedule it, and write its kernels and the function that runs them step after step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ...schedule.access import accesses
from ...schedule.loops import Buffer, Contraction, Loop, Program, Statement
from ...schedule.schedule import schedule
from ...schedule.share import is_shared_out, phases
from ...schedule.text import kernels
from ...step import Step
from .arithmetic import Arithmetic, Value
from .barrier import barrier
from .blocking import Blocking, blocking
from .context import NUMBERS, Context
from .emit import Emitter, Module
from .machine import cache_sizes
from .stepping import KERNEL_ARGUMENTS, run_function
from .target import Target
from .values import BYTES
from .writer import MODULE_END, Writer


class Generated:
    """The loops of a step, and its LLVM code.

    Args:
        step: the step.
        timed: whether it measures how long each of its kernels takes.
        choose: how contractions are cut, if not by rule.
        program: its loops, if they are known.

    Attributes:
        program: its loops.
        kernels: its statements in groups, each a function.
        constants: the buffers of its constants, in the order of their places in the context.
        context: where the code finds what it works on.
        team: whether several threads share its work.
        scratch_bytes: how much memory each of them needs for itself, once the code is written.
    """

    def __init__(
        self,
        step: Step,
        timed: bool = False,
        choose: Callable[[Contraction, Target], Blocking] | None = None,
        program: Program | None = None,
    ) -> None:
        self.step, self.timed, self.choose = step, timed, choose
        self.program = program or schedule(step)
        self.kernels = kernels(self.program.each)
        self.constants = [b for b in self.program.buffers if b.place == "constant"]
        self.context = Context(len(step.inputs), len(step.parameters), len(step.outputs), len(self.constants))
        both = (self.program.once, self.program.each)
        self.team = any(is_shared_out(statement) for part in both for statement in part)
        self.waits = {id(s) for part in both for s in self._waiting(part)} if self.team else set()
        self.scratch_bytes = 0

    def _waiting(self, statements: Sequence[Statement]) -> Iterator[Statement]:
        """Yield the statements before which threads wait for each other, those in steps of recurrences included."""
        for waits, statement in phases(statements, self.program):
            if waits:
                yield statement
            if isinstance(statement, Loop) and statement.mode == "steps":
                yield from self._waiting(statement.body)

    def llvm(self, target: Target) -> str:
        """Return the LLVM IR of the step."""
        declarations: dict[str, None] = {}
        caches = cache_sizes()
        choose = self.choose or (lambda contraction, target: blocking(contraction, target, caches))
        module = Module(choose, caches, self.waits)
        once = bool(self.program.once)
        named = {"once": self.program.once} if once else {}
        named |= {f"kernel{k}": group for k, group in enumerate(self.kernels)}
        parts = [self._kernel(name, group, target, declarations, module) for name, group in named.items()]
        parts += [text for _, text in module.functions.values()]
        self.scratch_bytes = module.scratch_bytes
        parts.append(
            run_function(len(self.kernels), once, self.team, self.timed, self.scratch_bytes, self.context, declarations)
        )
        if self.team:
            parts.append(barrier(target, declarations))
        return "\n".join([f'target triple = "{target.triple}"', *declarations, "", *parts, MODULE_END])

    def _kernel(
        self,
        name: str,
        statements: Sequence[Statement],
        target: Target,
        declarations: dict[str, None],
        module: Module,
    ) -> str:
        writer = Writer(f"internal void @{name}({KERNEL_ARGUMENTS}) nounwind", declarations)
        b = Arithmetic(writer, target)
        touched = accesses(statements)  # most kernels touch few buffers, and LLVM takes its time to drop the others
        addresses = {buffer: self._address(writer, buffer) for buffer in self.program.buffers if buffer in touched}
        emitter = Emitter(writer, b, addresses, self._runtime(writer, b), module, self.team)
        emitter.kernel(statements)
        return writer.text()

    def _address(self, writer: Writer, buffer: Buffer) -> str:
        if buffer.place == "arena":
            place = writer.address("%context", self.context.numbers, "i64")
            base = writer.value(f"load ptr, ptr {place}")
            return writer.address(base, self.program.arena[buffer], "i8")
        place = writer.address("%context", self._place(buffer), "i64")
        base = writer.value(f"load ptr, ptr {place}")
        if buffer.place != "output":
            return base
        return writer.address(base, writer.multiply("%step", buffer.size * BYTES[buffer.dtype]), "i8")

    def _place(self, buffer: Buffer) -> int:
        """Return where in the context the address of a buffer is."""
        context = self.context
        if buffer.place == "input":
            return buffer.number
        if buffer.place == "parameter":
            return context.inputs + buffer.number
        if buffer.place == "output":
            return context.inputs + context.parameters + buffer.number
        return context.inputs + context.parameters + context.outputs + self.constants.index(buffer)

    def _runtime(self, writer: Writer, b: Arithmetic) -> dict[str, Value]:
        """Return the numbers that differ from step to step; LLVM drops those that a kernel does not use."""
        given = {}
        for name in ("seed", "step", "order_seed", "batch"):
            address = writer.address("%context", self.context.numbers + NUMBERS.index(name), "i64")
            given[name] = Value(writer.value(f"load i64, ptr {address}"), "int64")

        def number(value: int) -> Value:
            return b.constant_of(value, "int64")

        batches = self.step.batches
        batch = b.add(given["batch"], Value("%step", "int64"))
        epoch, place = b.quotient(batch, number(batches.count)), b.rest(batch, number(batches.count))
        step = b.add(b.add(b.multiply(epoch, number(batches.steps)), place), number(batches.first_step))
        values = {
            "seed": given["seed"],
            "step": b.add(given["step"], step),
            "order_seed": given["order_seed"],
            "epoch": epoch,
            "start": b.add(b.multiply(place, number(batches.rows)), number(batches.first_row)),
        }
        return {name: b.convert(value, "uint32") for name, value in values.items()}
