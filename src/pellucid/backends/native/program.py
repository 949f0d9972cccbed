"""A step as a native function, and calls of it.

The function runs any number of steps: ``run(context, first, count)``. The context is a table of addresses and numbers
that Python fills; the function touches nothing else. Machine code that an earlier process made of the same step is
taken from the disk cache; what writes code is then not even loaded.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
from functools import cache as remembered
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.expression import storage_of
from ...step import Call, Step, step_text
from . import cache, engine
from .target import Target, host

if TYPE_CHECKING:
    from ...schedule.loops import Program
    from .generate import Generated

RUN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
SOURCES = ("core", "operations", "schedule", "backends")


class NativeStep:
    """A step compiled to machine code for a target.

    Attributes:
        cached: whether its machine code came from the disk cache.
    """

    def __init__(self, step: Step, target: Target | None = None) -> None:
        self.step, self.target = step, target or host()
        self.storages = [storage_of(p) for p in step.parameters]
        key = cache.key(step_text(step), self.target.key, engine.version(), sources())
        kept = cache.read(key)
        self.cached = kept is not None
        if kept is None:
            kept = self._compiled()
            cache.write(key, kept)
        self._load(kept)

    @cached_property
    def generated(self) -> Generated:
        """Its loops and what writes their code."""
        made: Generated = importlib.import_module(".generate", __package__).Generated(self.step)
        return made

    @property
    def program(self) -> Program:
        """Its loops."""
        return self.generated.program

    @cached_property
    def text(self) -> str:
        """Its LLVM IR."""
        return self.generated.llvm(self.target)

    def assembly(self) -> str:
        """Return its machine code as assembly."""
        return engine.assembly(self.text, self.target)

    def _compiled(self) -> bytes:
        """Return what the cache keeps: a line that says what follows, the constants, and the object."""
        constants = self.generated.constants
        code = engine.emit_object(self.text, self.target)
        says = {
            "arena": self.program.arena_bytes,
            "constants": [(b.dtype, len(b.data)) for b in constants],
            "outside": engine.outside(self.text),
        }
        return b"".join([json.dumps(says).encode(), b"\n", *(b.data for b in constants), code])

    def _load(self, kept: bytes) -> None:
        line, _, rest = kept.partition(b"\n")
        says = json.loads(line)
        self._arena_bytes: int = says["arena"]
        self._data, start = [], 0
        for dtype, length in says["constants"]:
            self._data.append(np.frombuffer(rest[start : start + length], dtype=dtype))
            start += length
        self.module = engine.Module(rest[start:], ["run"], says["outside"])
        self._run = RUN(self.module.address("run"))

    def run(self, call: Call, first: int, count: int) -> None:
        """Run some steps of a call."""
        memory = call.memory
        if "context" not in memory:
            memory["arena"] = _aligned(self._arena_bytes)
            memory["context"] = self._table(call, memory["arena"])
        self._run(memory["context"].ctypes.data, first, count)

    def _table(self, call: Call, arena: Any) -> Any:
        arrays = [*call.inputs, *(s.array for s in self.storages), *call.outputs, *self._data]
        numbers = [call.seed & 0xFFFFFFFF, call.step & 0xFFFFFFFF, call.order_seed & 0xFFFFFFFF, call.epoch, call.start]
        addresses = [a.ctypes.data for a in arrays]
        return np.array([*addresses, arena.ctypes.data, *numbers], dtype=np.int64)


def _aligned(size: int) -> Any:
    raw = np.empty(size + 128, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size + 64]


@remembered
def sources() -> str:
    """Return what tells one version of the code that writes programs from another: its files' sizes and times."""
    package = Path(__file__).parents[2]
    found = []
    for name in SOURCES:
        for folder, _, files in os.walk(package / name):
            for file in sorted(f for f in files if f.endswith(".py")):
                status = os.stat(os.path.join(folder, file))
                found.append(f"{file} {status.st_size} {status.st_mtime_ns}")
    return "\n".join(sorted(found))


def compile_step(step: Step) -> NativeStep:
    """Compile a step for this machine."""
    return NativeStep(step)
