"""Tiles at a border: which of their rows have elements at which steps of the shared axis that crosses it.

A convolution's windows stand over the end of an image where nothing is stored around it. Over the columns of an image,
which are the rows of a tile, each row has its own steps: they are known when code is written, so that a tile at the
border is a micro-kernel of its own, and all others know nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ...schedule.loops import Contraction

Heights = tuple[int, int, int]
"""Where tiles of one height begin, the height, and how many there are one after another."""


Rows = tuple[tuple[int, int], ...]
"""For each step of a shared axis the first and the end of a tile's rows that have elements there."""


class Border(NamedTuple):
    """A clip over the rows of tiles: row r has an element at step k if ``low <= first + r * row + k * step < high``.

    Attributes:
        axis: the shared axis.
        steps: how many steps it has.
    """

    axis: str
    steps: int
    first: int
    row: int
    step: int
    low: int
    high: int

    def rows(self, start: int, height: int) -> Rows:
        """Return for each step the rows of a tile that have elements there; nothing if all have, everywhere.

        >>> Border("k", 3, -1, 1, 1, 0, 8).rows(0, 4), Border("k", 3, -1, 1, 1, 0, 8).rows(2, 4)
        (((1, 4), (0, 4), (0, 4)), ())
        """
        ends = []
        for k in range(self.steps):
            at = self.first + start * self.row + k * self.step
            first, end = (min(max(-((at - bound) // self.row), 0), height) for bound in (self.low, self.high))
            ends.append((first, max(first, end)))
        return () if all(rows == (0, height) for rows in ends) else tuple(ends)

    def tiles(self, heights: Iterable[Heights]) -> Iterator[Heights]:
        """Yield tiles with each one at the border by itself.

        >>> list(Border("k", 3, -1, 1, 1, 0, 8).tiles([(0, 2, 4)]))
        [(0, 2, 1), (2, 2, 2), (6, 2, 1)]
        """
        for start, height, times in heights:
            whole = 0  # tiles since the last one at the border
            for place in range(start, start + times * height, height):
                if not self.rows(place, height):
                    whole += 1
                    continue
                if whole:
                    yield place - whole * height, height, whole
                yield place, height, 1
                whole = 0
            if whole:
                yield start + (times - whole) * height, height, whole

    def first_inside(self, rows: Rows) -> tuple[int, int]:
        """Return a step and a row that have an element: the first that do, or both 0 if there is none."""
        return next(((step, low) for step, (low, high) in enumerate(rows) if low < high), (0, 0))


def border_of(c: Contraction) -> Border | None:
    """Return the clip over the last of a contraction's axes of rows, if there is one."""
    row = c.rows[-1][0] if c.rows else ""
    for clip in c.clips:
        if row in clip.index.variables:
            axis, steps = next((name, n) for name, n in c.shared if name in clip.index.variables)
            index = clip.index
            down, along = index.coefficient(row), index.coefficient(axis)
            return Border(axis, steps, index.offset, down, along, clip.low, clip.high)
    return None
