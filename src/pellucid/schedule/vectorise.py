"""Which loop runs in vector lanes, which are unrolled, and which two are really one.

A loop over the batch with a few small axes inside becomes lanes over the batch: sixteen examples at once, the small
axes unrolled into registers. A loop over rows with long rows inside becomes lanes along the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..core.indices import Index
from .access import indices_of, value_indices
from .loops import (
    Contraction,
    Load,
    Loop,
    Reduce,
    Statement,
    Store,
    leaves,
    reads,
    replace_variables,
)
from .memory import WIDEST_PACKED

SHORTEST_VECTOR = 4
LONG_ROW = 16
MOST_UNROLLED = 16
MOST_PRIVATE_BYTES = 1 << 17


def vectorise(statements: Sequence[Statement]) -> list[Statement]:
    """Return the statements with every loop's mode decided."""
    return [_vectorised(s) if isinstance(s, Loop) else s for s in statements]


def _vectorised(loop: Loop) -> Loop:
    if loop.mode in ("parts", "steps"):
        return replace(loop, body=vectorise(loop.body))
    return _decide(_collapse(_ordered(loop)))


def _ordered(loop: Loop) -> Loop:
    """Run loops right inside each other, around one store, in the order in which the memory of the store lies."""
    nest = [loop]
    while len(nest[-1].body) == 1 and isinstance(nest[-1].body[0], Loop):
        nest.append(nest[-1].body[0])
    (*others, leaf) = nest[-1].body
    if (
        others
        or not isinstance(leaf, Store)
        or any(r.buffer is leaf.buffer and r.index != leaf.index for r in reads(leaf))
    ):
        return loop
    body: list[Statement] = [leaf]
    for each in sorted(nest, key=lambda l: abs(leaf.index.coefficient(l.variable))):
        body = [Loop(each.variable, each.extent, body, each.mode)]
    assert isinstance(body[0], Loop)
    return body[0]


def _collapse(loop: Loop) -> Loop:
    """Make one loop of two where memory lies as if they were one."""
    body = [_collapse(s) if isinstance(s, Loop) else s for s in loop.body]
    loop = Loop(loop.variable, loop.extent, body, loop.mode)
    if len(body) != 1 or not isinstance(body[0], Loop):
        return loop
    inner = body[0]
    if any(isinstance(leaf, Contraction) for leaf in leaves([inner])):
        return loop
    indices = [i for leaf in leaves([inner]) for i in indices_of(leaf)]
    if any(i.coefficient(loop.variable) != inner.extent * i.coefficient(inner.variable) for i in indices):
        return loop
    merged = [replace_variables(s, {loop.variable: Index()}) for s in inner.body]
    return Loop(inner.variable, loop.extent * inner.extent, merged)


def _decide(loop: Loop) -> Loop:
    inside = list(leaves(loop.body))
    if any(isinstance(leaf, Contraction) for leaf in inside):
        return replace(_serial(loop), mode="serial")
    if _is_serial(loop, inside):
        return _serial(loop)
    if loop.extent < SHORTEST_VECTOR and all(not isinstance(s, Loop) for s in loop.body):
        return Loop(loop.variable, loop.extent, loop.body, "unrolled")
    if _suits_lanes(loop):
        return Loop(loop.variable, loop.extent, [_unroll(s) for s in loop.body], "vector")
    return _serial(loop)


def _serial(loop: Loop) -> Loop:
    body = [_decide(s) if isinstance(s, Loop) else s for s in loop.body]
    return Loop(loop.variable, loop.extent, body, "unrolled" if loop.extent < SHORTEST_VECTOR else "serial")


def _is_serial(loop: Loop, inside: Sequence[Statement]) -> bool:
    """Whether passes must follow each other: they add to rows that data picks."""
    return any(isinstance(leaf, Reduce) and leaf.row is not None and _depends(leaf, loop.variable) for leaf in inside)


def _depends(leaf: Reduce, variable: str) -> bool:
    assert leaf.row is not None
    picked = any(variable in i.variables for i in value_indices(leaf.row.value))
    return picked or variable not in leaf.index.variables


def _suits_lanes(loop: Loop) -> bool:
    """Whether the loop itself should run in lanes, rather than the loops inside it."""
    longest = max((n for s in loop.body for n in _leaf_extents(s)), default=1)
    if longest == 1:
        return True
    if loop.extent < LONG_ROW // 2:
        return False
    touched = [load for leaf in leaves(loop.body) for load in (*reads(leaf), _target(leaf))]
    along = {load.buffer for load in touched if loop.variable in load.index.variables}
    private = {load.buffer for load in touched if load.buffer.place == "private"} - along  # one for each lane
    if sum(b.size for b in private) * 64 > MOST_PRIVATE_BYTES:
        return False
    if longest < LONG_ROW:
        return True
    return not any(_strides(load, loop) for load in touched)


def _target(leaf: Statement) -> Load:
    assert not isinstance(leaf, Loop)
    return Load(leaf.buffer, leaf.index)


def _strides(load: Load, loop: Loop) -> bool:
    """Whether lanes over the loop would jump through memory (an input of short rows is laid out anew, once)."""
    nearest = WIDEST_PACKED if load.buffer.place == "input" else 1
    return abs(load.index.coefficient(loop.variable)) > nearest


def _leaf_extents(statement: Statement) -> Iterator[int]:
    if isinstance(statement, Loop):
        inner = [n for s in statement.body for n in _leaf_extents(s)]
        yield max([statement.extent, *inner])
    else:
        yield 1


def _unroll(statement: Statement) -> Statement:
    """Unroll the loops inside lanes from the innermost out, as far as the code stays small."""
    if not isinstance(statement, Loop):
        return statement
    body = [_unroll(s) for s in statement.body]
    size = statement.extent * max(1, sum(_unrolled_size(s) for s in body))
    kept = any(isinstance(s, Loop) and s.mode == "serial" for s in body)
    small = not kept and size <= MOST_UNROLLED * max(1, len(body))
    return Loop(statement.variable, statement.extent, body, "unrolled" if small else "serial")


def _unrolled_size(statement: Statement) -> int:
    if isinstance(statement, Loop) and statement.mode == "unrolled":
        return statement.extent * sum(_unrolled_size(s) for s in statement.body)
    return 1
