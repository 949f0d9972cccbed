"""The loop IR, whole, on one page.

    Program   = buffers · once: Statement*  · each: Statement*        (once a call; once a step)
    Statement = Loop(variable, extent, body: Statement*, mode)        mode: serial | unrolled | vector | parts | steps
              | Store(buffer, index, value)                           buffer[index] = value
              | Reduce(operation, buffer, index, value)               buffer[index] = operation(buffer[index], value)
              | Contraction(rows, columns, shared, left, right,       buffer[m, n] = Σₖ left[m, k] · right[k, n], for
                            buffer, index, clips, body)               groups of variables m, n, k; then body
    Clip      = low ≤ index < high                                    elsewhere the factors are zeros nobody stored
    Value     = Load(buffer, index, row?)                             row: a table row picked by data, clamped
              | Apply(operation, values, attributes, dtype)           an elementwise operation's body
              | Literal(number, dtype)
              | Position(index, dtype)                                the index itself, as a number
              | Draw(operation, token, element, attributes, dtype)    a random number, by its counter
    Index     = offset + Σ coefficient · loop variable                (core/indices.py)
    Buffer    = name, dtype, size, mostly_zero, place: input | parameter | constant | output | arena | private

A buffer is flat; an index counts elements. A private buffer belongs to one pass of the loop around it: one for each
lane where that loop is a vector, and in registers where its indices are known. Loops may be fused and reordered freely
by the rule in `fuse.py`; nothing else about the meaning of a statement depends on its neighbours. Values are never
changed once they are made (they are not frozen: a compilation makes them by the thousand, and that costs three times
as much).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal as OneOf

from ..core.expression import Expression
from ..core.indices import Index
from ..core.operation import Attributes, Operation

Place = OneOf["input", "parameter", "constant", "output", "arena", "private"]
Mode = OneOf["serial", "unrolled", "vector", "parts", "steps"]


@dataclass(eq=False, repr=False)
class Buffer:
    """Memory for the elements of one expression.

    ``number`` counts inputs, parameters and outputs; ``updates`` is the memory of the parameter whose new value it is;
    ``holds`` is the expression, by which one finds the lines that it came from; ``mostly_zero`` tells a contraction
    that looking for zeros in it is worth it.
    """

    name: str
    dtype: str
    size: int
    place: Place
    number: int = 0
    data: bytes = b""
    updates: Buffer | None = None
    holds: Expression | None = None
    mostly_zero: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(unsafe_hash=True, repr=False)
class Row:
    """A row of a table picked by data: element offset ``stride · min(max(value, 0), limit - 1)``."""

    value: Value
    stride: int
    limit: int


@dataclass(unsafe_hash=True, repr=False)
class Load:
    """The element of a buffer at an index."""

    buffer: Buffer
    index: Index
    row: Row | None = None

    @property
    def dtype(self) -> str:
        """The buffer's dtype."""
        return self.buffer.dtype


@dataclass(unsafe_hash=True, repr=False)
class Apply:
    """An elementwise operation on values."""

    operation: Operation
    values: tuple[Value, ...]
    attributes: Attributes
    dtype: str


@dataclass(unsafe_hash=True, repr=False)
class Literal:
    """A number."""

    number: float | int | bool
    dtype: str


@dataclass(unsafe_hash=True, repr=False)
class Position:
    """An index as a number."""

    index: Index
    dtype: str


@dataclass(unsafe_hash=True, repr=False)
class Draw:
    """A random number: element ``element`` of draw ``token``."""

    operation: Operation
    token: int
    element: Index
    attributes: Attributes
    dtype: str


Value = Load | Apply | Literal | Position | Draw


@dataclass(eq=False, repr=False)
class Loop:
    """``extent`` passes of a body, the variable counting from 0; ``parallel`` if threads share the passes out.

    The passes of ``steps`` follow each other: they are the steps of a recurrence, and what stands in its body is done
    as if it were outermost.
    """

    variable: str
    extent: int
    body: list[Statement]
    mode: Mode = "serial"
    parallel: bool = False


@dataclass(eq=False, repr=False)
class Store:
    """An element is set."""

    buffer: Buffer
    index: Index
    value: Value


@dataclass(eq=False, repr=False)
class Reduce:
    """An element is combined with a value."""

    operation: Operation
    buffer: Buffer
    index: Index
    value: Value
    row: Row | None = None


Axes = tuple[tuple[str, int], ...]


@dataclass(unsafe_hash=True, repr=False)
class Clip:
    """Where factors are stored at all: ``low <= index < high``, over one variable of rows and one that is summed."""

    index: Index
    low: int
    high: int


@dataclass(eq=False, repr=False)
class Contraction:
    """Products summed over shared variables: matrix products, convolutions and their gradients.

    The axes are pairs (variable, extent), the outermost first. ``body`` is what is done with each element of the
    result as soon as it is finished, its loops being those over rows and columns; where ``kept`` is false only the
    body sees the result.
    """

    rows: Axes
    columns: Axes
    shared: Axes
    left: Load
    right: Load
    buffer: Buffer
    index: Index
    clips: tuple[Clip, ...] = ()
    body: list[Statement] = field(default_factory=list)
    kept: bool = True

    @property
    def axes(self) -> Axes:
        """All of its axes."""
        return (*self.rows, *self.columns, *self.shared)


Statement = Loop | Store | Reduce | Contraction


@dataclass(eq=False, repr=False)
class Program:
    """A scheduled step: ``once`` runs at the start of a call, ``each`` at every step."""

    once: list[Statement]
    each: list[Statement]
    buffers: list[Buffer] = field(default_factory=list)
    arena: dict[Buffer, int] = field(default_factory=dict)
    arena_bytes: int = 0


def loads(value: Value) -> Iterator[Load]:
    """Yield every load in a value, those of picked rows included."""
    stack: list[Value] = [value]
    while stack:
        current = stack.pop()
        if isinstance(current, Load):
            yield current
            if current.row:
                stack.append(current.row.value)
        elif isinstance(current, Apply):
            stack.extend(current.values)


def leaves(statements: Sequence[Statement]) -> Iterator[Store | Reduce | Contraction]:
    """Yield the statements that do something, in order; what is done with a contraction's elements comes after it."""
    for statement in statements:
        if isinstance(statement, Loop):
            yield from leaves(statement.body)
        else:
            yield statement
            if isinstance(statement, Contraction):
                yield from leaves(statement.body)


def reads(leaf: Store | Reduce | Contraction) -> Iterator[Load]:
    """Yield what a statement reads, what it combines with included."""
    if isinstance(leaf, Contraction):
        yield from loads(leaf.left)
        yield from loads(leaf.right)
        return
    yield from loads(leaf.value)
    if isinstance(leaf, Reduce):
        yield Load(leaf.buffer, leaf.index, leaf.row)
        if leaf.row:
            yield from loads(leaf.row.value)


def extents(statements: Sequence[Statement]) -> dict[str, int]:
    """Return the extent of every loop variable."""
    found: dict[str, int] = {}
    for statement in statements:
        if isinstance(statement, Loop):
            found[statement.variable] = statement.extent
            found.update(extents(statement.body))
        elif isinstance(statement, Contraction):
            found.update(statement.axes)
    return found


def map_value(value: Value, change_load: object) -> Value:
    """Return a value with a function applied to each of its loads (their rows first)."""
    assert callable(change_load)
    if isinstance(value, Load):
        row = value.row and Row(map_value(value.row.value, change_load), value.row.stride, value.row.limit)
        changed: Value = change_load(Load(value.buffer, value.index, row))
        return changed
    if isinstance(value, Apply):
        return Apply(
            value.operation, tuple(map_value(v, change_load) for v in value.values), value.attributes, value.dtype
        )
    return value


def replace_variables(statement: Statement, values: dict[str, Index]) -> Statement:
    """Return a statement with loop variables replaced by indices."""
    if isinstance(statement, Loop):
        return Loop(
            statement.variable, statement.extent, [replace_variables(s, values) for s in statement.body], statement.mode
        )
    if isinstance(statement, Store):
        return Store(statement.buffer, statement.index.replace(values), _replace(statement.value, values))
    if isinstance(statement, Reduce):
        row = statement.row and Row(_replace(statement.row.value, values), statement.row.stride, statement.row.limit)
        index = statement.index.replace(values)
        return Reduce(statement.operation, statement.buffer, index, _replace(statement.value, values), row)
    left, right = (_replace(v, values) for v in (statement.left, statement.right))
    assert isinstance(left, Load) and isinstance(right, Load)
    return replace(
        statement,
        left=left,
        right=right,
        index=statement.index.replace(values),
        clips=tuple(Clip(c.index.replace(values), c.low, c.high) for c in statement.clips),
        body=[replace_variables(s, values) for s in statement.body],
    )


def _replace(value: Value, values: dict[str, Index]) -> Value:
    if isinstance(value, Load):
        row = value.row and Row(_replace(value.row.value, values), value.row.stride, value.row.limit)
        return Load(value.buffer, value.index.replace(values), row)
    if isinstance(value, Apply):
        return Apply(value.operation, tuple(_replace(v, values) for v in value.values), value.attributes, value.dtype)
    if isinstance(value, Position):
        return Position(value.index.replace(values), value.dtype)
    if isinstance(value, Draw):
        return Draw(value.operation, value.token, value.element.replace(values), value.attributes, value.dtype)
    return value
