"""Affine indices: a whole number plus whole multiples of loop variables.

Every access to memory that the native backend makes is one of these (or a table row picked by data), so bounds
are proven with interval arithmetic when a program is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(unsafe_hash=True, repr=False)
class Index:
    """``offset + Σ coefficient · variable``; the terms are sorted by variable and none is zero."""

    terms: tuple[tuple[str, int], ...] = ()
    offset: int = 0

    def __add__(self, other: Index | int) -> Index:
        if isinstance(other, int):
            return Index(self.terms, self.offset + other)
        collected = dict(self.terms)
        for name, coefficient in other.terms:
            collected[name] = collected.get(name, 0) + coefficient
        kept = tuple(sorted((name, c) for name, c in collected.items() if c))
        return Index(kept, self.offset + other.offset)

    def __sub__(self, other: Index | int) -> Index:
        return self + (other * -1 if isinstance(other, Index) else -other)

    def __mul__(self, factor: int) -> Index:
        if factor == 0:
            return Index()
        return Index(tuple((name, c * factor) for name, c in self.terms), self.offset * factor)

    def coefficient(self, name: str) -> int:
        """Return the multiple of one variable."""
        return dict(self.terms).get(name, 0)

    @property
    def variables(self) -> tuple[str, ...]:
        """The loop variables that occur."""
        return tuple(name for name, _ in self.terms)

    def replace(self, values: Mapping[str, Index]) -> Index:
        """Return the index with some variables replaced by indices."""
        result = Index((), self.offset)
        for name, c in self.terms:
            result = result + (values[name] * c if name in values else Index(((name, c),)))
        return result

    def span(self, extent: Callable[[str], int]) -> tuple[int, int]:
        """Return the smallest and the largest value, given each variable's extent (values 0 to extent - 1)."""
        low = high = self.offset
        for name, c in self.terms:
            reach = c * (extent(name) - 1)
            low, high = low + min(reach, 0), high + max(reach, 0)
        return low, high

    def __str__(self) -> str:
        parts = [name if c == 1 else f"{c}*{name}" for name, c in self.terms]
        if self.offset or not parts:
            parts.append(str(self.offset))
        return " + ".join(parts).replace("+ -", "- ")


def loop_variable(name: str) -> Index:
    """Return the index that is one loop variable."""
    return Index(((name, 1),))
