"""How much a kernel does: its arithmetic, and the memory it must at least read and write.

What is counted, from the loops alone:

- A product of m, n and k is 2·m·n·k operations, less those that its clips skip. Zeros that padding put into memory are
  multiplied like other elements, and count.
- Every elementwise operation on an element counts as one, whichever it is: an addition, a comparison or an
  exponential. What one statement computes twice counts once. Combining an element in a sum or a maximum is one
  more. Random draws, and positions and conversions made of integers alone, are no arithmetic.
- Memory is counted in distinct elements of each buffer: what is read, unless the kernel wrote it before, and what is
  written. What stays in registers or belongs to one pass of a loop (private buffers) is none. Of rows picked by data
  it is known how many are picked, and not whether two are the same.

These are least amounts: a kernel that reads an element again because no cache kept it, or that computes an
exponential by a polynomial of ten terms, does more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import InternalError
from ..core.indices import Index
from .loops import (
    Apply,
    Buffer,
    Clip,
    Contraction,
    Draw,
    Load,
    Loop,
    Position,
    Reduce,
    Statement,
    Store,
    Value,
    loads,
    reads,
)

Sizes = Mapping[str, int]
Leaf = Store | Reduce | Contraction


class Counts(NamedTuple):
    """How much some statements do.

    Attributes:
        operations: arithmetic operations in each dtype (float64, or float32 for whatever is no float64).
        read: bytes that come from memory.
        written: bytes that go to memory.
        touched: bytes of all elements that are read or written, each once.
    """

    operations: dict[str, int]
    read: int
    written: int
    touched: int


def count(statements: Sequence[Statement]) -> Counts:
    """Return how much some statements do, in the order in which they do it."""
    operations: dict[str, int] = {}
    memory: dict[Buffer, _Memory] = {}
    for leaf, sizes, times in work(statements):
        dtype = "float64" if leaf.buffer.dtype == "float64" else "float32"
        operations[dtype] = operations.get(dtype, 0) + times * operations_of(leaf)
        clips = leaf.clips if isinstance(leaf, Contraction) else ()
        for load in reads(leaf):
            _of(memory, load.buffer).read(load, sizes, clips)
        _of(memory, leaf.buffer).write(Load(leaf.buffer, leaf.index, getattr(leaf, "row", None)), sizes)
    parts = [m.bytes() for buffer, m in memory.items() if buffer.place != "private"]
    read, written, touched = (sum(part[k] for part in parts) for k in range(3))
    return Counts({dtype: n for dtype, n in operations.items() if n}, read, written, touched)


def work(statements: Sequence[Statement]) -> Iterator[tuple[Leaf, dict[str, int], int]]:
    """Yield what does something, the extents of the loops it is in (a product's own too), and how often it is done."""
    yield from _work(statements, {}, 1)


def _work(statements: Sequence[Statement], sizes: dict[str, int], times: int) -> Iterator[Any]:
    for statement in statements:
        if isinstance(statement, Loop):
            inner = {**sizes, statement.variable: statement.extent}
            yield from _work(statement.body, inner, times * statement.extent)
            continue
        if not isinstance(statement, Contraction):
            yield statement, sizes, times
            continue
        yield statement, {**sizes, **dict(statement.axes)}, times
        result = (*statement.rows, *statement.columns)
        yield from _work(statement.body, {**sizes, **dict(result)}, times * math.prod(n for _, n in result))


def operations_of(leaf: Leaf) -> int:
    """Return how many operations a statement is, done once (a product: whole)."""
    if isinstance(leaf, Contraction):
        return round(2 * math.prod(n for _, n in leaf.axes) * math.prod(_share(c, dict(leaf.axes)) for c in leaf.clips))
    return len(_applied(leaf.value)) + isinstance(leaf, Reduce)


def _applied(value: Value) -> set[Apply]:
    """Return the different operations in a value that compute with data."""
    found: set[Apply] = set()
    stack = [value]
    while stack:
        current = stack.pop()
        if isinstance(current, Apply):
            stack.extend(current.values)
            if current not in found and any(True for _ in loads(current)):
                found.add(current)
    return found


def _share(clip: Clip, sizes: Sizes) -> float:
    """Return which part of the passes over its variables is inside a clip."""
    values = _values(clip.index, sizes)
    return float(np.mean((clip.low <= values) & (values < clip.high)))


def _values(index: Index, sizes: Sizes) -> Any:
    """Return every value of an index, as often as it takes it."""
    values = np.array([index.offset])
    for name, coefficient in index.terms:
        values = np.add.outer(values, coefficient * np.arange(sizes[name])).ravel()
    return values


# memory


class _Memory:
    """Which elements of a buffer are read and written."""

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        whole = 0 if buffer.place == "private" else buffer.size
        self.fetched, self.stored = np.zeros(whole, bool), np.zeros(whole, bool)
        self.picked_reads = self.picked_writes = 0  # elements of rows picked by data

    def read(self, load: Load, sizes: Sizes, clips: Sequence[Clip]) -> None:
        """Note that elements are read; those that were written before are at hand."""
        if self.buffer.place == "private":
            return
        if load.row:
            self.picked_reads = max(self.picked_reads, self._picked(load, sizes))
            return
        touched = np.zeros_like(self.fetched)
        mark(touched, load.index, sizes, clips)
        self.fetched |= touched & ~self.stored

    def write(self, load: Load, sizes: Sizes) -> None:
        """Note that elements are written."""
        if self.buffer.place == "private":
            return
        if load.row:
            self.picked_writes = max(self.picked_writes, self._picked(load, sizes))
        else:
            mark(self.stored, load.index, sizes, ())

    def bytes(self) -> tuple[int, int, int]:
        """Return how many bytes are read, written, and either."""
        size, item = self.buffer.size, np.dtype(self.buffer.dtype).itemsize
        read, written = int(self.fetched.sum()) + self.picked_reads, int(self.stored.sum()) + self.picked_writes
        touched = int((self.fetched | self.stored).sum()) + max(self.picked_reads, self.picked_writes)
        return min(read, size) * item, min(written, size) * item, min(touched, size) * item

    def _picked(self, load: Load, sizes: Sizes) -> int:
        """Return how many elements of picked rows are touched, if all of them are different rows."""
        assert load.row is not None
        choosing = _variables(load.row.value)
        rows = min(math.prod(sizes[name] for name in choosing), load.row.limit)
        one = np.zeros_like(self.fetched)
        mark(one, load.index, sizes, ())
        return min(rows * int(one.sum()), self.buffer.size)


def _of(memory: dict[Buffer, _Memory], buffer: Buffer) -> _Memory:
    if buffer not in memory:
        memory[buffer] = _Memory(buffer)
    return memory[buffer]


def _variables(value: Value) -> set[str]:
    """Return the loop variables that a value depends on."""
    found: set[str] = set()
    stack = [value]
    while stack:
        current = stack.pop()
        if isinstance(current, Apply):
            stack.extend(current.values)
        elif isinstance(current, Load | Position):
            found.update(current.index.variables)
        elif isinstance(current, Draw):
            found.update(current.element.variables)
    return found


def mark(elements: Any, index: Index, sizes: Sizes, clips: Sequence[Clip]) -> None:
    """Set the elements that an index reaches, of an array with a truth value for each."""
    places = np.zeros(1, int)
    for clip in clips:
        name, step = clip.index.terms[0]
        factor = index.coefficient(name) // step
        if factor and all(index.coefficient(v) == c * factor for v, c in clip.index.terms):
            inside = np.unique(_values(clip.index, sizes))
            inside = inside[(clip.low <= inside) & (inside < clip.high)]
            index = index - clip.index * factor
            places = np.unique(np.add.outer(places, inside * factor))
    start, steps = _runs(index, sizes)
    if 0 in [n for _, n in steps] or not len(places):
        return
    reach = start + sum(c * (n - 1) for c, n in steps)
    if start + places[0] < 0 or reach + places[-1] >= len(elements):
        raise InternalError(f"[{index}] leaves a buffer of {len(elements)} elements")
    for place in places:
        along = elements[start + place :]
        shape, strides = [n for _, n in steps], [c * along.itemsize for c, _ in steps]
        np.lib.stride_tricks.as_strided(along, shape or [1], strides or [1])[...] = True


def _runs(index: Index, sizes: Sizes) -> tuple[int, list[tuple[int, int]]]:
    """Return the first element that an index reaches, and (step, number of steps) of each way to go on from there.

    Steps are positive. Two ways that together reach every multiple of the smaller step are one.
    """
    start = index.offset + sum(c * (sizes[name] - 1) for name, c in index.terms if c < 0)
    runs: list[tuple[int, int]] = []
    for step, n in sorted((abs(c), sizes[name]) for name, c in index.terms):
        if n == 1:
            continue
        if runs and n and step % runs[-1][0] == 0 and step // runs[-1][0] <= runs[-1][1]:
            smaller, length = runs[-1]
            runs[-1] = (smaller, length + step // smaller * (n - 1))
        else:
            runs.append((step, n))
    return start, runs
