"""What follows a contraction is done while its elements are at hand: its bias, activation, mask, or a whole update.

A nest of loops joins a contraction if it passes over the same elements and touches what the contraction writes only
at the element that is being finished. So the gradient of a weight need never be stored: the optimiser's update is done
where the gradient is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ..core.dtypes import is_float
from ..core.indices import Index, loop_variable
from .access import accesses, change_accesses, indices_of
from .loops import (
    Axes,
    Buffer,
    Contraction,
    Load,
    Loop,
    Program,
    Statement,
    Store,
    leaves,
    loads,
    reads,
    replace_variables,
)

WHOLE_SUM = 2048  # steps of the shared axes that are summed at once
FEWEST_COLUMNS = 32  # of a product that reads rows where they lie: more than two of the widest vectors
BLOCKED_WORK = 1 << 18  # multiplications from which a contraction is cut into blocks and shared out


def is_blocked(contraction: Contraction) -> bool:
    """Whether a contraction is large enough, and lies in memory well enough, to run in blocks on all threads."""
    left, right, index = contraction.left, contraction.right, contraction.index
    if math.prod(n for _, n in contraction.axes) < BLOCKED_WORK or not is_float(contraction.buffer.dtype):
        return False
    if {left.dtype, right.dtype} != {contraction.buffer.dtype}:
        return False
    if (left.row or right.row) and not picks_zeros(contraction):
        return False
    last = [axes[-1][0] for axes in (contraction.rows, contraction.columns) if axes]
    return any(index.coefficient(name) == 1 for name in last)


def oriented(c: Contraction) -> Contraction:
    """Return a contraction or its transpose: columns are the axis along which the result lies in memory."""
    if not c.columns or c.index.coefficient(c.columns[-1][0]) != 1:
        return replace(c, rows=c.columns, columns=c.rows, left=c.right, right=c.left)
    return c


def picks_zeros(contraction: Contraction) -> bool:
    """Whether rows of what is mostly zero are read where they lie: a list of what is not 0 is made of them anyway."""
    c = oriented(contraction)
    if c.left.row is None or c.right.row or not c.left.buffer.mostly_zero:
        return False
    picked = c.left.row.value
    simple = isinstance(picked, Load) and picked.row is None and len(picked.index.terms) == 1
    wide = bool(c.columns) and c.columns[-1][1] > FEWEST_COLUMNS
    return simple and wide and len(c.shared) == 1 and not c.clips and min(n for _, n in c.axes) > 1


def is_cut(contraction: Contraction) -> bool:
    """Whether the sum is cut into blocks that are added up in memory, so that the result has to be kept there."""
    return math.prod(n for _, n in contraction.shared) > WHOLE_SUM


def with_body(contraction: Contraction, new: Statement) -> Contraction | None:
    """Return a contraction with a nest of loops done element by element, or None where that may not be."""
    if not is_blocked(contraction):
        return None
    nest = _perfect_nest(new)
    if nest is None:
        return None
    variables, stores = nest
    names = _matched(contraction, variables, stores)
    if names is None:
        return None
    renamed = [replace_variables(s, names) for s in stores]
    joined = replace(contraction, body=[*contraction.body, *renamed])
    return joined if _is_right(joined, len(contraction.body)) else None


def _perfect_nest(statement: Statement) -> tuple[dict[str, int], list[Store]] | None:
    """Return the loop variables and the stores of loops right inside each other around nothing but stores."""
    variables: dict[str, int] = {}
    body: Sequence[Statement] = [statement]
    while len(body) == 1 and isinstance(body[0], Loop):
        variables[body[0].variable] = body[0].extent
        body = body[0].body
    stores = [s for s in body if isinstance(s, Store)]
    return (variables, stores) if len(stores) == len(body) else None


def _matched(contraction: Contraction, variables: dict[str, int], stores: list[Store]) -> dict[str, Index] | None:
    """Return which variable of the contraction each variable of a nest is: both reach one element in the same way."""
    wanted = {name: extent for name, extent in (*contraction.rows, *contraction.columns) if extent != 1}
    written = {contraction.buffer: contraction.index, **{leaf.buffer: leaf.index for leaf in leaves(contraction.body)}}
    for load in (load for store in stores for load in reads(store)):
        index = written.get(load.buffer)
        if index is None or load.row or _without(load.index, variables) != _without(index, wanted):
            continue
        there = {(c, wanted[name]): name for name, c in index.terms if name in wanted}
        names = {name: there.get((c, variables[name])) for name, c in load.index.terms if name in variables}
        if set(names) == set(variables) and set(names.values()) == set(wanted) and len(there) == len(wanted):
            return {name: loop_variable(str(other)) for name, other in names.items()}
    return None


def _without(index: Index, variables: Iterable[str]) -> Index:
    """Return where an index begins: what the loops around, and not those over some variables, make of it."""
    return index.replace(dict.fromkeys(variables, Index()))


def _is_right(joined: Contraction, before: int) -> bool:
    """Whether what was added writes nothing that is read or written at another element."""
    added = joined.body[before:]
    factors = {load.buffer for load in reads(joined)}
    places: dict[Buffer, Index] = {joined.buffer: joined.index}
    for leaf in leaves(joined.body):
        places.setdefault(leaf.buffer, leaf.index)
        if leaf.buffer.updates is not None:
            places.setdefault(leaf.buffer.updates, leaf.index)
    for leaf in leaves(added):
        if leaf.buffer in factors or leaf.buffer.updates in factors or leaf.buffer is joined.buffer:
            return False
    for leaf in leaves(joined.body):
        if places[leaf.buffer] != leaf.index:
            return False
        for load in reads(leaf):
            if load.buffer in places and (load.row or load.index != places[load.buffer]):
                return False
    return True


def tidy(program: Program) -> None:
    """Drop results that only their own body reads, and make one axis of those that memory holds as one."""
    program.once, program.each = ([_tidied(s, program) for s in part] for part in (program.once, program.each))
    used = accesses([*program.once, *program.each])
    program.buffers = [b for b in program.buffers if b.place != "private" and (b in used or b.place != "arena")]


def _tidied(statement: Statement, program: Program) -> Statement:
    if isinstance(statement, Loop):
        return replace(statement, body=[_tidied(s, program) for s in statement.body])
    if not isinstance(statement, Contraction):
        return statement
    return merged(_without_temporaries(statement, program))


def _without_temporaries(contraction: Contraction, program: Program) -> Contraction:
    """Keep in registers what nobody else touches."""
    inside = set(leaves([contraction]))
    outside = [leaf for leaf in leaves([*program.once, *program.each]) if leaf not in inside]
    touched = {buffer for leaf in outside for buffer in (leaf.buffer, *(load.buffer for load in reads(leaf)))}
    mine = {leaf.buffer for leaf in leaves(contraction.body)}
    for buffer in mine - touched:
        if buffer.place in ("arena", "private") and buffer.updates is None:
            buffer.place, buffer.size = "private", 1
            body = [change_accesses(s, buffer, lambda b, _: (b, Index())) for s in contraction.body]
            contraction = replace(contraction, body=body)
    result = contraction.buffer
    seen = any(load.buffer is result for leaf in leaves(contraction.body) for load in reads(leaf))
    needed = result in touched or result.place not in ("arena", "private") or result.updates is not None
    if needed or not seen or is_cut(contraction):
        return contraction
    result.place = "private"
    return replace(contraction, kept=False)


def merged(contraction: Contraction) -> Contraction:
    """Return a contraction with neighbouring axes made one where all memory lies as if they were."""
    picked = {name for load in _picking(contraction) for name in load.index.variables}
    rows, columns, shared = (
        _merged_axes(axes, contraction, picked) for axes in (contraction.rows, contraction.columns, contraction.shared)
    )
    gone = {name for name, _ in contraction.axes} - {name for name, _ in (*rows, *columns, *shared)}
    changed = replace_variables(contraction, {name: Index() for name in gone})
    assert isinstance(changed, Contraction)
    return replace(changed, rows=rows, columns=columns, shared=shared)


def _merged_axes(axes: Axes, contraction: Contraction, picked: set[str]) -> Axes:
    """Return axes with each one that lies in memory as if it were the next one's outer part joined to it."""
    result: list[tuple[str, int]] = []
    for name, extent in reversed([axis for axis in axes if axis[1] != 1]):
        if result and not picked & {name, result[0][0]}:
            inner, length = result[0]
            if all(i.coefficient(name) == length * i.coefficient(inner) for i in indices_of(contraction)):
                result[0] = (inner, length * extent)
                continue
        result.insert(0, (name, extent))
    return tuple(result)


def _picking(contraction: Contraction) -> Iterator[Load]:
    """Yield the loads that pick rows of others."""
    for leaf in leaves([contraction]):
        for load in reads(leaf):
            if load.row:
                yield from loads(load.row.value)
