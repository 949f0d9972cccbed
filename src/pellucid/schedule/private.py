"""What a pass of a loop keeps for itself: a buffer that nothing else touches, no larger than the pass needs.

First the outermost loops, whose passes run in lanes or on threads. Then, once it is known which of them have lanes, the
loops inside these: what one pass makes and uses up is a single number there, and never goes to memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..core.indices import Index, loop_variable
from .access import accesses, change_accesses, same_pace
from .loops import Buffer, Literal, Loop, Statement, Store, extents, leaves, replace_variables


def make_private(statements: list[Statement], shared: set[Buffer]) -> list[Statement]:
    """Turn buffers that live within one pass of a loop into private ones of one pass's size.

    The smaller they are, the better: of what one pass of a loop inside needs alone, no more than that is kept, so that
    lanes and registers can hold it.

    Args:
        shared: buffers that other statements touch as well.
    """
    touched = [accesses([s]) for s in statements]
    result: list[Statement] = []
    for position, statement in enumerate(statements):
        others = set().union(*(t.keys() for k, t in enumerate(touched) if k != position)) | shared
        mine = [b for b in touched[position] if b.place == "arena" and b.updates is None and b not in others]
        if isinstance(statement, Loop) and statement.mode == "steps":
            statement = replace(statement, body=make_private(statement.body, others))
        elif isinstance(statement, Loop):
            sizes = extents([statement])
            for buffer in mine:
                statement = _shrink(statement, buffer, sizes)
        result.append(statement)
    return result


def narrow(statements: Sequence[Statement]) -> list[Statement]:
    """Let what loops in lanes keep for themselves be no larger than a pass of a loop inside needs."""
    return [_narrowed_if_lanes(s) if isinstance(s, Loop) else s for s in statements]


def _narrowed_if_lanes(loop: Loop) -> Loop:
    if loop.mode in ("parts", "steps"):
        return replace(loop, body=narrow(loop.body))
    return _narrowed(loop, set()) if loop.mode == "vector" else loop


def _narrowed(loop: Loop, outside: set[Buffer]) -> Loop:
    """Let what lives within one pass of a loop inside be of that pass's size: where it is one number, a register.

    Args:
        outside: buffers that the statements around the loop touch.
    """
    body = _late_fills(loop.body, outside)
    touched = [accesses([s]) for s in body]
    for k, statement in enumerate(body):
        if not isinstance(statement, Loop):
            continue
        others = outside.union(*(t.keys() for j, t in enumerate(touched) if j != k))
        for buffer in [b for b in touched[k] if b.place == "private" and b.size > 1 and b not in others]:
            statement = _shrink(statement, buffer, extents([statement]))
        body[k] = _narrowed(statement, others)
    return replace(loop, body=body)


def _late_fills(statements: Sequence[Statement], outside: set[Buffer]) -> list[Statement]:
    """Move what begins a sum from an earlier loop over an axis into the loop that adds up, where it alone does."""
    result = list(statements)
    for k, early in enumerate(statements):
        for fill in [s for s in early.body if _is_fill(s)] if isinstance(early, Loop) else []:
            (buffer,) = accesses([fill])
            touching = [j for j, s in enumerate(result) if buffer in accesses([s])]
            if len(touching) == 2 and touching[0] == k and buffer not in outside:
                _move(result, k, touching[1], fill)
    return [s for s in result if not isinstance(s, Loop) or s.body]


def _move(statements: list[Statement], origin: int, to: int, fill: Statement) -> None:
    """Move a fill from one loop to another, if the first does nothing else with its buffer."""
    early = statements[origin]
    assert isinstance(early, Loop)
    rest = replace(early, body=[s for s in early.body if s is not fill])
    (buffer,) = accesses([fill])
    joined = None if buffer in accesses([rest]) else _with_fill(statements[to], early.variable, early.extent, fill)
    if joined is not None:
        statements[origin], statements[to] = rest, joined


def _is_fill(statement: Statement) -> bool:
    """Whether a statement does nothing but put numbers known beforehand into one private buffer."""
    inside = list(leaves([statement]))
    constant = all(isinstance(leaf, Store) and isinstance(leaf.value, Literal) for leaf in inside)
    return constant and len({leaf.buffer for leaf in inside}) == 1 and inside[0].buffer.place == "private"


def _with_fill(loop: Statement, variable: str, extent: int, fill: Statement) -> Loop | None:
    """Return a loop that begins each pass with its part of a fill, or None where a pass needs more than its part."""
    if not isinstance(loop, Loop) or loop.extent != extent:
        return None
    whole = replace(loop, body=[replace_variables(fill, {variable: loop_variable(loop.variable)}), *loop.body])
    (buffer,) = accesses([fill])
    touches, sizes = accesses([whole])[buffer], extents([whole])
    if all(same_pace(a.index, b.index, loop.variable, (), sizes) for a in touches for b in touches if a.writes):
        return whole
    return None


def _shrink(loop: Loop, buffer: Buffer, sizes: dict[str, int]) -> Loop:
    """Return a loop with a buffer that nothing else touches made one pass's own, if passes do not meet in it."""
    touches = accesses([loop])[buffer]
    paces = {t.index.coefficient(loop.variable) if t.index else 0 for t in touches}
    if len(paces) != 1 or 0 in paces:
        return loop
    pace = paces.pop()
    fixed = {loop.variable: Index()}
    spans = [t.index.replace(fixed).span(sizes.__getitem__) for t in touches if t.index]
    low, high = min(s[0] for s in spans), max(s[1] for s in spans)
    if high - low >= abs(pace):
        return loop
    buffer.place, buffer.size = "private", high - low + 1

    def moved(index: Index) -> Index:
        return index.replace(fixed) - low

    body = [change_accesses(s, buffer, lambda b, i: (b, moved(i))) for s in loop.body]
    users = [k for k, s in enumerate(body) if buffer in accesses([s])]
    only = body[users[0]]
    if len(users) == 1 and isinstance(only, Loop):
        body[users[0]] = _shrink(only, buffer, sizes)
    return replace(loop, body=body)
