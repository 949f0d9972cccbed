"""Fusion: statements that loop over the same axis share the loop, where each pass reads only what it wrote itself.

Two loops over v may be one if, for every buffer that one writes and the other touches, both move through it at the
same pace (the same multiple of v) and what they touch in a pass fits into one step of that pace.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..core.indices import Index, loop_variable
from .access import Change, Touches, accesses, change_accesses, conflict, same_pace
from .contraction import with_body
from .loops import (
    Buffer,
    Contraction,
    Load,
    Loop,
    Program,
    Statement,
    Store,
    extents,
    leaves,
    loads,
    reads,
    replace_variables,
)

MOST_MOVED = 8


def fuse(statements: Sequence[Statement]) -> list[Statement]:
    """Return the statements with loops over one axis shared as far as that is right."""
    return _place_all([], statements, {})


def _place_all(into: list[Statement], statements: Iterable[Statement], outer: dict[str, int]) -> list[Statement]:
    touched = [accesses([s]) for s in into]
    for statement in statements:
        _place(into, touched, statement, outer)
    return into


def _place(into: list[Statement], touched: list[Touches], new: Statement, outer: dict[str, int]) -> None:
    """Fuse a statement with the last one it may join, else put it where it belongs.

    What it needs that comes after the one it joins is moved ahead of that one, if the two do not touch.
    """
    touches = accesses([new])
    position, early, ahead = len(into), _moves_early(new), list[int]()
    for k in reversed(range(len(into))):
        blocked = any(conflict(touched[k], touched[other]) for other in ahead)
        common = touched[k].keys() & touches.keys()
        gains = early or any(b.size > 1 for b in common)  # else each may run in the order of its own memory
        fused = None if blocked or not gains else _fused(into[k], touched[k], new, early, outer)
        if fused is not None:
            into[k], touched[k] = fused, accesses([fused])
            order = [*reversed(ahead), *(j for j in range(k, len(into)) if j not in ahead)]
            into[k:], touched[k:] = [into[j] for j in order], [touched[j] for j in order]
            return
        if blocked or conflict(touched[k], touches):
            ahead.append(k)
            if len(ahead) > MOST_MOVED or not (_moves_early(into[k]) or isinstance(into[k], Store)):
                break  # a single number, such as a count of steps, may be stored for good earlier
        elif not ahead:
            position = k
    if not early:
        position = len(into)
    into.insert(position, new)
    touched.insert(position, touches)


def _fused(old: Statement, touched: Touches, new: Statement, early: bool, outer: dict[str, int]) -> Statement | None:
    """Return one statement of two, or None where they may not be one; ``touched`` is what the old one touches."""
    if isinstance(old, Contraction):
        return with_body(old, new)
    if not (isinstance(old, Loop) and isinstance(new, Loop) and _same_axis(old, new) and early <= _moves_early(old)):
        return None
    renamed = replace_variables(new, {new.variable: loop_variable(old.variable)})
    assert isinstance(renamed, Loop)
    if not _may_fuse(old, touched, renamed, outer):
        return None
    body = _place_all(list(old.body), renamed.body, {**outer, old.variable: old.extent})
    return Loop(old.variable, old.extent, body)


def _same_axis(old: Loop, new: Loop) -> bool:
    return old.extent == new.extent and old.variable.rstrip("0123456789") == new.variable.rstrip("0123456789")


def _moves_early(statement: Statement) -> bool:
    """Whether a statement may run ahead of those it does not touch: all but what is stored for good."""
    return all(leaf.buffer.place != "output" and leaf.buffer.updates is None for leaf in leaves([statement]))


def _may_fuse(old: Loop, first: Touches, new: Loop, outer: dict[str, int]) -> bool:
    second = accesses(new.body)
    picking = rows(new.body)
    if picking and any(leaf.buffer in picking for leaf in leaves(old.body)):
        return False  # rows are better known before the loop that picks them: their memory can be asked for ahead
    sizes = {**outer, **extents([old, new])}
    for buffer in first.keys() & second.keys():
        pairs = [(a, b) for a in first[buffer] for b in second[buffer] if a.writes or b.writes]
        if not all(same_pace(a.index, b.index, old.variable, outer, sizes) for a, b in pairs):
            return False
    return True


def rows(statements: Sequence[Statement]) -> set[Buffer]:
    """Return the buffers whose elements pick rows of others."""
    picked = [load.row for leaf in leaves(statements) for load in reads(leaf) if load.row]
    return {load.buffer for row in picked for load in loads(row.value)}


def update_in_place(program: Program) -> None:
    """Let new values be written straight into their parameters, where nothing reads the old value later."""
    for buffer in [b for b in program.buffers if b.updates is not None]:
        parameter = buffer.updates
        assert parameter is not None
        if parameter not in program.buffers:
            program.buffers.append(parameter)
        if _read_before_written(program.each, parameter, buffer):
            program.each = [change_accesses(s, buffer, _moved_to(parameter)) for s in program.each]
            program.buffers.remove(buffer)
        else:
            variable = loop_variable("z0")
            copy = Store(
                parameter,
                variable if buffer.size > 1 else Index(),
                Load(buffer, variable if buffer.size > 1 else Index()),
            )
            program.each.append(Loop("z0", buffer.size, [copy]) if buffer.size > 1 else copy)


def _moved_to(target: Buffer) -> Change:
    return lambda _, index: (target, index)


def _read_before_written(statements: Sequence[Statement], parameter: Buffer, new: Buffer) -> bool:
    """Whether every read of the old value comes before its place is written, or is of the same element at the write."""
    order = list(leaves(statements))
    roots = [k for k, s in enumerate(statements) for _ in leaves([s])]
    writes = [k for k, leaf in enumerate(order) if leaf.buffer is new]
    if not writes:
        return False
    first = writes[0]
    for k, leaf in enumerate(order):
        for load in reads(leaf):
            if load.buffer is not parameter or roots[k] < roots[first]:
                continue
            at_write = k == first and len(writes) == 1 and load.row is None and load.index == leaf.index
            earlier = k < first and load.row is None and load.index == order[first].index
            if not (at_write or earlier) or isinstance(order[first], Contraction):
                return False
    return True
