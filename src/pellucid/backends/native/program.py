"""A scheduled step as a native function, and calls of it.

The function runs any number of steps: ``run(context, first, count)``. The context is a table of addresses and numbers
that Python fills; the function touches nothing else.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core.expression import storage_of
from ...schedule.loops import Buffer, Statement
from ...schedule.schedule import schedule
from ...schedule.text import kernels
from ...step import Call, Step
from .arithmetic import Arithmetic, Value
from .emit import Emitter
from .engine import Module, compile_module
from .target import Target, host
from .values import BYTES
from .writer import MODULE_END, Writer

NUMBERS = ("arena", "seed", "step", "order_seed", "epoch", "start")
RUN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


class Context(NamedTuple):
    """The table's places: inputs, parameters, outputs and constants by address, then NUMBERS."""

    inputs: int
    parameters: int
    outputs: int
    constants: int

    @property
    def size(self) -> int:
        """How many places there are."""
        return self.numbers + len(NUMBERS)

    @property
    def numbers(self) -> int:
        """The place of the first of NUMBERS."""
        return self.inputs + self.parameters + self.outputs + self.constants

    def place(self, buffer: Buffer, constants: Sequence[Buffer]) -> int:
        """Return where the address of a buffer is."""
        if buffer.place == "input":
            return buffer.number
        if buffer.place == "parameter":
            return self.inputs + buffer.number
        if buffer.place == "output":
            return self.inputs + self.parameters + buffer.number
        return self.inputs + self.parameters + self.outputs + constants.index(buffer)


class NativeStep:
    """A step compiled to machine code.

    Attributes:
        program: its loops.
        module: its machine code.
    """

    def __init__(self, step: Step, target: Target | None = None) -> None:
        self.step = step
        self.program = schedule(step)
        self.constants = [b for b in self.program.buffers if b.place == "constant"]
        parameters = step.parameters
        self.storages = [storage_of(p) for p in parameters]
        self.context = Context(len(step.inputs), len(parameters), len(step.outputs), len(self.constants))
        self.module: Module = compile_module(self.llvm(target or host()), target or host())
        self._run = RUN(self.module.address("run"))
        self._data = [np.frombuffer(b.data, dtype=b.dtype) for b in self.constants]

    def run(self, call: Call, first: int, count: int) -> None:
        """Run some steps of a call."""
        memory = call.memory
        if "context" not in memory:
            memory["arena"] = _aligned(self.program.arena_bytes)
            memory["context"] = self._table(call, memory["arena"])
        self._run(memory["context"].ctypes.data, first, count)

    def _table(self, call: Call, arena: Any) -> Any:
        arrays = [*call.inputs, *(s.array for s in self.storages), *call.outputs, *self._data]
        numbers = [call.seed & 0xFFFFFFFF, call.step & 0xFFFFFFFF, call.order_seed & 0xFFFFFFFF, call.epoch, call.start]
        addresses = [a.ctypes.data for a in arrays]
        return np.array([*addresses, arena.ctypes.data, *numbers], dtype=np.int64)

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
        place = writer.address("%context", self.context.place(buffer, self.constants), "i64")
        base = writer.value(f"load ptr, ptr {place}")
        if buffer.place != "output":
            return base
        return writer.address(base, writer.multiply("%step", buffer.size * BYTES[buffer.dtype]), "i8")

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


def _aligned(size: int) -> Any:
    raw = np.empty(size + 128, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size + 64]


def compile_step(step: Step) -> NativeStep:
    """Compile a step for this machine."""
    return NativeStep(step)
