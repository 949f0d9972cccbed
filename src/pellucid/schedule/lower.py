"""Expressions to statements: each store's loops, and the values in them.

An expression is *stored* if something must find it in memory: results of reductions, products and placements, what
several others read, what a reshape or a product reads, outputs and updates. Everything else is computed where it is
read, its movements folded into indices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ..core.dtypes import is_float
from ..core.errors import InternalError
from ..core.expression import Expression, Parameter
from ..core.indices import Index, loop_variable
from ..core.operation import operations
from ..operations.recurrence import Loop as LoopOverTime
from ..operations.recurrence import is_recurrence, loop_key
from ..operations.source import scalar_value
from ..step import Step
from .axes import Axis, reshape_groups
from .contraction import is_blocked
from .convolve import Windows
from .layout import MEMORY, Layout, Recurrence, count, int_size, is_affine, is_reshape, linear, product_axes, row_major
from .loops import Apply, Buffer, Contraction, Draw, Literal, Load, Loop, Position, Reduce, Row, Statement, Store, Value

LARGEST_WINDOW = 16
LONGEST_NESTED_SUM = 64  # terms that lanes add up in a loop of their own, rather than as a product


class Lowering(Layout):
    """The buffers and statements of one step, before fusion."""

    def __init__(self, step: Step, parameters: list[Parameter]) -> None:
        super().__init__(step, parameters)
        self.once: list[Statement] = []
        self.each: list[Statement] = []
        self._variables = 0

    def run(self) -> None:
        """Make every buffer and statement."""
        for parameter, _ in self.step.updates:
            self._declare_parameter(parameter)
        for recurrence in self.loops.values():
            self._declare_loop(recurrence)
        for current in self.order:
            self._declare(current)
        self._share_memory()
        roots, done = set(self.step.roots), set[Recurrence]()
        order = self._numbers_first()
        for current in order:
            if current in self.stored and current.operation.name not in MEMORY and current not in self.scopes:
                into = self.once if current in self.invariant and current not in roots else self.each
                into.extend(self._defined(current, order, done))
        self._finish_roots()

    def _defined(self, current: Expression, order: Sequence[Expression], done: set[Recurrence]) -> list[Statement]:
        """Return the statements that make an expression; those of a recurrence make all of its results."""
        if not is_recurrence(current):
            return self._define(current)
        recurrence = self.loops[loop_key(current)]
        if recurrence in done:
            return []
        done.add(recurrence)
        return self._steps(recurrence, order, done)

    def _steps(self, recurrence: Recurrence, order: Sequence[Expression], done: set[Recurrence]) -> list[Statement]:
        """Return what begins a recurrence, and the loop over its steps."""
        loop = recurrence.loop
        begin: list[Statement] = []
        for variable, value in zip(loop.carried, loop.initial, strict=True):
            start = {recurrence.time: Index()}
            begin.extend(self._copied(value, self.buffers[variable], self.origins[variable].replace(start)))
        body: list[Statement] = []
        for current in order:
            if current in recurrence.body and current in self.stored:
                body.extend(self._defined(current, order, done))
        return [*begin, Loop(recurrence.time, recurrence.length, [*body, *self._step_ends(recurrence)], "steps")]

    def _step_ends(self, recurrence: Recurrence) -> list[Statement]:
        """Return what a step does last: what it made is put where the next step, or whoever reads it, finds it."""
        loop = recurrence.loop
        results: list[Statement] = []
        carries = len(loop.initial)
        for k, root in enumerate(loop.outputs):
            stack = self._result(loop, carries + k)
            if stack is not None and not self._lies_there(root, stack, recurrence.row * count(root)):
                origin = self.origins.get(stack, Index()) + recurrence.row * count(root)
                results.extend(self._copied(root, self.buffers[stack], origin))
        return [*results, *self._carry_on(recurrence)]

    def _carry_on(self, recurrence: Recurrence) -> list[Statement]:
        loop = recurrence.loop
        early: list[Statement] = []
        late: list[Statement] = []
        for variable, new in zip(loop.carried, loop.new, strict=True):
            buffer, size = self.buffers[variable], count(variable)
            history = bool(self.origins[variable].terms)
            target = recurrence.after(size) if history else Index()
            if (self.buffers.get(new), self.origins.get(new)) == (buffer, target):
                continue
            if history or new not in loop.carried:
                late.extend(self._copied(new, buffer, target))
            else:  # a value that another one takes the place of at the same time
                copy = Buffer(f"old {self.buffers[new]}", buffer.dtype, size, "arena", holds=new)
                early.extend(self._copied(new, copy, Index()))
                late.extend(self._moved(copy, buffer, new))
        return [*early, *late]

    def _moved(self, source: Buffer, target: Buffer, current: Expression) -> list[Statement]:
        indices, loops = self._loops([(current, k) for k in range(current.ndim)])
        at = linear(indices, row_major(current))
        return self._nest(loops, [Store(target, at, Load(source, at))])

    def _result(self, loop: LoopOverTime, number: int) -> Expression | None:
        """Return a result of a recurrence, if anybody reads it."""
        result = loop.node(number)
        return result if result in self.readers else None

    def _lies_there(self, root: Expression, stack: Expression, row: Index) -> bool:
        """Whether what a step returns is made in its place already."""
        origin = self.origins.get(stack, Index()) + row
        return (self.buffers.get(root), self.origins.get(root, Index())) == (self.buffers[stack], origin)

    # statements

    def _fresh(self, axis: Axis) -> tuple[Index, Loop]:
        return self._loop_of(axis, int_size(axis[0].shape[axis[1]]))

    def _loop_of(self, axis: Axis, size: int) -> tuple[Index, Loop]:
        if size == 1:
            return Index(), Loop("", 1, [])
        self._variables += 1
        letter = "ijklmnopqrstuvwxyzabcdefgh"[self._rank(axis) % 26]
        name = f"{letter}{self._variables}"
        return loop_variable(name), Loop(name, size, [])

    def _loops(self, axes: Sequence[Axis]) -> tuple[tuple[Index, ...], list[tuple[int, Loop]]]:
        made = [self._fresh(axis) for axis in axes]
        ranked = [(self._rank(axis), loop) for axis, (_, loop) in zip(axes, made, strict=True)]
        return tuple(index for index, _ in made), ranked

    def _nest(
        self, ranked: list[tuple[int, Loop]], body: list[Statement], innermost: Sequence[int] = ()
    ) -> list[Statement]:
        """Put statements in loops: the best shared axis outermost, some innermost, the others as they lie in memory."""
        ranked = [r for k, r in enumerate(ranked) if k not in innermost] + [ranked[k] for k in innermost]
        loops = [(rank, loop) for rank, loop in ranked if loop.extent != 1]
        if any(loop.extent == 0 for _, loop in loops):
            return []
        if loops:
            best = min(range(len(loops)), key=lambda k: loops[k][0])
            loops.insert(0, loops.pop(best))
        for _, loop in reversed(loops):
            body = [Loop(loop.variable, loop.extent, body)]
        return body

    def _define(self, current: Expression) -> list[Statement]:
        kind = current.operation.kind
        if kind == "reduction":
            return self._reduction(current)
        if kind == "product":
            return self._product(current)
        if kind == "convolution":
            return self._convolution(current)
        if current.operation.write:
            return self._placement(current)
        if current.operation.name == "scatter_add":
            return self._scatter(current)
        return self._store(current, lambda indices: self.value(current, indices, define=True))

    def _store(self, current: Expression, value: object) -> list[Statement]:
        assert callable(value)
        indices, loops = self._loops([(current, k) for k in range(current.ndim)])
        return self._nest(loops, [Store(self.buffers[current], self._at(current, indices), value(indices))])

    def _fill(self, current: Expression, number: float) -> list[Statement]:
        return self._store(current, lambda _: Literal(number, current.dtype))

    def _reduction(self, current: Expression) -> list[Statement]:
        (operand,) = current.inputs
        assert current.operation.identity is not None
        if operand in self.summed:
            return self._product(operand, current)
        indices, loops = self._loops([(operand, k) for k in range(operand.ndim)])
        kept = tuple(i for k, i in enumerate(indices) if k not in current.attribute("axes"))
        value = self.value(operand, indices)
        body = Reduce(current.operation, self.buffers[current], self._at(current, kept), value)
        axes, identity = current.attribute("axes"), current.operation.identity(current.dtype)
        if self._small([(operand, k) for k in axes], operand) and 0 not in operand.shape:
            begin = Store(self.buffers[current], self._at(current, kept), Literal(identity, current.dtype))
            inner = self._nest([loops[k] for k in axes], [body])
            return self._nest([loop for k, loop in enumerate(loops) if k not in axes], [begin, *inner])
        return [*self._fill(current, identity), *self._nest(loops, [body])]

    def _small(self, axes: Sequence[Axis], operand: Expression) -> bool:
        """Whether axes are few and short beside a long last one: windows, which lanes over that go through inside."""
        sizes = [int_size(expression.shape[axis]) for expression, axis in axes]
        inside = operand.ndim - 1 not in [axis for _, axis in axes]
        return inside and math.prod(sizes) <= LARGEST_WINDOW and operand.ndim > 2 and int_size(operand.shape[-1]) >= 8

    def _product(self, current: Expression, total: Expression | None = None) -> list[Statement]:
        """Return the loops of a product, or of its sum over some batch axes."""
        left, right = current.inputs
        axes = product_axes(current)
        indices, loops = self._loops(axes)
        outer, (m, n, k) = indices[:-3], indices[-3:]
        x = self.value(left, (*outer, *((k, m) if current.attribute("transpose_left") else (m, k))))
        y = self.value(right, (*outer, *((n, k) if current.attribute("transpose_right") else (k, n))))
        result, over = (current, ()) if total is None else (total, total.attribute("axes"))
        target, at = self.buffers[result], self._at(result, (*(i for a, i in enumerate(outer) if a not in over), m, n))
        shared = math.prod(loop.extent for k, (_, loop) in enumerate(loops) if k in over or k == len(loops) - 1)
        nested = self.is_nested(axes) and not (over and shared > LONGEST_NESTED_SUM)
        if isinstance(x, Load) and isinstance(y, Load) and not nested:
            if any(loop.extent == 0 for _, loop in loops):
                return self._fill(result, 0)
            rows, columns, steps = (_axes(pair) for pair in loops[-3:])
            product = Contraction(rows, columns, steps, x, y, target, at)
            found = self._of_whole_batch(product, loops[:-3], over)
            if found is not None:
                return found
        term = Apply(operations["multiply"], (x, y), (), current.dtype)
        if total is not None:
            inner = [loop for k, (_, loop) in enumerate(loops[:-3]) if k in over]
            kept = [loop for k, (_, loop) in enumerate(loops[:-1]) if k not in over]
            inside = self._nest(list(enumerate([*inner, loops[-1][1]])), [Reduce(operations["sum"], target, at, term)])
            return self._nest(list(enumerate(kept)), [Store(target, at, Literal(0, current.dtype)), *inside])
        order = sorted(loops, key=lambda pair: -pair[1].extent)
        return [*self._fill(result, 0), *self._nest(order, [Reduce(operations["sum"], target, at, term)])]

    def _of_whole_batch(
        self, product: Contraction, batch: list[tuple[int, Loop]], over: Sequence[int]
    ) -> list[Statement] | None:
        """Return the loops around a product: those that it can have inside are none; None if it cannot be summed.

        Where all of a batch meet one right operand, they are rows of one product; what is summed are more steps.
        """
        summed = [pair for axis, pair in enumerate(batch) if axis in over]
        met = product.right.index.variables
        more = [pair for axis, pair in enumerate(batch) if axis not in over and pair[1].variable not in met]
        rows, shared = (*_axes(*more), *product.rows), (*_axes(*summed), *product.shared)
        whole = replace(product, rows=rows, shared=shared)
        if is_blocked(whole):
            return self._nest([pair for pair in batch if pair not in summed and pair not in more], [whole])
        return None if summed else self._nest(batch, [product])

    def _convolution(self, current: Expression) -> list[Statement]:
        first, second = current.inputs
        windows = Windows(current)
        made = [self._loop_of(axis, size) for axis, size in zip(windows.axes, windows.extents, strict=True)]
        loops = [loop for _, loop in made]
        target, x, y = windows.indices([index for index, _ in made])
        left, right = self.value(first, x), self.value(second, y)
        buffer, at = self.buffers[current], self._at(current, target)
        if 0 in windows.extents:
            return self._fill(current, 0)
        if isinstance(left, Load) and isinstance(right, Load):
            contraction = windows.contraction(loops, left, right, buffer, at)
            if is_blocked(contraction):
                group = loops[-2]
                return [contraction if group.extent == 1 else Loop(group.variable, group.extent, [contraction])]
        assert not windows.clips(loops)  # what is small has its padding in memory
        term = Apply(operations["multiply"], (left, right), (), current.dtype)
        body = Reduce(operations["sum"], buffer, at, term)
        return [*self._fill(current, 0), *self._nest(list(enumerate(loops)), [body])]

    def _placement(self, current: Expression) -> list[Statement]:
        operation, attributes = current.operation, dict(current.attributes)
        assert operation.write is not None
        sums = bool(operation.accumulates and operation.accumulates(*current.inputs, **attributes))
        whole = not sums and sum(count(i) for i in current.inputs) == count(current)
        if operation.name == "pad":
            result = self._border(current)
        else:
            result = [] if whole else self._fill(current, 0)
        for position, operand in enumerate(current.inputs):
            if self.padded.get(operand) is current:
                continue  # it is stored there already
            indices, loops = self._loops([(operand, k) for k in range(operand.ndim)])
            placed = operation.write(indices, *current.inputs, **attributes)[position]
            target, at, value = self.buffers[current], self._at(current, placed), self.value(operand, indices)
            body = Reduce(operations["sum"], target, at, value) if sums else Store(target, at, value)
            window = [
                k for k in range(operand.ndim - 1) if operation.name == "fold_windows" and 2 * k >= operand.ndim - 1
            ]
            small = window if self._small([(operand, k) for k in window], operand) else []
            result.extend(self._nest(loops, [body], small))
        return result

    def _border(self, current: Expression) -> list[Statement]:
        """Fill what a border adds: a slab before and behind each axis."""
        result: list[Statement] = []
        for axis, (before, after) in enumerate(current.attribute("widths")):
            whole = int_size(current.shape[axis])
            for start, size in ((0, int_size(before)), (whole - int_size(after), int_size(after))):
                if size:
                    made = [self._fresh((current, k)) for k in range(current.ndim) if k != axis]
                    made.insert(axis, self._loop_of((current, axis), size))
                    indices = [index for index, _ in made]
                    indices[axis] = indices[axis] + start
                    ranked = [(self._rank((current, k)), loop) for k, (_, loop) in enumerate(made)]
                    fill = Store(
                        self.buffers[current],
                        self._at(current, indices),
                        Literal(current.attribute("value"), current.dtype),
                    )
                    result.extend(self._nest(ranked, [fill]))
        return result

    def _scatter(self, current: Expression) -> list[Statement]:
        updates, rows = current.inputs
        indices, loops = self._loops([(updates, k) for k in range(updates.ndim)])
        lead = indices[: rows.ndim]
        stride = self.layouts[current][0]
        row = Row(self.value(rows, lead), stride, int_size(current.shape[0]))
        at = self._at(current, (Index(), *indices[rows.ndim :]))
        body = Reduce(operations["sum"], self.buffers[current], at, self.value(updates, indices), row)
        return [*self._fill(current, 0), *self._nest(loops, [body])]

    def _finish_roots(self) -> None:
        """Copy what is not yet where it must be: outputs that are sources or twins, and the parameters' new values."""
        for number, output in enumerate(self.step.outputs):
            known = self.buffers.get(output)
            if known is None or (known.place, known.number) != ("output", number):
                self._copy(output, Buffer(f"output{number}", output.dtype, count(output), "output", number))
        for parameter, new in self.step.updates:
            if new not in self.buffers or self.buffers[new].updates is not self.buffers[parameter]:
                buffer = Buffer(f"new {parameter.name or 'parameter'}", new.dtype, count(new), "arena")
                buffer.updates = self.buffers[parameter]
                self._copy(new, buffer)

    def _copy(self, source: Expression, target: Buffer) -> None:
        target.holds = source
        self.each.extend(self._copied(source, target, Index()))

    def _copied(self, source: Expression, target: Buffer, origin: Index) -> list[Statement]:
        """Return the loops that put an expression into a buffer, row after row, from a place on."""
        indices, loops = self._loops([(source, k) for k in range(source.ndim)])
        at = origin + linear(indices, row_major(source))
        return self._nest(loops, [Store(target, at, self.value(source, indices))])

    # values

    def _at(self, current: Expression, indices: Sequence[Index]) -> Index:
        copy = self.padded.get(current)
        if copy is not None:
            widths = copy.attribute("widths")
            return self._at(copy, [i + int_size(before) for i, (before, _) in zip(indices, widths, strict=True)])
        return linear(indices, self.layouts[current]) + self.origins.get(current, Index())

    def value(self, current: Expression, indices: tuple[Index, ...], define: bool = False) -> Value:
        """Return what an element of an expression is, at these indices."""
        operation, attributes = current.operation, dict(current.attributes)
        if current in self.buffers and not define:
            return Load(self.buffers[current], self._at(current, indices))
        if current in self.rows:
            recurrence, sequence = self.rows[current]
            return self.value(sequence, (recurrence.row, *indices))
        if operation.kind == "source":
            return self._source_value(current, indices)
        if operation.kind == "random":
            token = attributes.pop("token")
            kept = tuple((k, v) for k, v in current.attributes if k != "token")
            return Draw(operation, token, linear(indices, row_major(current)), kept, current.dtype)
        if operation.kind == "elementwise":
            values = tuple(self.value(i, _stretched(indices, i)) for i in current.inputs)
            if _is_part_of_whole(current):
                one = Apply(operation, (Literal(1, current.dtype), values[1]), (), current.dtype)
                return Apply(operations["multiply"], (values[0], one), (), current.dtype)
            return Apply(operation, values, current.attributes, current.dtype)
        if operation.read:
            (operand,) = current.inputs
            return self.value(operand, operation.read(indices, operand, **attributes))
        if operation.name == "take":
            return self._taken(current, indices)
        if is_reshape(current):
            return self._viewed(current, indices)
        raise InternalError(f"{operation.name} has no value in a loop")

    def _source_value(self, current: Expression, indices: tuple[Index, ...]) -> Value:
        if current.operation.name == "arange":
            return Position(indices[0], current.dtype)
        if current.operation.name == "axis_size":
            return Literal(int_size(current.attribute("size")), current.dtype)
        number = scalar_value(current)
        if number is None:
            raise InternalError(f"{current} has no value in a loop")
        return Literal(number, current.dtype)

    def _taken(self, current: Expression, indices: tuple[Index, ...]) -> Value:
        table, rows = current.inputs
        row = self.value(rows, indices[: rows.ndim])
        base = self.value(table, (Index(), *indices[rows.ndim :]))
        assert isinstance(base, Load) and base.row is None
        return Load(base.buffer, base.index, Row(row, self._strides_of(table)[0], int_size(table.shape[0])))

    def _strides_of(self, current: Expression) -> tuple[int, ...]:
        """Return how far apart in memory the elements along each axis of something stored are."""
        if current in self.rows:
            return self._strides_of(self.rows[current][1])[1:]
        return self.layouts.get(current, row_major(current))

    def _viewed(self, current: Expression, indices: tuple[Index, ...]) -> Value:
        """An element of a reshape. An axis that splits is an index; axes that merge are one stretch of memory."""
        (operand,) = current.inputs
        before, after = tuple(map(int_size, operand.shape)), tuple(map(int_size, current.shape))
        if 0 in before:
            return Literal(0, current.dtype)
        merged = [(old, _along(indices, new, after)) for old, new in reshape_groups(before, after)]
        inner = [Index()] * operand.ndim
        if is_affine(current):
            for old, index in merged:
                inner[old[0]] = index
            return self.value(operand, tuple(inner))
        base = self.value(operand, tuple(inner))
        assert isinstance(base, Load)
        strides = self._strides_of(operand)
        index = base.index
        for old, position in merged:
            index = index + position * strides[old[-1]]
        return Load(base.buffer, index, base.row)


def _is_part_of_whole(current: Expression) -> bool:
    """Whether it is terms divided by their own sum, as in softmax: one reciprocal serves all of them.

    A quotient takes as long as several products. No term is negative, so that each part is between 0 and 1, and what it
    loses is a rounding.
    """
    if current.operation.name != "divide" or not is_float(current.dtype):
        return False
    terms, whole = current.inputs
    while is_reshape(whole):
        (whole,) = whole.inputs
    return whole.operation.name == "sum" and whole.inputs == (terms,) and terms.operation.facts.range[0] >= 0


def _axes(*ranked: tuple[int, Loop]) -> tuple[tuple[str, int], ...]:
    """Return the axes of loops as a contraction has them."""
    return tuple((loop.variable, loop.extent) for _, loop in ranked)


def _along(indices: Sequence[Index], axes: Sequence[int], shape: Sequence[int]) -> Index:
    """Return the position along several axes taken as one."""
    position = Index()
    for axis in axes:
        position = position * shape[axis] + indices[axis]
    return position


def _stretched(indices: tuple[Index, ...], operand: Expression) -> tuple[Index, ...]:
    tail = indices[len(indices) - operand.ndim :]
    return tuple(Index() if n == 1 else i for i, n in zip(tail, operand.shape, strict=True))
