"""Recurrences: loops over time with values that each step carries on to the next.

The body of a recurrence is part of the graph around it. A *step variable* stands in it for what a step is given: a
carried value, or the current row of a sequence. The nodes that depend on the step variables are the body; everything
else the body reads is computed outside, once. So a pass that walks a graph walks its loops as well, and needs to know
nothing of them.

A recurrence has several results, each of which is a node: all over the same inputs, told apart by the attribute
``result``. Results are the last carried values, then what is returned at each step, stacked along a first axis; then,
for each carried value, its history: all the values that it had, in the order of time, one more than there are steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from ..core.errors import ShapeError
from ..core.expression import Expression, fresh_token, intern
from ..core.operation import Attributes, Facts, Notation, Operation, register
from ..core.origins import place
from ..core.sizes import Axis, Shape
from ..core.traversal import topological
from .movement import slice_axes

NOTHING: frozenset[Expression] = frozenset()
SHORT = 512  # operations of all steps together


def _no_value(xp: Any, **_: Any) -> Any:
    raise LookupError("a step variable has a value only within a step")


def make_step_variable(shape: Shape, dtype: str, name: str | None = None) -> Expression:
    """Return a new step variable."""
    attributes = (("dtype", dtype), ("shape", tuple(shape)), ("token", fresh_token()))
    made = intern(step_variable, (), attributes, tuple(shape), dtype)
    return made.named(name) if name else made


step_variable: Operation = register(
    Operation(
        name="step_variable",
        kind="source",
        summary="What a step of a loop is given: a carried value, or the current row of a sequence.",
        make=make_step_variable,
        shape=lambda *, shape, **_: shape,
        dtype=lambda *, dtype, **_: dtype,
        array=_no_value,
        notation=Notation("{name}", "{name}"),
    )
)


class Loop(NamedTuple):
    """The parts of a recurrence, which all of its results share.

    Attributes:
        initial: the carried values before the first step.
        sequences: what is read row by row, along the first axis.
        carried, current: the step variables that stand for a carried value, and for the current row of a sequence.
        new: the carried values after a step.
        outputs: what a step returns.
        length: how many steps.
        reverse: whether the last row comes first.
        recompute: whether the gradient computes again what a step computed, instead of storing it.
    """

    initial: tuple[Expression, ...]
    sequences: tuple[Expression, ...]
    carried: tuple[Expression, ...]
    current: tuple[Expression, ...]
    new: tuple[Expression, ...]
    outputs: tuple[Expression, ...]
    length: Axis
    reverse: bool = False
    recompute: bool = False

    @property
    def bound(self) -> frozenset[Expression]:
        """The step variables."""
        return frozenset((*self.carried, *self.current))

    @property
    def roots(self) -> tuple[Expression, ...]:
        """What a step computes."""
        return (*self.new, *self.outputs)

    @property
    def results(self) -> int:
        """How many results it has."""
        return 2 * len(self.initial) + len(self.outputs)

    def node(self, result: int) -> Expression:
        """Return one of its results: the last carried values, what steps return, then histories."""
        inputs = (*self.initial, *self.sequences, *self.carried, *self.current, *self.new, *self.outputs)
        counts = (len(self.initial), len(self.sequences), len(self.outputs))
        attributes: Attributes = (
            ("counts", counts),
            ("length", self.length),
            ("recompute", self.recompute),
            ("result", result),
            ("reverse", self.reverse),
        )
        shape = recurrence.shape(*inputs, **dict(attributes))
        return intern(recurrence, inputs, attributes, shape, recurrence.dtype(*inputs, **dict(attributes)))

    def last(self, k: int) -> Expression:
        """Return a carried value after the last step."""
        return self.node(k)

    def stacked(self, k: int) -> Expression:
        """Return what all steps return, along a first axis of time."""
        return self.node(len(self.initial) + k)

    def history(self, k: int) -> Expression:
        """Return all values that were carried, along a first axis of time."""
        return self.node(len(self.initial) + len(self.outputs) + k)

    def same_steps(self) -> tuple[Any, ...]:
        """Return what two recurrences have in common that could be done in one loop."""
        return (self.initial, self.sequences, self.carried, self.current, self.new, self.length, self.reverse)


def loop_of(current: Expression) -> Loop:
    """Return the parts of a recurrence, given one of its results."""
    attributes, inputs = dict(current.attributes), current.inputs
    carries, sequences, outputs = attributes["counts"]
    rest = iter(inputs)
    parts = [tuple(islice(rest, size)) for size in (carries, sequences, carries, sequences, carries, outputs)]
    how = (attributes[name] for name in ("length", "reverse", "recompute"))
    return Loop._make((*parts, *how))


def is_short(loop: Loop) -> bool:
    """Whether its steps are so few and small that a compiler may write them out one after another."""
    return int(loop.length) * len(topological(loop.roots)) <= SHORT  # type: ignore[arg-type]


def loop_key(current: Expression) -> tuple[Any, ...]:
    """Return what the results of one recurrence have in common."""
    return (current.inputs, tuple(pair for pair in current.attributes if pair[0] != "result"))


def is_recurrence(current: Expression) -> bool:
    """Whether an expression is a result of a recurrence."""
    return current.operation is recurrence


def scopes(order: Iterable[Expression]) -> dict[Expression, frozenset[Expression]]:
    """Return the step variables that each node of an ordered graph depends on, for those that depend on any.

    A node without any stands outside all loops.
    """
    found: dict[Expression, frozenset[Expression]] = {}
    for current in order:
        if current.operation is step_variable:
            found[current] = frozenset((current,))
            continue
        scope = NOTHING.union(*(found[i] for i in current.inputs if i in found))
        if scope and is_recurrence(current):
            loop = loop_of(current)
            outside = (*loop.initial, *loop.sequences)
            inside = NOTHING.union(*(found[i] for i in loop.roots if i in found)) - loop.bound
            scope = inside.union(*(found[i] for i in outside if i in found))
        if scope:
            found[current] = scope
    return found


def values_within(
    order: Iterable[Expression],
    depend: Mapping[Expression, frozenset[Expression]],
    known: Mapping[Expression, Any],
    bound: frozenset[Expression],
    loop: Callable[[Expression, dict[Expression, Any], frozenset[Expression]], None],
    value: Callable[[Expression, Mapping[Expression, Any]], Any],
    given: Mapping[Expression, Any],
) -> dict[Expression, Any]:
    """Return the known values and those of nodes that depend on no step variables but the bound ones.

    Args:
        order: the nodes, inputs before users.
        depend: what ``scopes`` returned of them.
        known: values by node.
        bound: the step variables that have a value.
        loop: adds the results of a recurrence to the values it is given.
        value: returns that of another node, from those of its inputs.
        given: nodes whose values ``value`` has already, recurrences among them.
    """
    done = dict(known)
    for current in order:
        if current in done or not depend.get(current, NOTHING) <= bound:
            continue
        if is_recurrence(current) and current not in given:
            loop(current, done, bound)
        else:
            done[current] = value(current, done)
    return done


class Inside(NamedTuple):
    """What belongs to the steps of a loop, inputs before users.

    Attributes:
        body: what a step computes.
        nested: what only the steps of loops inside of it compute.
    """

    body: list[Expression]
    nested: list[Expression]


def inside(loop: Loop, roots: Sequence[Expression] | None = None) -> Inside:
    """Return what depends on a loop's step variables, or on those of loops inside of it.

    Args:
        loop: the loop.
        roots: what a step computes; by default the loop's own roots.
    """
    order = topological(loop.roots if roots is None else roots)
    found = scopes(order)
    loops = {n: loop_of(n).bound for n in order if is_recurrence(n) and n in found}
    local, inner = loop.bound, NOTHING
    while True:
        more = NOTHING.union(*(bound for n, bound in loops.items() if found[n] & local)) - local
        if not more:
            break
        local, inner = local | more, inner | more
    belonging = [n for n in order if n not in loop.bound and found.get(n, NOTHING) & local]
    nested = [n for n in belonging if found[n] & inner]
    return Inside([n for n in belonging if not found[n] & inner], nested)


def before_each(history: Expression, loop: Loop) -> Expression:
    """Return of a history the values before each step, in the order of the rows."""
    return _part(history, 1 if loop.reverse else 0, loop.length)


def after_last(history: Expression, loop: Loop) -> Expression:
    """Return of a history the value after the last step."""
    first = 0 if loop.reverse else loop.length
    return _part(history, first, 1).reshape(history.shape[1:])


def after_each(history: Expression, loop: Loop) -> Expression:
    """Return of a history the values after each step, in the order of the rows."""
    return _part(history, 0 if loop.reverse else 1, loop.length)


def _part(history: Expression, start: Axis, length: Axis) -> Expression:
    rest = history.ndim - 1
    return slice_axes(history, [start, *[0] * rest], [length, *history.shape[1:]], [1] * history.ndim)


def _shape(*inputs: Expression, counts: tuple[int, int, int], length: Axis, result: int, **_: Any) -> Shape:
    carries, sequences, outputs = counts
    if length == 0:
        raise ShapeError(f"a loop of 0 steps was asked for, and at least 1 is needed{place(*inputs)}")
    for k in range(sequences):
        given = inputs[carries + k]
        if not given.ndim or given.shape[0] != length:
            raise ShapeError(
                f"sequence {k} has the shape {given.shape}, and {length} steps are to be done{place(given)}"
            )
    if result < carries:
        return inputs[result].shape
    if result < carries + outputs:
        return (length, *inputs[3 * carries + 2 * sequences + result - carries].shape)
    return (length + 1, *inputs[result - carries - outputs].shape)


def _dtype(*inputs: Expression, counts: tuple[int, int, int], result: int, **_: Any) -> str:
    carries, sequences, outputs = counts
    if result < carries:
        return inputs[result].dtype
    if result < carries + outputs:
        return inputs[3 * carries + 2 * sequences + result - carries].dtype
    return inputs[result - carries - outputs].dtype


def _array(xp: Any, *_: Any, **__: Any) -> Any:
    raise LookupError("a recurrence is evaluated step by step; see run")


def _make(*_: Any, **__: Any) -> Expression:
    raise TypeError("a recurrence is made by pc.scan")


recurrence: Operation = register(
    Operation(
        name="recurrence",
        kind="loop",
        summary="One result of a loop over time; pc.scan makes it.",
        make=_make,
        shape=_shape,
        dtype=_dtype,
        array=_array,
        notation=Notation("{call}", "{call}"),
        facts=Facts(cheap=False),
    )
)


def run(xp: Any, loop: Loop, values: Mapping[Expression, Any], step: Any) -> list[Any]:
    """Return the values of all results of a recurrence.

    Args:
        xp: NumPy, or jax.numpy.
        loop: its parts.
        values: arrays for its initial values and sequences.
        step: a function of the values of its step variables that returns those of its roots.
    """
    carried = [values[i] for i in loop.initial]
    sequences = [values[s] for s in loop.sequences]
    histories, stacks = [[value] for value in carried], [[] for _ in loop.outputs]  # type: list[list[Any]], list[list[Any]]
    length = int(loop.length)  # type: ignore[arg-type]
    for k in reversed(range(length)) if loop.reverse else range(length):
        given = dict(zip((*loop.carried, *loop.current), (*carried, *(s[k] for s in sequences)), strict=True))
        computed = step(given)
        carried = computed[: len(carried)]
        for history, value in zip(histories, carried, strict=True):
            history.append(value)
        for stack, value in zip(stacks, computed[len(carried) :], strict=True):
            stack.append(value)
    order = -1 if loop.reverse else 1
    return [*carried, *(xp.stack(s[::order]) for s in stacks), *(xp.stack(h[::order]) for h in histories)]


__all__ = [
    "NOTHING",
    "Inside",
    "Loop",
    "after_each",
    "after_last",
    "before_each",
    "inside",
    "is_recurrence",
    "is_short",
    "loop_key",
    "loop_of",
    "make_step_variable",
    "recurrence",
    "run",
    "scopes",
    "step_variable",
    "values_within",
]
