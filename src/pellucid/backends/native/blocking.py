"""How a contraction is cut to fit the caches: the cost model, a handful of rules.

Nothing here changes the order in which a sum is added up: tiles, groups of columns, packing and who does which part may
be chosen freely (by cache sizes, or by a search, `tuning.py`), and the result stays the same bit for bit. How a sum is
cut into blocks does change that order, and so it follows from the shape alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from ...schedule.contraction import is_cut
from ...schedule.loops import Axes, Contraction, Load
from .machine import Caches
from .microkernel import tile_shape
from .target import Target
from .values import BYTES
from .zeros import low_tile, skips_zeros

BLOCK = 256  # steps of a shared axis in a block, about, where a sum is cut; half as many where there are several axes
FAR_APART = 1024  # bytes between the steps of a tile's rows from which these are worth packing
FEWEST_PANELS = 2  # that use the rows of a tile for these to be packed
FEWEST_UNITS = 8  # of rows that are worth sharing out among threads


class Blocking(NamedTuple):
    """What may be chosen of a contraction's loops.

    Attributes:
        rows: how many rows a tile has at most.
        vectors: how many vectors of columns it has.
        packed_bytes: how much of the right operand is packed at once, at most.
        by_columns: whether threads share out columns: each then packs only its own; otherwise each packs all of them
            and has rows of its own.
        packs_left: whether the rows of a tile are packed as well.
    """

    rows: int
    vectors: int
    packed_bytes: int
    by_columns: bool
    packs_left: bool


def blocking(c: Contraction, target: Target, caches: Caches) -> Blocking:
    """Return how an oriented contraction is cut by rule."""
    columns = c.columns[-1][1] if c.columns else 1
    rows, vectors = tile_shape(columns, c.shared[-1][1] if c.shared else 1, target, c.buffer.dtype)
    if skips_zeros(c, target):
        rows, vectors = low_tile(columns, target, c.buffer.dtype)
    width = vectors * target.lanes(c.buffer.dtype)
    packed = max(caches.l2 // 2, caches.l1)
    depth = math.prod(n for _, n in block_axes(c)[1])
    group = max(1, packed // (depth * width * BYTES[c.buffer.dtype]))
    several = min(group, -(-columns // width)) >= FEWEST_PANELS
    return Blocking(rows, vectors, packed, _by_columns(c, rows, width), several and _rows_lie_together(c))


def _by_columns(c: Contraction, high: int, width: int) -> bool:
    if len(c.columns) > 1 or not c.columns:
        return False
    rows, panels = math.prod(n for _, n in c.rows), c.columns[-1][1] // width
    units = max(math.prod(n for _, n in c.rows[:-1]), -(-c.rows[-1][1] // high)) if c.rows else 1
    return panels >= 2 and (c.columns[-1][1] >= rows or (units < FEWEST_UNITS and panels % 2 == 0))


def _rows_lie_together(c: Contraction) -> bool:
    """Whether a tile's rows lie together in the left operand, and its steps apart: each would be a line of its own."""
    strides = strides_of(c.left)
    apart = [strides.get(name, 0) for name, extent in c.shared if extent > 1]
    together = bool(c.rows) and strides.get(c.rows[-1][0], 0) == 1
    return together and min(apart, default=0) * BYTES[c.buffer.dtype] >= FAR_APART


def candidates(c: Contraction, target: Target, caches: Caches) -> Iterator[Blocking]:
    """Yield the cuts that a search tries, the rule's own first."""
    first = blocking(c, target, caches)
    yield first
    if skips_zeros(c, target):
        return  # how long a cut takes depends on the zeros, which made-up data does not have
    for bytes_ in (first.packed_bytes // 2, first.packed_bytes * 2):
        yield first._replace(packed_bytes=bytes_)
    if len(c.columns) == 1:
        yield first._replace(by_columns=not first.by_columns)
    if _rows_lie_together(c):
        yield first._replace(packs_left=not first.packs_left)
    for rows in {first.rows - 1, first.rows - 2} - {0, -1}:
        yield first._replace(rows=rows)
    if first.vectors > 1:
        yield first._replace(vectors=first.vectors - 1, rows=min(2 * first.rows, 12))


def block_axes(c: Contraction) -> tuple[Axes, Axes]:
    """Return the shared axes that are gone through one by one, and those of a block, the first of them cut.

    What a clip shortens is always an axis of the block.
    """
    clipped = {name for clip in c.clips for name in clip.index.variables}
    return _cut_axes(c.shared, clipped) if is_cut(c) else ((), c.shared)


def _cut_axes(shared: Axes, clipped: set[str]) -> tuple[Axes, Axes]:
    """Cut axes so that a block has about BLOCK steps.

    >>> _cut_axes((("n", 50), ("y", 14), ("x", 14)), set())
    ((('n', 50),), (('y', 7), ('x', 14)))
    """
    most = BLOCK if len(shared) == 1 else BLOCK // 2
    inner, position = 1, len(shared) - 1
    while position and (inner * shared[position][1] <= most or clipped & {name for name, _ in shared[:position]}):
        inner *= shared[position][1]
        position -= 1
    name, extent = shared[position]
    blocks = -(-extent // max(1, most // inner))
    even = next((k for k in range(blocks, min(2 * blocks, extent) + 1) if extent % k == 0), blocks)
    return shared[:position], ((name, -(-extent // even)), *shared[position + 1 :])


def strides_of(load: Load) -> dict[str, int]:
    """Return how far an operand moves with each variable."""
    return dict(load.index.terms)
