"""Blocked contractions that go only through the steps at which a tile's rows are not all 0; see `zeros.py`.

Rows that lie together, as those of a weight's gradient do, are turned before: as many at a time as a vector has lanes,
which is one read of each line of memory for several tiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...schedule.loops import Contraction
from .blocked import Block, BlockedContraction, Position, TileWriter
from .microkernel import Step, Tile
from .zeros import StepList, is_turned

if TYPE_CHECKING:
    from .emit import Emitter


class SkippingContraction(BlockedContraction):
    """Writes one contraction whose left operand is mostly zero."""

    def __init__(self, emitter: Emitter, contraction: Contraction) -> None:
        super().__init__(emitter, contraction)
        self.steps = StepList(emitter, self.dtype)
        ((self.step, depth),) = self.block
        self.list_size = depth + self.lanes
        self.listed: tuple[str, str] = ("", "")  # where a tile's list of steps is, and how many they are
        self.turns = is_turned(self.contraction, self.lanes)
        self.first_turned: Position = 0
        if self.turns:
            pitch = -(-depth // self.lanes) * self.lanes
            self.packs_left, self.left_size = False, self.lanes * pitch
            self.left_strides = {**self.left_strides, self.row: pitch, self.step: 1}

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
        writer, together = self.writer, self.lanes // height
        with writer.loop(low, high, together) as band:
            start = writer.add(writer.multiply(band, height), origin)
            self.first_turned = writer.smaller(start, self.m - self.lanes)
            source, ((_, count),) = self._left(block, self.first_turned), block.axes
            stride, pitch = dict(self.contraction.left.index.terms)[self.step], self.left_strides[self.row]
            self.steps.turn(source, self._own(self.packed_size), stride, count, pitch)
            end = writer.smaller(writer.add(band, together), high)
            super()._equal_tiles(write, band, end, height, origin, block)
        return None

    def _rows(self, block: Block, start: Position) -> str:
        if not self.turns:
            return super()._rows(block, start)
        before = self.writer.subtract(start, self.first_turned)
        turned = self.writer.multiply(before, self.left_strides[self.row])
        return self.writer.address(self._own(self.packed_size), turned, self.kind)

    def _pack_left(self, block: Block, height: int, start: Position) -> None:
        super()._pack_left(block, height, start)
        place = self._own(self.packed_size + self.left_size + self.tile_size)
        rows = [r * self.left_strides.get(self.row, 0) for r in range(height)]
        (step,), ((_, count),) = self._steps(block, height, 0), block.axes
        self.listed = place, self.steps.write(self._rows(block, start), rows, step.left, count, place)

    def _counted(self, block: Block) -> str:
        return ", ptr {}, i64 {}".format(*self.listed)

    def _tile(self, height: int, rest: int, steps: list[Step]) -> Tile:
        return super()._tile(height, rest, steps)._replace(listed=True)
