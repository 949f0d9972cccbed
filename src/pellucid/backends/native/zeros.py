"""Contractions of what is mostly zero: a tile goes only through the steps at which one of its rows is not 0.

Of a sum, products with 0 may be left out: what is added remains in its order, so that the result is the same (but for
the sign of a 0 that an underflow left). It does not remain the same where 0 meets an infinity or NaN, and so a group of
columns that has such a number goes through all steps. The fewer rows a tile has, the fewer steps it needs, and the
wider it is, the less finding them costs: tiles are low and wide here, the opposite of `microkernel.tile_shape`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import TYPE_CHECKING

from ...core.dtypes import is_float
from ...schedule.loops import Contraction
from .arithmetic import memory_type
from .borders import border_of
from .target import Target
from .values import BYTES, Value

if TYPE_CHECKING:
    from .emit import Emitter

Position = str | int
Place = Callable[[int, Position], str]
FEW_LANES = 3  # in which it is not worth it to turn rows
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
    ((2, 7), (3, 3))
    """
    rows, most = (2, 7) if target.vector_bits == 512 else (3, 3)  # sums enough for the latency of multiply-adds
    vectors = -(-columns // target.lanes(dtype))
    return rows, -(-vectors // -(-vectors // most))


def is_turned(c: Contraction, lanes: int) -> bool:
    """Whether the rows of an oriented contraction lie together in the left operand, so that they are turned first."""
    (row, m) = c.rows[-1] if c.rows else ("", 1)
    strides = dict(c.left.index.terms)
    return m >= lanes > FEW_LANES and strides.get(row) == 1 and strides.get(c.shared[0][0], 0) != 1


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

    def turn(self, at: Callable[[Position], str], target: str, steps: int, pitch: int) -> None:
        """Write the turning of as many rows as a vector has lanes: the steps of each then lie together.

        Args:
            at: returns where the rows of a step lie side by side.
            target: where the first row is put, with room for whole vectors.
            steps: how many there are.
            pitch: how far a row moves in the target.
        """
        whole = steps // self.lanes * self.lanes
        with self.writer.loop(0, whole, self.lanes) as k:
            self._square(at, k, self.lanes, self.writer.address(target, k, self.kind), pitch)
        if whole < steps:
            self._square(at, whole, steps - whole, self.writer.address(target, whole, self.kind), pitch)

    def _square(self, at: Callable[[Position], str], first: Position, steps: int, target: str, pitch: int) -> None:
        zero = self.b.splat(self.b.constant_of(0, self.dtype), self.lanes)
        places = [at(self.writer.add(first, k)) for k in range(steps)]
        columns = [self.b.load(place, self.dtype, self.lanes) for place in places]
        for r, row in enumerate(self.b.transpose([*columns, *[zero] * (self.lanes - steps)])):
            self.b.store(row, self.writer.address(target, r * pitch, self.kind))

    def _with_zeros(self, panel: str, vector: str | int, total: str) -> Value:
        """Write the addition of a vector times 0."""
        place = self.writer.address(panel, self.writer.multiply(vector, self.lanes), self.kind)
        value = self.b.load(place, self.dtype, self.lanes)
        return self.b.add(Value(total, self.dtype, self.lanes), self.b.multiply(value, self.b.constant(0, like=value)))

    def write(self, at: Place, rows: int, adjacent: bool, steps: int, place: str, pitch: int) -> str:
        """Write the list of a tile's steps, and perhaps its elements at these; return how many steps they are.

        Args:
            at: returns where the element of a row at a step lies.
            rows: how many the tile has.
            adjacent: whether steps lie next to each other.
            steps: how many there are.
            place: where the numbers of those that count are put, as int32, and behind them the elements.
            pitch: how far the elements of a row are from those before it, and from the list: room for a vector more;
                0 if they are not put there.
        """
        together = self.lanes if adjacent and self.bits == "int32" and self.target.vector_bits == 512 else 0
        whole, count = steps // max(together, 1) * max(together, 1), ["0"]
        loaded = self.writer.value(f"load i8, ptr {self.all}")
        all_steps = self.b.splat(Value(self.writer.value(f"trunc i8 {loaded} to i1"), "bool", 0), together)
        elements = [self.writer.address(place, (r + 1) * pitch, self.kind) for r in range(rows if pitch else 0)]
        with self.writer.carrying(0, whole, max(together, 1), count, "i64") as (k, carried):
            values = [self.b.load(at(r, k), self.bits, together) for r in range(rows)]
            counts = self.b.bit_or(self._not_zero(values), all_steps)
            carried[0] = self._listed(k, values, counts, place, elements, carried[0])
        if whole < steps:
            inside = self.b.first_lanes(steps - whole, together)
            assert inside is not None
            values = [self.b.load(at(r, whole), self.bits, together, inside) for r in range(rows)]
            counts = self.b.bit_and(self.b.bit_or(self._not_zero(values), all_steps), inside)
            count[0] = self._listed(whole, values, counts, place, elements, count[0])
        return count[0]

    def _not_zero(self, values: Sequence[Value]) -> Value:
        """Whether a row has something else than 0 at a step, whatever the sign of a 0."""
        found = reduce(self.b.bit_or, values)
        unsigned = self.b.shift_left(found, self.b.constant(1, like=found))
        return self.b.compare("!=", unsigned, self.b.constant(0, like=found))

    def _listed(
        self, first: Position, values: Sequence[Value], counts: Value, place: str, elements: Sequence[str], count: str
    ) -> str:
        """Write steps and elements behind those that are listed; return how many these are then."""
        start = Value(self.writer.value(f"trunc i64 {first} to i32"), "int32", 0)
        numbers = self.b.add(self.b.splat(start, counts.lanes), self.b.iota(counts.lanes, "int32"))
        self._put(numbers, counts, place, count)
        for row, value in zip(elements, values, strict=True) if elements else ():
            self._put(value, counts, row, count)
        if not counts.lanes:
            more = self.writer.value(f"zext i1 {counts.text} to i64")
        else:
            kind = f"i{counts.lanes}"
            self.writer.declare(f"{kind} @llvm.ctpop.{kind}({kind})")
            mask = self.writer.value(f"bitcast {counts.typed} to {kind}")
            set_bits = self.writer.value(f"call {kind} @llvm.ctpop.{kind}({kind} {mask})")
            more = self.writer.value(f"zext {kind} {set_bits} to i64")
        return self.writer.value(f"add i64 {count}, {more}")

    def _put(self, value: Value, counts: Value, place: str, count: str) -> None:
        """Write those lanes of a value that count behind so many others."""
        if counts.lanes:
            function = f"@llvm.experimental.vector.compress.v{value.lanes}i32"
            self.writer.declare(f"{value.type} {function}({value.type}, <{value.lanes} x i1>, {value.type})")
            operands = f"{value.typed}, {counts.typed}, {value.type} poison"
            value = Value(self.writer.value(f"call {value.type} {function}({operands})"), value.dtype, value.lanes)
        end = self.writer.address(place, count, memory_type(value.dtype))
        self.b.store(value, end)
