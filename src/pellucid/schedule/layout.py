"""What is stored, and how it lies in memory; everything else is computed where it is read.

An expression is *stored* if something must find it in memory: results of reductions, products and placements, what
several others read, what a reshape or a product reads, outputs and updates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..core.dtypes import is_float
from ..core.expression import Expression, Parameter
from ..core.indices import Index, loop_variable
from ..core.traversal import topological, users
from ..operations.recurrence import Loop, inside, is_recurrence, loop_key, loop_of, scopes, step_variable
from ..operations.source import is_constant, scalar_value
from ..step import Step
from .axes import Axis, AxisClasses, reshape_groups
from .contraction import FEWEST_COLUMNS
from .loops import Buffer
from .zeros import holds_zeros

DEEPEST_INLINE = 24
NESTED_WORK = 256
NESTED_TOTAL = 4096
MOST_PICKED = 4096
READ_IN_PLACE = 1 << 22
MEMORY = ("variable", "parameter", "constant")


class Recurrence:
    """Where the values of a recurrence lie.

    Attributes:
        loop: its parts.
        time: the variable that counts its steps.
        row: the row of its sequences that a step reads.
    """

    def __init__(self, loop: Loop, number: int) -> None:
        self.loop, self.time = loop, f"time{number}"
        assert isinstance(loop.length, int)
        self.length = loop.length
        step = loop_variable(self.time)
        self.row = step * -1 + (loop.length - 1) if loop.reverse else step
        self.body = set(inside(loop).body)

    def before(self, size: int) -> Index:
        """Return where a history of values of some size has the one before a step."""
        return (self.row + int(self.loop.reverse)) * size

    def after(self, size: int) -> Index:
        """Return where a history of values of some size has the one after a step."""
        return (self.row + int(not self.loop.reverse)) * size


class Layout:
    """What of a step is stored, and how it lies in memory."""

    def __init__(self, step: Step, parameters: list[Parameter]) -> None:
        self.step, self.parameters = step, parameters
        self.order = topological(step.roots)
        self.readers = users(self.order)
        self.scopes = scopes(self.order)
        self.loops = {loop_key(n): Recurrence(loop_of(n), k) for k, n in enumerate(self.order) if is_recurrence(n)}
        self.roots = {*step.roots, *(root for r in self.loops.values() for root in r.loop.roots)}
        self.rows = {
            v: (r, s) for r in self.loops.values() for v, s in zip(r.loop.current, r.loop.sequences, strict=True)
        }
        self.classes = AxisClasses(self.order)
        self.updating = self._updating()
        self.rank = self._rank_classes()
        self.views = {n for n in self.order if is_reshape(n) and not is_affine(n)}
        self.drawn: dict[Expression, bool] = {}
        self.summed = {n for n in self.order if self._is_summed(n)}
        self.stored = self._choose_stored()
        self.buffers: dict[Expression, Buffer] = {}
        self.layouts: dict[Expression, tuple[int, ...]] = {}
        self.origins: dict[Expression, Index] = {}  # where in its buffer an expression begins, if not at the start
        self.padded = {n: p for n in self.order if (p := self._padded_copy(n)) is not None}
        self.invariant = self._find_invariant()

    def _numbers_first(self) -> list[Expression]:
        """Return the order with single numbers that are made of such alone ahead, so that nothing waits for them."""
        numbers: set[Expression] = set()
        for current in self.order:
            if count(current) == 1 and all(i in numbers for i in current.inputs):
                numbers.add(current)
        late = self._late()
        return sorted(self.order, key=lambda current: (current not in numbers, late[current]))

    def _late(self) -> dict[Expression, float]:
        """Return where in the order each expression comes: batches of products right before what first reads them.

        With them comes what is made of them element by element, such as probabilities of scores. What may be computed
        late is not in memory meanwhile.
        """
        places: dict[Expression, float] = {n: float(k) for k, n in enumerate(self.order)}
        moving: set[Expression] = set()
        for current in self.order:
            product = current.operation.kind == "product" and current.ndim > 2
            made = current.operation.kind == "elementwise" and any(i in moving for i in current.inputs)
            if product or made:
                moving.add(current)
        for current in reversed(self.order):
            readers = self.readers[current]
            if current in moving and readers:
                first = min(readers, key=places.__getitem__)
                places[current] = math.nextafter(places[first], -math.inf)
        return places

    # what is stored

    def _choose_stored(self) -> set[Expression]:
        roots = self.roots
        stored: set[Expression] = set()
        depth: dict[Expression, int] = {}
        costly: dict[Expression, bool] = {}  # whether what is computed where it is read has an expensive part
        for current in self.order:
            inline = [i for i in current.inputs if i not in stored]
            depth[current] = 1 + max((depth[i] for i in inline), default=0)
            costly[current] = not current.operation.facts.cheap or any(costly[i] for i in inline)
            if self._must_store(current, roots, costly[current]) or (
                current.inputs and depth[current] > DEEPEST_INLINE
            ):
                stored.add(current)
        for current in self.order:  # what must be found in memory by its readers
            if current in self.views or current.operation.kind == "indexing":
                stored.update({self._row_of(current.inputs[0])} - self.views)
            elif current.operation.kind in ("product", "convolution"):
                behind = [self._memory_behind(operand) for operand in current.inputs]
                stored.update(base for base in behind if not is_inline_source(base))
        return {n for n in stored - self.views if n.operation is not step_variable}

    def _row_of(self, current: Expression) -> Expression:
        """Return the sequence that something is the current row of, or else itself."""
        while current in self.rows:
            current = self.rows[current][1]
        return current

    def _must_store(self, current: Expression, roots: set[Expression], costly: bool) -> bool:
        operation = current.operation
        if current in self.views or current in self.summed:
            return False  # a view: its input is stored
        if current in roots and operation.kind != "source":
            return True
        if operation.kind in ("source", "movement"):
            memory = operation.name in MEMORY and not is_inline_source(current)
            return memory or bool(operation.write) or self._is_copied_anyway(current)
        if operation.kind in ("reduction", "product", "convolution", "loop") or operation.name == "scatter_add":
            return True
        if self._is_read_in_place(current) or self._is_drawn(current):
            return False
        readers = self.readers[current]
        if any(r.operation.kind == "loop" for r in readers):
            return True
        wider = any(count(r) > count(current) for r in readers if r.operation.kind != "reduction")
        return len(readers) > 1 and not _is_trivial(current) or (wider and costly)

    def _is_summed(self, current: Expression) -> bool:
        """Whether it is a batch of products of which only the sum is needed: that is one product of more steps."""
        readers = self.readers[current]
        if current.operation.kind != "product" or current in self.roots or len(readers) != 1:
            return False
        (reader,) = readers
        batch = set(range(current.ndim - 2))
        return reader.operation.name == "sum" and batch >= set(reader.attribute("axes")) and is_float(current.dtype)

    def _is_copied_anyway(self, current: Expression) -> bool:
        """Whether it is a piece of something that is copied into a border of zeros, and read by others as well.

        These then read the copy, so that the whole is needed no longer than until it is made.
        """
        readers = self.readers[current]
        others = [r for r in readers if r.operation.name != "pad"]
        alone = all(r.operation.kind in ("reduction", "product", "convolution") for r in others)
        return (
            bool(others) and alone and current.operation.name == "slice_axes" and self._border_copy(current) is not None
        )

    def _is_read_in_place(self, current: Expression) -> bool:
        """Whether it is rows of an input or a parameter that products, and nobody else, read where they lie."""
        if current.operation.name != "take" or current.ndim != 2 or current.inputs[1].ndim != 1:
            return False
        table, rows = current.inputs
        readers = self.readers[current]
        alone = all(r.operation.kind == "product" and self._reads_rows(r, current) for r in readers)
        return alone and table.operation.name in ("variable", "parameter") and count(rows) <= MOST_PICKED

    def _is_drawn(self, current: Expression) -> bool:
        """Whether it is made of random numbers and single ones alone: each reader draws it again."""
        operation = current.operation
        if operation.kind == "random":
            drawn = is_float(current.dtype)
        else:
            numbers = [count(i) == 1 and not i.inputs for i in current.inputs]
            chain = [self.drawn.get(i, False) for i in current.inputs]
            cheap = operation.kind == "elementwise" and operation.facts.cheap
            drawn = cheap and any(chain) and all(a or b for a, b in zip(numbers, chain, strict=True))
        self.drawn[current] = drawn
        return drawn

    def _reads_rows(self, product: Expression, rows: Expression) -> bool:
        """Whether a product has loops of its own, but not so many that copying the rows it reads would not matter.

        Where these are mostly zero, it makes a list of what is not, and would have no use for a copy.
        """
        axes = product_axes(product)
        extents = [int_size(expression.shape[axis]) for expression, axis in axes]
        left = product.ndim == 2 and product.inputs[0] is rows and product.inputs[1] is not rows
        lists = left and holds_zeros(rows) and min(extents) > FEWEST_COLUMNS
        return not self.is_nested(axes) and (lists or math.prod(extents) <= READ_IN_PLACE)

    def _memory_behind(self, operand: Expression) -> Expression:
        """What an operand of a product is a view of, through movements that are only strides, or picked rows."""
        while operand in self.rows or operand.operation.read or (is_reshape(operand) and is_affine(operand)):
            operand = self.rows[operand][1] if operand in self.rows else operand.inputs[0]
        return operand.inputs[1] if self._is_read_in_place(operand) else operand

    def _find_invariant(self) -> set[Expression]:
        """What is worth computing once a call: it depends on the inputs alone, and is more than a few comparisons.

        Something that changes from step to step needs it: what only roots need that depend on the inputs alone as well
        is best made where these are, in the same loops.
        """
        roots = set(self.step.roots)
        fixed: set[Expression] = set()
        same: set[Expression] = set()  # roots that are the same at every step
        worth: set[Expression] = set()
        for current in self.order:
            source = current.operation.kind == "source" and not isinstance(current, Parameter)
            source = source and current.operation is not step_variable
            inner = current.inputs and all(i in fixed for i in current.inputs) and current.operation.kind != "random"
            if current in roots:
                same.update([current] if inner else [])
                continue  # stored anew at every step, and with it what reads it
            if source or inner:
                fixed.add(current)
            costly = current.operation.kind in ("reduction", "product", "indexing") or not current.operation.facts.cheap
            if inner and (costly or any(i in worth for i in current.inputs)):
                worth.add(current)
        needed: set[Expression] = set()
        for current in reversed(self.order):
            readers = self.readers[current]
            unchanging = bool(readers) and all(r in same or (r in worth and r not in needed) for r in readers)
            if current in worth and not unchanging:
                needed.add(current)
        return set(topological(needed))

    # buffers

    def _declare(self, current: Expression) -> None:
        name, size = current.name or f"{current.operation.name}{len(self.buffers)}", count(current)
        if isinstance(current, Parameter):
            if current not in self.buffers:
                self._declare_parameter(current)
        elif current.operation.name == "variable":
            number = current.attribute("token")
            self._buffer(current, Buffer(current.name or f"input{number}", current.dtype, size, "input", number))
        elif current not in self.stored or current in self.padded or current in self.buffers:
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
            buffer.updates = self.buffers[target] if target is not None else None
            self._buffer(current, buffer)

    def _padded_copy(self, current: Expression) -> Expression | None:
        """Return the copy with a border of zeros that something is stored inside of, where others read it as well."""
        if current not in self.stored or current.operation.kind in ("source", "loop") or current in self.scopes:
            return None  # what steps of a recurrence make lies where these put it
        return self._border_copy(current)

    def _border_copy(self, current: Expression) -> Expression | None:
        """Return the one copy with a border of zeros of something, if it may lie inside of that."""
        pads = [r for r in self.readers.get(current, ()) if r.operation.name == "pad"]
        if len(pads) != 1:
            return None
        (copy,) = pads
        viewed = any(r in self.views or r.operation.kind == "indexing" for r in self.readers[current])
        if viewed or current in self.roots or copy in self.roots or copy.attribute("value") != 0:
            return None
        return copy

    def _share_memory(self) -> None:
        """Let what has a copy with a border lie inside of that."""
        for current in reversed(self.order):
            copy = self.padded.get(current)
            if copy is not None:
                self.buffers[current] = self.buffers[copy]
                self.layouts[current] = self.layouts[copy]

    # recurrences

    def _declare_loop(self, recurrence: Recurrence) -> None:
        """Decide where what a recurrence carries and returns lies: the steps write it where it is read afterwards."""
        loop = recurrence.loop
        used = {n.attribute("result"): n for n in self.order if is_recurrence(n) and loop_of(n) == loop}
        carries, outputs = len(loop.initial), len(loop.outputs)
        histories = {k for k in range(carries) if carries + outputs + k in used}
        for k, root in enumerate(loop.outputs):
            if carries + k in used:
                histories.update(j for j in range(carries) if root in (loop.new[j], loop.carried[j]))
        for k in range(carries):
            self._declare_carry(recurrence, k, k in histories, used)
        for k, root in enumerate(loop.outputs):
            result = used.get(carries + k)
            if result is None or result in self.buffers:
                continue
            self._buffer(result, Buffer(root.name or f"stack{len(self.buffers)}", result.dtype, count(result), "arena"))
            if root in self.stored and root in recurrence.body and root not in self.buffers:
                self._lie_in(root, result, recurrence.row * count(root))

    def _declare_carry(self, recurrence: Recurrence, k: int, history: bool, used: dict[int, Expression]) -> None:
        loop, variable = recurrence.loop, recurrence.loop.carried[k]
        size, last = count(variable), used.get(k)
        name = variable.name or f"carry{len(self.buffers)}"
        buffer = Buffer(name, variable.dtype, size * (recurrence.length + 1 if history else 1), "arena", holds=variable)
        self._lie(variable, buffer, recurrence.before(size) if history else Index())
        if last is not None:
            end = 0 if loop.reverse or not history else recurrence.length * size
            self._lie(last, buffer, Index() + end)
        if not history:
            return
        new, carries = loop.new[k], len(loop.initial)
        if new in self.stored and new in recurrence.body and new not in self.buffers:
            self._lie(new, buffer, recurrence.after(size))
        whole = used.get(carries + len(loop.outputs) + k)
        if whole is not None:
            self._lie(whole, buffer, Index())
        for j, root in enumerate(loop.outputs):
            result = used.get(carries + j)
            if result is not None and result not in self.buffers and root in (new, variable):
                later = (root is not variable) != loop.reverse
                self._lie(result, buffer, Index() + size * later)

    def _lie(self, current: Expression, buffer: Buffer, origin: Index) -> None:
        """Let an expression lie in a buffer, row after row, from a place on."""
        self.buffers[current], self.layouts[current], self.origins[current] = buffer, row_major(current), origin

    def _lie_in(self, current: Expression, whole: Expression, origin: Index) -> None:
        """Let an expression lie within another, from a place on."""
        self._lie(current, self.buffers[whole], origin)

    def _declare_parameter(self, parameter: Parameter) -> None:
        number = self.parameters.index(parameter)
        name = parameter.name or f"parameter{number}"
        self._buffer(parameter, Buffer(name, parameter.dtype, count(parameter), "parameter", number))

    def _buffer(self, current: Expression, buffer: Buffer) -> None:
        buffer.holds, buffer.mostly_zero = current, holds_zeros(current)
        self.buffers[current] = buffer
        self.layouts[current] = self._strides(current, buffer)

    def _strides(self, current: Expression, buffer: Buffer) -> tuple[int, ...]:
        """Row-major strides; in the arena with the outermost loop's axis first, so that a pass owns a piece."""
        order = list(range(current.ndim))
        readers = self.readers.get(current, ())
        if is_recurrence(current) or current in self.scopes:
            return row_major(current)
        viewed = any(r in self.views or r.operation.kind in ("indexing", "loop") for r in readers)
        updates = bool(readers) and all(r in self.updating for r in readers)  # of a parameter, row after row
        whole = updates or any(self._is_heavy(r) for r in (current, *readers))
        if buffer.place == "arena" and not (viewed or whole) and order and current not in self.roots:
            first = min(order, key=lambda k: (self._rank((current, k)), k))
            order.remove(first)
            order.insert(0, first)
        strides, step = [0] * current.ndim, 1
        for axis in reversed(order):
            strides[axis] = step
            step *= int_size(current.shape[axis])
        return tuple(strides)

    def _is_heavy(self, current: Expression) -> bool:
        """Whether it is a convolution or a product in loops of its own, which go through memory row by row."""
        current = current.inputs[0] if current.inputs and current.inputs[0] in self.summed else current
        kind = current.operation.kind
        return kind == "convolution" or (kind == "product" and not self.is_nested(product_axes(current)))

    # classes of axes

    def is_nested(self, axes: Sequence[Axis]) -> bool:
        """Whether a product is small enough to be unrolled in the loop over the axis it shares with others."""
        extents = [int_size(expression.shape[axis]) for expression, axis in axes]
        total = math.prod(extents)
        best = min(range(len(axes)), key=lambda k: self._rank(axes[k]))
        return total <= NESTED_TOTAL or total <= NESTED_WORK * extents[best]

    def _rank_classes(self) -> dict[Axis, int]:
        """Number the classes, the one that most statements' loops share first; of equals, one of a larger statement.

        Statements over one axis, and those that make a parameter's new value of its gradient, run well by themselves,
        and have no vote: else a mean for each channel, and what is done with it, would put channels around all rows.
        """
        votes: dict[Axis, float] = {}
        for position, current in enumerate(self.order):
            carrying = sorted((current, *current.inputs), key=lambda n: -n.ndim)
            axes = [self.classes.of((n, k)) for n in carrying for k in range(n.ndim) if n.shape[k] != 1]
            shared = dict.fromkeys(axes)  # not a set: its order depends on addresses, and decides ties
            if current.operation.kind == "source" or current in self.updating or len(shared) < 2:
                continue
            for axis in shared:
                votes[axis] = votes.get(axis, 0.0) + 1.0 - position * 1e-9
        return {axis: k for k, axis in enumerate(sorted(votes, key=lambda a: -votes[a]))}

    def _updating(self) -> set[Expression]:
        """Return what only new values of parameters are made of, element by element."""
        roots = {new for _, new in self.step.updates}
        found: set[Expression] = set()
        for current in reversed(self.order):
            read = self.readers.get(current, ())
            if current.operation.kind == "elementwise" and (current in roots or read) and all(r in found for r in read):
                found.add(current)
        return found

    def _rank(self, axis: Axis) -> int:
        if axis[0].shape[axis[1]] == 1:
            return 1 << 30
        return self.rank.get(self.classes.of(axis), 1 << 20)


def product_axes(current: Expression) -> list[Axis]:
    """Return the axes that a matrix product loops over: its batch axes, then m, n and k."""
    left, right = current.inputs
    m, k = (1, 2) if current.attribute("transpose_left") else (2, 1)
    n = 2 if current.attribute("transpose_right") else 1
    batch = [(current, axis) for axis in range(current.ndim - 2)]
    return [*batch, (left, left.ndim - m), (right, right.ndim - n), (left, left.ndim - k)]


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


def is_affine(current: Expression) -> bool:
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
