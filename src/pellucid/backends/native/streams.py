"""Arrays that no cache holds: which stores go past the caches, and which rows memory is asked for ahead.

An ordinary store reads a line before it overwrites it, so that of an array that nobody finds in a cache later a third
of the traffic is for nothing. And of rows that are gone through several times (for a maximum, a sum, a quotient),
memory is needed only the first time: the second time it is asked for the next row, which is then there when it is
needed. The processor does that by itself only within a page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ...core.indices import Index, loop_variable
from ...schedule.access import accesses
from ...schedule.loops import Buffer, Contraction, Loop, Reduce, Statement, Store, leaves, reads
from ...schedule.memory import LINE
from .machine import Caches
from .values import BYTES

OWN = ("arena", "parameter")  # memory that begins on a line

Place = tuple[Buffer, Index]


@dataclass
class Streams:
    """What a statement does with arrays that no cache holds.

    Attributes:
        past: what it stores past the caches.
        ahead: what it reads once more, with the loop in whose next pass it reads the next of that.
    """

    past: set[Place] = field(default_factory=set)
    ahead: dict[Place, Loop] = field(default_factory=dict)


def streams(statement: Statement, caches: Caches) -> Streams:
    """Return what an outermost statement does with arrays that no cache holds."""
    found = Streams()
    if isinstance(statement, Loop) and not any(isinstance(leaf, Contraction) for leaf in leaves([statement])):
        found.past.update(_stored_past(statement, max(caches)))
        _find_read_again(statement, caches, found.ahead)
    return found


def _stored_past(statement: Loop, cache: int) -> Iterator[Place]:
    """Yield what lanes store, line by line, of arrays larger than a cache that the statement does not read."""
    touched = accesses([statement])
    for loop in _lane_loops(statement):
        for leaf in leaves(loop.body):
            buffer, per_line = leaf.buffer, LINE // BYTES[leaf.buffer.dtype]
            large = buffer.place in OWN and buffer.size * BYTES[buffer.dtype] >= cache
            if large and isinstance(leaf, Store) and len(touched[buffer]) == 1:
                rest = leaf.index - loop_variable(loop.variable)
                if all(c % per_line == 0 for c in (rest.offset, *(c for _, c in rest.terms))):
                    yield buffer, leaf.index


def _lane_loops(loop: Loop) -> Iterator[Loop]:
    if loop.mode == "vector":
        yield loop
    for inner in loop.body:
        if isinstance(inner, Loop) and loop.mode != "vector":
            yield from _lane_loops(inner)


def _find_read_again(loop: Loop, caches: Caches, ahead: dict[Place, Loop]) -> None:
    """Find rows that one pass of a loop reads in lanes for the second time."""
    if loop.mode == "vector":
        return
    lanes = [s for s in loop.body if isinstance(s, Loop) and s.mode == "vector"]
    times: dict[Place, int] = {}
    for inner in lanes:
        for place in _rows_read(inner, loop, caches):
            row = place[0], place[1].replace({inner.variable: Index()})
            times[row] = times.get(row, 0) + 1
            if times[row] == 2:
                ahead[place] = loop
    for nested in loop.body:
        if isinstance(nested, Loop):
            _find_read_again(nested, caches, ahead)


def _rows_read(inner: Loop, loop: Loop, caches: Caches) -> set[Place]:
    """Return what a loop in lanes reads of large arrays: rows that a near cache holds two of, the next pass another."""
    straight = [s for s in inner.body if isinstance(s, Store | Reduce)]
    found = {(load.buffer, load.index) for leaf in straight for load in reads(leaf) if load.row is None}
    return {(b, i) for b, i in found if _is_row(b, i, inner, loop, caches)}


def _is_row(buffer: Buffer, index: Index, inner: Loop, loop: Loop, caches: Caches) -> bool:
    size = BYTES[buffer.dtype]
    large = buffer.place != "private" and buffer.size * size > max(caches.l1, caches.l2)
    short = 2 * inner.extent * size <= caches.l1
    return large and short and index.coefficient(inner.variable) == 1 and index.coefficient(loop.variable) != 0


def fence(triple: str) -> str:
    """Return the function after which others see what was stored past the caches; none where barriers are enough."""
    return "void @llvm.x86.sse.sfence()" if triple.startswith("x86_64") else ""


__all__ = ["Streams", "fence", "streams"]
