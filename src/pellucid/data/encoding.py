"""How the cells of a table become numbers: learnt from one file, kept as JSON, and applied to the next."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np

from ..core.errors import DataFileError, InputError, shortened
from ..core.memory import require_memory
from ..core.settings import is_number, is_whole, nearest
from .rows import Source, is_missing, is_numeric, read_rows

Array = np.ndarray[Any, Any]
LARGEST_NUMBER: Final = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Column:
    """A column of a table: numbers, or one of some categories.

    Attributes:
        name: the column's.
        place: where it stands in the file it was learnt from.
        categories: in order; () for a column of numbers.
        mean: of the numbers that there were, which stands for missing ones where they are filled.
    """

    name: str
    place: int
    categories: tuple[str, ...] = ()
    mean: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """What its columns of numbers are called: one for each category.

        >>> Column("colour", 0, ("blue", "red")).names
        ('colour=blue', 'colour=red')
        """
        return tuple(f"{self.name}={category}" for category in self.categories) or (self.name,)

    def encode(self, cells: Sequence[str], source: Source, fill: bool) -> Array:
        """Return cells as numbers, float32 of shape (n, number of ``names``).

        Raises:
            PellucidError: the source's class of it, for the first cell that cannot be; it names row and column.
        """
        return self._one_hot(cells, source, fill) if self.categories else self._numbers(cells, source, fill)

    def _numbers(self, cells: Sequence[str], source: Source, fill: bool) -> Array:
        values = np.empty((len(cells), 1), np.float32)
        for k, cell in enumerate(cells):
            if is_missing(cell):
                values[k] = self.mean if fill else self._refuse_missing(k, source)
                continue
            if not is_numeric(cell):
                source.refuse(k, self.name, f"{shortened(repr(cell), 60)} is no number; expected one such as -1.5")
            value = float(cell)
            if not abs(value) <= LARGEST_NUMBER:
                source.refuse(
                    k, self.name, f"{shortened(cell, 60)} is infinite in float32; remove the row, or replace the number"
                )
            values[k] = value
        return values

    def _one_hot(self, cells: Sequence[str], source: Source, fill: bool) -> Array:
        numbers = {category: k for k, category in enumerate(self.categories)}
        values = np.zeros((len(cells), len(numbers)), np.float32)
        for k, cell in enumerate(cells):
            if is_missing(cell):
                if not fill:
                    self._refuse_missing(k, source)
            elif cell in numbers:
                values[k, numbers[cell]] = 1
            else:
                what = f"{shortened(repr(cell), 60)} is none of the {len(numbers)} categories that were learnt from"
                source.refuse(k, self.name, f"{what}; {nearest(cell, numbers)}")
        return values

    def _refuse_missing(self, row: int, source: Source) -> NoReturn:
        source.refuse(
            row, self.name, "the value is missing; fill it in, or read the training file with missing='drop' or 'mean'"
        )


@dataclass(frozen=True)
class Encoding:
    """How the rows of a table become the inputs of a network.

    Attributes:
        columns: those that are inputs, in order.
        target: the name of the column that is learnt.
        classes: the names of the target's classes; () if it is numbers.
        width: how many columns the file had, with the target and those that were left out.
        header: whether it named them.
        fill: whether a missing number is the mean of its column, and a missing category none of them.

    >>> encoding = Encoding((Column("size", 0), Column("colour", 1, ("blue", "red"))), "price", width=3)
    >>> encoding.names
    ('size', 'colour=blue', 'colour=red')
    >>> encoding.encode([["1.5", "red"], {"colour": "blue", "size": 2}])
    array([[1.5, 0. , 1. ],
           [2. , 1. , 0. ]], dtype=float32)
    >>> Encoding.from_json(encoding.to_json()) == encoding
    True
    """

    columns: tuple[Column, ...]
    target: str
    classes: tuple[str, ...] = ()
    width: int = 0
    header: bool = True
    fill: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What the columns of the encoded inputs are called."""
        return tuple(name for column in self.columns for name in column.names)

    def encode(self, rows: Sequence[Any]) -> Array:
        """Return rows as the inputs of a network, float32 of shape (n, number of ``names``).

        Args:
            rows: each a list of the input columns' cells in order, or a dict of them by name; texts or numbers.

        Raises:
            InputError: for a row of other columns, or a cell that cannot be encoded; it is named.
        """
        cells = [self._cells(k, row) for k, row in enumerate(rows)]
        return self.encoded(cells, Source("encode", range(len(cells)), "row", InputError))

    def _cells(self, number: int, row: Any) -> list[str]:
        names = [column.name for column in self.columns]
        if isinstance(row, Mapping):
            absent = [name for name in names if name not in row]
            if absent:
                raise InputError(f"encode, row {number}: has no {absent[0]!r}; {nearest(absent[0], map(str, row))}")
            row = [row[name] for name in names]
        if isinstance(row, str) or len(row) != len(names):
            expected = f"{len(names)} cells: {shortened(', '.join(names), 200)}"
            raise InputError(f"encode, row {number}: is {shortened(repr(row), 100)}; expected {expected}")
        return ["" if cell is None else str(cell).strip() for cell in row]

    def encoded(self, cells: Sequence[Sequence[str]], source: Source) -> Array:
        """Return the cells of the input columns as ``encode`` does, with messages that name their source."""
        require_memory(4 * len(cells) * len(self.names), f"{source.name}: encoding {len(cells):,} rows")
        inputs = np.empty((len(cells), len(self.names)), np.float32)
        begin = 0
        for k, column in enumerate(self.columns):
            end = begin + len(column.names)
            inputs[:, begin:end] = column.encode([row[k] for row in cells], source, self.fill)
            begin = end
        return inputs

    def read(
        self, path: str | os.PathLike[str], delimiter: str | None = None, encoding: str = "utf-8"
    ) -> tuple[Array, tuple[str, ...]]:
        """Return the inputs in another CSV file, and what its rows are called.

        Its columns are found by their names, in any order, and others are left alone: the target need not be there. A
        file without a header has the columns of the first one, or the input columns alone.

        Raises:
            DataFileError: if the file is no table, lacks a column, or holds a cell that cannot be encoded.
            InputError: for a delimiter or an encoding that there is not.
        """
        rows = read_rows(path, delimiter, self.header, encoding)
        places = self._places(rows.names, rows.source.name)
        inputs = self.encoded([[row[k] for k in places] for row in rows.cells], rows.source)
        return inputs, row_names(rows.source)

    def _places(self, names: tuple[str, ...], path: str) -> list[int]:
        if self.header:
            for column in self.columns:
                if column.name not in names:
                    raise DataFileError(f"{path}: has no column {column.name!r}; {nearest(column.name, names)}")
            return [names.index(column.name) for column in self.columns]
        if len(names) == self.width:
            return [column.place for column in self.columns]
        if len(names) == len(self.columns):
            return list(range(len(names)))
        raise DataFileError(
            f"{path}: has {len(names)} columns; expected the {len(self.columns)} inputs, or all {self.width} "
            f"of the file that was learnt from"
        )

    def to_json(self) -> str:
        """Return all of it as JSON, from which ``from_json`` makes an equal one."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Encoding:
        """Return the encoding that ``to_json`` wrote.

        Raises:
            InputError: if the text is not what it writes.
        """
        try:
            given = json.loads(text)
            columns = tuple(_column(**column) for column in given.pop("columns"))
            made = cls(columns, **{**given, "classes": tuple(given["classes"])})
            right = _is_sound(made)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise InputError(
                f"the encoding of a table cannot be read ({error}); expected what to_json wrote"
            ) from error
        if not right:
            raise InputError("the encoding of a table holds values of wrong types; expected what to_json wrote")
        return made


def _column(name: str, place: int, categories: list[str], mean: float) -> Column:
    return Column(name, place, tuple(categories), mean)


def _is_sound(encoding: Encoding) -> bool:
    texts = [encoding.target, *encoding.classes, *(c.name for c in encoding.columns)]
    texts += [category for column in encoding.columns for category in column.categories]
    return (
        len(encoding.columns) > 0
        and all(isinstance(text, str) for text in texts)
        and is_whole(encoding.width)
        and all(is_whole(c.place) and 0 <= c.place < encoding.width for c in encoding.columns)
        and all(is_number(c.mean) and math.isfinite(c.mean) for c in encoding.columns)
        and {type(encoding.header), type(encoding.fill)} == {bool}
    )


def row_names(source: Source) -> tuple[str, ...]:
    """Return what the rows of a file are called: its name, and the line each begins on."""
    name = Path(source.name).name
    return tuple(f"{name}:{line}" for line in source.numbers)


__all__ = ["Column", "Encoding", "row_names"]
