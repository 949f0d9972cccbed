"""From a step to LLVM code: schedule it, and write its kernels and the function that runs them step after step."""

from __future__ import annotations

from collections.abc import Sequence

from ...schedule.loops import Buffer, Statement
from ...schedule.schedule import schedule
from ...schedule.text import kernels
from ...step import Step
from .arithmetic import Arithmetic, Value
from .context import NUMBERS, Context
from .emit import Emitter
from .target import Target
from .values import BYTES
from .writer import MODULE_END, Writer


class Generated:
    """The loops of a step, and its LLVM code.

    Attributes:
        program: its loops.
        constants: the buffers of its constants, in the order of their places in the context.
        context: where the code finds what it works on.
    """

    def __init__(self, step: Step) -> None:
        self.step = step
        self.program = schedule(step)
        self.constants = [b for b in self.program.buffers if b.place == "constant"]
        self.context = Context(len(step.inputs), len(step.parameters), len(step.outputs), len(self.constants))

    def llvm(self, target: Target) -> str:
        """Return the LLVM IR of the step."""
        declarations: dict[str, None] = {}
        groups = kernels(self.program.each)
        parts = [self._kernel("once", self.program.once, target, declarations)] if self.program.once else []
        parts += [self._kernel(f"kernel{k}", g, target, declarations) for k, g in enumerate(groups)]
        parts.append(_run_function(len(groups), bool(self.program.once)))
        return "\n".join([f'target triple = "{target.triple}"', *declarations, "", *parts, MODULE_END])

    def _kernel(self, name: str, statements: Sequence[Statement], target: Target, declarations: dict[str, None]) -> str:
        writer = Writer(f"internal void @{name}(ptr noalias %context, i64 %step) nounwind", declarations)
        b = Arithmetic(writer, target)
        addresses = {buffer: self._address(writer, buffer) for buffer in self.program.buffers}
        Emitter(writer, b, addresses, self._runtime(writer, b)).kernel(statements)
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
        values = {}
        for k, name in enumerate(NUMBERS[1:], self.context.numbers + 1):
            text = writer.value(f"load i64, ptr {writer.address('%context', k, 'i64')}")
            if name == "step":
                text = str(writer.add(text, "%step"))
            if name == "start":
                text = str(writer.add(text, writer.multiply("%step", self.step.rows)))
            values[name] = b.convert(Value(text, "int64"), "uint32")
        return values


def _run_function(groups: int, once: bool) -> str:
    writer = Writer("void @run(ptr noalias %context, i64 %first, i64 %count) nounwind", {})
    if once:
        start = writer.value("icmp eq i64 %first, 0")
        with writer.branch(start):
            writer.line("call void @once(ptr %context, i64 0)")
    stop = writer.value("add i64 %first, %count")
    with writer.loop("%first", stop) as step:
        for k in range(groups):
            writer.line(f"call void @kernel{k}(ptr %context, i64 {step})")
    return writer.text()
