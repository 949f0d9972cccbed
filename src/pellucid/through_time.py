"""Back-propagation through time: the derivative of a loop is another loop, which goes the other way.

An *adjoint* is the derivative of the loss with respect to a value. Each step of the other loop takes the adjoint of the
carry that a step left behind, and returns that of the carry that the step was given. What it needs of the step's own
values is stored by the first loop, or, if the loop asks for that, computed again from the carry and the rows that the
step was given. Derivatives with respect to what every step reads (weights) are returned step by step and added up
outside, where they are one product of all steps.

Werbos, *Backpropagation through time: what it does and how to do it*, 1990; Goodfellow et al., *Deep Learning*,
section 10.2.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .core.dtypes import is_float
from .core.expression import Expression
from .core.traversal import substitute, topological
from .operations.movement import broadcast_to
from .operations.recurrence import (
    Loop,
    after_last,
    before_each,
    inside,
    is_recurrence,
    loop_of,
    make_step_variable,
    scopes,
)
from .operations.source import constant

Seeds = dict[Expression, Expression]
Backpropagate = Callable[[Seeds, Sequence[Expression], set[Expression]], list[Expression | None]]


def loop_gradient(
    loop: Loop, adjoints: Mapping[int, Expression], depends: set[Expression], backpropagate: Backpropagate
) -> list[tuple[Expression, Expression]]:
    """Return what a recurrence adds to the derivatives of what it reads, as pairs (what it reads, the derivative).

    Args:
        loop: the recurrence.
        adjoints: of its results, by the number of the result.
        depends: what derivatives are wanted of, and all that depends on such.
        backpropagate: derivatives within a step: of seeds (each with its adjoint), with respect to targets, through the
            nodes of its body.
    """
    body, nested = inside(loop)
    carried = _carried(loop, _in_order(body, nested, loop), depends)
    rows = [k for k, x in enumerate(loop.sequences) if x in depends and is_float(x.dtype)]
    fixed = _fixed(loop, {*body, *nested, *loop.bound}, depends)
    last = {k: _or_zeros(adjoints.get(k), loop.initial[k]) for k in carried}
    later = {k: _adjoint_of(loop.carried[k]) for k in carried}
    seeds: Seeds = {}
    for k, adjoint in later.items():
        _add(seeds, loop.new[k], adjoint)
    sequences: dict[Expression, Expression] = {}
    for result, adjoint in adjoints.items():
        if result < len(loop.initial):
            continue
        k = result - len(loop.initial)
        root = loop.outputs[k] if k < len(loop.outputs) else loop.carried[k - len(loop.outputs)]
        if root in loop.carried and k >= len(loop.outputs):  # a history: the values before each step, and the last one
            number = k - len(loop.outputs)
            if number not in last:
                continue
            last[number] = last[number] + after_last(adjoint, loop)
            adjoint = before_each(adjoint, loop)
        variable = _adjoint_of(root)
        sequences[variable] = adjoint
        _add(seeds, root, variable)
    targets = [*(loop.carried[k] for k in carried), *(loop.current[k] for k in rows), *fixed]
    found = [_or_zeros(f, t) for f, t in zip(backpropagate(seeds, targets, set(body)), targets, strict=True)]
    back = _backward(loop, found, last, later, sequences)
    pairs = [(loop.initial[k], back.last(n)) for n, k in enumerate(carried)]
    pairs += [(loop.sequences[k], back.stacked(n)) for n, k in enumerate(rows)]
    return pairs + [(x, back.stacked(len(rows) + n).sum(axis=0)) for n, x in enumerate(fixed)]


def _backward(
    loop: Loop,
    found: list[Expression],
    last: Mapping[int, Expression],
    later: Mapping[int, Expression],
    sequences: dict[Expression, Expression],
) -> Loop:
    """Return the loop of the derivatives, on what the first loop stores for it."""
    needed = _needed(loop, found, {*later.values(), *sequences})
    more = [n for n in needed if n not in loop.bound]
    longer = loop._replace(outputs=(*loop.outputs, *more))
    replaced: dict[Expression, Expression] = {}
    for current in needed:
        if current in loop.current:
            stored = loop.sequences[loop.current.index(current)]
        elif current in loop.carried:
            stored = before_each(longer.history(loop.carried.index(current)), loop)
        else:
            stored = longer.stacked(len(loop.outputs) + more.index(current))
        replaced[current] = make_step_variable(current.shape, current.dtype, current.name)
        sequences[replaced[current]] = stored
    found = substitute(found, replaced)
    return Loop(
        tuple(last.values()),
        tuple(sequences.values()),
        tuple(later.values()),
        tuple(sequences),
        tuple(found[: len(later)]),
        tuple(found[len(later) :]),
        loop.length,
        not loop.reverse,
        loop.recompute,
    )


def _needed(loop: Loop, found: list[Expression], back: set[Expression]) -> list[Expression]:
    """Return the values of the first loop's steps that the derivatives are made of."""
    order = topological(found)
    known = scopes(order)
    made_of = _made_of(order, known)
    forbidden = frozenset(back).union(*(loop_of(n).bound for n in order if is_recurrence(n))) - loop.bound
    needed: dict[Expression, None] = {}
    pending, seen = list(reversed(found)), set(found)
    while pending:
        current = pending.pop()
        scope = known.get(current, frozenset())
        if not scope:
            continue
        if scope & loop.bound and not scope & forbidden and _is_stored(current, loop, made_of):
            needed[current] = None
            continue
        pending.extend(i for i in reversed(current.inputs) if i not in seen)
        seen.update(current.inputs)
    return list(needed)


def _is_stored(current: Expression, loop: Loop, made_of: Mapping[Expression, set[Expression]]) -> bool:
    """Whether a value of a step is stored for the gradient, rather than computed again of what it is made of.

    It is not if the loop says so, nor where it is easily made of one other value.
    """
    if current in loop.bound:
        return True
    return not loop.recompute and (current in made_of[current])


def _made_of(
    order: Sequence[Expression], known: Mapping[Expression, frozenset[Expression]]
) -> dict[Expression, set[Expression]]:
    """Return for each value of a step the values that it is easily made of; itself, where it is not easily made."""
    found: dict[Expression, set[Expression]] = {}
    for current in order:
        if current in known:
            operation = current.operation
            easy = operation.kind == "movement" or (operation.kind == "elementwise" and operation.facts.cheap)
            parts = set[Expression]().union(*(found[i] for i in current.inputs if i in found))
            found[current] = parts if easy and len(parts) == 1 else {current}
    return found


def _in_order(body: Sequence[Expression], nested: Sequence[Expression], loop: Loop) -> list[Expression]:
    """Return all that belongs to a loop's steps, inputs before users."""
    both = {*body, *nested}
    return [n for n in topological(loop.roots) if n in both]


def _carried(loop: Loop, belonging: Sequence[Expression], depends: set[Expression]) -> list[int]:
    """Return which carried values a derivative flows through: they depend on what derivatives are wanted of."""
    flows = set(depends)
    flows.update(c for c, x in zip(loop.carried, loop.initial, strict=True) if x in depends)
    flows.update(c for c, x in zip(loop.current, loop.sequences, strict=True) if x in depends)
    while True:
        for current in belonging:
            if any(i in flows for i in current.inputs):
                flows.add(current)
        more = [c for c, new in zip(loop.carried, loop.new, strict=True) if new in flows and c not in flows]
        if not more:
            return [k for k, c in enumerate(loop.carried) if c in flows and is_float(c.dtype)]
        flows.update(more)


def _fixed(loop: Loop, belonging: set[Expression], depends: set[Expression]) -> list[Expression]:
    """Return what derivatives are wanted of among the things that every step reads alike."""
    read = [i for n in topological(loop.roots) if n in belonging for i in n.inputs]
    outside = dict.fromkeys(x for x in (*read, *loop.roots) if x not in belonging)
    return [x for x in outside if x in depends and is_float(x.dtype)]


def _adjoint_of(x: Expression) -> Expression:
    """Return a step variable for the adjoint of a value."""
    return make_step_variable(x.shape, x.dtype, f"d{x.name}" if x.name else None)


def _add(seeds: Seeds, root: Expression, adjoint: Expression) -> None:
    seeds[root] = seeds[root] + adjoint if root in seeds else adjoint


def _or_zeros(found: Expression | None, like: Expression) -> Expression:
    return found if found is not None else broadcast_to(constant(0.0, like.dtype), like.shape)


__all__ = ["loop_gradient"]
