"""Loops over time made as small as they can be: what need not wait for the carry is computed for all steps at once.

Three things happen to each loop, those inside others first:

1. Loops of the same steps become one (a loop, and what its gradient wants stored of it), without what nobody reads.
2. What comes before the carry leaves the loop: the products of all inputs with a weight are one product.
3. What comes after the carry leaves it as well: so the gradient of a weight, the sum over all steps of products, is one
   product of more rows. What the loop itself computes is no more than the carry needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..core.expression import Expression, node
from ..core.origins import name_of, origin_of, origins
from ..core.sizes import Axis
from ..core.traversal import rebuild, substitute, topological, transform
from ..operations.movement import broadcast_to, reshape
from ..operations.recurrence import (
    Loop,
    after_each,
    before_each,
    inside,
    is_recurrence,
    loop_of,
    make_step_variable,
)
from .engine import Entry, Log

HEAVY = ("product", "convolution")
RULE = "a loop over time → only what must wait for the carry"


def spread_over_time(roots: Sequence[Expression], log: Log) -> list[Expression]:
    """Return expressions with their loops over time made small."""
    current, done = _apart(roots), set[frozenset[Expression]]()
    while (found := _next(current, done)) is not None:
        loops, used = found
        merged, places = _merged(loops, used)
        replaced = _smaller(merged, places)
        log.entries += [Entry(RULE, old, new, origins(old)) for old, new in replaced.items() if new is not old]
        done.update((frozenset(merged.carried), merged.bound))
        current = substitute(current, replaced)
    return current


def _apart(roots: Sequence[Expression]) -> list[Expression]:
    """Return expressions in which no two loops of different steps have a step variable in common."""
    owners: dict[Expression, tuple[Any, ...]] = {}
    made: dict[tuple[Any, ...], dict[Expression, Expression]] = {}

    def change(old: Expression, inputs: tuple[Expression, ...]) -> Expression:
        new = rebuild(old, inputs)
        if not is_recurrence(new):
            return new
        loop = loop_of(new)
        key = loop.same_steps()
        if all(owners.setdefault(v, key) == key for v in loop.bound):
            return new
        variables = (*loop.carried, *loop.current)
        others = made.setdefault(key, {v: make_step_variable(v.shape, v.dtype, v.name) for v in variables})
        return _renamed(loop, others).node(new.attribute("result"))

    return transform(roots, change)


def _renamed(loop: Loop, others: Mapping[Expression, Expression]) -> Loop:
    """Return a loop with other step variables."""
    roots = substitute(loop.roots, others)
    return loop._replace(
        carried=tuple(others[v] for v in loop.carried),
        current=tuple(others[v] for v in loop.current),
        new=tuple(roots[: len(loop.new)]),
        outputs=tuple(roots[len(loop.new) :]),
    )


def _next(roots: Sequence[Expression], done: set[frozenset[Expression]]) -> tuple[list[Loop], list[Expression]] | None:
    """Return the first loops of the same steps that are not done yet, and their results that are read."""
    groups: dict[tuple[Any, ...], list[Expression]] = {}
    for current in topological(roots):
        if is_recurrence(current):
            groups.setdefault(loop_of(current).same_steps(), []).append(current)
    for results in groups.values():
        loops = list(dict.fromkeys(map(loop_of, results)))
        if frozenset(loops[0].carried) not in done and loops[0].bound not in done:
            return loops, results
    return None


def _merged(loops: Sequence[Loop], used: Iterable[Expression]) -> tuple[Loop, dict[Expression, Expression]]:
    """Return one loop for several of the same steps, and which of its results each of theirs is."""
    outputs = list(dict.fromkeys(root for loop in loops for root in loop.outputs))
    merged = loops[0]._replace(outputs=tuple(outputs))
    places, carries = {}, len(merged.initial)
    for result in used:
        loop, number = loop_of(result), result.attribute("result")
        k = number - carries
        if 0 <= k < len(loop.outputs):
            places[result] = merged.stacked(outputs.index(loop.outputs[k]))
        else:
            places[result] = merged.node(number if k < 0 else number - len(loop.outputs) + len(outputs))
    return merged, places


def _smaller(loop: Loop, places: Mapping[Expression, Expression]) -> dict[Expression, Expression]:
    """Return what takes the place of each result that is read: of a loop that does only what it must."""
    time = _Time(loop)
    kept = _Kept(loop, time)
    wanted: dict[Expression, Any] = {}
    carries, outputs = len(loop.initial), len(loop.outputs)
    for old, place in places.items():
        k = place.attribute("result")
        if k < carries or k >= carries + outputs:
            wanted[old] = ("carry", k if k < carries else k - carries - outputs, k >= carries)
        else:
            wanted[old] = ("output", loop.outputs[k - carries], False)
    for kind, which, _ in wanted.values():
        if kind == "output":
            kept.want(which)
    return kept.built(wanted)


class _Time:
    """What of a loop's body can be computed for all steps at once.

    Attributes:
        before: nodes that do not depend on the carry, and are worth taking out.
        after: nodes that the carry does not depend on, and are worth taking out.
    """

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        body, nested = inside(loop)
        self.body = body
        depends = set(loop.carried)
        both = {*body, *nested}
        for current in topological(loop.roots):
            if current in both and any(i in depends for i in current.inputs):
                depends.add(current)
        self.free = self._free(body, nested, depends)
        heavy: set[Expression] = set()
        for current in () if loop.recompute else body:
            if current in self.free and (_is_heavy(current) or any(i in heavy for i in current.inputs)):
                heavy.add(current)
        self.before = heavy
        self.after = self._after(body, nested)

    def _free(
        self, body: Sequence[Expression], nested: Sequence[Expression], depends: set[Expression]
    ) -> set[Expression]:
        """Return the nodes of the body that do not depend on the carry and can be computed for all steps at once."""
        free: set[Expression] = set(self.loop.current)
        local = {*body, *nested}
        for current in body:
            if (
                current not in depends
                and is_spread(current, free)
                and all(i in free for i in current.inputs if i in local)
            ):
                free.add(current)
        return free

    def _after(self, body: Sequence[Expression], nested: Sequence[Expression]) -> set[Expression]:
        """Return the nodes that only what steps return needs, from the first heavy one on."""
        needed = set(topological(self.loop.new))
        readers: dict[Expression, list[Expression]] = {}
        for current in topological(self.loop.roots):
            for operand in current.inputs:
                readers.setdefault(operand, []).append(current)
        local = {*self.loop.bound, *body}
        stays: set[Expression] = set()
        for current in reversed(body):
            read = any(r in stays or r in nested or r in needed for r in readers.get(current, ()))
            if current in needed or read or not is_spread(current, local) or current in self.free:
                stays.add(current)
        after: set[Expression] = set()
        for current in body:
            if current not in stays and (_is_heavy(current) or any(i in after for i in current.inputs)):
                after.add(current)
        return after


class _Kept:
    """The loop that is left, and what is computed around it."""

    def __init__(self, loop: Loop, time: _Time) -> None:
        self.loop, self.time = loop, time
        self.local = {*time.body, *loop.bound}
        self.outputs: dict[Expression, int] = {}
        self.histories: set[int] = set()
        self.pending: list[Expression] = []
        self.wanted: dict[Expression, None] = {}

    def want(self, root: Expression) -> None:
        """Note that the values of a node at all steps are read."""
        pending = [root]
        while pending:
            current = pending.pop()
            if current in self.wanted:
                continue
            self.wanted[current] = None
            if current not in self.local or current in self.time.free:
                continue
            if current in self.loop.carried or current in self.loop.new:
                self.histories.add(self._carry(current))
            elif current in self.time.after:
                pending.extend(i for i in current.inputs if i in self.local)
            else:
                self.outputs.setdefault(current, len(self.outputs))

    def _carry(self, current: Expression) -> int:
        loop = self.loop
        return loop.carried.index(current) if current in loop.carried else loop.new.index(current)

    def built(self, wanted: Mapping[Expression, tuple[str, Any, bool]]) -> dict[Expression, Expression]:
        """Return what takes the place of results."""
        lasting = {which for kind, which, _ in wanted.values() if kind == "carry"}
        loop, carries = self._pruned(self.histories | lasting)
        spread: dict[Expression, Expression] = dict(zip(self.loop.current, self.loop.sequences, strict=True))
        for k in self.histories:
            history = loop.history(carries[k])
            spread[self.loop.carried[k]] = before_each(history, loop)
            if self.loop.new[k] in self.local and self.loop.new[k] not in self.loop.carried:
                spread.setdefault(self.loop.new[k], after_each(history, loop))
        for current, k in self.outputs.items():
            spread[current] = loop.stacked(k)
        for current in self.time.body:
            outside = current in self.time.free or current in self.time.after
            if outside and current not in spread and all(i in spread for i in current.inputs if i in self.local):
                spread[current] = spread_node(current, spread, self.loop.length)
        found: dict[Expression, Expression] = {}
        for old, (kind, which, whole) in wanted.items():
            if kind == "output":
                every = spread.get(which)
                found[old] = broadcast_to(which, (loop.length, *which.shape)) if every is None else every
            else:
                found[old] = loop.history(carries[which]) if whole else loop.last(carries[which])
            if (name := name_of(old)) is not None and found[old].inputs and name_of(found[old]) is None:
                found[old].named(name)
        return found

    def _pruned(self, needed: Iterable[int]) -> tuple[Loop, dict[int, int]]:
        """Return the loop with no more carried values and sequences than it needs, and where each carry went."""
        loop, alive = self.loop, set(needed)
        fronts = self._fronts()
        while True:
            roots = [*(loop.new[k] for k in sorted(alive)), *self.outputs]
            reached = set(topological(substitute(roots, fronts)))
            more = {k for k, c in enumerate(loop.carried) if c in reached} - alive
            if not more:
                break
            alive |= more
        kept = sorted(alive)
        sequences = dict(zip(loop.current, loop.sequences, strict=True))
        sequences |= {variable: self._spread_before(front) for front, variable in fronts.items()}
        rows = {v: s for v, s in sequences.items() if v in reached}
        roots = substitute([*(loop.new[k] for k in kept), *self.outputs], fronts)
        made = loop._replace(
            initial=tuple(loop.initial[k] for k in kept),
            sequences=tuple(rows.values()),
            carried=tuple(loop.carried[k] for k in kept),
            current=tuple(rows),
            new=tuple(roots[: len(kept)]),
            outputs=tuple(roots[len(kept) :]),
        )
        return made, {k: place for place, k in enumerate(kept)}

    def _fronts(self) -> dict[Expression, Expression]:
        """Return the nodes that are computed before the loop and read in it, each with a variable to stand for it."""
        before = self.time.before
        left = [n for n in topological([*self.loop.new, *self.outputs]) if n in self.local and n not in before]
        read = [i for n in left for i in n.inputs if i in before]
        read += [root for root in (*self.loop.new, *self.outputs) if root in before]
        return {n: make_step_variable(n.shape, n.dtype, n.name) for n in dict.fromkeys(read)}

    def _spread_before(self, front: Expression) -> Expression:
        spread: dict[Expression, Expression] = dict(zip(self.loop.current, self.loop.sequences, strict=True))
        for current in topological([front]):
            if current in self.time.free and current not in spread:
                spread[current] = spread_node(current, spread, self.loop.length)
        return spread[front]


def _is_heavy(current: Expression) -> bool:
    return current.operation.kind in HEAVY


def is_spread(current: Expression, local: Iterable[Expression]) -> bool:
    """Whether a node can be computed for all steps at once, given those of its operands that belong to steps so."""
    operation = current.operation
    if operation.kind == "indexing":  # rows of one table
        return operation.name == "take" and current.inputs[0] not in local
    return operation.kind in ("elementwise", "reduction", "product") or operation.stacked is not None


def spread_node(current: Expression, spread: Mapping[Expression, Expression], length: Axis) -> Expression:
    """Return a node for all steps at once, along a first axis: the same operation, with one axis more.

    Args:
        current: the node of one step.
        spread: its operands that belong to steps, for all steps.
        length: how many steps.
    """
    operation, attributes = current.operation, dict(current.attributes)
    with origin_of(current):
        if operation.kind == "elementwise":
            operands = [_aligned(spread[i], current.ndim) if i in spread else i for i in current.inputs]
        elif operation.kind == "indexing":
            operands = [current.inputs[0], spread[current.inputs[1]]]
        else:
            operands = [spread[i] if i in spread else broadcast_to(i, (length, *i.shape)) for i in current.inputs]
        if operation.kind == "reduction":
            attributes["axes"] = tuple(axis + 1 for axis in attributes["axes"])
        elif operation.stacked is not None:
            if operation.name == "broadcast_to":
                operands = [_aligned(x, current.ndim) for x in operands]
            attributes = operation.stacked(length, **attributes)
        made = node(operation, operands, **attributes)
    return made.named(current.name) if current.name else made


def _aligned(x: Expression, ndim: int) -> Expression:
    """Return what has a first axis of steps with axes of size 1 behind it, so that it broadcasts as one step's did."""
    return reshape(x, (x.shape[0], *[1] * (ndim - (x.ndim - 1)), *x.shape[1:]))
