"""Contractions blocked for the caches and split over threads: the loops around the micro-kernel.

For each block of the shared axes and each group of columns, the right operand is packed into memory of the thread's
own; then row after row, tile after tile runs against it, and what follows the contraction is done while a tile is in
the cache. Every thread has a range of rows, or of columns where the right operand is the larger one, so that nobody
waits. How a sum is cut depends on the shape alone: it is the same on any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core.indices import Index
from ...schedule.contraction import is_cut, oriented
from ...schedule.loops import Axes, Contraction, Load
from .arithmetic import memory_type
from .blocking import block_axes, strides_of
from .borders import Rows, border_of
from .microkernel import Step, Tile, microkernel
from .packing import Count, Packing
from .product import split
from .values import BYTES

if TYPE_CHECKING:
    from .emit import Emitter

Position = str | int
TileWriter = Callable[[int, Position], None]
"""Writes what is done with a tile, given its height and its first row."""
MANY_UNITS = 64  # of rows, from which threads share out whole ones: one more or less does not matter


@dataclass
class Block:
    """Some steps of the shared axes: where they begin, and how many of each axis."""

    starts: dict[str, Position]
    axes: Axes


class BlockedContraction:
    """Writes one contraction."""

    def __init__(self, emitter: Emitter, contraction: Contraction) -> None:
        self.emitter, self.writer, self.b = emitter, emitter.writer, emitter.b
        self.contraction = c = oriented(contraction)
        self.dtype, self.kind = c.buffer.dtype, memory_type(c.buffer.dtype)
        self.lanes = emitter.target.lanes(self.dtype)
        *self.outer_columns, (self.column, self.n) = c.columns or (("", 1),)
        *self.outer_rows, (self.row, self.m) = c.rows or (("", 1),)
        chosen = emitter.module.choose(c, emitter.target)
        self.vectors, self.by_columns, self.packs_left = chosen.vectors, chosen.by_columns, chosen.packs_left
        self.width = self.vectors * self.lanes
        self.panels, self.rest = divmod(self.n, self.width)
        self.heights = list(split(self.m, chosen.rows))
        self.border = border_of(c)
        if self.border:
            self.heights = list(self.border.tiles(self.heights))
        self.outer_shared, self.block = block_axes(c)
        depth = math.prod(n for _, n in self.block)
        most = self.panels + bool(self.rest)
        self.group = max(1, min(chosen.packed_bytes // (depth * self.width * BYTES[self.dtype]), most))
        self.packed_size = self.group * depth * self.width
        tallest = max(height for _, height, _ in self.heights)
        self.left_size = depth * tallest + self.lanes if self.packs_left else 0
        self.tile_size = 0 if c.kept else tallest * self.group * self.width
        self.list_size = 0
        self.left_strides = strides_of(c.left)  # with which a tile's rows are read, if they are not packed
        self.clipped: dict[str, tuple[Position, Position]] = {}
        self.inside: Rows = ()  # of the tiles that are being written

    def write(self) -> None:
        """Write the contraction."""
        with self._loops(self.outer_columns):
            self._thread()

    def _thread(self) -> None:
        """Write what one thread does."""
        most = self.panels + bool(self.rest)
        first, last = self.emitter.share(most) if self.by_columns else (0, most)
        if not is_cut(self.contraction):
            return self._groups(first, last, Block({}, self.contraction.shared), finishes=True)
        with self._groups_of(first, last) as (low, high):
            self._each_tile(lambda height, start: self._zero(height, start, low, high))
        for block in self._blocks():
            self._groups(first, last, block, finishes=False)
        if self.contraction.body:
            with self._groups_of(first, last) as (low, high):
                self._each_tile(lambda height, start: self._body(height, start, low, high))
        return None

    # blocks of the shared axes

    def _blocks(self) -> Iterator[Block]:
        outer, (first, *inner) = self.outer_shared, self.block
        name, chunk = first
        extent = dict(self.contraction.shared)[name]
        whole, rest = divmod(extent, chunk)
        with self._loops(outer):
            starts: dict[str, Position] = {v: self.emitter.counters[v] for v, _ in outer}
            with self.writer.loop(0, whole) as k:
                yield Block({**starts, name: self.writer.multiply(k, chunk)}, ((name, chunk), *inner))
            if rest:
                yield Block({**starts, name: whole * chunk}, ((name, rest), *inner))

    @contextmanager
    def _loops(self, axes: Axes | list[tuple[str, int]]) -> Iterator[None]:
        """Write loops over whole axes, the counters known to the emitter."""
        if not axes:
            yield
            return
        (name, extent), rest = axes[0], axes[1:]
        with self.writer.loop(0, extent) as counter:
            self.emitter.counters[name] = counter
            with self._loops(rest):
                yield
        del self.emitter.counters[name]

    # columns

    @contextmanager
    def _groups_of(self, first: Position, last: Position) -> Iterator[tuple[Position, Position]]:
        """Write a loop over groups of panels; yields the first and the last of each."""
        if first == 0 and last == self.group:
            yield 0, last
            return
        with self.writer.loop(first, last, self.group) as low:
            yield low, self.writer.smaller(self.writer.add(low, self.group), last)

    def _groups(self, first: Position, last: Position, block: Block, finishes: bool) -> None:
        with self._groups_of(first, last) as (low, high):
            self._pack(block, low, high)

            def tile(height: int, start: Position) -> None:
                self._pack_left(block, height, start)
                self._tiles(block, height, start, low, high)
                if finishes and self.contraction.body:
                    self._body(height, start, low, high)

            self._each_tile(tile, block)

    def _each_panel(self, low: Position, high: Position, write: Callable[[Position, int], None]) -> None:
        """Write what is done with each panel of a group, given its number and the columns of an incomplete one."""
        whole = self.writer.smaller(high, self.panels) if self.rest else high
        if self.panels == 1 and (low, whole) == (0, 1):
            write(0, 0)
        elif self.panels:
            with self.writer.loop(low, whole) as panel:
                write(panel, 0)
        if self.rest:
            if isinstance(high, int) and low == 0:
                write(self.panels, self.rest)
                return
            with self.writer.branch(self.writer.value(f"icmp sgt i64 {high}, {self.panels}")):
                write(self.panels, self.rest)

    def _pack(self, block: Block, low: Position, high: Position) -> None:
        strides = strides_of(self.contraction.right)
        depth = math.prod(n for _, n in block.axes)

        def write(panel: Position, rest: int) -> None:
            vectors, tail = self._shape(rest)
            packing = Packing(self.emitter, self.dtype, strides, self.column, block.axes, vectors * self.lanes)
            column = self.writer.multiply(panel, self.width)
            source = self._address(self.contraction.right, {**block.starts, self.column: column})
            packing.panel(source, self._packed(panel, low, depth), tail)
            self._see(self._packed(panel, low, depth), depth * vectors)

        self._each_panel(low, high, write)

    def _see(self, panel: str, vectors: int) -> None:
        """Look at a packed panel."""

    def _packed(self, panel: Position, low: Position, depth: int) -> str:
        """Return where a panel of a group is packed."""
        place = self.writer.multiply(self.writer.subtract(panel, low), depth * self.width)
        return self._own(place)

    def _own(self, place: Position) -> str:
        """Return a place in memory of the thread's own: packed panels, packed rows, a tile's result, its steps."""
        size = (self.packed_size + self.left_size + self.tile_size + self.list_size) * BYTES[self.dtype]
        return self.writer.address(self.emitter.scratch(size), place, self.kind)

    def _pack_left(self, block: Block, height: int, start: Position) -> None:
        if self.packs_left:
            axes = [(name, self._count(name, n)) for name, n in block.axes]
            packing = Packing(self.emitter, self.dtype, strides_of(self.contraction.left), self.row, axes, height)
            packing.panel(self._left(block, start), self._own(self.packed_size), height % self.lanes)

    def _count(self, name: str, extent: int) -> Count:
        return (extent, self.clipped[name][1]) if name in self.clipped else extent

    def _left(self, block: Block, start: Position) -> str:
        """Return where in the left operand a tile's rows and a block's steps begin."""
        lows = {name: low for name, (low, _) in self.clipped.items()}
        at = {name: self.writer.add(block.starts.get(name, 0), lows.get(name, 0)) for name in (*block.starts, *lows)}
        if self.border and self.inside:
            step, row = self.border.first_inside(self.inside)
            at, start = {**at, self.border.axis: step}, self.writer.add(start, row)
        return self._address(self.contraction.left, {**at, self.row: start})

    def _rows(self, block: Block, start: Position) -> str:
        """Return where a tile's rows are read: where they were packed, or in the left operand."""
        return self._own(self.packed_size) if self.packs_left else self._left(block, start)

    def _shape(self, rest: int) -> tuple[int, int]:
        """Return how many vectors a panel has, and how many columns count in the last one if not all do."""
        return (-(-rest // self.lanes), rest % self.lanes) if rest else (self.vectors, 0)

    # rows

    def _each_tile(self, write: TileWriter, block: Block | None = None) -> None:
        """Write loops over the tiles of this thread's rows: their height, and where along the last axis they begin."""
        units = math.prod(n for _, n in self.outer_rows)
        tiles = sum(times for _, _, times in self.heights)
        shares = not self.by_columns
        if not self.outer_rows:
            if block:
                self._clip(block)
            return self._tiles_of_a_row(write, *(self.emitter.share(tiles) if shares else (0, tiles)), block)
        single = shares and units < MANY_UNITS
        first, last = self.emitter.share(units * tiles if single else units) if shares else (0, units)
        ends = (self.writer.down(first, tiles), self.writer.up(last, tiles)) if single else (first, last)
        with self.writer.loop(*ends) as unit:
            self._count_rows(unit)
            if block:
                self._clip(block)
            low: Position = 0
            high: Position = tiles
            if single:
                before = self.writer.multiply(unit, tiles)
                low = self.writer.larger(self.writer.subtract(first, before), 0)
                high = self.writer.smaller(self.writer.subtract(last, before), tiles)
            self._tiles_of_a_row(write, low, high, block)
        for name, _ in self.outer_rows:
            del self.emitter.counters[name]
        return None

    def _count_rows(self, unit: str) -> None:
        """Make counters of the outer rows from their number."""
        for name, extent in reversed(self.outer_rows[1:]):
            self.emitter.counters[name] = self.writer.value(f"urem i64 {unit}, {extent}")
            unit = self.writer.value(f"udiv i64 {unit}, {extent}")
        self.emitter.counters[self.outer_rows[0][0]] = unit

    def _tiles_of_a_row(self, write: TileWriter, first: Position, last: Position, block: Block | None) -> None:
        before = 0
        for start, height, times in self.heights:
            low, high = self.writer.larger(first, before), self.writer.smaller(last, before + times)
            self.inside = self.border.rows(start, height) if self.border else ()
            self._equal_tiles(write, low, high, height, start - before * height, block)
            before += times

    def _equal_tiles(
        self, write: TileWriter, low: Position, high: Position, height: int, origin: int, block: Block | None
    ) -> None:
        """Write a loop over tiles of one height; ``origin`` is where tile 0 would begin."""
        if isinstance(low, int) and isinstance(high, int) and high - low == 1:
            return write(height, low * height + origin)
        with self.writer.loop(low, high) as tile:
            write(height, self.writer.add(self.writer.multiply(tile, height), origin))
        return None

    def _clip(self, block: Block) -> None:
        """Compute for each clip where its summed axis begins to count, within the block, and how many steps do."""
        axes = dict(block.axes)
        for clip in self.contraction.clips:
            if self.row in clip.index.variables:
                continue  # it is the border of tiles
            name = next(v for v in clip.index.variables if v in axes)
            step, writer = clip.index.coefficient(name), self.writer
            rest = clip.index.replace({name: Index()})
            start = block.starts.get(name, 0)
            at = writer.add(self.emitter.offset(rest), writer.multiply(start, step))
            if step > 0:  # low <= at + step k < high
                low, high = (writer.up(writer.subtract(bound, at), step) for bound in (clip.low, clip.high))
            else:
                low, high = (writer.up(writer.subtract(at, bound - 1), -step) for bound in (clip.high, clip.low))
            low = writer.smaller(writer.larger(low, 0), axes[name])
            high = writer.larger(writer.smaller(high, axes[name]), low)
            self.clipped[name] = (low, writer.subtract(high, low))

    # tiles

    def _tiles(self, block: Block, height: int, start: Position, low: Position, high: Position) -> None:
        depth = math.prod(n for _, n in block.axes)
        left = self._rows(block, start)

        def write(panel: Position, rest: int) -> None:
            steps = self._steps(block, height, rest)
            skipped: Position = 0
            for step, (name, _) in zip(steps, block.axes, strict=True):
                first = self.clipped[name][0] if name in self.clipped else 0
                skipped = self.writer.add(skipped, self.writer.multiply(first, step.right))
            right = self.writer.address(self._packed(panel, low, depth), skipped, self.kind)
            result = self._result(start, self.writer.multiply(panel, self.width), low)
            name = self._microkernel(height, rest, steps)
            self.writer.line(f"call void @{name}(ptr {left}, ptr {right}, ptr {result}{self._counted(block)})")

        self._each_panel(low, high, write)

    def _counted(self, block: Block) -> str:
        """Return what a micro-kernel is told about the steps of a call."""
        return "".join(f", i64 {self.clipped[v][1]}" for v, _ in block.axes if v in self.clipped)

    def _steps(self, block: Block, height: int, rest: int) -> list[Step]:
        strides, steps = self.left_strides, []
        left, right = height, self._shape(rest)[0] * self.lanes
        for name, count in reversed(block.axes):
            moved = left if self.packs_left else strides.get(name, 0)
            inside = self.inside if self.border and name == self.border.axis else ()
            steps.append(Step(None if name in self.clipped else count, moved, right, inside))
            left, right = left * count, right * count
        return steps[::-1]

    def _microkernel(self, height: int, rest: int, steps: list[Step]) -> str:
        tile, target = self._tile(height, rest, steps), self.emitter.target
        return self.emitter.function(tile, lambda name: microkernel(name, tile, target, self.writer.declarations))

    def _tile(self, height: int, rest: int, steps: list[Step]) -> Tile:
        vectors, tail = self._shape(rest)
        strides, down, skipped = self.left_strides, self._result_stride(), 0
        left, rows = strides.get(self.row, 0), range(height)
        if self.border and self.inside:
            step, row = self.border.first_inside(self.inside)
            skipped = step * strides.get(self.border.axis, 0) + row * left
        return Tile(
            self.dtype,
            tuple(r * left - skipped for r in rows),
            tuple(r * down for r in rows),
            vectors,
            tail,
            tuple(steps),
            is_cut(self.contraction),
        )

    def _result_stride(self) -> int:
        return self.contraction.index.coefficient(self.row) if self.contraction.kept else self.group * self.width

    def _result(self, start: Position, column: Position, low: Position) -> str:
        """Return where a tile's result begins: in its buffer, or in the thread's own memory if nobody else sees it."""
        if self.contraction.kept:
            target = Load(self.contraction.buffer, self.contraction.index)
            return self._address(target, {self.row: start, self.column: column})
        shifted = self.writer.subtract(column, self.writer.multiply(low, self.width))
        return self._own(self.writer.add(shifted, self.packed_size + self.left_size))

    def _zero(self, height: int, start: Position, low: Position, high: Position) -> None:
        zero = self.b.splat(self.b.constant_of(0, self.dtype), self.lanes)

        def write(panel: Position, rest: int) -> None:
            vectors, tail = self._shape(rest)
            place = self._result(start, self.writer.multiply(panel, self.width), low)
            for r in range(height):
                for v in range(vectors):
                    at = self.writer.address(place, r * self._result_stride() + v * self.lanes, self.kind)
                    mask = self.b.first_lanes(tail, self.lanes) if v == vectors - 1 else None
                    self.b.store(zero, at, mask)

        self._each_panel(low, high, write)

    # what follows

    def _body(self, height: int, start: Position, low: Position, high: Position) -> None:
        """Write what is done with the finished elements of a tile's rows and a group's columns."""
        first = self.writer.multiply(low, self.width)
        last = self.writer.smaller(self.writer.multiply(high, self.width), self.n)
        with self.writer.repeated(height) as r:
            self.emitter.counters[self.row] = self.writer.add(start, r)
            if not self.contraction.kept:
                self.emitter.addresses[self.contraction.buffer] = self._own_row(r, first)
            self.emitter.body(self.contraction.body, (self.column, self.n), first, last)
            del self.emitter.counters[self.row]

    def _own_row(self, r: Position, first: Position) -> str:
        """Return an address by which the body finds the row of a result that is not kept, as if it were stored."""
        own = self._own(self.packed_size + self.left_size)
        place = self.writer.subtract(self.writer.multiply(r, self.group * self.width), first)
        index = self.contraction.index.replace({self.column: Index()})
        return self.writer.address(own, self.writer.subtract(place, self.emitter.offset(index)), self.kind)

    def _address(self, load: Load, at: dict[str, Position]) -> str:
        """Return the address of an element: at the emitter's counters, and the given places of other variables."""
        writer, counters = self.writer, self.emitter.counters
        offset: Position = load.index.offset
        for name, c in load.index.terms:
            offset = writer.add(offset, writer.multiply(at.get(name, counters.get(name, 0)), c))
        return writer.address(self.emitter.addresses[load.buffer], offset, memory_type(load.buffer.dtype))
