"""Fusion: statements that loop over the same axis share the loop, where each pass reads only what it wrote itself.

Two loops over v may be one if, for every buffer that one writes and the other touches, both move through it at the
same pace (the same multiple of v) and what they touch in a pass fits into one step of that pace.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..core.indices import Index, loop_variable
from .access import Change, Touches, accesses, change_accesses, conflict, same_pace
from .contraction import is_blocked, with_body
from .loops import (
    Buffer,
    Contraction,
    Literal,
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
MOST_PRODUCTS = 32  # in one loop: LLVM takes more than its time for functions that are much larger
FEWEST_PASSES = 8  # that are enough for threads to share out, so that none of their products need be shared out itself


def fuse(statements: Sequence[Statement]) -> list[Statement]:
    """Return the statements with loops over one axis shared as far as that is right."""
    return _place_all([], [_fused_inside(s, {}) for s in statements], {})


def _fused_inside(statement: Statement, around: dict[str, int]) -> Statement:
    """Return a statement; within the steps of a recurrence, loops are shared as they are outside."""
    if not isinstance(statement, Loop) or statement.mode != "steps":
        return statement
    inside = {**around, statement.variable: statement.extent}
    body = [_fused_inside(s, inside) for s in statement.body]
    return replace(statement, body=_place_all([], body, inside))


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
    among = bool(outer) and any(isinstance(s, Contraction) for s in (new, *into))
    among = among or any(_finishes(s, new, touches) for s in into)
    for k in reversed(range(len(into))):
        blocked = any(conflict(touched[k], touched[other]) for other in ahead)
        gains = not blocked and _gains(into[k], touched[k], new, touches, among, bool(outer) or k == len(into) - 1)
        fused = _fused(into[k], touched[k], new, early, outer) if gains else None
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
    if not early or _is_batch(new) or (among and position == 0):
        position = len(into)
    into.insert(position, new)
    touched.insert(position, touches)


def _finishes(product: Statement, new: Statement, touches: Touches) -> bool:
    """Whether a statement can be done where the elements of a product are at hand."""
    return isinstance(product, Contraction) and product.buffer in touches and with_body(product, new) is not None


def _gains(old: Statement, first: Touches, new: Statement, second: Touches, among: bool, near: bool) -> bool:
    """Whether a loop for two statements is better than one for each.

    What products make is large, and to be used up soon: near them, and far away from where products are to join others,
    only statements of which one needs the other become one.

    Args:
        among: whether there are products beside the statements, or one that the new one finishes.
        near: whether nothing else comes between them.
    """
    batch = _is_batch(new)
    if among or (batch and not near):
        fills = all(isinstance(leaf, Store) and isinstance(leaf.value, Literal) for leaf in leaves([new]))
        return fills or conflict(first, second)
    if batch:
        return _is_batch(old)
    # unless they have an array in common, or may come early, each may run in the order of its own memory
    return _moves_early(new) or any(b.size > 1 for b in first.keys() & second.keys())


def _fused(old: Statement, touched: Touches, new: Statement, early: bool, outer: dict[str, int]) -> Statement | None:
    """Return one statement of two, or None where they may not be one; ``touched`` is what the old one touches."""
    if isinstance(old, Contraction):
        return with_body(old, new)
    if not (isinstance(old, Loop) and isinstance(new, Loop) and _same_axis(old, new)) or "steps" in (
        old.mode,
        new.mode,
    ):
        return None
    passes = _passes([old, new])
    if passes * math.prod(outer.values()) < FEWEST_PASSES:
        return None
    if passes != math.inf and sum(isinstance(leaf, Contraction) for leaf in leaves([old, new])) > MOST_PRODUCTS:
        return None
    if early and not _moves_early(old) and (passes == math.inf or _updates(old)):
        return None
    renamed = replace_variables(new, {new.variable: loop_variable(old.variable)})
    assert isinstance(renamed, Loop)
    if not _may_fuse(old, touched, renamed, outer):
        return None
    body = _place_all(list(old.body), renamed.body, {**outer, old.variable: old.extent})
    return Loop(old.variable, old.extent, body)


def _is_batch(statement: Statement) -> bool:
    """Whether a statement is a loop around products: what they make is best made right before it is needed."""
    inside = leaves([statement]) if isinstance(statement, Loop) else ()
    return any(isinstance(leaf, Contraction) and is_blocked(leaf) for leaf in inside)


def _updates(statement: Statement) -> bool:
    return any(leaf.buffer.updates is not None for leaf in leaves([statement]))


def _passes(loops: Sequence[Loop]) -> float:
    """Return how often the products in loops that are to be one are done; for small ones it does not matter."""
    if not any(map(_is_batch, loops)):
        return math.inf
    times, body = 1, list[Statement](loops[-1:])
    while len(body) == 1 and isinstance(body[0], Loop):
        times, body = times * body[0].extent, body[0].body
    return times


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
    for number, buffer in enumerate([b for b in program.buffers if b.updates is not None]):
        parameter = buffer.updates
        assert parameter is not None
        if parameter not in program.buffers:
            program.buffers.append(parameter)
        if _read_before_written(program.each, parameter, buffer):
            program.each = [change_accesses(s, buffer, _moved_to(parameter)) for s in program.each]
            program.buffers.remove(buffer)
        else:
            name = f"copy{number}"
            variable = loop_variable(name)
            copy = Store(
                parameter,
                variable if buffer.size > 1 else Index(),
                Load(buffer, variable if buffer.size > 1 else Index()),
            )
            program.each.append(Loop(name, buffer.size, [copy]) if buffer.size > 1 else copy)


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
