"""A step as a native function, and calls of it.

The function runs any number of steps: ``run(context, first, count, thread, threads, team)``. The context is a table of
addresses and numbers that Python fills; the function touches nothing else. Machine code that an earlier process made of
the same step is taken from the disk cache; what writes code is then not even loaded.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache as remembered
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...core.errors import PellucidError
from ...core.expression import Parameter, storage_of
from ...step import Call, Step, step_text
from . import cache, cores, engine, workers
from .machine import cache_sizes
from .target import Target, host

if TYPE_CHECKING:
    from ...schedule.loops import Program
    from .generate import Generated

VARIABLE = "PELLUCID_SEARCH"
SOURCES = ("core", "operations", "schedule", "backends")


class NativeStep:
    """A step compiled to machine code for a target.

    Args:
        timed: whether it measures how long each of its kernels takes; see ``times``.
        threads: how many run it at most; as many as there are for this process, unless told otherwise.

    Attributes:
        storages: the memory of its parameters.
        cached: whether its machine code came from the disk cache.
    """

    def __init__(
        self, step: Step, target: Target | None = None, timed: bool = False, threads: int | None = None
    ) -> None:
        self.step, self.target, self.timed, self._most_threads = step, target or host(), timed, threads
        self.storages = [storage_of(p) for p in step.parameters]
        machine = f"{self.target.key} {cache_sizes()}"
        key = cache.key(step_text(step), machine, engine.version(), sources(), f"{timed} {self._found()}")
        kept = cache.read(key)
        self.cached = kept is not None
        if kept is None:
            kept = self._compiled()
            cache.write(key, kept)
        self._load(kept)

    @cached_property
    def generated(self) -> Generated:
        """Its loops and what writes their code."""
        made: Generated = importlib.import_module(".generate", __package__).Generated(self.step, self.timed)
        return made

    def _found(self) -> str:
        """Search, if that is asked for, how contractions are best cut; return what was found."""
        if not searching():
            return ""
        tuning = importlib.import_module(".tuning", __package__)
        found = tuning.winners(self.program, self.target)
        self.generated.choose = tuning.chooser(found)
        return f"search {tuning.winners_text(found.items())}"

    @property
    def program(self) -> Program:
        """Its loops."""
        return self.generated.program

    @cached_property
    def text(self) -> str:
        """Its LLVM IR."""
        return self.generated.llvm(self.target)

    @property
    def arena_bytes(self) -> int:
        """How much memory a call takes for what is computed on the way and not returned."""
        return self._arena_bytes

    @property
    def threads(self) -> int:
        """How many threads a call runs on: one where there is nothing to share out."""
        return (self._most_threads or cores.thread_count()) if self._team else 1

    def assembly(self) -> str:
        """Return its machine code as assembly."""
        return engine.assembly(self.text, self.target)

    def _compiled(self) -> bytes:
        """Return what the cache keeps: a line that says what follows, the constants, and the objects."""
        constants = self.generated.constants
        objects = engine.emit_objects(self.text, self.target)
        says = {
            "arena": self.program.arena_bytes,
            "scratch": self.generated.scratch_bytes,
            "team": self.generated.team,
            "kernels": len(self.generated.kernels),
            "constants": [(b.dtype, len(b.data)) for b in constants],
            "objects": [len(code) for code in objects],
            "outside": engine.outside(self.text),
        }
        return b"".join([json.dumps(says).encode(), b"\n", *(b.data for b in constants), *objects])

    def _load(self, kept: bytes) -> None:
        line, _, rest = kept.partition(b"\n")
        says = json.loads(line)
        self._arena_bytes: int = says["arena"]
        self._scratch_bytes: int = says["scratch"]
        self._team: bool = says["team"]
        self._kernels: int = says["kernels"]
        pieces = _pieces(rest, [*(length for _, length in says["constants"]), *says["objects"]])
        self._data = [np.frombuffer(next(pieces), dtype=dtype) for dtype, _ in says["constants"]]
        self.module = engine.Module(list(pieces), ["run"], says["outside"])
        self._run = self.module.address("run")

    def on_parameters(self, parameters: Mapping[Parameter, Parameter]) -> NativeStep:
        """Return the same machine code on the memory of other parameters, which stand in for its own."""
        made = copy.copy(self)
        made.storages = [storage_of(parameters[p]) for p in self.step.parameters]
        return made

    def run(self, call: Call, first: int, count: int) -> None:
        """Run some steps of a call; how many threads take part is settled at the first of them."""
        if call.table is None:
            call.table = self._table(call)
        workers.run(self._run, call.table.address, first, count, call.table.threads)

    def times(self, call: Call, steps: int) -> Any:
        """Run some steps of a call from its first on, and return the seconds that each kernel took in all.

        The last number is for what is done once a call. Only a step that is timed measures this.
        """
        self.run(call, 0, steps)
        return call.memory["clock"] / 1e9

    def _table(self, call: Call) -> Table:
        memory, threads = call.memory, self.threads
        if memory.get("threads", 0) < threads:
            memory["threads"] = threads
            memory["scratch"] = _aligned(self._scratch_bytes * threads)
            memory.setdefault("arena", _aligned(self._arena_bytes))
            memory.setdefault("clock", np.zeros(self._kernels + 1, np.int64))
        own = [memory[name] for name in ("arena", "scratch", "clock")]
        arrays = [*call.inputs, *(s.array for s in self.storages), *call.outputs, *self._data, *own]
        numbers = [call.seed & 0xFFFFFFFF, call.step & 0xFFFFFFFF, call.order_seed & 0xFFFFFFFF, call.batch]
        table = np.array([*(a.ctypes.data for a in arrays), *numbers], dtype=np.int64)
        return Table(table, table.ctypes.data, threads, arrays)


class Table(NamedTuple):
    """What the function is called with: a table, its address, the threads, and the memory whose addresses it holds."""

    table: Any
    address: int
    threads: int
    memory: list[Any]


def _pieces(whole: bytes, lengths: Sequence[int]) -> Iterator[bytes]:
    """Yield what lies one after another, of these lengths."""
    start = 0
    for length in lengths:
        yield whole[start : start + length]
        start += length


def searching() -> bool:
    """Whether contractions are cut by a search and not by rule: PELLUCID_SEARCH is 1.

    Raises:
        PellucidError: the variable is neither 0 nor 1.

    >>> searching()
    False
    """
    given = os.environ.get(VARIABLE, "")
    if given not in ("", "0", "1"):
        raise PellucidError(
            f"{VARIABLE} is {given!r}; expected 1 to search for the fastest loops of each product, which takes seconds"
            " the first time, or 0 to leave them to a rule"
        )
    return given == "1"


def _aligned(size: int) -> Any:
    raw = np.empty(size + 128, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size + 64]


@remembered
def sources() -> str:
    """Return what tells one version of the code that writes programs from another: a checksum of its text.

    It is not the package's version, which a change in a working copy leaves as it is, nor the files' times, which
    installers set as they like.
    """
    digest = hashlib.sha256()
    for name in SOURCES:
        for path, text in _modules(files(__package__.partition(".")[0]) / name):
            digest.update(f"{name}/{path} {len(text)}\n".encode() + text)
    return digest.hexdigest()


def _modules(folder: Traversable, path: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield path and text of the modules in a folder, which may lie inside an archive."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".py"):
            yield path + entry.name, entry.read_bytes()
        elif entry.is_dir() and entry.name != "__pycache__":
            yield from _modules(entry, f"{path}{entry.name}/")


def compile_step(step: Step) -> NativeStep:
    """Compile a step for this machine."""
    return NativeStep(step)
