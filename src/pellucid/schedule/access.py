"""What statements touch: the buffers they read and write, and at which indices."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..core.indices import Index
from .loops import (
    Apply,
    Buffer,
    Contraction,
    Draw,
    Load,
    Loop,
    Position,
    Reduce,
    Statement,
    Value,
    leaves,
    map_value,
    reads,
)

Change = Callable[[Buffer, Index], tuple[Buffer, Index]]


@dataclass(unsafe_hash=True, repr=False)
class Access:
    """One touch of a buffer; ``index`` is None where data decides which element."""

    index: Index | None
    writes: bool


Touches = dict[Buffer, set[Access]]


def accesses(statements: Iterable[Statement]) -> Touches:
    """Return what statements touch; who writes a parameter's new value touches the parameter, which it replaces."""
    found: Touches = {}
    for leaf in leaves(list(statements)):
        scattered = isinstance(leaf, Reduce) and leaf.row is not None
        write = Access(None if scattered else leaf.index, True)
        found.setdefault(leaf.buffer, set()).add(write)
        if leaf.buffer.updates is not None:
            found.setdefault(leaf.buffer.updates, set()).add(write)
        for load in reads(leaf):
            found.setdefault(load.buffer, set()).add(Access(None if load.row else load.index, False))
    return found


def beside_bodies(statements: Iterable[Statement]) -> set[Buffer]:
    """Return the buffers that are touched by more than what is done with the elements of one contraction."""
    found, inside = set[Buffer](), Counter[Buffer]()
    for statement in statements:
        if isinstance(statement, Loop):
            found |= beside_bodies(statement.body)
            inside.update(accesses([statement]).keys())
        elif isinstance(statement, Contraction):
            found |= accesses([replace(statement, body=[])]).keys() - (set() if statement.kept else {statement.buffer})
            inside.update(accesses(statement.body).keys())
        else:
            found |= accesses([statement]).keys()
    return found | {buffer for buffer, times in inside.items() if times > 1}


def conflict(one: Touches, other: Touches) -> bool:
    """Whether two statements must stay in order: one writes what the other touches."""
    shared = one.keys() & other.keys()
    return any(a.writes for buffer in shared for a in (*one[buffer], *other[buffer]))


def change_accesses(statement: Statement, buffer: Buffer, change: Change) -> Statement:
    """Return a statement with every touch of a buffer replaced: ``change(buffer, index)`` gives both anew."""

    def load(old: Load) -> Value:
        if old.buffer is not buffer:
            return old
        target, index = change(old.buffer, old.index)
        return Load(target, index, old.row)

    if isinstance(statement, Loop):
        return replace(statement, body=[change_accesses(s, buffer, change) for s in statement.body])
    target, index = statement.buffer, statement.index
    if target is buffer:
        target, index = change(target, index)
    if isinstance(statement, Contraction):
        left, right = map_value(statement.left, load), map_value(statement.right, load)
        assert isinstance(left, Load) and isinstance(right, Load)
        body = [change_accesses(s, buffer, change) for s in statement.body]
        return replace(statement, left=left, right=right, buffer=target, index=index, body=body)
    return replace(statement, buffer=target, index=index, value=map_value(statement.value, load))


def indices_of(leaf: Statement) -> Iterator[Index]:
    """Yield every index in a store, a reduction or a contraction (and in what is done with its elements)."""
    assert not isinstance(leaf, Loop)
    yield leaf.index
    if isinstance(leaf, Contraction):
        yield from (*value_indices(leaf.left), *value_indices(leaf.right))
        yield from (clip.index for clip in leaf.clips)
        for inner in leaves(leaf.body):
            yield from indices_of(inner)
        return
    yield from value_indices(leaf.value)
    if isinstance(leaf, Reduce) and leaf.row:
        yield from value_indices(leaf.row.value)


def value_indices(value: Value) -> Iterator[Index]:
    """Yield every index in a value."""
    stack = [value]
    while stack:
        current = stack.pop()
        if isinstance(current, Load):
            yield current.index
            if current.row:
                stack.append(current.row.value)
        elif isinstance(current, Apply):
            stack.extend(current.values)
        elif isinstance(current, Position):
            yield current.index
        elif isinstance(current, Draw):
            yield current.element


def same_pace(
    a: Index | None, b: Index | None, variable: str, outer: Sequence[str] | dict[str, int], sizes: dict[str, int]
) -> bool:
    """Whether two touches of a buffer move with a loop's variable so that its passes never meet in one element.

    Both move at the same pace, a multiple of the variable, and what they touch in one pass fits into one step of it;
    what does not moves in steps that are longer than the way of all passes, as rows are where the loop is over columns.
    """
    if a is None or b is None:
        return False
    pace = a.coefficient(variable)
    if not pace or pace != b.coefficient(variable):
        return False
    if any(a.coefficient(o) != b.coefficient(o) for o in outer):
        return False
    fixed = {name: Index() for name in (*outer, variable)}
    inside = [i.replace(fixed) for i in (a, b)]
    way = abs(pace) * sizes[variable]
    long = math.gcd(*(c for i in inside for _, c in i.terms if abs(c) >= way)) or math.inf
    short = [Index(tuple((name, c) for name, c in i.terms if abs(c) < way), i.offset) for i in inside]
    spans = [i.span(sizes.__getitem__) for i in short]
    reach = max(high for _, high in spans) - min(low for low, _ in spans)
    return reach < abs(pace) and way - abs(pace) + reach < long
