"""Blocked contractions that go only through the steps at which a tile's rows are not all 0; see `zeros.py`.

The elements at these steps are packed beside the list of them, so that it does not matter where the rows lie: those of
a batch are read in the whole array. Rows that lie together, as those of a weight's gradient do, are turned before: as
many at a time as a vector has lanes, which is one read of each line of memory for several tiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...schedule.loops import Contraction, Load
from .blocked import Block, BlockedContraction, Position, TileWriter
from .microkernel import Step, Tile
from .values import BYTES
from .zeros import StepList, is_turned

if TYPE_CHECKING:
    from .emit import Emitter


class SkippingContraction(BlockedContraction):
    """Writes one contraction whose left operand is mostly zero."""

    def __init__(self, emitter: Emitter, contraction: Contraction) -> None:
        super().__init__(emitter, contraction)
        self.steps = StepList(emitter, self.dtype)
        ((self.step, depth),) = self.block
        tallest = max(height for _, height, _ in self.heights)
        self.pitch = -(-depth // self.lanes) * self.lanes + self.lanes
        self.left = ""  # where a tile's turned rows are
        self.count = ""  # of the steps of a tile
        self.next: list[str] = []  # where the rows of the next tile are
        self.packs_left, self.turns = False, is_turned(self.contraction, self.lanes)
        self.first_turned: Position = 0
        self.left_size = self.lanes * self.pitch if self.turns else 0
        self.list_size = self.pitch if self.turns else (1 + tallest) * self.pitch
        self.left_strides = {self.row: self.pitch, self.step: 1}

    def _pack(self, block: Block, low: Position, high: Position) -> None:
        self.steps.begin()
        super()._pack(block, low, high)

    def _see(self, panel: str, vectors: int) -> None:
        self.steps.see(panel, vectors)

    def _equal_tiles(
        self, write: TileWriter, low: Position, high: Position, height: int, origin: int, block: Block | None
    ) -> None:
        if not self.turns or block is None:
            return super()._equal_tiles(write, low, high, height, origin, block)
        writer, together, ((_, count),) = self.writer, self.lanes // height, block.axes
        with writer.loop(low, high, together) as band:
            start = writer.smaller(writer.add(writer.multiply(band, height), origin), self.m - self.lanes)
            self.first_turned = start
            target = self._own(self.packed_size)
            self.steps.turn(lambda k: self._element(block, start, k), target, count, self.pitch)
            end = writer.smaller(writer.add(band, together), high)
            super()._equal_tiles(write, band, end, height, origin, block)
        return None

    def _element(self, block: Block, row: Position, step: Position) -> str:
        """Return where an element of the left operand lies."""
        at = {self.row: row, self.step: self.writer.add(block.starts.get(self.step, 0), step)}
        left, counters = self.contraction.left, self.emitter.counters
        address = self._address(left, at)
        if left.row:
            counters.update(at)
            address = self.writer.address(address, self.emitter.row_offset(left.row).text, self.kind)
            for name in at:
                del counters[name]
        return address

    def _pack_left(self, block: Block, height: int, start: Position) -> None:
        """Write the list of a tile's steps, and its elements at these behind it."""
        ((_, depth),), writer = block.axes, self.writer
        place, stride = self._list(), self._stride()
        if self.turns:
            before = writer.multiply(writer.subtract(start, self.first_turned), self.pitch)
            turned = writer.address(self._own(self.packed_size), before, self.kind)
            rows = [writer.address(turned, r * self.pitch, self.kind) for r in range(height)]
            stride, self.left = 1, turned
        elif stride is not None:
            rows = [self._element(block, writer.add(start, r), 0) for r in range(height)]
            if self.contraction.left.row:
                last = self.m - 1
                places = [writer.smaller(writer.add(start, height + r), last) for r in range(height)]
                self.next = [self._element(block, place, 0) for place in places]

        def at(row: int, step: Position) -> str:
            if stride is None:
                return self._element(block, writer.add(start, row), step)
            return writer.address(rows[row], writer.multiply(step, stride), self.kind)

        self.count = self.steps.write(at, height, stride == 1, depth, place, 0 if self.turns else self.pitch)

    def _stride(self) -> int | None:
        """Return how far a step moves in the left operand; None if data says so."""
        left = self.contraction.left
        picked = left.row.value if left.row else None
        if isinstance(picked, Load) and self.step in picked.index.variables:
            return None
        return left.index.coefficient(self.step)

    def _rows(self, block: Block, start: Position) -> str:
        if self.turns:
            return self.left
        return self.writer.address(self._list(), self.pitch, self.kind)

    def _list(self) -> str:
        """Return where a tile's list of steps is, and behind it the elements at these."""
        return self._own(self.packed_size + self.left_size + self.tile_size)

    def _counted(self, block: Block) -> str:
        return f", ptr {self._list()}, i64 {self.count}" + "".join(f", ptr {row}" for row in self.next)

    def _tile(self, height: int, rest: int, steps: list[Step]) -> Tile:
        ((_, depth),) = self.block
        ahead = depth * BYTES[self.dtype] if self.next else 0
        return super()._tile(height, rest, steps)._replace(listed=True, packed=not self.turns, ahead=ahead)
