"""Loops to LLVM IR. A vector loop runs its body once for many passes: every value in it has that many lanes.

What lanes add up for themselves (accumulators) is kept one vector for each element and joined when the loop ends, in
an order that depends on the number of lanes alone. A last, incomplete set of lanes runs under a mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ...core.errors import InternalError
from ...core.indices import Index
from ...schedule.loops import (
    Apply,
    Buffer,
    Draw,
    Literal,
    Load,
    Loop,
    Position,
    Product,
    Reduce,
    Row,
    Statement,
    Store,
    extents,
    leaves,
    loads,
)
from ...schedule.loops import Value as LoopValue
from .arithmetic import Arithmetic, Value, memory_type
from .contraction import Contraction
from .values import BYTES
from .writer import Writer

MOST_MASKED_PASSES = 24
LARGEST_TWICE = 40
MOST_UNROLLED_JOINS = 32
ROWS_AHEAD = 4


@dataclass
class Lanes:
    """The vector loop that is being written: its variable, how many lanes, and which of them count."""

    variable: str
    count: int
    base: str | int
    mask: Value | None


@dataclass
class Accumulators:
    """One vector for each element that lanes add to, from ``low`` on past where the loops ``around`` them are."""

    address: str
    low: int
    size: int
    around: frozenset[str]


class Emitter:
    """Writes the statements of one kernel into a function.

    Args:
        writer: the function.
        arithmetic: the builder of its instructions.
        addresses: where each buffer begins.
        runtime: the values that differ from step to step (uint32): seed, step, order_seed, epoch, start.
    """

    def __init__(
        self, writer: Writer, arithmetic: Arithmetic, addresses: dict[Buffer, str], runtime: dict[str, Value]
    ) -> None:
        self.writer, self.b, self.addresses, self.runtime = writer, arithmetic, addresses, runtime
        self.target = arithmetic.target
        self.counters: dict[str, str | int] = {}
        self.extents: dict[str, int] = {}
        self.lanes: Lanes | None = None
        self.private_lanes: dict[Buffer, int] = {}
        self.accumulators: dict[Buffer, Accumulators] = {}

    def kernel(self, statements: Sequence[Statement]) -> None:
        """Write outermost statements."""
        self.extents.update(extents(statements))
        for statement in statements:
            if isinstance(statement, Loop):
                self._allocate_private(statement)
            self.statement(statement)

    def statement(self, statement: Statement) -> None:
        """Write one statement."""
        if isinstance(statement, Loop):
            self._loop(statement)
        elif isinstance(statement, Store):
            self._store(statement)
        elif isinstance(statement, Reduce):
            self._reduce(statement)
        else:
            self.product(statement)

    def product(self, statement: Product) -> None:
        """Write a matrix product."""
        Contraction(self, statement).write()

    # loops

    def _loop(self, loop: Loop) -> None:
        if loop.mode == "vector" and self.lanes is None:
            self._vector(loop)
        elif loop.mode == "unrolled":
            for place in range(loop.extent):
                self.counters[loop.variable] = place
                self._body(loop)
            self.counters.pop(loop.variable, None)
        else:
            with self.writer.loop(0, loop.extent) as counter:
                self.counters[loop.variable] = counter
                self._body(loop)
            del self.counters[loop.variable]

    def _body(self, loop: Loop) -> None:
        for statement in loop.body:
            self.statement(statement)

    def _vector(self, loop: Loop) -> None:
        count = self._lane_count(loop)
        with self._accumulated(loop, count):
            full, rest = divmod(loop.extent, count)
            size = _written_size(loop.body)
            if not rest:
                self._lane_passes(loop, count, 0, loop.extent, masked=False)
            elif full and (full > MOST_MASKED_PASSES or size <= LARGEST_TWICE):
                self._lane_passes(loop, count, 0, full * count, masked=False)
                self._lane_pass(loop, count, full * count, masked=True)
            else:
                self._lane_passes(loop, count, 0, loop.extent, masked=True)

    def _lane_passes(self, loop: Loop, count: int, start: int, stop: int, masked: bool) -> None:
        if stop - start <= count:
            return self._lane_pass(loop, count, start, masked)
        with self.writer.loop(start, stop, count) as base:
            self._lane_pass(loop, count, base, masked)
        return None

    def _lane_pass(self, loop: Loop, count: int, base: str | int, masked: bool) -> None:
        mask = None
        if masked:
            dtype = "int32" if loop.extent < 2**31 - count else "int64"
            place = self.b.add(self.b.iota(count, dtype), self._integer(base, dtype))
            mask = self.b.compare("<", place, self.b.constant(loop.extent, like=place))
        self.lanes = Lanes(loop.variable, count, base, mask)
        self._body(loop)
        self.lanes = None

    def _lane_count(self, loop: Loop) -> int:
        """As many lanes as fit a register at the widest float (or else the widest dtype) that the loop computes in."""
        dtypes = {leaf.buffer.dtype for leaf in leaves(loop.body)}
        for leaf in leaves(loop.body):
            if not isinstance(leaf, Product):
                dtypes.update(load.dtype for load in loads(leaf.value))
                dtypes.update(_dtypes(leaf.value))
        floats = dtypes & {"float32", "float64"}
        return self.target.lanes(max(floats or dtypes, key=lambda d: BYTES[d]))

    def _integer(self, value: str | int, dtype: str) -> Value:
        whole = self.b.constant_of(value, "int64") if isinstance(value, int) else Value(value, "int64")
        return self.b.convert(whole, dtype)

    # memory that lanes or passes have for themselves

    def _allocate_private(self, loop: Loop) -> None:
        lanes = self._lane_count(loop) if loop.mode == "vector" else 0
        touched = {leaf.buffer for leaf in leaves([loop])}
        for buffer in sorted((b for b in touched if b.place == "private"), key=lambda b: b.name):
            self.addresses[buffer] = self.writer.allocate(memory_type(buffer.dtype, lanes), buffer.size)
            self.private_lanes[buffer] = lanes

    @contextmanager
    def _accumulated(self, loop: Loop, count: int) -> Iterator[None]:
        """Give every element that the lanes of a loop reduce to a vector of its own, and join them at the end."""
        before, made = dict(self.accumulators), []
        for leaf in leaves(loop.body):
            if not isinstance(leaf, Reduce) or leaf.buffer in self.accumulators or self.private_lanes.get(leaf.buffer):
                continue
            if loop.variable in leaf.index.variables or leaf.row:
                continue
            made.append(self._make_accumulators(loop, leaf, count))
        yield
        for leaf, vectors in made:
            self._join(leaf, vectors, count)
        self.accumulators = before

    def _make_accumulators(self, loop: Loop, leaf: Reduce, count: int) -> tuple[Reduce, Accumulators]:
        spans = [
            self._inner(other.index).span(self.extents.__getitem__)
            for other in leaves(loop.body)
            if other.buffer is leaf.buffer
        ]
        low, high = min(s[0] for s in spans), max(s[1] for s in spans)
        kind, dtype = memory_type(leaf.buffer.dtype, count), leaf.buffer.dtype
        size = high - low + 1
        vectors = Accumulators(self.writer.allocate(kind, size), low, size, frozenset(self.counters))
        assert leaf.operation.identity is not None
        identity = self.b.splat(self.b.constant_of(leaf.operation.identity(dtype), dtype), count)
        with self._each(vectors.size) as element:
            self.b.store(identity, self.writer.address(vectors.address, element, kind))
        self.accumulators[leaf.buffer] = vectors
        return leaf, vectors

    def _join(self, leaf: Reduce, vectors: Accumulators, count: int) -> None:
        buffer, kind = leaf.buffer, memory_type(leaf.buffer.dtype, count)
        outer = self._offset(Index(tuple(t for t in leaf.index.terms if t[0] in vectors.around)))
        for element in self._elements(vectors.size):
            total = self.b.load(self.writer.address(vectors.address, element, kind), buffer.dtype, count)
            assert leaf.operation.scalar is not None
            joined = self.b.reduce_lanes(leaf.operation.scalar, total)
            offset = self.writer.add(self.writer.add(outer, element), vectors.low)
            address = self.writer.address(self.addresses[buffer], offset, memory_type(buffer.dtype))
            self.b.store(leaf.operation.scalar(self.b, self.b.load(address, buffer.dtype), joined), address)

    def _inner(self, index: Index) -> Index:
        """The part of an index that loops inside the vector loop move (those outside are where they are)."""
        return Index(tuple(t for t in index.terms if t[0] not in self.counters), index.offset)

    @contextmanager
    def _each(self, size: int) -> Iterator[str | int]:
        if size == 1:
            yield 0
        else:
            with self.writer.loop(0, size) as element:
                yield element

    def _elements(self, size: int) -> Iterator[str | int]:
        """Yield each element's number, written out if they are few, else in a loop."""
        if size <= MOST_UNROLLED_JOINS:
            yield from range(size)
        else:
            with self.writer.loop(0, size) as element:
                yield element

    # statements

    def _store(self, statement: Store) -> None:
        value = self.value(statement.value)
        self._put(statement.buffer, statement.index, None, value)

    def _reduce(self, statement: Reduce) -> None:
        assert statement.operation.scalar is not None
        value = self.value(statement.value)
        vectors = self.accumulators.get(statement.buffer)
        if vectors is None:
            old = self._get(statement.buffer, statement.index, statement.row)
            new = statement.operation.scalar(self.b, old, value)
            return self._put(statement.buffer, statement.index, statement.row, new)
        assert self.lanes is not None
        inner = Index(tuple(t for t in statement.index.terms if t[0] not in vectors.around), statement.index.offset)
        offset = self._offset(inner - vectors.low)
        count, dtype = self.lanes.count, statement.buffer.dtype
        address = self.writer.address(vectors.address, offset, memory_type(dtype, count))
        old = self.b.load(address, dtype, count)
        new = self.b.splat(statement.operation.scalar(self.b, old, value), count)
        if self.lanes.mask is not None:
            new = self.b.select(self.lanes.mask, new, old)
        self.b.store(new, address)
        return None

    # memory

    def _offset(self, index: Index) -> str | int:
        """Return an index as a number of elements, lanes at their first."""
        total: str | int = index.offset
        for name, c in index.terms:
            counter = self.lanes.base if self.lanes and name == self.lanes.variable else self.counters[name]
            total = self.writer.add(total, self.writer.multiply(counter, c))
        return total

    def _get(self, buffer: Buffer, index: Index, row: Row | None) -> Value:
        address, pace, rows = self._place(buffer, index, row)
        lanes = self.lanes
        if own := self.private_lanes.get(buffer):
            return self.b.load(address, buffer.dtype, own)
        if lanes is None or (pace == 0 and rows is None):
            return self.b.load(address, buffer.dtype)
        if rows is None and pace == 1:
            if row is not None:
                self._ask_ahead(buffer, index, row)
            return self.b.load(address, buffer.dtype, lanes.count, lanes.mask)
        return self.b.gather(address, self._jumps(pace, rows, lanes.count), buffer.dtype, lanes.mask)

    def _put(self, buffer: Buffer, index: Index, row: Row | None, value: Value) -> None:
        address, pace, rows = self._place(buffer, index, row)
        lanes = self.lanes
        if own := self.private_lanes.get(buffer):
            return self.b.store(self.b.splat(value, own), address)
        if lanes is None:
            return self.b.store(value, address)
        if pace == 0 and rows is None:
            raise InternalError(f"lanes over {lanes.variable} would all store into {buffer}[{index}]")
        value = self.b.splat(value, lanes.count)
        if rows is None and pace == 1:
            return self.b.store(value, address, lanes.mask)
        return self.b.scatter(value, address, self._jumps(pace, rows, lanes.count), lanes.mask)

    def _place(self, buffer: Buffer, index: Index, row: Row | None) -> tuple[str, int, Value | None]:
        """Return the first lane's address, how far the next lane is, and where rows are if lanes differ in them."""
        kind = memory_type(buffer.dtype, self.private_lanes.get(buffer, 0))
        pace = index.coefficient(self.lanes.variable) if self.lanes else 0
        offset, rows = self._offset(index), None
        if row is not None:
            rows = self.row_offset(row)
            if not rows.lanes:
                offset, rows = self.writer.add(offset, rows.text), None
        return self.writer.address(self.addresses[buffer], offset, kind), pace, rows

    def row_offset(self, row: Row) -> Value:
        """Write how many elements of a table come before the row that data picks."""
        value = self.b.convert(self.value(row.value), "int64")
        last = self.b.constant(row.limit - 1, like=value)
        picked = self.b.minimum(self.b.maximum(value, self.b.constant(0, like=value)), last)
        return self.b.multiply(picked, self.b.constant(row.stride, like=picked))

    def _ask_ahead(self, buffer: Buffer, index: Index, row: Row) -> None:
        """Ask memory for the row that is copied a few passes from now, since no hardware can guess where it is."""
        picked = row.value
        if not isinstance(picked, Load) or picked.row or picked.buffer.size <= ROWS_AHEAD:
            return
        known = [name for name in picked.index.variables if name in self.counters]
        if len(known) != 1 or picked.index.terms != ((known[0], 1),):
            return
        counter = self.counters[known[0]]
        ahead = self.writer.add(counter, ROWS_AHEAD)
        inside = self.writer.value(f"call i64 @llvm.smin.i64(i64 {ahead}, i64 {picked.buffer.size - 1})")
        self.writer.declare("i64 @llvm.smin.i64(i64, i64)")
        self.counters[known[0]] = inside
        address, _, _ = self._place(buffer, index, row)
        self.counters[known[0]] = counter
        self.writer.prefetch(address)

    def _jumps(self, pace: int, rows: Value | None, count: int) -> Value:
        step = self.b.iota(count, "int64")
        jumps = self.b.multiply(step, self.b.constant(pace, like=step))
        return jumps if rows is None else self.b.add(jumps, rows)

    # values

    def value(self, value: LoopValue) -> Value:
        """Write what computes a value and return it: a scalar, or a vector where its lanes differ."""
        if isinstance(value, Load):
            return self._get(value.buffer, value.index, value.row)
        if isinstance(value, Literal):
            return self.b.constant_of(value.number, value.dtype)
        if isinstance(value, Position):
            return self.b.convert(self._position(value.index, "int64"), value.dtype)
        if isinstance(value, Draw):
            return self._draw(value)
        assert value.operation.scalar is not None
        operands = [self.value(v) for v in value.values]
        result: Value = value.operation.scalar(self.b, *operands, **dict(value.attributes))
        if result.dtype != value.dtype:
            raise InternalError(f"the body of {value.operation.name} gave {result.dtype}, not {value.dtype}")
        return result

    def _position(self, index: Index, dtype: str) -> Value:
        first = self._integer(self._offset(index), dtype)
        pace = index.coefficient(self.lanes.variable) if self.lanes else 0
        if not pace or self.lanes is None:
            return first
        step = self.b.iota(self.lanes.count, dtype)
        return self.b.add(self.b.multiply(step, self.b.constant(pace, like=step)), first)

    def _draw(self, value: Draw) -> Value:
        element = self._position(value.element, "uint32")
        runtime = self.runtime
        seed, step = runtime["seed"], runtime["step"]
        if value.operation.name == "batch_indices":
            seed, step = runtime["order_seed"], runtime["epoch"]
            element = self.b.add(element, runtime["start"])
        draw = self.b.constant_of(value.token, "uint32")
        assert value.operation.scalar is not None
        result: Value = value.operation.scalar(self.b, seed, draw, step, element, **dict(value.attributes))
        return result


def _written_size(statements: Sequence[Statement]) -> int:
    """How many statements are written out, unrolled loops counted in full."""
    total = 0
    for s in statements:
        if isinstance(s, Loop):
            total += _written_size(s.body) * (s.extent if s.mode == "unrolled" else 1)
        else:
            total += 1
    return total


def _dtypes(value: LoopValue) -> Iterator[str]:
    stack = [value]
    while stack:
        current = stack.pop()
        yield current.dtype
        if isinstance(current, Apply):
            stack.extend(current.values)
