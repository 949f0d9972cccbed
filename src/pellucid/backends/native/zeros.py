"""Contractions of what is mostly zero: a tile goes only through the steps at which one of its rows is not 0.

Of a sum, products with 0 may be left out: what is added remains in its order, so that the result is the same (but for
the sign of a 0 that an underflow left). It does not remain the same where 0 meets an infinity or NaN, and so a group of
columns that has such a number goes through all steps. The fewer rows a tile has, the fewer steps it needs, and the
wider it is, the less finding them costs: tiles are low and wide here, the opposite of `microkernel.tile_shape`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...core.dtypes import is_float
from ...schedule.loops import Contraction
from .arithmetic import memory_type
from .borders import border_of
from .target import Target
from .values import BYTES, Value

if TYPE_CHECKING:
    from .emit import Emitter

ROWS = 3  # of a tile
FEWEST_VECTORS = 3  # of columns, for which steps are listed
AT_ONCE = 4  # vectors of the right operand that are looked at together, so that none waits for the one before


def skips_zeros(c: Contraction, target: Target) -> bool:
    """Whether an oriented contraction goes only through the steps at which its left operand is not 0."""
    simple = len(c.shared) == 1 and not c.clips and border_of(c) is None
    columns = c.columns[-1][1] if c.columns else 1
    wide = columns > (FEWEST_VECTORS - 1) * target.lanes(c.buffer.dtype)
    return c.left.buffer.mostly_zero and is_float(c.left.buffer.dtype) and simple and wide


def low_tile(columns: int, target: Target, dtype: str) -> tuple[int, int]:
    """Return how many rows and vectors of columns a tile has at most; panels are about equally wide.

    >>> from pellucid.backends.native.target import Target
    >>> low_tile(100, Target("", "", "", 512, True), "float32"), low_tile(64, Target("", "", "", 256, True), "float32")
    ((3, 7), (3, 3))
    """
    most = 7 if target.vector_bits == 512 else 3
    vectors = -(-columns // target.lanes(dtype))
    return ROWS, -(-vectors // -(-vectors // most))


def is_turned(c: Contraction, lanes: int) -> bool:
    """Whether the rows of an oriented contraction lie together in the left operand, so that they are turned first."""
    (row, m) = c.rows[-1] if c.rows else ("", 1)
    strides = dict(c.left.index.terms)
    return m >= lanes >= ROWS and strides.get(row) == 1 and strides.get(c.shared[0][0], 0) != 1


class StepList:
    """Writes lists of the steps that count, and what tells whether all of them do.

    Args:
        emitter: what writes the kernel.
        dtype: of both operands.
    """

    def __init__(self, emitter: Emitter, dtype: str) -> None:
        self.b, self.writer, self.target = emitter.b, emitter.writer, emitter.target
        self.dtype, self.lanes, self.kind = dtype, emitter.target.lanes(dtype), memory_type(dtype)
        self.bits = f"int{8 * BYTES[dtype]}"
        self.all = self.writer.allocate("i8")  # whether no step may be left out

    def begin(self) -> None:
        """Write that nothing of a group of columns was seen yet."""
        self.writer.line(f"store i8 0, ptr {self.all}")

    def see(self, panel: str, vectors: int) -> None:
        """Write a look for infinities and NaN in a packed panel, whose products with 0 are NaN."""
        zero = self.b.splat(self.b.constant_of(0, self.dtype), self.lanes)
        at_once = min(AT_ONCE, vectors)
        sums, whole = [zero.text] * at_once, vectors // at_once * at_once
        with self.writer.carrying(0, whole, at_once, sums, memory_type(self.dtype, self.lanes)) as (k, carried):
            for place in range(at_once):
                carried[place] = self._with_zeros(panel, self.writer.add(k, place), carried[place]).text
        sums[:] = [*sums, *(self._with_zeros(panel, k, zero.text).text for k in range(whole, vectors))]
        for total in sums:
            found = self.b.any_lane(self.b.is_nan(Value(total, self.dtype, self.lanes)))
            before = self.writer.value(f"load i8, ptr {self.all}")
            seen = self.writer.value(f"zext i1 {found.text} to i8")
            self.writer.line(f"store i8 {self.writer.value(f'or i8 {before}, {seen}')}, ptr {self.all}")

    def turn(self, source: str, target: str, stride: int, steps: int, pitch: int) -> None:
        """Write the turning of as many rows as a vector has lanes: the steps of each then lie together.

        Args:
            source: where the rows lie side by side.
            target: where the first of them is put, with room for whole vectors.
            stride: how far a step moves in the source.
            steps: how many there are.
            pitch: how far a row moves in the target.
        """
        whole = steps // self.lanes * self.lanes
        with self.writer.loop(0, whole, self.lanes) as k:
            moved = self.writer.address(source, self.writer.multiply(k, stride), self.kind)
            self._square(moved, self.writer.address(target, k, self.kind), stride, self.lanes, pitch)
        if whole < steps:
            moved = self.writer.address(source, whole * stride, self.kind)
            self._square(moved, self.writer.address(target, whole, self.kind), stride, steps - whole, pitch)

    def _square(self, source: str, target: str, stride: int, steps: int, pitch: int) -> None:
        places = [self.writer.address(source, k * stride, self.kind) for k in range(steps)]
        zero = self.b.splat(self.b.constant_of(0, self.dtype), self.lanes)
        columns = [self.b.load(place, self.dtype, self.lanes) for place in places]
        for r, row in enumerate(self.b.transpose([*columns, *[zero] * (self.lanes - steps)])):
            self.b.store(row, self.writer.address(target, r * pitch, self.kind))

    def _with_zeros(self, panel: str, vector: str | int, total: str) -> Value:
        """Write the addition of a vector times 0."""
        place = self.writer.address(panel, self.writer.multiply(vector, self.lanes), self.kind)
        value = self.b.load(place, self.dtype, self.lanes)
        return self.b.add(Value(total, self.dtype, self.lanes), self.b.multiply(value, self.b.constant(0, like=value)))

    def write(self, left: str, rows: Sequence[int], stride: int, steps: int, place: str) -> str:
        """Write the list of a tile's steps at an address, which has room for a vector more; return how many they are.

        Args:
            left: where the tile's rows and steps begin.
            rows: how far each row is from there.
            stride: how far a step moves.
            steps: how many there are.
            place: where the numbers of those that count are put, as int32.
        """
        together = self.lanes if stride == 1 and self.bits == "int32" and self.target.vector_bits == 512 else 0
        whole, count = steps // max(together, 1) * max(together, 1), ["0"]
        loaded = self.writer.value(f"load i8, ptr {self.all}")
        all_steps = Value(self.writer.value(f"trunc i8 {loaded} to i1"), "bool", 0)
        with self.writer.carrying(0, whole, max(together, 1), count, "i64") as (k, carried):
            here = self.writer.address(left, self.writer.multiply(k, stride), self.kind)
            counts = self.b.bit_or(self._not_zero(here, rows, together, None), self.b.splat(all_steps, together))
            carried[0] = self._listed(k, counts, place, carried[0])
        if whole < steps:
            inside = self.b.first_lanes(steps - whole, together)
            assert inside is not None
            here = self.writer.address(left, whole, self.kind)
            counts = self.b.bit_or(self._not_zero(here, rows, together, inside), self.b.splat(all_steps, together))
            count[0] = self._listed(whole, self.b.bit_and(counts, inside), place, count[0])
        return count[0]

    def _not_zero(self, left: str, rows: Sequence[int], lanes: int, mask: Value | None) -> Value:
        """Whether a row has something else than 0 at a step, whatever the sign of a 0."""
        found = None
        for row in rows:
            value = self.b.load(self.writer.address(left, row, self.kind), self.bits, lanes, mask)
            found = value if found is None else self.b.bit_or(found, value)
        assert found is not None
        unsigned = self.b.shift_left(found, self.b.constant(1, like=found))
        return self.b.compare("!=", unsigned, self.b.constant(0, like=found))

    def _listed(self, first: str | int, counts: Value, place: str, count: str) -> str:
        """Write steps behind those that are listed; return how many these are then."""
        end = self.writer.value(f"getelementptr i32, ptr {place}, i64 {count}")
        if not counts.lanes:
            number = self.writer.value(f"trunc i64 {first} to i32")
            self.writer.line(f"store i32 {number}, ptr {end}")
            return self.writer.value(f"add i64 {count}, {self.writer.value(f'zext i1 {counts.text} to i64')}")
        lanes, kind = counts.lanes, f"<{counts.lanes} x i32>"
        start = Value(self.writer.value(f"trunc i64 {first} to i32"), "int32", 0)
        numbers = self.b.add(self.b.splat(start, lanes), self.b.iota(lanes, "int32"))
        function = f"@llvm.experimental.vector.compress.v{lanes}i32"
        self.writer.declare(f"{kind} {function}({kind}, <{lanes} x i1>, {kind})")
        moved = self.writer.value(f"call {kind} {function}({numbers.typed}, {counts.typed}, {kind} poison)")
        self.writer.line(f"store {kind} {moved}, ptr {end}, align 4")
        self.writer.declare(f"i{lanes} @llvm.ctpop.i{lanes}(i{lanes})")
        mask = self.writer.value(f"bitcast {counts.typed} to i{lanes}")
        more = self.writer.value(f"call i{lanes} @llvm.ctpop.i{lanes}(i{lanes} {mask})")
        return self.writer.value(f"add i64 {count}, {self.writer.value(f'zext i{lanes} {more} to i64')}")
