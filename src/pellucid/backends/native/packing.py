"""Packing: pieces of the operands laid out as the micro-kernel reads them, one after another.

Of the right operand these are panels of columns; of the left one the rows of a tile, where these lie together in memory
and its steps far apart.

A panel holds as many columns as a tile has, its elements in the order of the shared axes: each step's vectors lie
together, and what is beyond the last column is zero. Operands whose shared axis lies along memory are turned on the
way, a square of lanes at a time (Goto and van de Geijn, *Anatomy of High-Performance Matrix Multiplication*, 2008).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from .arithmetic import memory_type
from .writer import Writer

if TYPE_CHECKING:
    from .emit import Emitter

AHEAD = 16  # steps from the one that is copied to the one that is asked for; hardware stays within a page

# How many steps of an axis: all of them, or fewer, so many as generated code says.
Count = int | tuple[int, str | int]


def extent(count: Count) -> int:
    """Return how many steps of an axis there may be."""
    return count if isinstance(count, int) else count[0]


class Packing:
    """Writes the packing of one panel.

    Args:
        emitter: what writes the kernel.
        strides: how far the operand moves with each shared axis, and with a column under the name ``column``.
        axes: the shared axes and how many steps of each are packed.
        width: how many columns a panel has room for.
    """

    def __init__(
        self,
        emitter: Emitter,
        dtype: str,
        strides: Mapping[str, int],
        column: str,
        axes: Sequence[tuple[str, Count]],
        width: int,
    ) -> None:
        self.writer: Writer = emitter.writer
        self.b, self.dtype, self.kind = emitter.b, dtype, memory_type(dtype)
        self.lanes = emitter.target.lanes(dtype)
        self.strides, self.column, self.axes, self.width = strides, strides.get(column, 0), axes, width
        self.vectors = -(-width // self.lanes)

    def panel(self, source: str, target: str, tail: int) -> None:
        """Write the packing of the columns that begin at an address; of the last vector only ``tail`` count, if any.

        Where the width fills no vector, the target has room for one vector more.
        """
        (last, inner) = self.axes[-1] if self.axes else ("", 1)
        if self.column != 1 and self.strides.get(last, 0) == 1 and isinstance(inner, int) and inner >= self.lanes:
            return self._walk(source, target, self.axes[:-1], inner, lambda s, t: self._turned(s, t, inner, tail))
        return self._walk(source, target, self.axes, 1, lambda s, t: self._copied(s, t, tail))

    def _walk(
        self,
        source: str,
        target: str,
        axes: Sequence[tuple[str, Count]],
        inner: int,
        copy: Callable[[str, str], None],
    ) -> None:
        if not axes:
            return copy(source, target)
        (name, count), rest = axes[0], axes[1:]
        step = math.prod(extent(n) for _, n in rest) * inner * self.width
        with self.writer.loop(0, count if isinstance(count, int) else count[1]) as k:
            stride = self.strides.get(name, 0)
            here = self._moved(source, self.writer.multiply(k, stride))
            if not rest and self.column == 1:
                for v in range(self.vectors):
                    self.writer.prefetch(self._moved(here, AHEAD * stride + v * self.lanes))
            self._walk(here, self._moved(target, self.writer.multiply(k, step)), rest, inner, copy)
        return None

    def _moved(self, base: str, offset: str | int) -> str:
        return self.writer.address(base, offset, self.kind)

    def _copied(self, source: str, target: str, tail: int) -> None:
        """Copy one step's columns."""
        for v in range(self.vectors):
            mask = self.b.first_lanes(tail, self.lanes) if v == self.vectors - 1 else None
            place = self._moved(source, v * self.lanes * self.column)
            if self.column == 1:
                value = self.b.load(place, self.dtype, self.lanes, mask)
            else:
                step = self.b.iota(self.lanes, "int64")
                jumps = self.b.multiply(step, self.b.constant(self.column, step))
                value = self.b.gather(place, jumps, self.dtype, mask)
            self.b.store(value, self._moved(target, v * self.lanes))

    def _turned(self, source: str, target: str, extent: int, tail: int) -> None:
        """Copy the innermost shared axis, along which the operand's memory lies, and turn it."""
        whole = extent // self.lanes * self.lanes
        with self.writer.loop(0, whole, self.lanes) as k:
            here = self._moved(source, k), self._moved(target, self.writer.multiply(k, self.width))
            self._squares(*here, self.lanes, tail)
        if extent % self.lanes:
            here = self._moved(source, whole), self._moved(target, whole * self.width)
            self._squares(*here, extent % self.lanes, tail)

    def _squares(self, source: str, target: str, steps: int, tail: int) -> None:
        zero = self.b.splat(self.b.constant_of(0, self.dtype), self.lanes)
        mask = self.b.first_lanes(steps % self.lanes, self.lanes)
        for v in range(self.vectors):
            columns = tail if tail and v == self.vectors - 1 else self.lanes
            places = [self._moved(source, (v * self.lanes + c) * self.column) for c in range(columns)]
            rows = [self.b.load(place, self.dtype, self.lanes, mask) for place in places]
            turned = self.b.transpose([*rows, *[zero] * (self.lanes - columns)])
            for k in range(steps):
                self.b.store(turned[k], self._moved(target, k * self.width + v * self.lanes))
