"""The micro-kernel: a tile of a contraction's result, held in registers while the shared axes run by.

It is the one building block of all heavy work: matrix products, convolutions and their gradients are loops around it
(Georganas et al., *High-Performance Deep Learning via a Single Building Block*, IPDPS 2020). At each step one vector
of a few columns of the right operand meets one element of each row of the left one. The right operand has been packed
(`packing.py`), so that it is read in the order in which it lies; the left one is read where it lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from .arithmetic import Arithmetic, Value
from .target import Target
from .values import llvm_type, memory_type
from .writer import Writer

MOST_UNROLLED = 4  # steps of the innermost shared axis written out one after another
BYTES_A_STEP = 16  # of each next row that memory is asked for: at about the pace at which it can bring them
FEW_STEPS = 3 * MOST_UNROLLED  # of it, below which LLVM keeps more of them in 16 registers than fit


class Step(NamedTuple):
    """One shared axis: how many steps, how far each moves in both operands, and which rows have elements there.

    Attributes:
        steps: how many; None: so many as the call says.
        left: how far each moves in the left operand.
        right: how far in the right one.
        rows: for each step the first and the end of the rows that take part; empty where all do at all steps.
    """

    steps: int | None
    left: int
    right: int
    rows: tuple[tuple[int, int], ...] = ()


class Tile(NamedTuple):
    """The shape of a micro-kernel; strides count elements.

    Attributes:
        rows: how far each row of the left operand is from its first.
        results: how far each row of the result is from its first.
        vectors: how many vectors of columns.
        tail: how many columns count in the last vector; 0 if all do.
        steps: the shared axes, the innermost last.
        adds: whether the result is added to what is there.
        listed: whether the call gives a list of the steps of the one shared axis that count; see `zeros.py`.
        packed: whether the left operand has the elements at these alone.
        ahead: how many bytes of each row of the next tile memory is asked for meanwhile.
    """

    dtype: str
    rows: tuple[int, ...]
    results: tuple[int, ...]
    vectors: int
    tail: int
    steps: tuple[Step, ...]
    adds: bool
    listed: bool = False
    packed: bool = False
    ahead: int = 0


def tile_shape(columns: int, steps: int, target: Target, dtype: str) -> tuple[int, int]:
    """Return how many rows and how many vectors of columns a tile has at most.

    There should be enough sums for the latency of multiply-adds to be hidden, which takes 8; more of them read the
    right operand less often. But all sums, a step's vectors and some spread elements must fit the registers, more of
    these where the steps are so few that LLVM has them under way all at once; the steps of more than 8 rows may meet in
    one set of the cache, where rows lie a multiple of 4096 bytes apart; and the fewer rows, the more evenly a tile's
    reading, adding and writing are spread.

    Args:
        columns: how many the contraction has.
        steps: how many the innermost shared axis has.

    >>> from pellucid.backends.native.target import Target
    >>> avx2, avx512 = (Target("", "", "", bits, True) for bits in (256, 512))
    >>> tile_shape(64, 192, avx2, "float32"), tile_shape(64, 3, avx2, "float32"), tile_shape(96, 192, avx512, "float32")
    ((6, 2), (4, 2), (6, 3))
    """
    lanes = target.lanes(dtype)
    vectors = -(-columns // lanes)
    if vectors == 1:
        return 8, 1
    if target.vector_bits < 512:
        return (4 if steps < FEW_STEPS else 6), 2
    if vectors == 2:
        return 8, 2
    return (6, 3) if vectors % 3 == 0 or vectors % 4 else (5, 4)


def signature(name: str, tile: Tile) -> str:
    """Return the LLVM signature of a micro-kernel: two operands, the result, and the counts the call gives."""
    counts = "".join(f", i64 %n{k}" for k, step in enumerate(tile.steps) if step.steps is None)
    if tile.listed:
        counts = ", ptr noalias readonly %list, i64 %n0"
    if tile.ahead:
        counts += "".join(f", ptr %next{r}" for r in range(len(tile.rows)))
    pointers = "ptr noalias readonly %left, ptr noalias readonly %right, ptr noalias %result"
    return f"internal void @{name}({pointers}{counts}) noinline nounwind"


def microkernel(name: str, tile: Tile, target: Target, declarations: dict[str, None]) -> str:
    """Return a micro-kernel as an LLVM function."""
    return _Microkernel(name, tile, target, declarations).text()


class _Microkernel:
    def __init__(self, name: str, tile: Tile, target: Target, declarations: dict[str, None]) -> None:
        self.tile = tile
        self.writer = Writer(signature(name, tile), declarations)
        self.b = Arithmetic(self.writer, target)
        self.lanes = target.lanes(tile.dtype)
        self.kind = memory_type(tile.dtype)

    def text(self) -> str:
        tile, zero = self.tile, self.b.splat(self.b.constant_of(0, self.tile.dtype), self.lanes)
        sums = [zero.text] * (len(tile.rows) * tile.vectors)
        if tile.adds:
            for row in tile.results:
                self._prefetch(row)
        if tile.listed:
            self._run_listed(tile.steps[0], sums)
        else:
            self._run(tile.steps, "%left", "%right", sums, range(len(tile.rows)))
        for r in range(len(tile.rows)):
            for v in range(tile.vectors):
                self._finish(sums[r * tile.vectors + v], tile.results[r] + v * self.lanes, v == tile.vectors - 1)
        return self.writer.text()

    def _run(self, steps: Sequence[Step], left: str, right: str, sums: list[str], rows: range) -> None:
        """Write the loops over shared axes for some of the rows; ``sums`` of these become what the loops leave."""
        if not steps:
            return self._step(left, right, 0, 0, sums, rows)
        (step, *others), depth = steps, len(self.tile.steps) - len(steps)
        if step.rows:
            return self._parts(steps, left, right, sums)
        inner, count = not others, step.steps
        if inner and count is not None and count <= 2 * MOST_UNROLLED:
            return self._steps(left, right, range(count), step, sums, rows)
        if count == 1:
            return self._run(others, left, right, sums, rows)
        unroll = MOST_UNROLLED if inner and (count is None or count >= MOST_UNROLLED) else 1
        whole: str | int = f"%n{depth}" if count is None else count // unroll * unroll
        if count is None and unroll > 1:
            whole = self.writer.value(f"and i64 {whole}, {-unroll}")
        kind = llvm_type(self.tile.dtype, self.lanes)
        with self.writer.carrying(0, whole, unroll, sums, kind) as (k, carried):
            here = self._moved(left, k, step.left), self._moved(right, k, step.right)
            if inner:
                self._steps(*here, range(unroll), step, carried, rows)
            else:
                self._run(others, *here, carried, rows)
        if count is None and unroll > 1:
            with self.writer.carrying(whole, f"%n{depth}", 1, sums, kind) as (k, carried):
                self._step(self._moved(left, k, step.left), self._moved(right, k, step.right), 0, 0, carried, rows)
        elif count is not None and inner:
            self._steps(left, right, range(count // unroll * unroll, count), step, sums, rows)
        return None

    def _run_listed(self, step: Step, sums: list[str]) -> None:
        with self.writer.carrying(0, "%n0", 1, sums, llvm_type(self.tile.dtype, self.lanes)) as (k, carried):
            number = self.writer.value(f"load i32, ptr {self.writer.address('%list', k, 'i32')}")
            place = self.writer.value(f"zext nneg i32 {number} to i64")
            left = self._moved("%left", k if self.tile.packed else place, step.left)
            if self.tile.ahead:
                line = self.writer.smaller(self.writer.multiply(k, BYTES_A_STEP), self.tile.ahead)
                for r in range(len(self.tile.rows)):
                    self.writer.prefetch(self.writer.address(f"%next{r}", line, "i8"))
            self._step(left, self._moved("%right", place, step.right), 0, 0, carried, range(len(self.tile.rows)))

    def _parts(self, steps: Sequence[Step], left: str, right: str, sums: list[str]) -> None:
        """Write the steps of an axis at which not all rows take part; those with the same rows are one loop."""
        (step, *others), place, width = steps, 0, self.tile.vectors
        for (low, high), same in groupby(step.rows):
            count, part = len(list(same)), sums[low * width : high * width]
            if part:
                here = self._at(left, place * step.left), self._at(right, place * step.right)
                self._run((Step(count, step.left, step.right), *others), *here, part, range(low, high))
            sums[low * width : high * width] = part
            place += count

    def _moved(self, base: str, counter: str, stride: int) -> str:
        return self.writer.address(base, self.writer.multiply(counter, stride), self.kind)

    def _steps(self, left: str, right: str, places: Sequence[int], step: Step, sums: list[str], rows: range) -> None:
        for place in places:
            self._step(left, right, place * step.left, place * step.right, sums, rows)

    def _step(self, left: str, right: str, left_offset: int, right_offset: int, sums: list[str], rows: range) -> None:
        tile, width = self.tile, self.tile.vectors
        vectors = [
            self.b.load(self._at(right, right_offset + v * self.lanes), tile.dtype, self.lanes) for v in range(width)
        ]
        for r, row in enumerate(tile.rows[rows.start : rows.stop]):
            element = self.b.splat(self.b.load(self._at(left, left_offset + row), tile.dtype), self.lanes)
            for v in range(width):
                place = r * width + v
                sums[place] = self.b.fma(element, vectors[v], Value(sums[place], tile.dtype, self.lanes)).text

    def _at(self, base: str, offset: int) -> str:
        return self.writer.address(base, offset, self.kind)

    def _prefetch(self, row: int) -> None:
        for v in range(self.tile.vectors):
            self.writer.prefetch(self._at("%result", row + v * self.lanes), near=True)

    def _finish(self, total: str, offset: int, last: bool) -> None:
        value, place = Value(total, self.tile.dtype, self.lanes), self._at("%result", offset)
        mask = self.b.first_lanes(self.tile.tail, self.lanes) if last else None
        if self.tile.adds:
            value = self.b.add(self.b.load(place, self.tile.dtype, self.lanes, mask), value)
        self.b.store(value, place, mask)
