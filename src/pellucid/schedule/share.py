"""Which loops threads share out among them, and where they must wait for each other.

A loop is shared out where no pass touches what another pass writes. A sum over the passes of a large loop is cut into
a fixed number of parts, each with a sum of its own, which are added up afterwards in order: how it is cut depends on
the extent alone, and so the result is the same on any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..core.indices import Index, loop_variable
from ..core.operation import Operation, operations
from .access import Change, Touches, accesses, change_accesses, conflict, same_pace
from .contraction import is_blocked
from .loops import (
    Buffer,
    Contraction,
    Literal,
    Load,
    Loop,
    Program,
    Reduce,
    Statement,
    Store,
    extents,
    leaves,
    reads,
    replace_variables,
)
from .memory import room

SHARED_WORK = 1 << 15  # passes from which a loop is worth sharing out: some microseconds, as threads must meet for it
CUT_WORK = 1 << 18  # passes from which a sum is worth cutting
CUT_PRODUCT = 1 << 19  # multiplications from which a product that is not blocked is worth cutting
MOST_PARTS = 16
PRODUCT_PARTS = 4
LARGEST_COPY = 1 << 14  # elements of a sum that each part may have a copy of


def cut_sums(program: Program) -> None:
    """Cut large loops that add up over their passes, and products that are not blocked, into parts."""
    program.each = [s for k, statement in enumerate(program.each) for s in _cut(statement, program, str(k))]


def share_out(program: Program) -> None:
    """Choose the loops whose passes threads share out."""
    program.once, program.each = ([_shared(s) for s in part] for part in (program.once, program.each))


def is_shared_out(statement: Statement) -> bool:
    """Whether every thread runs a part of a statement (otherwise the first thread runs all of it)."""
    if isinstance(statement, Loop) and statement.mode == "steps":
        return any(map(is_shared_out, statement.body))
    return any(loop.parallel for loop in _nest(statement)) or _shares_itself(statement)


def _nest(statement: Statement) -> list[Loop]:
    """Return the loops right inside each other that a statement is."""
    found = list[Loop]()
    while isinstance(statement, Loop):
        found.append(statement)
        if len(statement.body) != 1:
            break
        (statement,) = statement.body
    return found


def phases(statements: Sequence[Statement], program: Program) -> Iterator[tuple[bool, Statement]]:
    """Yield the statements in order, each with whether threads must wait for each other before it.

    They must where it touches what another writes, or memory that another buffer had before.
    """

    def meets(one: Touches, other: Touches) -> bool:
        return conflict(one, other) or _overlaps(one, other, program)

    since: list[tuple[bool, Touches]] = []
    for statement in statements:
        shared, touches = is_shared_out(statement), accesses([statement])
        waits = any((shared or other_shared) and meets(other, touches) for other_shared, other in since)
        if waits:
            since = []
        since.append((shared, touches))
        yield waits, statement


def _overlaps(one: Touches, other: Touches, program: Program) -> bool:
    """Whether buffers of two statements lie at one place of the arena, one after the other."""
    places = [
        [(program.arena[b], program.arena[b] + room(b), b) for b in t if b in program.arena] for t in (one, other)
    ]
    return any(a is not b and low < end and start < high for low, high, a in places[0] for start, end, b in places[1])


def _shares_itself(statement: Statement) -> bool:
    """Whether a statement is a contraction in blocks, or a batch of them: their rows or columns are shared out."""
    while isinstance(statement, Loop) and len(statement.body) == 1:
        statement = statement.body[0]
    return isinstance(statement, Contraction) and is_blocked(statement)


def work(statement: Statement) -> int:
    """How often anything is stored or added up."""
    if isinstance(statement, Loop):
        return statement.extent * sum(map(work, statement.body))
    return math.prod(n for _, n in statement.axes) if isinstance(statement, Contraction) else 1


def _shared(statement: Statement, steps: tuple[str, ...] = ()) -> Statement:
    """Return a statement, shared out where it may be; ``steps`` are the variables of the recurrences around it."""
    if isinstance(statement, Loop) and statement.mode == "steps":
        return replace(statement, body=[_shared(s, (*steps, statement.variable)) for s in statement.body])
    if not isinstance(statement, Loop) or work(statement) < SHARED_WORK:
        return statement
    if _shares_itself(statement) or not is_safe(statement, steps):
        return statement
    return _with_parallel(statement, _longest(statement, steps))


def _longest(loop: Loop, steps: tuple[str, ...]) -> Loop:
    """Return which of loops around products, right inside each other, has most passes to share out."""
    best, around = loop, list[Loop]()
    for inner in _nest(loop) if any(isinstance(leaf, Contraction) for leaf in leaves([loop])) else ():
        outer = (*steps, *(o.variable for o in around))
        if inner.extent > best.extent and all(is_safe(o, steps) for o in around) and is_safe(inner, outer):
            best = inner
        around.append(inner)
    return best


def _with_parallel(loop: Loop, best: Loop) -> Loop:
    if loop is best:
        return replace(loop, mode="serial" if loop.mode == "unrolled" else loop.mode, parallel=True)
    (inner,) = loop.body
    assert isinstance(inner, Loop)
    return replace(loop, body=[_with_parallel(inner, best)])


def is_safe(loop: Loop, outer: Sequence[str] = ()) -> bool:
    """Whether no pass touches what another pass writes, in any pass of loops outside."""
    sizes = extents([loop])
    for buffer, touches in accesses(loop.body).items():
        if buffer.place == "private" or not any(t.writes for t in touches):
            continue
        pairs = [(a, b) for a in touches for b in touches if a.writes]
        if not all(same_pace(a.index, b.index, loop.variable, outer, sizes) for a, b in pairs):
            return False
    return True


def _cut(statement: Statement, program: Program, name: str, steps: tuple[str, ...] = ()) -> list[Statement]:
    if isinstance(statement, Loop) and statement.mode == "steps":
        inner = (*steps, statement.variable)
        body = [part for k, s in enumerate(statement.body) for part in _cut(s, program, f"{name}_{k}", inner)]
        return [replace(statement, body=body)]
    if work(statement) < CUT_WORK or _shares_itself(statement):
        return [statement]
    if isinstance(statement, Contraction):
        return [_product_in_parts(statement, f"part{name}")]
    if isinstance(statement, Loop) and not is_safe(statement, steps):
        return _sum_in_parts(statement, program, name, steps)
    return [statement]


def _product_in_parts(product: Contraction, part: str) -> Statement:
    """Return a product as a loop over parts of its rows, or of its columns if there are more of these."""
    (name, extent) = max((*product.rows, *product.columns), key=lambda axis: axis[1])
    if work(product) < CUT_PRODUCT or extent % PRODUCT_PARTS:
        return product
    return Loop(part, PRODUCT_PARTS, [part_of_product(product, name, PRODUCT_PARTS, part)], "parts", True)


def part_of_product(product: Contraction, name: str, parts: int, part: str) -> Contraction:
    """Return a part of a product: of as many along one of its axes that ``part`` counts."""
    chunk = dict(product.axes)[name] // parts
    moved = replace_variables(product, {name: loop_variable(part) * chunk + loop_variable(name)})
    assert isinstance(moved, Contraction)
    rows, columns, shared = (
        tuple((v, chunk if v == name else n) for v, n in axes) for axes in (moved.rows, moved.columns, moved.shared)
    )
    return replace(moved, rows=rows, columns=columns, shared=shared)


def part_of_loop(loop: Loop, parts: int, part: str) -> Loop:
    """Return a part of a loop's passes: of as many that ``part`` counts."""
    chunk = loop.extent // parts
    moved = {loop.variable: loop_variable(part) * chunk + loop_variable(loop.variable)}
    return replace(loop, extent=chunk, body=[replace_variables(s, moved) for s in loop.body])


def _sum_in_parts(loop: Loop, program: Program, name: str, steps: tuple[str, ...]) -> list[Statement]:
    """Return a loop that adds up over its passes as a loop over parts, and what adds up the parts."""
    parts = next((p for p in range(min(MOST_PARTS, loop.extent), 3, -1) if loop.extent % p == 0), 1)
    if parts == 1:
        return [loop]
    body, joins, copies = part_of_sum(loop, parts, f"part{name}", name)
    whole = Loop(f"part{name}", parts, body, "parts", True)
    if not joins or not is_safe(whole, steps):
        return [loop]
    program.buffers.extend(copies)
    return [whole, *joins]


def part_of_sum(loop: Loop, parts: int, part: str, name: str) -> tuple[list[Statement], list[Statement], list[Buffer]]:
    """Return a part of a loop that adds up, into a copy of the part's own; what adds up the copies; and these.

    There are none where nothing adds up, or what does is needed before all of it is there.
    """
    sums = _sums(loop)
    inner: Statement = part_of_loop(loop, parts, part)
    fills, joins, copies = list[Statement](), list[Statement](), list[Buffer]()
    for k, (buffer, operation) in enumerate(sums.items()):
        copy, fill, join = _copies(buffer, operation, parts, part, f"{name}_{k}")
        inner = change_accesses(inner, buffer, _into(copy, loop_variable(part) * (copy.size // parts)))
        fills.append(fill)
        joins.append(join)
        copies.append(copy)
    return [*fills, inner], joins, copies


def part_of_sum_of_products(
    product: Contraction, axis: str, parts: int, part: str, name: str
) -> tuple[list[Statement], list[Statement], list[Buffer]]:
    """Return the same of a product that adds up along one of its shared axes."""
    moved, result, add = part_of_product(product, axis, parts, part), product.buffer, operations["sum"]
    copy, _, join = _copies(result, add, parts, part, name)
    inner = change_accesses(moved, result, _into(copy, loop_variable(part) * (copy.size // parts)))
    return [inner], [_fill(result, add, f"z{name}"), join], [copy]


def _copies(buffer: Buffer, operation: Operation, parts: int, part: str, name: str) -> tuple[Buffer, Loop, Loop]:
    """Return a copy of a buffer for each part, what a part begins its own with, and what adds them all up."""
    own = room(buffer) // np.dtype(buffer.dtype).itemsize  # whole lines, which threads would take from each other
    copy = Buffer(f"{buffer} in parts", buffer.dtype, parts * own, "arena", holds=buffer.holds)
    fill = _fill(buffer, operation, f"f{name}")
    fill = replace(fill, body=[change_accesses(s, buffer, _into(copy, loop_variable(part) * own)) for s in fill.body])
    value = Load(copy, loop_variable(f"p{name}") * own + loop_variable(f"g{name}"))
    add = Reduce(operation, buffer, loop_variable(f"g{name}"), value)
    return copy, fill, Loop(f"p{name}", parts, [Loop(f"g{name}", buffer.size, [add])])


def _fill(buffer: Buffer, operation: Operation, variable: str) -> Loop:
    """Return what a sum begins with."""
    assert operation.identity is not None
    nothing = Literal(operation.identity(buffer.dtype), buffer.dtype)
    return Loop(variable, buffer.size, [Store(buffer, loop_variable(variable), nothing)])


def _into(copy: Buffer, start: Index) -> Change:
    return lambda _, index: (copy, start + index)


def _sums(loop: Loop) -> dict[Buffer, Operation]:
    """Return the buffers that all passes add up in, each with its operation; none if one may not be cut."""
    found: dict[Buffer, Operation] = {}
    inside = list(leaves(loop.body))
    for leaf in inside:
        adds = isinstance(leaf, Reduce) and leaf.row is None and leaf.buffer.place != "private"
        if adds and loop.variable not in leaf.index.variables:
            assert isinstance(leaf, Reduce)
            found[leaf.buffer] = leaf.operation
    for leaf in inside:
        adds = isinstance(leaf, Reduce) and leaf.row is None and found.get(leaf.buffer) is leaf.operation
        if leaf.buffer in found and not adds:
            return {}
        read = [load.buffer for load in reads(leaf)]
        if any(read.count(buffer) > (adds and buffer is leaf.buffer) for buffer in found):
            return {}
    return {} if any(buffer.size > LARGEST_COPY for buffer in found) else found
