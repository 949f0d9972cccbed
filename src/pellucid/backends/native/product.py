"""Small matrix products: register tiles of the result, held while the whole shared axis runs by.

Larger ones, and convolutions, are blocked for the caches and split over threads: `blocked.py`.

Lanes run along an axis of the result (each step multiplies one spread element by a vector), or along the shared axis
(each step multiplies vector by vector, and lanes are joined at the end), whichever takes fewest instructions: the axis
should fill its lanes, and memory should lie along it. What does not is turned in registers, a square of lanes at a
time. The tile is as large as the registers allow: Goto and van de Geijn, *Anatomy of High-Performance Matrix
Multiplication*, 2008.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from ...core.indices import Index
from ...schedule.loops import Axes, Contraction, Load, Row, loads
from .arithmetic import Value, memory_type
from .values import BYTES

if TYPE_CHECKING:
    from .emit import Emitter


LARGEST_TURNED = 1 << 16  # bytes of an operand that is laid out anew, on the stack
# About how many instructions it takes, beside one multiply-add on vectors:
GATHER = 20  # to read or write a vector whose lanes are apart
TURN = 8  # to turn one vector's share of a square of lanes, and to store it
JOIN = 9  # to add up the lanes of a sum


class Offsets(NamedTuple):
    """Where the rows lie that data picks: the address of a table of int64 offsets."""

    address: str


class Operand(NamedTuple):
    """A matrix in memory: its first element's address, and along rows and columns its strides, or offsets."""

    address: str
    rows: int | Offsets
    columns: int | Offsets
    dtype: str


Line = tuple[str, int]


class SmallProduct:
    """Writes one product C[m, n] = Σₖ A[m, k] · B[k, n]."""

    def __init__(self, emitter: Emitter, product: Contraction) -> None:
        self.emitter, self.writer, self.b = emitter, emitter.writer, emitter.b
        (m, self.m), (n, self.n), (k, self.k) = map(_only, (product.rows, product.columns, product.shared))
        self.left = self._operand(product.left, (m, self.m), (k, self.k))
        self.right = self._operand(product.right, (k, self.k), (n, self.n))
        self.result = self._operand(Load(product.buffer, product.index), (m, self.m), (n, self.n))
        self.lanes = emitter.target.lanes(product.buffer.dtype)
        self.registers = 32 if emitter.target.vector_bits == 512 else 16

    def _operand(self, load: Load, rows: tuple[str, int], columns: tuple[str, int]) -> Operand:
        buffer, index = load.buffer, load.index
        base = index.replace({rows[0]: Index(), columns[0]: Index()})
        kind = memory_type(buffer.dtype)
        address = self.writer.address(self.emitter.addresses[buffer], self.emitter.offset(base), kind)
        picked = [self._picked(load.row, v, n) for v, n in (rows, columns)]
        if load.row and not any(picked):  # one row
            address = self.writer.address(address, self.emitter.row_offset(load.row).text, kind)
        down, across = (p or index.coefficient(v) for p, (v, _) in zip(picked, (rows, columns), strict=True))
        return Operand(address, down, across, buffer.dtype)

    def _picked(self, row: Row | None, variable: str, extent: int) -> Offsets | None:
        """Return the offsets of the rows that data picks along a variable; None where it picks none along it."""
        if row is None or not any(variable in load.index.variables for load in loads(row.value)):
            return None
        table = self.writer.allocate("i64", extent)
        with self.writer.loop(0, extent) as counter:
            self.emitter.counters[variable] = counter
            self.b.store(self.emitter.row_offset(row), self.writer.address(table, counter, "i64"))
        del self.emitter.counters[variable]
        return Offsets(table)

    def write(self) -> None:
        """Write the product."""
        axis = min(("n", "m", "k"), key=self._cost)
        if axis == "k":
            return self._along_shared_axis()
        if axis == "m":
            self._swap()
        return self._along_columns()

    def _cost(self, axis: str) -> float:
        """About how many instructions the product takes with lanes along an axis."""
        m, n, k = self.m, self.n, self.k
        if axis == "k":
            laid_out = self._turning(self.left.columns, m, k) + self._turning(self.right.rows, n, k)
            return m * n * (self._vectors(k) + JOIN) + laid_out
        if axis == "m":
            m, n, read, written = n, m, self.left.rows, self.result.rows
        else:
            read, written = self.right.columns, self.result.columns
        vectors = self._vectors(n)
        gathers = (
            0 if read == 1 else min(GATHER * k * vectors * -(-m // self._tile(m, n)[0]), self._turning(read, k, n))
        )
        scatters = 0 if written == 1 else GATHER * m * vectors
        return m * vectors * k + gathers + scatters

    def _vectors(self, extent: int) -> int:
        return -(-extent // self.lanes)

    def _turning(self, stride: int | Offsets, rows: int, columns: int) -> float:
        """About how many instructions it takes to lay an operand out with its columns together."""
        if stride == 1:
            return 0
        size = rows * self._vectors(columns)
        fits = size * self.lanes * BYTES[self.result.dtype] <= LARGEST_TURNED
        return TURN * size if fits else math.inf

    def _swap(self) -> None:
        """Compute the transposed product, C' = B' A', so that lanes run along the rows."""
        self.left, self.right, self.result = turned(self.right), turned(self.left), turned(self.result)
        self.m, self.n = self.n, self.m

    # lanes along the columns of the result

    def _along_columns(self) -> None:
        if self.right.columns != 1 and self._turning(self.right.columns, self.k, self.n) < math.inf:
            self.right = self._together(self.right, self.k, self.n)
        high, wide = self._tile(self.m, self.n)
        full, rest = divmod(self.n, wide * self.lanes)
        if full:
            with self.writer.repeated(full) as tile:
                self._column_panel(self.writer.multiply(tile, wide * self.lanes), wide, 0, high)
        if rest:
            few, tail = self._vectors(rest), rest % self.lanes
            self._column_panel(full * wide * self.lanes, few, tail, max(high, (self.registers - 2 - few) // few))

    def _tile(self, m: int, n: int) -> tuple[int, int]:
        """How many rows and how many vectors of columns of the result are held in registers."""
        vectors = self._vectors(n)
        if self._is_turned(m) and vectors > 1:  # whole rows, so that they are stored whole
            return m, max(1, (self.registers - 1) // (m + 1))
        wide = 1 if vectors == 1 else 2 if vectors == 2 or self.registers == 16 else 3 if vectors % 3 == 0 else 4
        return max(1, (self.registers - 2 - wide) // wide), wide

    def _is_turned(self, rows: int) -> bool:
        """Whether a tile of the result has its rows together in memory, and is few rows high."""
        return self.result.columns != 1 and self.result.rows == 1 and 1 < rows <= self.lanes

    def _column_panel(self, column: str | int, wide: int, tail: int, high: int) -> None:
        for start, rows, times in split(self.m, high):
            with self.writer.repeated(times) as tile:
                row = self.writer.add(self.writer.multiply(tile, rows), start)
                self._column_tile(row, rows, column, wide, tail)

    def _column_tile(self, row: str | int, rows: int, column: str | int, wide: int, tail: int) -> None:
        lines = self._lines(self.left, row, rows)
        right = self._shifted(self.right, self._along(self.right.columns, column))
        sums = self._sums(rows * wide)
        last = self.b.first_lanes(tail, self.lanes)

        def term(k: str | int) -> None:
            down = self._shifted(self.right, self._along(self.right.rows, k), right)
            vectors = [self._row_vector(down, v, last if v == wide - 1 else None) for v in range(wide)]
            across = self._along(self.left.columns, k)
            for r, (base, offset) in enumerate(lines):
                element = self.b.load(self._shifted(self.left, self.writer.add(across, offset), base), self.left.dtype)
                for v in range(wide):
                    self._add_product(sums[r * wide + v], element, vectors[v])

        self._over_shared(term)
        if self._is_turned(rows):
            for v in range(wide):
                count = tail if tail and v == wide - 1 else self.lanes
                self._store_turned(sums[v::wide], row, self.writer.add(column, v * self.lanes), count)
            return
        for r in range(rows):
            for v in range(wide):
                target = self._at(self.result, self.writer.add(row, r), self.writer.add(column, v * self.lanes))
                self._store_vector(self._sum(sums[r * wide + v]), target, last if v == wide - 1 else None)

    def _row_vector(self, row: str, vector: int, mask: Value | None) -> Value:
        address = self._shifted(self.right, self._along(self.right.columns, vector * self.lanes), row)
        return self._read(address, self.right.dtype, self.right.columns, mask)

    def _store_vector(self, value: Value, address: str, mask: Value | None) -> None:
        if self.result.columns == 1:
            self.b.store(value, address, mask)
        else:
            self.b.scatter(value, address, self._jumps(self.result.columns), mask)

    def _store_turned(self, sums: list[str], row: str | int, column: str | int, count: int) -> None:
        """Store vectors of columns, one for each row, as vectors of rows."""
        zero = self.b.splat(self.b.constant_of(0, self.result.dtype), self.lanes)
        vectors = [*(self._sum(place) for place in sums), *[zero] * (self.lanes - len(sums))]
        mask = self.b.first_lanes(len(sums) % self.lanes, self.lanes)
        for lane, vector in enumerate(self.b.transpose(vectors)[:count]):
            self.b.store(vector, self._at(self.result, row, self.writer.add(column, lane)), mask)

    def _jumps(self, stride: int | Offsets) -> Value:
        assert isinstance(stride, int)  # rows that data picks are turned, never gathered
        step = self.b.iota(self.lanes, "int64")
        return self.b.multiply(step, self.b.constant(stride, like=step))

    # lanes along the shared axis

    def _along_shared_axis(self) -> None:
        self.left = self._together(self.left, self.m, self.k)
        self.right = turned(self._together(turned(self.right), self.n, self.k))
        wide = -(-self.n // -(-self.n // 8))
        high = max(1, (self.registers - 1) // (wide + 1))
        for start, rows, times in split(self.m, high):
            with self.writer.repeated(times) as tile:
                row = self.writer.add(self.writer.multiply(tile, rows), start)
                for first, columns, repeats in split(self.n, wide):
                    with self.writer.repeated(repeats) as block:
                        column = self.writer.add(self.writer.multiply(block, columns), first)
                        self._shared_tile(row, rows, column, columns)

    def _together(self, operand: Operand, rows: int, columns: int) -> Operand:
        """Return an operand with its columns together in memory: copied if they are apart."""
        if operand.columns == 1:
            return operand
        width = self._vectors(columns) * self.lanes
        copy = Operand(self.writer.allocate(memory_type(operand.dtype), rows * width), width, 1, operand.dtype)
        whole, rest = divmod(rows, self.lanes)
        for start, height, times in ((0, self.lanes, whole), (whole * self.lanes, rest, 1)):
            if height and times:
                with self.writer.repeated(times) as tile:
                    row = self.writer.add(self.writer.multiply(tile, self.lanes), start)
                    self._turn_rows(operand, copy, row, height, columns)
        return copy

    def _turn_rows(self, operand: Operand, copy: Operand, row: str | int, height: int, columns: int) -> None:
        """Copy some rows, at most as many as there are lanes, a square at a time."""
        mask = self.b.first_lanes(height % self.lanes, self.lanes)

        def square(column: str | int, width: int) -> None:
            places = [self._at(operand, row, self.writer.add(column, c)) for c in range(width)]
            zero = self.b.splat(self.b.constant_of(0, operand.dtype), self.lanes)
            read = [self._read(place, operand.dtype, operand.rows, mask) for place in places]
            vectors = [*read, *[zero] * (self.lanes - width)]
            for r, vector in enumerate(self.b.transpose(vectors)[:height]):
                self.b.store(vector, self._at(copy, self.writer.add(row, r), column))

        whole = columns // self.lanes * self.lanes
        if whole:
            with self.writer.loop(0, whole, self.lanes) as column:
                square(column, self.lanes)
        if columns % self.lanes:
            square(whole, columns % self.lanes)

    def _read(self, address: str, dtype: str, stride: int | Offsets, mask: Value | None) -> Value:
        """Read a vector whose elements are a stride apart."""
        if stride == 1:
            return self.b.load(address, dtype, self.lanes, mask)
        return self.b.gather(address, self._jumps(stride), dtype, mask)

    def _shared_tile(self, row: str | int, rows: int, column: str | int, columns: int) -> None:
        left, right = self._lines(self.left, row, rows), self._lines(turned(self.right), column, columns)
        ahead = self._lines_ahead(row, rows)
        sums = self._sums(rows * columns)

        def term(k: str | int, mask: Value | None = None) -> None:
            for base in ahead:
                self.writer.prefetch(self._shifted(self.left, k, base))
            across = [self._vector(self.left, line, k, mask) for line in left]
            for c, line in enumerate(right):
                down = self._vector(self.right, line, k, mask)
                for r in range(rows):
                    self._add_product(sums[r * columns + c], across[r], down)

        whole = self.k // self.lanes * self.lanes
        if whole:
            with self.writer.loop(0, whole, self.lanes) as k:
                term(k)
        if self.k % self.lanes:
            term(whole, self.b.first_lanes(self.k % self.lanes, self.lanes))
        for r in range(rows):
            for c in range(columns):
                total = self.b.reduce_lanes(lambda b, x, y: b.add(x, y), self._sum(sums[r * columns + c]))
                self.b.store(total, self._at(self.result, self.writer.add(row, r), self.writer.add(column, c)))

    def _vector(self, operand: Operand, line: Line, k: str | int, mask: Value | None) -> Value:
        base, offset = line
        return self.b.load(self._shifted(operand, self.writer.add(k, offset), base), operand.dtype, self.lanes, mask)

    def _lines_ahead(self, row: str | int, rows: int) -> list[str]:
        """Where the next tile's rows begin, if data picks them: no hardware can guess where they are."""
        if not isinstance(self.left.rows, Offsets) or self.m == rows:
            return []
        following = self.emitter._integer(self.writer.add(row, rows), "int64")
        first = self.b.minimum(following, self.b.constant(self.m - rows, like=following))
        return [self._shifted(self.left, offset, base) for base, offset in self._lines(self.left, first.text, rows)]

    # shared

    def _over_shared(self, term: Callable[[str | int], None], unroll: int = 4) -> None:
        whole = self.k // unroll * unroll
        if whole > unroll:
            with self.writer.loop(0, whole, unroll) as k:
                for u in range(unroll):
                    term(self.writer.add(k, u))
        else:
            whole = 0
        for left in range(whole, self.k):
            term(left)

    def _at(self, operand: Operand, row: str | int, column: str | int) -> str:
        return self._shifted(
            operand, self.writer.add(self._along(operand.rows, row), self._along(operand.columns, column))
        )

    def _along(self, step: int | Offsets, position: str | int) -> str | int:
        """Return how many elements come before a position along an axis."""
        if isinstance(step, int):
            return self.writer.multiply(position, step)
        return self.b.load(self.writer.address(step.address, position, "i64"), "int64").text

    def _shifted(self, operand: Operand, offset: str | int, base: str = "") -> str:
        """Return an address some elements after another, by default the operand's first."""
        return self.writer.address(base or operand.address, offset, memory_type(operand.dtype))

    def _lines(self, operand: Operand, row: str | int, rows: int) -> list[Line]:
        """Return where some rows begin: one address and known offsets, or an address each if data picks the rows."""
        if isinstance(operand.rows, int):
            base = self._shifted(operand, self._along(operand.rows, row))
            return [(base, r * operand.rows) for r in range(rows)]
        return [(self._shifted(operand, self._along(operand.rows, self.writer.add(row, r))), 0) for r in range(rows)]

    def _sums(self, count: int) -> list[str]:
        kind = memory_type(self.result.dtype, self.lanes)
        zero = self.b.splat(self.b.constant_of(0, self.result.dtype), self.lanes)
        places = [self.writer.allocate(kind) for _ in range(count)]
        for place in places:
            self.b.store(zero, place)
        return places

    def _sum(self, place: str) -> Value:
        return self.b.load(place, self.result.dtype, self.lanes)

    def _add_product(self, place: str, x: Value, y: Value) -> None:
        self.b.store(self.b.fma(x, y, self._sum(place)), place)


def _only(axes: Axes) -> tuple[str, int]:
    """Return the one axis of a group; an axis of size 1 has no variable."""
    return axes[0] if axes else ("", 1)


def turned(x: Operand) -> Operand:
    """Return the transposed matrix, which is the same memory."""
    return Operand(x.address, x.columns, x.rows, x.dtype)


def split(extent: int, most: int) -> Iterator[tuple[int, int, int]]:
    """Yield (start, height, how many) so that tiles of at most two near heights cover an extent.

    >>> list(split(10, 4)), list(split(8, 4))
    ([(0, 4, 1), (4, 3, 2)], [(0, 4, 2)])
    """
    tiles = -(-extent // most)
    low, more = divmod(extent, tiles)
    if more:
        yield 0, low + 1, more
    if tiles > more:
        yield more * (low + 1), low, tiles - more
