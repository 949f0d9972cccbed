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
    Buffer,
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


def in_memory_order(statements: Sequence[Statement]) -> list[Statement]:
    """Return the statements with loops right inside each other in the order in which the memory of their stores lies.

    They are around stores alone, of which none needs what another pass of the loops makes.
    """
    return [_ordered(s) if isinstance(s, Loop) else s for s in statements]


def _ordered(loop: Loop) -> Loop:
    if loop.mode == "steps":
        return replace(loop, body=in_memory_order(loop.body))
    nest = [loop]
    while len(nest[-1].body) == 1 and isinstance(nest[-1].body[0], Loop):
        nest.append(nest[-1].body[0])
    body = nest[-1].body
    writes = {leaf.buffer: leaf.index for leaf in body if isinstance(leaf, Store)}
    if not all(isinstance(s, Store) and s.index == writes[s.buffer] for s in body) or _needs_other_passes(nest, writes):
        return loop
    orders = {tuple(sorted(nest, key=lambda l: abs(i.coefficient(l.variable)))) for i in writes.values()}
    if len(orders) != 1:
        return loop
    for each in orders.pop():
        body = [Loop(each.variable, each.extent, body, each.mode)]
    (result,) = body
    assert isinstance(result, Loop)
    return result


def _needs_other_passes(nest: Sequence[Loop], writes: dict[Buffer, Index]) -> bool:
    """Whether stores in loops right inside each other read what another pass of the loops may have written."""
    sizes = {loop.variable: loop.extent for loop in nest}
    stores = [leaf for leaf in nest[-1].body if isinstance(leaf, Store)]
    for load in [load for store in stores for load in reads(store) if load.buffer in writes]:
        written = writes[load.buffer]
        apart = load.index - written
        low, high = Index(tuple(t for t in written.terms if t[0] in sizes)).span(sizes.__getitem__)
        if load.row or apart.terms or 0 < abs(apart.offset) <= high - low:
            return True
    return False


def vectorise(statements: Sequence[Statement]) -> list[Statement]:
    """Return the statements with every loop's mode decided."""
    return [_vectorised(s) if isinstance(s, Loop) else s for s in statements]


def _vectorised(loop: Loop) -> Loop:
    if loop.mode in ("parts", "steps"):
        return replace(loop, body=vectorise(loop.body))
    return _decide(_collapse(loop))


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
