"""Elements of buffers in generated code: reading and writing them, and computing values of them.

Inside a vector loop each access is of as many elements as there are lanes: neighbours where the loop's variable moves
by one, else gathered or scattered. A last, incomplete set of lanes runs under a mask.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...core.errors import InternalError
from ...core.indices import Index
from ...schedule.loops import Buffer, Draw, Literal, Load, Position, Row
from ...schedule.loops import Value as LoopValue
from ...schedule.memory import LINE
from .arithmetic import Arithmetic, Value, memory_type
from .streams import Streams
from .values import BYTES
from .writer import Writer

ROWS_AHEAD = 4


@dataclass
class Lanes:
    """The vector loop that is being written: its variable, how many lanes, which of them count, and how many passes."""

    variable: str
    count: int
    base: str | int
    mask: Value | None
    passes: int


class Elements:
    """Writes accesses and values into a function.

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
        self.lanes: Lanes | None = None
        self.private_lanes: dict[Buffer, int] = {}
        self.streams = Streams()  # of the outermost statement being written

    def offset(self, index: Index) -> str | int:
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
            elif loop := self.streams.ahead.get((buffer, index)):
                last = loop.extent - 1
                self._ask(buffer, index, None, loop.variable, 1, last, lanes.count * BYTES[buffer.dtype], near=True)
            return self.b.load(address, buffer.dtype, lanes.count, lanes.mask)
        jumps = self._jumps(pace, rows, lanes.count)
        if lanes.mask is not None and not self.target.has_scatter:
            jumps = self.b.select(lanes.mask, jumps, self.b.constant(0, like=jumps))  # a place that may be read
            return self.b.gather(address, jumps, buffer.dtype)
        return self.b.gather(address, jumps, buffer.dtype, lanes.mask)

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
            return self.b.store(value, address, lanes.mask, (buffer, index) in self.streams.past)
        jumps = self._jumps(pace, rows, lanes.count)
        if lanes.mask is not None and rows is None and not self.target.has_scatter:
            # Each masked lane would be a branch of its own: lanes that do not count store what the first one does.
            first = self.b.splat(self.b.extract(value, 0), lanes.count)
            value = self.b.select(lanes.mask, value, first)
            jumps = self.b.select(lanes.mask, jumps, self.b.constant(0, like=jumps))
            return self.b.scatter(value, address, jumps)
        return self.b.scatter(value, address, jumps, lanes.mask)

    def _place(self, buffer: Buffer, index: Index, row: Row | None) -> tuple[str, int, Value | None]:
        """Return the first lane's address, how far the next lane is, and where rows are if lanes differ in them."""
        kind = memory_type(buffer.dtype, self.private_lanes.get(buffer, 0))
        pace = index.coefficient(self.lanes.variable) if self.lanes else 0
        offset, rows = self.offset(index), None
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
        self._ask(buffer, index, row, known[0], ROWS_AHEAD, picked.buffer.size - 1)

    def _ask(
        self,
        buffer: Buffer,
        index: Index,
        row: Row | None,
        variable: str,
        ahead: int,
        last: int,
        size: int = LINE,
        near: bool = False,
    ) -> None:
        """Ask memory for the lines that are read some passes of a loop from now, at most in the last of them."""
        counter = self.counters[variable]
        self.counters[variable] = self.writer.smaller(self.writer.add(counter, ahead), last)
        address, _, _ = self._place(buffer, index, row)
        self.counters[variable] = counter
        for line in range(0, size, LINE):
            self.writer.prefetch(self.writer.address(address, line, "i8"), near)

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
        first = self._integer(self.offset(index), dtype)
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

    def _integer(self, value: str | int, dtype: str) -> Value:
        whole = self.b.constant_of(value, "int64") if isinstance(value, int) else Value(value, "int64")
        return self.b.convert(whole, dtype)
