"""Walking expression graphs without recursion: networks thousands of operations deep are normal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from .expression import Expression, intern
from .operation import Attributes
from .origins import origin_of
from .sizes import Axis, bind_sizes


def topological(roots: Iterable[Expression]) -> list[Expression]:
    """Return every node below the roots, inputs before users, in a fixed order (depth first, left to right)."""
    order: dict[Expression, None] = {}
    stack: list[tuple[Expression, bool]] = [(root, False) for root in reversed(list(roots))]
    while stack:
        current, ready = stack.pop()
        if current in order:
            continue
        if ready:
            order[current] = None
        else:
            stack.append((current, True))
            stack.extend((i, False) for i in reversed(current.inputs) if i not in order)
    return list(order)


def users(order: Iterable[Expression]) -> dict[Expression, list[Expression]]:
    """Return for each node of an ordered graph the nodes that read it (once for each read)."""
    result: dict[Expression, list[Expression]] = {}
    for current in order:
        result.setdefault(current, [])
        for operand in current.inputs:
            result.setdefault(operand, []).append(current)
    return result


def rebuild(old: Expression, inputs: Sequence[Expression]) -> Expression:
    """Return ``old`` over other inputs; its shape and dtype follow from its rules anew."""
    if all(a is b for a, b in zip(old.inputs, inputs, strict=True)):
        return old
    return _remade(old, tuple(inputs), old.attributes)


def transform(
    roots: Sequence[Expression], change: Callable[[Expression, tuple[Expression, ...]], Expression]
) -> list[Expression]:
    """Return the roots with ``change(node, new inputs)`` applied to every node, inputs first."""
    done: dict[Expression, Expression] = {}
    for current in topological(roots):
        done[current] = change(current, tuple(done[i] for i in current.inputs))
    return [done[root] for root in roots]


def substitute(roots: Sequence[Expression], replacements: Mapping[Expression, Expression]) -> list[Expression]:
    """Return the roots with some nodes replaced by others."""
    return transform(roots, lambda old, inputs: replacements[old] if old in replacements else rebuild(old, inputs))


def specialise(
    roots: Sequence[Expression], sizes: Mapping[str, Axis], replacements: Mapping[Expression, Expression]
) -> list[Expression]:
    """Return the roots with every named size bound to its number, and some sources replaced."""
    return transform(
        roots, lambda old, inputs: replacements[old] if old in replacements else specialised(old, inputs, sizes)
    )


def specialised(old: Expression, inputs: tuple[Expression, ...], sizes: Mapping[str, Axis]) -> Expression:
    """Return ``old`` over other inputs, with every named size in its attributes bound to a number or another size."""
    attributes = tuple((key, bind_sizes(value, sizes)) for key, value in old.attributes)
    if attributes == old.attributes and inputs == old.inputs:
        return old
    return _remade(old, inputs, attributes)


def _remade(old: Expression, inputs: tuple[Expression, ...], attributes: Attributes) -> Expression:
    with origin_of(old):
        shape = old.operation.shape(*inputs, **dict(attributes))
        dtype = old.operation.dtype(*inputs, **dict(attributes))
        return intern(old.operation, inputs, attributes, shape, dtype)
