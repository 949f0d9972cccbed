"""The rows of a CSV file as text: its delimiter, its header, and the line each row begins on.

Python's own `csv` module reads the cells, quotes and line ends within quotes included. Its `Sniffer` is not used: it
takes letters for delimiters where a file has one column, and its patterns take very long on some texts. Here a
delimiter is one of four characters, and it must cut the first lines into equally many cells.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from ..core.errors import DataFileError, InputError, PellucidError
from ..core.settings import is_whole, nearest
from .text import read_text

LARGEST: Final = 2**28  # bytes of one file; as text in memory a cell takes some fifty bytes more
DELIMITERS: Final = ("\t", ";", "|", ",")  # the comma last, which in many countries stands in the numbers
SAMPLE: Final = 50  # lines that a delimiter is judged by
MISSING: Final = frozenset({"", "na", "n/a", "nan", "null", "?"})
INFINITE: Final = re.compile(r"[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)
NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class Source(NamedTuple):
    """Where cells come from, for messages.

    Attributes:
        name: the file's path, or what was called.
        numbers: of each row, the line it begins on or its number.
        unit: what these numbers count.
        error: the class of a refusal.
    """

    name: str
    numbers: Sequence[int]
    unit: str = "line"
    error: type[PellucidError] = DataFileError

    def refuse(self, row: int, column: str, what: str) -> NoReturn:
        """Raise the error that names a cell, and what is wrong with it."""
        raise self.error(f"{self.name}, {self.unit} {self.numbers[row]}, column {column!r}: {what}")


class Rows(NamedTuple):
    """A CSV file as text.

    Attributes:
        source: where each row stands.
        names: of the columns; "column 0" and so on where the file gives none.
        cells: of each row, without the spaces around them.
        header: whether the names are the file's.
    """

    source: Source
    names: tuple[str, ...]
    cells: list[list[str]]
    header: bool

    def position(self, column: Any) -> int:
        """Return where a column stands, which is given by its name or number; -1 is the last.

        Raises:
            InputError: if there is none; the nearest name is suggested.
        """
        if isinstance(column, str):
            if column in self.names:
                return self.names.index(column)
            raise InputError(f"{self.source.name}: has no column {column!r}; {nearest(column, self.names)}")
        count = len(self.names)
        if is_whole(column) and -count <= column < count:
            return int(column) % count
        raise InputError(
            f"{self.source.name}: has {count} columns, and no column {column!r}; expected a name, or a number from 0 "
            f"to {count - 1}, or -1 for the last"
        )

    def keep(self, wanted: Sequence[int]) -> Rows:
        """Return some of the rows, by their numbers."""
        numbers = [self.source.numbers[k] for k in wanted]
        return self._replace(source=self.source._replace(numbers=numbers), cells=[self.cells[k] for k in wanted])


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is no value: empty, NA, N/A, NaN, null or a question mark."""
    return cell.lower() in MISSING


def is_numeric(cell: str) -> bool:
    """Whether a cell is a number with a decimal point; infinities are, so that they are refused as numbers.

    >>> [is_numeric(cell) for cell in ("-1.5e3", "1,5", "1_000", "inf", "")]
    [True, False, False, True, False]
    """
    return NUMBER.fullmatch(cell) is not None or INFINITE.fullmatch(cell) is not None


def read_rows(
    path: str | os.PathLike[str], delimiter: str | None = None, header: bool | None = None, encoding: str = "utf-8"
) -> Rows:
    """Return a CSV file as text.

    Args:
        path: the file.
        delimiter: the character between cells; None to see it from the first lines: a tab, ``;``, ``|`` or ``,``.
        header: whether the first row has the columns' names; None to take it for one where none of its cells is a
            number.
        encoding: of the file, as for ``read_text``.

    Raises:
        InputError: for a delimiter that is not one character, or an unknown encoding.
        DataFileError: if the file cannot be read, is empty, in another encoding or ragged, has quotes that do not
            match, a cell of more than 131,072 characters, or two columns of one name; it names the line.
    """
    given: Any = delimiter
    if given is not None and (not isinstance(given, str) or len(given) != 1 or given in '\n\r"'):
        raise InputError(f"read_csv: delimiter is {delimiter!r}; expected one character such as ',' or ';', or None")
    path = Path(path)
    _check_file(path)
    text = read_text(path, encoding)
    cells, lines = _parsed(path, text, _delimiter(text) if delimiter is None else delimiter)
    if not cells:
        raise DataFileError(f"{path}: has no rows, only empty lines; expected a table")
    named = not any(is_numeric(cell) for cell in cells[0]) if header is None else header
    names = _names(path, cells[0], lines[0]) if named else tuple(f"column {k}" for k in range(len(cells[0])))
    if named:
        cells, lines = cells[1:], lines[1:]
    if not cells:
        raise DataFileError(f"{path}: has a header and no rows below it; if it is a row, say header=False")
    return Rows(Source(str(path), lines), names, cells, named)


def _check_file(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read: {error.strerror}; expected a CSV file") from error
    if not path.is_file():
        raise DataFileError(f"{path}: is no ordinary file; expected a CSV file")
    if size > LARGEST:
        raise DataFileError(
            f"{path}: has {size:,} bytes, and at most {LARGEST:,} are read as CSV; keep so large a table as arrays in "
            "an .npz file, and read it with read_arrays"
        )


def _delimiter(text: str) -> str:
    lines = text.split("\n", SAMPLE)
    cut = len(lines) > SAMPLE
    lines = lines[:SAMPLE]
    for mark in DELIMITERS:
        if _cuts_evenly(lines, mark, cut):
            return mark
    return max(reversed(DELIMITERS), key=lines[0].count)


def _cuts_evenly(lines: list[str], mark: str, cut: bool) -> bool:
    try:
        widths = [len(row) for row in csv.reader(lines, delimiter=mark) if row]
    except csv.Error:
        return False
    if cut:
        widths = widths[:-1]  # the last row may go on after the sample, within quotes
    return len(set(widths)) == 1 and widths[0] > 1


def _parsed(path: Path, text: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    cells: list[list[str]] = []
    lines: list[int] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begin = 1
    try:
        for row in reader:
            if row:
                cells.append([cell.strip() for cell in row])
                lines.append(begin)
                if len(row) != len(cells[0]):
                    raise DataFileError(
                        f"{path}, line {begin}: has {len(row)} cells, and line {lines[0]} has {len(cells[0])}; every "
                        f"row needs as many, with {delimiter!r} between them and quotes around text that has it"
                    )
            begin = reader.line_num + 1
    except csv.Error as error:
        raise DataFileError(
            f"{path}, line {begin}: is no row of CSV: {error}; is a quote missing, or one within a text not doubled?"
        ) from error
    return cells, lines


def _names(path: Path, cells: list[str], line: int) -> tuple[str, ...]:
    names = tuple(cell or f"column {k}" for k, cell in enumerate(cells))
    first: dict[str, int] = {}
    for k, name in enumerate(names):
        if name in first:
            raise DataFileError(
                f"{path}, line {line}: columns {first[name]} and {k} are both called {name!r}; give each a name of its "
                "own, or say header=False if this is no header"
            )
        first[name] = k
    return names


__all__ = ["Rows", "Source", "is_missing", "is_numeric", "read_rows"]
