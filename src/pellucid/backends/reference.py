"""The reference backend: NumPy, node by node. It is the oracle of every test and the plainest explanation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.dtypes import is_float
from ..core.errors import InternalError
from ..core.expression import Expression, storage_of
from ..core.memory import bytes_of
from ..core.traversal import topological
from ..step import Array, Call, Step


def evaluate(
    roots: Sequence[Expression],
    values: Mapping[Expression, Any],
    xp: Any = np,
    precise: bool = False,
    seed: int = 0,
    step: int = 0,
) -> list[Any]:
    """Return the values of expressions, computed one node at a time.

    Args:
        roots: what to compute; sizes must be numbers.
        values: an array for each variable and parameter (and, if wished, for any other node).
        xp: NumPy, or jax.numpy.
        precise: compute every float32 node in float64, as an oracle.
        seed, step: what random draws without a value are keyed and counted by; they are numbered in the order in
            which they are met.
    """
    done: dict[Expression, Any] = {}
    order = topological(roots)
    draws = {n: k for k, n in enumerate(n for n in order if n.operation.kind == "random")}
    with np.errstate(all="ignore"):
        for current in order:
            if current in draws and current not in values:
                attributes = {**dict(current.attributes), "token": draws[current]}
                done[current] = current.operation.array(xp, **attributes, seed=seed, step=step)
                continue
            done[current] = _widened(_value(current, values, done, xp, precise), xp, precise)
    return [done[root] for root in roots]


def _value(current: Expression, values: Mapping[Expression, Any], done: Any, xp: Any, precise: bool) -> Any:
    if current in values:
        return xp.asarray(values[current])
    operands = [done[i] for i in current.inputs]
    result = current.operation.array(xp, *operands, **dict(current.attributes))
    wanted = "float64" if precise and is_float(current.dtype) else current.dtype
    result = xp.asarray(result)
    if result.dtype.name != wanted and not (precise and is_float(result.dtype.name)):
        raise InternalError(f"{current} is {current.dtype}, and its meaning in {xp.__name__} gave {result.dtype}")
    return result


def _widened(value: Any, xp: Any, precise: bool) -> Any:
    return value.astype("float64") if precise and is_float(value.dtype.name) else value


class ReferenceStep:
    """A step run in NumPy."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.draws = [n for n in topological(step.roots) if n.operation.kind == "random"]

    @property
    def arena_bytes(self) -> int:
        """How much memory a step takes for the values of its nodes, all of which are kept until it ends."""
        return bytes_of(n for n in topological(self.step.roots) if n.operation.kind != "source")

    def run(self, call: Call, first: int, count: int) -> None:
        """Run some steps of a call."""
        parameters: dict[Expression, Array] = {p: storage_of(p).array for p in self.step.parameters}
        for k in range(first, first + count):
            values: dict[Expression, Any] = {**dict(zip(self.step.inputs, call.inputs, strict=True)), **parameters}
            values.update((draw, self._draw(draw, call, k)) for draw in self.draws)
            results = evaluate(self.step.roots, values)
            split = len(self.step.outputs)
            for room, result in zip(call.outputs, results[:split], strict=True):
                room[k] = result
            new = [np.array(r) for r in results[split:]]  # all of them, before any is stored
            for (parameter, _), value in zip(self.step.updates, new, strict=True):
                parameters[parameter][...] = value

    def _draw(self, draw: Expression, call: Call, k: int) -> Any:
        attributes, batches, batch = dict(draw.attributes), self.step.batches, call.batch + k
        if draw.operation.name == "batch_indices":
            epoch, start = batch // batches.count, batches.row(batch)
            return draw.operation.array(np, **attributes, seed=call.order_seed, step=epoch, start=start)
        return draw.operation.array(np, **attributes, seed=call.seed, step=call.step + batches.step(batch))


def compile_step(step: Step) -> ReferenceStep:
    """Return a step to be run in NumPy."""
    return ReferenceStep(step)
