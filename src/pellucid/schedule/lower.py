"""Expressions to statements: what is stored, what is computed where it is read, and each store's loops.

An expression is *stored* if something must find it in memory: results of reductions, products and placements, what
several others read, what a reshape or a product reads, outputs and updates. Everything else is computed where it is
read, its movements folded into indices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..core.errors import InternalError
from ..core.expression import Expression, Parameter
from ..core.indices import Index, loop_variable
from ..core.operation import operations
from ..core.traversal import topological, users
from ..operations.source import is_constant, scalar_value
from ..step import Step
from .axes import Axis, AxisClasses, reshape_groups
from .loops import Apply, Buffer, Draw, Literal, Load, Loop, Position, Product, Reduce, Row, Statement, Store, Value

DEEPEST_INLINE = 24
NESTED_WORK = 256
NESTED_TOTAL = 4096
MOST_PICKED = 4096
MEMORY = ("variable", "parameter", "constant")


class Lowering:
    """The buffers and statements of one step, before fusion."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.order = topological(step.roots)
        self.readers = users(self.order)
        self.classes = AxisClasses(self.order)
        self.rank = self._rank_classes()
        self.views = {n for n in self.order if is_reshape(n) and not _is_affine(n)}
        self.stored = self._choose_stored()
        self.buffers: dict[Expression, Buffer] = {}
        self.layouts: dict[Expression, tuple[int, ...]] = {}
        self.invariant = self._find_invariant()
        self.once: list[Statement] = []
        self.each: list[Statement] = []
        self._variables = 0

    def run(self) -> None:
        """Make every buffer and statement."""
        for current in self.order:
            self._declare(current)
        roots = set(self.step.roots)
        for current in self.order:
            if current in self.stored and current.operation.name not in MEMORY:
                into = self.once if current in self.invariant and current not in roots else self.each
                into.extend(self._define(current))
        self._finish_roots()

    # what is stored

    def _choose_stored(self) -> set[Expression]:
        roots = set(self.step.roots)
        stored: set[Expression] = set()
        depth: dict[Expression, int] = {}
        for current in self.order:
            depth[current] = 1 + max((0 if i in stored else depth[i] for i in current.inputs), default=0)
            if self._must_store(current, roots) or (current.inputs and depth[current] > DEEPEST_INLINE):
                stored.add(current)
        for current in self.order:  # what must be found in memory by its readers
            if current in self.views or current.operation.kind == "indexing":
                stored.update({current.inputs[0]} - self.views)
            elif current.operation.kind == "product":
                behind = [self._memory_behind(operand) for operand in current.inputs]
                stored.update(base for base in behind if not is_inline_source(base))
        return stored - self.views

    def _must_store(self, current: Expression, roots: set[Expression]) -> bool:
        operation = current.operation
        if current in self.views:
            return False  # a view: its input is stored
        if current in roots and operation.kind != "source":
            return True
        if operation.kind in ("source", "movement"):
            return current.operation.name in MEMORY and not is_inline_source(current) or bool(operation.write)
        if operation.kind in ("reduction", "product") or operation.name == "scatter_add":
            return True
        if self._is_read_in_place(current):
            return False
        readers = self.readers[current]
        wider = any(count(r) > count(current) for r in readers if r.operation.kind != "reduction")
        return len(readers) > 1 and not _is_trivial(current) or (wider and not operation.facts.cheap)

    def _is_read_in_place(self, current: Expression) -> bool:
        """Whether it is rows of an input or a parameter that products, and nobody else, read where they lie."""
        if current.operation.name != "take" or current.ndim != 2 or current.inputs[1].ndim != 1:
            return False
        table, rows = current.inputs
        readers = self.readers[current]
        alone = all(r.operation.kind == "product" and not self._is_nested(product_axes(r)) for r in readers)
        return alone and table.operation.name in ("variable", "parameter") and count(rows) <= MOST_PICKED

    def _memory_behind(self, operand: Expression) -> Expression:
        """What an operand of a product is a view of, through movements that are only strides, or picked rows."""
        while operand.operation.read or (is_reshape(operand) and _is_affine(operand)):
            (operand,) = operand.inputs
        return operand.inputs[1] if self._is_read_in_place(operand) else operand

    def _find_invariant(self) -> set[Expression]:
        """What is worth computing once a call: it depends on the inputs alone, and is more than a few comparisons."""
        roots = set(self.step.roots)
        fixed: set[Expression] = set()
        worth: set[Expression] = set()
        for current in self.order:
            source = current.operation.kind == "source" and not isinstance(current, Parameter)
            inner = current.inputs and all(i in fixed for i in current.inputs) and current.operation.kind != "random"
            if current in roots:
                continue  # stored anew at every step, and with it what reads it
            if source or inner:
                fixed.add(current)
            costly = current.operation.kind in ("reduction", "product", "indexing") or not current.operation.facts.cheap
            if inner and (costly or any(i in worth for i in current.inputs)):
                worth.add(current)
        return set(topological(worth))

    # buffers

    def _declare(self, current: Expression) -> None:
        name, size = current.name or f"{current.operation.name}{len(self.buffers)}", count(current)
        if isinstance(current, Parameter):
            self._declare_parameter(current)
        elif current.operation.name == "variable":
            number = current.attribute("token")
            self._buffer(current, Buffer(current.name or f"input{number}", current.dtype, size, "input", number))
        elif current not in self.stored:
            return
        elif is_constant(current):
            self._buffer(current, Buffer(name, current.dtype, size, "constant", data=current.attribute("data")))
        elif current in self.step.outputs:
            number = self.step.outputs.index(current)
            self._buffer(current, Buffer(f"output{number}", current.dtype, size, "output", number))
        else:
            target = next((p for p, new in self.step.updates if new is current), None)
            buffer = Buffer(
                f"new {target.name or 'parameter'}" if target is not None else name, current.dtype, size, "arena"
            )
            buffer.updates = target
            self._buffer(current, buffer)

    def _declare_parameter(self, parameter: Parameter) -> None:
        number = self.step.parameters.index(parameter)
        name = parameter.name or f"parameter{number}"
        self._buffer(parameter, Buffer(name, parameter.dtype, count(parameter), "parameter", number))

    def _buffer(self, current: Expression, buffer: Buffer) -> None:
        self.buffers[current] = buffer
        self.layouts[current] = self._strides(current, buffer)

    def _strides(self, current: Expression, buffer: Buffer) -> tuple[int, ...]:
        """Row-major strides; in the arena with the outermost loop's axis first, so that a pass owns a piece."""
        order = list(range(current.ndim))
        viewed = any(r in self.views or r.operation.kind == "indexing" for r in self.readers.get(current, ()))
        whole = current.operation.kind == "product" and not self._is_nested(product_axes(current))
        if buffer.place == "arena" and not (viewed or whole) and order and current not in self.step.roots:
            first = min(order, key=lambda k: (self._rank((current, k)), k))
            order.remove(first)
            order.insert(0, first)
        strides, step = [0] * current.ndim, 1
        for axis in reversed(order):
            strides[axis] = step
            step *= int_size(current.shape[axis])
        return tuple(strides)

    # classes of axes

    def _rank_classes(self) -> dict[Axis, int]:
        """Number the classes, the one that most statements' loops share first."""
        votes: dict[Axis, float] = {}
        for position, current in enumerate(self.order):
            if current.operation.kind == "source":
                continue
            carrying = (current, *current.inputs)
            axes = [self.classes.of((n, k)) for n in carrying for k in range(n.ndim) if n.shape[k] != 1]
            for axis in dict.fromkeys(axes):  # not a set: its order depends on addresses, and decides ties
                votes[axis] = votes.get(axis, 0.0) + 1.0 - position * 1e-9
        return {axis: k for k, axis in enumerate(sorted(votes, key=lambda a: -votes[a]))}

    def _rank(self, axis: Axis) -> int:
        if axis[0].shape[axis[1]] == 1:
            return 1 << 30
        return self.rank.get(self.classes.of(axis), 1 << 20)

    # statements

    def _fresh(self, axis: Axis) -> tuple[Index, Loop]:
        size = int_size(axis[0].shape[axis[1]])
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

    def _nest(self, ranked: list[tuple[int, Loop]], body: list[Statement]) -> list[Statement]:
        """Put statements in loops: the best shared axis outermost, the others as they lie in memory."""
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
        indices, loops = self._loops([(operand, k) for k in range(operand.ndim)])
        kept = tuple(i for k, i in enumerate(indices) if k not in current.attribute("axes"))
        value = self.value(operand, indices)
        body = Reduce(current.operation, self.buffers[current], self._at(current, kept), value)
        return [*self._fill(current, current.operation.identity(current.dtype)), *self._nest(loops, [body])]

    def _product(self, current: Expression) -> list[Statement]:
        left, right = current.inputs
        axes = product_axes(current)
        indices, loops = self._loops(axes)
        outer, (m, n, k) = indices[:-3], indices[-3:]
        x = self.value(left, (*outer, *((k, m) if current.attribute("transpose_left") else (m, k))))
        y = self.value(right, (*outer, *((n, k) if current.attribute("transpose_right") else (k, n))))
        target, at = self.buffers[current], self._at(current, (*outer, m, n))
        extents = [loop.extent for _, loop in loops]
        if self._is_nested(axes) or not (isinstance(x, Load) and isinstance(y, Load)):
            term = Apply(operations["multiply"], (x, y), (), current.dtype)
            body = Reduce(operations["sum"], target, at, term)
            order = sorted(loops, key=lambda pair: -pair[1].extent)
            return [*self._fill(current, 0), *self._nest(order, [body])]
        names = [(loop.variable, loop.extent) for _, loop in loops[-3:]]
        if 0 in extents:
            return self._fill(current, 0)
        return self._nest(loops[:-3], [Product(names[0], names[1], names[2], x, y, target, at)])

    def _is_nested(self, axes: Sequence[Axis]) -> bool:
        """Whether a product is small enough to be unrolled in the loop over the axis it shares with others."""
        extents = [int_size(expression.shape[axis]) for expression, axis in axes]
        total = math.prod(extents)
        best = min(range(len(axes)), key=lambda k: self._rank(axes[k]))
        return total <= NESTED_TOTAL or total <= NESTED_WORK * extents[best]

    def _placement(self, current: Expression) -> list[Statement]:
        operation, attributes = current.operation, dict(current.attributes)
        assert operation.write is not None
        whole = sum(count(i) for i in current.inputs) == count(current)
        result = [] if whole else self._fill(current, attributes.get("value", 0))
        for position, operand in enumerate(current.inputs):
            indices, loops = self._loops([(operand, k) for k in range(operand.ndim)])
            placed = operation.write(indices, *current.inputs, **attributes)[position]
            body = Store(self.buffers[current], self._at(current, placed), self.value(operand, indices))
            result.extend(self._nest(loops, [body]))
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
            if parameter not in self.buffers:
                self._declare_parameter(parameter)
            if new not in self.buffers or self.buffers[new].updates is not parameter:
                buffer = Buffer(f"new {parameter.name or 'parameter'}", new.dtype, count(new), "arena")
                buffer.updates = parameter
                self._copy(new, buffer)

    def _copy(self, source: Expression, target: Buffer) -> None:
        indices, loops = self._loops([(source, k) for k in range(source.ndim)])
        at = linear(indices, row_major(source))
        self.each.extend(self._nest(loops, [Store(target, at, self.value(source, indices))]))

    # values

    def _at(self, current: Expression, indices: Sequence[Index]) -> Index:
        return linear(indices, self.layouts[current])

    def value(self, current: Expression, indices: tuple[Index, ...], define: bool = False) -> Value:
        """Return what an element of an expression is, at these indices."""
        operation, attributes = current.operation, dict(current.attributes)
        if current in self.buffers and not define:
            return Load(self.buffers[current], self._at(current, indices))
        if operation.kind == "source":
            return self._source_value(current, indices)
        if operation.kind == "random":
            token = attributes.pop("token")
            kept = tuple((k, v) for k, v in current.attributes if k != "token")
            return Draw(operation, token, linear(indices, row_major(current)), kept, current.dtype)
        if operation.kind == "elementwise":
            values = tuple(self.value(i, _stretched(indices, i)) for i in current.inputs)
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
        return Load(
            base.buffer, base.index, Row(row, self.layouts.get(table, row_major(table))[0], int_size(table.shape[0]))
        )

    def _viewed(self, current: Expression, indices: tuple[Index, ...]) -> Value:
        """An element of a reshape. An axis that splits is an index; axes that merge are one stretch of memory."""
        (operand,) = current.inputs
        before, after = tuple(map(int_size, operand.shape)), tuple(map(int_size, current.shape))
        if 0 in before:
            return Literal(0, current.dtype)
        merged = [(old, _along(indices, new, after)) for old, new in reshape_groups(before, after)]
        inner = [Index()] * operand.ndim
        if _is_affine(current):
            for old, index in merged:
                inner[old[0]] = index
            return self.value(operand, tuple(inner))
        base = self.value(operand, tuple(inner))
        assert isinstance(base, Load)
        strides = self.layouts.get(operand, row_major(operand))
        index = base.index
        for old, position in merged:
            index = index + position * strides[old[-1]]
        return Load(base.buffer, index, base.row)


def product_axes(current: Expression) -> list[Axis]:
    """Return the axes that a matrix product loops over: its batch axes, then m, n and k."""
    left, right = current.inputs
    m, k = (1, 2) if current.attribute("transpose_left") else (2, 1)
    n = 2 if current.attribute("transpose_right") else 1
    batch = [(current, axis) for axis in range(current.ndim - 2)]
    return [*batch, (left, left.ndim - m), (right, right.ndim - n), (left, left.ndim - k)]


def _along(indices: Sequence[Index], axes: Sequence[int], shape: Sequence[int]) -> Index:
    """Return the position along several axes taken as one."""
    position = Index()
    for axis in axes:
        position = position * shape[axis] + indices[axis]
    return position


def int_size(size: object) -> int:
    """Return a size that must be a number by now."""
    assert isinstance(size, int)
    return size


def count(current: Expression) -> int:
    """Return the number of elements of an expression."""
    return math.prod(map(int_size, current.shape))


def row_major(current: Expression) -> tuple[int, ...]:
    """Return the strides, in elements, of an expression stored row after row."""
    strides, step = [], 1
    for size in reversed(current.shape):
        strides.append(step)
        step *= int_size(size)
    return tuple(reversed(strides))


def linear(indices: Sequence[Index], strides: Sequence[int]) -> Index:
    """Return the offset of an element in memory."""
    total = Index()
    for index, stride in zip(indices, strides, strict=True):
        total = total + index * stride
    return total


def is_reshape(current: Expression) -> bool:
    """Whether a movement neither reads nor writes: it is the same memory in another shape."""
    return current.operation.kind == "movement" and not current.operation.read and not current.operation.write


def _is_affine(current: Expression) -> bool:
    """Whether a reshape only splits axes, or adds and drops axes of size 1: its reads are indices."""
    before, after = tuple(map(int_size, current.inputs[0].shape)), tuple(map(int_size, current.shape))
    return 0 in before or all(len(old) == 1 for old, _ in reshape_groups(before, after))


def is_inline_source(current: Expression) -> bool:
    """Whether a source is no memory: a constant with one value, or a range."""
    return current.operation.name in ("arange", "axis_size") or scalar_value(current) is not None


def _is_trivial(current: Expression) -> bool:
    """Whether computing it again at each reader is as good as reading it."""
    if current.operation.kind == "elementwise":
        sources = all(i.operation.kind == "source" for i in current.inputs)
        return current.operation.facts.cheap and sources and count(current) == 1
    return current.operation.kind == "movement"


def _stretched(indices: tuple[Index, ...], operand: Expression) -> tuple[Index, ...]:
    tail = indices[len(indices) - operand.ndim :]
    return tuple(Index() if n == 1 else i for i, n in zip(tail, operand.shape, strict=True))
