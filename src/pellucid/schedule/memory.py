"""Memory: which buffers share it, how inputs are laid out for lanes, and the proof that no access leaves its buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..core.errors import InternalError
from ..core.indices import Index, loop_variable
from .fuse import accesses
from .loops import Buffer, Load, Loop, Product, Program, Statement, Store, Value, extents, leaves, map_value, reads

LINE = 64
WIDEST_PACKED = 64


def pack_inputs(program: Program) -> None:
    """Lay inputs out anew, once a call, where lanes would otherwise jump from row to row at every step."""
    packed: dict[tuple[Buffer, int], Buffer] = {}
    program.each = [_packed(s, packed) for s in program.each]
    for number, ((source, width), target) in enumerate(packed.items()):
        rows, row, column = source.size // width, f"p{number}", f"q{number}"
        at, origin = Index(((row, 1), (column, rows))), Index(((row, width), (column, 1)))
        copy = Store(target, at, Load(source, origin))
        program.once.append(Loop(column, width, [Loop(row, rows, [copy], "vector")]))
        program.buffers.append(target)


def _packed(statement: Statement, packed: dict[tuple[Buffer, int], Buffer]) -> Statement:
    if not isinstance(statement, Loop):
        return statement
    if statement.mode != "vector":
        return replace(statement, body=[_packed(s, packed) for s in statement.body])
    sizes, variable = extents([statement]), statement.variable

    def load(old: Load) -> Value:
        width = old.index.coefficient(variable)
        if old.buffer.place != "input" or old.row or not 1 < width <= WIDEST_PACKED or old.buffer.size % width:
            return old
        rest = old.index.replace({variable: Index()})
        if not sizes.keys() >= set(rest.variables):
            return old  # a loop around this one chooses the row
        low, high = rest.span(sizes.__getitem__)
        if low < 0 or high >= width:
            return old
        key = (old.buffer, width)
        if key not in packed:
            packed[key] = Buffer(f"{old.buffer} by column", old.dtype, old.buffer.size, "arena")
        return Load(packed[key], loop_variable(variable) + rest * (old.buffer.size // width))

    return replace(statement, body=[_change(s, load) for s in statement.body])


def _change(statement: Statement, load: object) -> Statement:
    if isinstance(statement, Loop):
        return replace(statement, body=[_change(s, load) for s in statement.body])
    if isinstance(statement, Product):
        return statement
    return replace(statement, value=map_value(statement.value, load))


def plan_arena(program: Program) -> None:
    """Give every arena buffer a place in one block of memory; those that never live at once may share."""
    lives: dict[Buffer, tuple[int, int]] = {}
    kept = accesses(program.once).keys()
    for position, statement in enumerate(program.each):
        for buffer in accesses([statement]):
            if buffer.place == "arena":
                lives[buffer] = (lives.get(buffer, (position, 0))[0], position)
    for buffer in kept:
        if buffer.place == "arena":
            lives[buffer] = (-1, len(program.each))
    placed: list[tuple[int, int, tuple[int, int]]] = []
    for buffer in sorted(lives, key=lambda b: (-_bytes(b), lives[b], b.name)):
        start, end = lives[buffer]
        offset = 0
        for low, high, (first, last) in sorted(placed):
            if first <= end and start <= last and low < offset + _bytes(buffer) and offset < high:
                offset = high
        placed.append((offset, offset + _bytes(buffer), (start, end)))
        program.arena[buffer] = offset
    program.arena_bytes = max((high for _, high, _ in placed), default=0)
    program.buffers = [b for b in program.buffers if b.place != "arena" or b in program.arena]


def _bytes(buffer: Buffer) -> int:
    return -(-(max(buffer.size, 1) * np.dtype(buffer.dtype).itemsize) // LINE) * LINE


def check_bounds(statements: Sequence[Statement]) -> None:
    """Prove that every access stays inside its buffer, by interval arithmetic; raise InternalError if one may not."""
    sizes = extents(statements)
    for leaf in leaves(statements):
        targets = [Load(leaf.buffer, leaf.index, getattr(leaf, "row", None)), *reads(leaf)]
        for load in targets:
            low, high = load.index.span(sizes.__getitem__)
            if load.row:
                high += load.row.stride * (load.row.limit - 1)
            if low < 0 or high >= load.buffer.size or (load.row and load.row.limit < 1):
                raise InternalError(
                    f"{load.buffer}[{load.index}] reaches {low} to {high} of {load.buffer.size} elements"
                )
