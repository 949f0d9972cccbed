"""Expressions to JAX: each node by its own meaning on ``jax.numpy``, or as XLA has it where that is better."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...core.errors import InternalError
from ...core.expression import Expression
from ...core.traversal import topological
from ...operations.exponential import pow as power
from ...operations.fused_attention import attention_gradient
from ...operations.pooling import max_pool_gradient
from ...operations.recurrence import NOTHING, is_recurrence, is_short, loop_key, loop_of, scopes, values_within
from . import attention, windows
from .arithmetic import TracedArithmetic, TracedNumpy, counted
from .library import jax
from .products import product

Draw = Callable[[Expression], Any]


class Lowering:
    """Values of a graph's nodes as JAX traces them.

    Args:
        roots: what is computed.
        given: values of variables and parameters.
        draw: what returns the value of a random node.
        precision: see ``TracedNumpy``.
    """

    def __init__(
        self, roots: Sequence[Expression], given: Mapping[Expression, Any], draw: Draw, precision: str | None
    ) -> None:
        self.roots, self.given, self.draw = roots, given, draw
        self.numpy = TracedNumpy(precision)
        self.order = topological(roots)
        self.scopes = scopes(self.order)
        self._wanted: dict[Any, set[int]] = {}
        for current in filter(is_recurrence, self.order):
            self._wanted.setdefault(loop_key(current), set()).add(current.attribute("result"))

    def values(self) -> list[Any]:
        """Return the values of the roots."""
        done = self._run(self.order, {}, NOTHING)
        return [done[root] for root in self.roots]

    def _run(
        self, order: Sequence[Expression], known: Mapping[Expression, Any], bound: frozenset[Expression]
    ) -> dict[Expression, Any]:
        """Return the known values and those of nodes that depend on no step variables but the bound ones."""
        return values_within(order, self.scopes, known, bound, self._loop, self._value, self.given)

    def _value(self, current: Expression, done: Mapping[Expression, Any]) -> Any:
        if current in self.given:
            return self.given[current]
        if current.operation.kind == "random":
            return self.draw(current)
        result = product(self.numpy, current, done)
        if result is None:
            operands = [done[i] for i in current.inputs]
            meaning = _meaning(current)
            result = self.numpy.asarray(meaning(self.numpy, *operands, **dict(current.attributes)))
        if result.dtype.name != current.dtype or result.shape != current.shape:
            raise InternalError(
                f"{current} is {current.dtype} {current.shape}, and in JAX {result.dtype.name} {result.shape}"
            )
        return result

    def _loop(self, current: Expression, done: dict[Expression, Any], bound: frozenset[Expression]) -> None:
        """Compute the results of a recurrence that are asked for."""
        loop = loop_of(current)
        order, wanted = topological(loop.roots), self._wanted[loop_key(current)]
        carries, stacks = len(loop.initial), len(loop.outputs)
        remembered = [k for k in range(carries) if carries + stacks + k in wanted]

        def step(carried: tuple[Any, ...], rows: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
            variables = dict(zip((*loop.carried, *loop.current), (*carried, *rows), strict=True))
            values = self._run(order, {**done, **variables}, bound | loop.bound)
            new = tuple(values[root] for root in loop.new)
            return new, (*(values[root] for root in loop.outputs), *(new[k] for k in remembered))

        first = tuple(done[i] for i in loop.initial)
        rows = tuple(done[s] for s in loop.sequences)
        length = int(loop.length)  # type: ignore[arg-type]
        last, stacked = jax().lax.scan(step, first, rows, length, loop.reverse, unroll=is_short(loop) or 1)
        for k in range(carries):
            done[loop.node(k)] = last[k]
        for k in range(stacks):
            done[loop.node(carries + k)] = stacked[k]
        for place, k in enumerate(remembered, stacks):
            parts = [first[k][None], stacked[place]]
            done[loop.node(carries + stacks + k)] = self.numpy.concatenate(parts[::-1] if loop.reverse else parts)


def drawn(current: Expression, seed: Any, step: Any, first: Any = 0, shape: tuple[int, ...] | None = None) -> Any:
    """Return the value of a random node: the same numbers as on every backend.

    Args:
        current: its node.
        seed: the key of the function's draws, or of the order of rows (uint32).
        step: what it is counted by: the number of the step, or of the epoch (uint32).
        first: the number of its first element (uint32).
        shape: how many elements, where that is not its own shape.
    """
    attributes, numpy = dict(current.attributes), jax().numpy
    shape = attributes["shape"] if shape is None else shape
    if not math.prod(shape):
        return numpy.zeros(shape, current.dtype)
    token = numpy.uint32(attributes["token"] & 0xFFFFFFFF)
    element = counted(shape) + first
    assert current.operation.scalar is not None
    made = current.operation.scalar(TracedArithmetic(), seed, token, step, element, **attributes)
    return numpy.broadcast_to(made, shape) if made.ndim == len(shape) else made.reshape(shape)


def _max_pool_gradient(numpy: Any, x: Any, g: Any, **options: Any) -> Any:
    if windows.are_tiles(x, **options):
        return windows.max_pool_gradient_of_tiles(numpy, x, g, **options)
    return max_pool_gradient.array(numpy, x, g, **options)


def _pow(numpy: Any, x: Any, y: Any) -> Any:
    """Whole numbers wrap, which those of JAX do for small powers alone."""
    if numpy.issubdtype(x.dtype, numpy.floating):
        return power.array(numpy, x, y)
    assert power.scalar is not None
    return power.scalar(TracedArithmetic(), x, y)


# What XLA has a better word for than the operation's own meaning, which is made of slices.
MEANINGS: dict[str, Callable[..., Any]] = {
    "attention": attention.attention,
    "attention_gradient": attention.attention_gradient,
    "convolution": windows.convolution,
    "convolution_weight_gradient": windows.convolution_weight_gradient,
    "max_pool": windows.max_pool,
    "max_pool_gradient": _max_pool_gradient,
    "pow": _pow,
}


def _meaning(current: Expression) -> Callable[..., Any]:
    """Return what computes a node from the values of its inputs."""
    if current.operation is attention_gradient and not attention.is_of_its_own_softmax(current):
        return attention_gradient.array
    return MEANINGS.get(current.operation.name, current.operation.array)


__all__ = ["Lowering", "drawn"]
