"""The reference backend: NumPy, node by node. It is the oracle of every test and the plainest explanation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.dtypes import is_float
from ..core.errors import InternalError
from ..core.expression import Expression, Parameter, storage_of
from ..core.memory import bytes_of
from ..core.traversal import topological
from ..operations.recurrence import loop_of, run, scopes, values_within
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
    order = topological(roots)
    draws = {n: k for k, n in enumerate(n for n in order if n.operation.kind == "random")}
    given = dict(values)
    with np.errstate(all="ignore"):
        for current in draws.keys() - given.keys():
            attributes = {**dict(current.attributes), "token": draws[current]}
            given[current] = current.operation.array(xp, **attributes, seed=seed, step=step)
        evaluation = _Evaluation(order, given, xp, precise)
        done = evaluation.run(order, {}, frozenset())
    return [done[root] for root in roots]


class _Evaluation:
    """Values of a graph's nodes, given those of some."""

    def __init__(self, order: Sequence[Expression], given: Mapping[Expression, Any], xp: Any, precise: bool) -> None:
        self.given, self.xp, self.precise = given, xp, precise
        self.scopes = scopes(order)

    def run(
        self, order: Sequence[Expression], known: Mapping[Expression, Any], bound: frozenset[Expression]
    ) -> dict[Expression, Any]:
        """Return the known values and those of nodes that depend on no step variables but the bound ones."""
        return values_within(order, self.scopes, known, bound, self._loop, self._value, self.given)

    def _loop(self, current: Expression, done: dict[Expression, Any], bound: frozenset[Expression]) -> None:
        """Compute all results of a recurrence."""
        loop = loop_of(current)
        order = topological(loop.roots)

        def step(variables: dict[Expression, Any]) -> list[Any]:
            values = self.run(order, {**done, **variables}, bound | loop.bound)
            return [values[root] for root in loop.roots]

        for k, value in enumerate(run(self.xp, loop, done, step)):
            done[loop.node(k)] = value

    def _value(self, current: Expression, done: Mapping[Expression, Any]) -> Any:
        return self._widened(self._own_value(current, done))

    def _own_value(self, current: Expression, done: Mapping[Expression, Any]) -> Any:
        if current in self.given:
            return self.xp.asarray(self.given[current])
        operands = [done[i] for i in current.inputs]
        result = self.xp.asarray(current.operation.array(self.xp, *operands, **dict(current.attributes)))
        wanted = "float64" if self.precise and is_float(current.dtype) else current.dtype
        if result.dtype.name != wanted and not (self.precise and is_float(result.dtype.name)):
            raise InternalError(
                f"{current} is {current.dtype}, and its meaning in {self.xp.__name__} gave {result.dtype}"
            )
        return result

    def _widened(self, value: Any) -> Any:
        return value.astype("float64") if self.precise and is_float(value.dtype.name) else value


class ReferenceStep:
    """A step run in NumPy."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.draws = [n for n in topological(step.roots) if n.operation.kind == "random"]

    def on_parameters(self, parameters: Mapping[Parameter, Parameter]) -> ReferenceStep:
        """Return the same step on other parameters, which stand in for its own."""
        return ReferenceStep(self.step.with_parameters(parameters))

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
