"""Rows of a batch picked by the host, for arrays that no device has all of.

A step on minibatches reads ``take(whole array, rows)``. Where the whole array is a file mapped to memory, or where each
host is to read its own rows alone, these nodes become inputs, whose rows the host picks before each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core.expression import Expression
from ...core.traversal import substitute, topological
from ...operations.batching import batch_indices
from ...operations.indexing import take
from ...operations.source import variable
from ...step import Array, Call, Step


class Picked(NamedTuple):
    """An input that is picked.

    Attributes:
        source: the number of the whole array among the step's inputs.
        chosen: the number of the input that says which rows there are; None for all.
        order: the node of the rows' numbers.
    """

    source: int
    chosen: int | None
    order: Expression

    def rows(self, step: Step, call: Call, batch: int) -> Array:
        """Return the numbers of the rows of a batch."""
        attributes, batches = dict(self.order.attributes), step.batches
        epoch, start = batch // batches.count, batches.row(batch)
        order = batch_indices.array(np, **attributes, seed=call.order_seed, step=epoch, start=start)
        return np.asarray(order if self.chosen is None else call.inputs[self.chosen][order])


class Picking(NamedTuple):
    """A step that reads rows which were picked: its inputs are those that are kept, then the picked ones."""

    step: Step
    kept: tuple[int, ...]
    picked: tuple[Picked, ...]


def picking(step: Step) -> Picking:
    """Return a step whose inputs are rows that were picked before, as far as it picks rows itself."""
    found: dict[Expression, Picked] = {}
    for current in topological(step.roots):
        if current.operation is take and current.inputs[0] in step.inputs:
            source, order = current.inputs
            chosen = None
            if order.operation is take and order.inputs[0] in step.inputs:
                chosen, order = step.inputs.index(order.inputs[0]), order.inputs[1]
            if order.operation is batch_indices:
                found[current] = Picked(step.inputs.index(source), chosen, order)
    stands = {node: variable("rows", node.shape, node.dtype) for node in found}
    roots = substitute(step.roots, dict[Expression, Expression](stands))
    used = set(topological(roots))
    kept = tuple(k for k, x in enumerate(step.inputs) if x in used)
    inputs = (*(step.inputs[k] for k in kept), *stands.values())
    made = Step(inputs, step.outputs, step.updates, step.batches).with_roots(roots)
    return Picking(made, kept, tuple(found.values()))


def is_mapped(array: Array) -> bool:
    """Whether an array lies in a file mapped to memory."""
    current: Any = array
    while isinstance(current, np.ndarray):
        if isinstance(current, np.memmap):
            return True
        current = current.base
    return False


def are_mapped(arrays: Sequence[Array]) -> bool:
    """Whether one of them does."""
    return any(map(is_mapped, arrays))


__all__ = ["Picking", "are_mapped", "picking"]
