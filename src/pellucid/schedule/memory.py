"""Memory: which buffers share it, how inputs are laid out for lanes, and the proof that no access leaves its buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..core.errors import InternalError
from ..core.indices import Index, loop_variable
from .access import accesses, beside_bodies
from .loops import (
    Buffer,
    Clip,
    Contraction,
    Load,
    Loop,
    Program,
    Statement,
    Store,
    Value,
    extents,
    leaves,
    map_value,
    reads,
)

LINE = 64
WIDEST_PACKED = 64
SMALLEST_PLACED = 1024  # bytes of what a pass keeps for itself that are no longer put on the stack


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
            packed[key] = Buffer(f"{old.buffer} by column", old.dtype, old.buffer.size, "arena", holds=old.buffer.holds)
        return Load(packed[key], loop_variable(variable) + rest * (old.buffer.size // width))

    return replace(statement, body=[_change(s, load) for s in statement.body])


def _change(statement: Statement, load: object) -> Statement:
    if isinstance(statement, Loop):
        return replace(statement, body=[_change(s, load) for s in statement.body])
    if isinstance(statement, Contraction):
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
    program.arena, program.arena_bytes = _places(lives)
    program.buffers = [b for b in program.buffers if b.place != "arena" or b in program.arena]


def plan_private(loop: Loop) -> tuple[dict[Buffer, int], int]:
    """Return a place for each array that one pass of a loop keeps for itself, and how many bytes all of them take.

    What its statements need one after the other may share memory. It is of the thread's own, and so what is made and
    used up in one pass stays in a cache that is near.
    """
    body, variables = loop.body, {loop.variable}
    while len(body) == 1 and isinstance(body[0], Loop):
        variables.add(body[0].variable)
        body = body[0].body
    wanted = {b for b in beside_bodies([loop]) if b.place == "private" and room(b) >= SMALLEST_PLACED}
    lives: dict[Buffer, tuple[int, int]] = {}
    for position, statement in enumerate(body):
        for buffer, touches in accesses([statement]).items():
            if buffer in wanted:
                kept = any(t.index and variables & set(t.index.variables) for t in touches)
                first = 0 if kept else lives.get(buffer, (position, 0))[0]
                lives[buffer] = (first, len(body) if kept else position)
    return _places(lives)


def _places(lives: dict[Buffer, tuple[int, int]]) -> tuple[dict[Buffer, int], int]:
    """Return where each buffer begins in one block of memory, and its size; lives are (first, last) statements."""
    places: dict[Buffer, int] = {}
    placed: list[tuple[int, int, tuple[int, int]]] = []
    for buffer in sorted(lives, key=lambda b: (-room(b), lives[b], b.name)):
        start, end = lives[buffer]
        offset = 0
        for low, high, (first, last) in sorted(placed):
            if first <= end and start <= last and low < offset + room(buffer) and offset < high:
                offset = high
        placed.append((offset, offset + room(buffer), (start, end)))
        places[buffer] = offset
    return places, max((high for _, high, _ in placed), default=0)


def room(buffer: Buffer) -> int:
    """Return how many bytes of the arena a buffer takes: whole lines of the cache."""
    return -(-(max(buffer.size, 1) * np.dtype(buffer.dtype).itemsize) // LINE) * LINE


def check_bounds(statements: Sequence[Statement]) -> None:
    """Prove that every access stays inside its buffer, by interval arithmetic; raise InternalError if one may not."""
    sizes = extents(statements)
    for leaf in leaves(statements):
        clips = leaf.clips if isinstance(leaf, Contraction) else ()
        targets = [Load(leaf.buffer, leaf.index, getattr(leaf, "row", None)), *reads(leaf)]
        for load in targets:
            low, high = _span(load.index, clips, sizes)
            if load.row:
                high += load.row.stride * (load.row.limit - 1)
            if low < 0 or high >= load.buffer.size or (load.row and load.row.limit < 1):
                raise InternalError(
                    f"{load.buffer}[{load.index}] reaches {low} to {high} of {load.buffer.size} elements"
                )


def _span(index: Index, clips: Sequence[Clip], sizes: dict[str, int]) -> tuple[int, int]:
    """Return the smallest and the largest value of an index, knowing that what is outside a clip is not touched."""
    low = high = 0
    for clip in clips:
        name, step = clip.index.terms[0]
        factor = index.coefficient(name) // step
        if factor and all(index.coefficient(v) == c * factor for v, c in clip.index.terms):
            index = index - clip.index * factor
            ends = (clip.low * factor, (clip.high - 1) * factor)
            low, high = low + min(ends), high + max(ends)
    first, last = index.span(sizes.__getitem__)
    return low + first, high + last
