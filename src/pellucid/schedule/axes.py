"""Which axes are one axis: classes of the axes that operations carry from their inputs to their output.

The batch axis of a network runs through nearly all of its expressions, and so its class is the one that most loops
share. The class that the most statements share is made their outermost loop, and then fusion does the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..core.expression import Expression
from ..core.indices import Index, loop_variable

Axis = tuple[Expression, int]


class AxisClasses:
    """Disjoint sets of (expression, axis); no set ever holds two axes of one expression."""

    def __init__(self, order: Iterable[Expression]) -> None:
        self._parent: dict[Axis, Axis] = {}
        self._members: dict[Axis, dict[Expression, int]] = {}
        for current in order:
            for one, other in carried(current):
                self._join(one, other)

    def of(self, axis: Axis) -> Axis:
        """Return the representative of an axis's class."""
        root = axis
        while (above := self._parent.get(root, root)) != root:
            root = above
        self._parent[axis] = root
        return root

    def _join(self, one: Axis, other: Axis) -> None:
        a, b = self.of(one), self.of(other)
        if a == b:
            return
        first, second = self._set(a), self._set(b)
        if len(first) < len(second):
            a, b, first, second = b, a, second, first
        if any(first.get(node, axis) != axis for node, axis in second.items()):
            return
        first.update(second)
        self._parent[b] = a

    def _set(self, root: Axis) -> dict[Expression, int]:
        return self._members.setdefault(root, {root[0]: root[1]})


def carried(current: Expression) -> Iterator[tuple[Axis, Axis]]:
    """Yield the pairs (axis of the output or of one input, axis of an input) that an operation makes one axis."""
    operation, attributes = current.operation, dict(current.attributes)
    if operation.kind == "elementwise":
        for operand in current.inputs:
            lead = current.ndim - operand.ndim
            for k, size in enumerate(operand.shape):
                if size == current.shape[k + lead]:
                    yield (current, k + lead), (operand, k)
    elif operation.kind == "reduction":
        kept = [k for k in range(current.inputs[0].ndim) if k not in attributes["axes"]]
        yield from (((current, k), (current.inputs[0], axis)) for k, axis in enumerate(kept))
    elif operation.kind == "product":
        yield from _carried_by_product(current)
    elif operation.kind == "convolution":
        yield from _carried_by_convolution(current)
    elif operation.kind == "movement":
        yield from _carried_by_movement(current)
    elif operation.kind == "indexing":
        yield from _carried_by_indexing(current)


def _carried_by_product(current: Expression) -> Iterator[tuple[Axis, Axis]]:
    left, right = current.inputs
    m, k = (-1, -2) if current.attribute("transpose_left") else (-2, -1)
    l, n = (-1, -2) if current.attribute("transpose_right") else (-2, -1)
    last = current.ndim
    for axis in range(last - 2):
        yield (current, axis), (left, axis)
        yield (current, axis), (right, axis)
    yield (current, last - 2), (left, last + m)
    yield (current, last - 1), (right, last + n)
    yield (left, last + k), (right, last + l)


def _carried_by_convolution(current: Expression) -> Iterator[tuple[Axis, Axis]]:
    x, other = current.inputs
    is_gradient = current.operation.name == "convolution_weight_gradient"
    kernel, output = (current, other) if is_gradient else (other, current)
    yield (output, 0), (x, 0)
    yield (output, output.ndim - 1), (kernel, kernel.ndim - 1)
    if current.attribute("groups") == 1:
        yield (kernel, kernel.ndim - 2), (x, x.ndim - 1)


def _carried_by_movement(current: Expression) -> Iterator[tuple[Axis, Axis]]:
    operation, attributes = current.operation, dict(current.attributes)
    if operation.read:
        for operand in current.inputs:
            variables = tuple(loop_variable(str(k)) for k in range(current.ndim))
            for axis, index in enumerate(operation.read(variables, operand, **attributes)):
                if (k := _exactly(index)) is not None and operand.shape[axis] == current.shape[k]:
                    yield (current, k), (operand, axis)
    elif operation.write:
        for position, operand in enumerate(current.inputs):
            variables = tuple(loop_variable(str(k)) for k in range(operand.ndim))
            for axis, index in enumerate(operation.write(variables, *current.inputs, **attributes)[position]):
                if (k := _exactly(index)) is not None and operand.shape[k] == current.shape[axis]:
                    yield (current, axis), (operand, k)
    else:
        (operand,) = current.inputs
        for inner, outer in reshape_groups(operand.shape, current.shape):  # type: ignore[arg-type]
            if len(inner) == len(outer) == 1:
                yield (current, outer[0]), (operand, inner[0])


def _exactly(index: Index) -> int | None:
    return int(index.terms[0][0]) if len(index.terms) == 1 and index.terms[0][1] == 1 and not index.offset else None


def _carried_by_indexing(current: Expression) -> Iterator[tuple[Axis, Axis]]:
    first, indices = current.inputs
    whole, picked = (current, first) if current.operation.name == "take" else (first, current)
    for k in range(indices.ndim):
        yield (whole, k), (indices, k)
    for k in range(1, picked.ndim):
        yield (whole, indices.ndim + k - 1), (picked, k)


def reshape_groups(before: tuple[int, ...], after: tuple[int, ...]) -> list[tuple[list[int], list[int]]]:
    """Return the smallest groups of axes, of more than one element, that a reshape turns into each other.

    >>> reshape_groups((2, 3, 4), (2, 1, 12))
    [([0], [0]), ([1, 2], [2])]
    """
    old = [k for k, n in enumerate(before) if n != 1]
    new = [k for k, n in enumerate(after) if n != 1]
    groups = []
    while old or new:
        inner, outer = [old.pop(0)] if old else [], [new.pop(0)] if new else []
        have, want = (before[inner[0]] if inner else 1), (after[outer[0]] if outer else 1)
        while have != want and (old or new):
            if (have < want or not new) and old:
                inner.append(old.pop(0))
                have *= before[inner[-1]]
            else:
                outer.append(new.pop(0))
                want *= after[outer[-1]]
        groups.append((inner, outer))
    return groups
