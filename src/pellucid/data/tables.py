"""CSV files: numbers as they are, texts as categories, and the column that is to be learnt as labels."""

from __future__ import annotations

import csv
import difflib
import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import DataFileError, InputError
from .text import read_text

Array = np.ndarray[Any, Any]
ABSENT = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})  # how files say that a value is missing
DELIMITERS = ",;\t|"
MOST_CLASSES = 20  # whole numbers of more different values are numbers to be met, not classes
MOST_CATEGORIES = 1000  # of one column: each becomes an input
MOSTLY = 0.9  # of a column's values that are numbers, from which the others are mistakes


class Column(NamedTuple):
    """A column, and how it becomes numbers.

    Attributes:
        name: as in the header.
        categories: the texts it may hold, each of which becomes an input of 0 or 1; () for a column of numbers.
        filler: what stands for a missing number; None where none was missing.
    """

    name: str
    categories: tuple[str, ...] = ()
    filler: float | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs that it becomes."""
        return tuple(f"{self.name}={text}" for text in self.categories) or (self.name,)


class Table(NamedTuple):
    """Rows of a CSV file with their labels; the first four are those of ``Labelled``.

    Attributes:
        inputs: float32 of shape (n, inputs).
        labels: int32 of shape (n,) for classes, float32 for numbers.
        classes: the names of the classes, sorted; () if the labels are numbers.
        names: which line of the file each row is, such as ``"line 2"``.
        columns: how each column became inputs.
        target: the name of the column that the labels are of.
    """

    inputs: Array
    labels: Array
    classes: tuple[str, ...]
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    target: str


class _Row(NamedTuple):
    line: int
    values: list[str]


def read_csv(
    path: str | os.PathLike[str],
    target: str,
    *,
    columns: Sequence[str] | None = None,
    missing: str = "error",
    labels: str | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8",
) -> Table:
    """Return the rows of a CSV file, whose first line names the columns.

    Columns of numbers become an input each. Columns of texts become an input for each of their texts, which is 1 where
    the row has it. The target is a class where it is a text, or a whole number of at most 20 different ones.

    Args:
        path: the file.
        target: the name of the column to learn.
        columns: the columns to learn from; all others if not given.
        missing: what becomes of rows with missing values: ``"error"``, ``"drop"`` leaves them out, and ``"mean"`` puts
            the mean of the column in place of missing numbers (a missing text is a category, and a row without a target
            is left out).
        labels: ``"classes"`` or ``"numbers"``, to say what the target is.
        delimiter: what stands between values; found in the first lines if not given.
        encoding: how its bytes stand for characters, as for ``read_text``.

    Raises:
        DataFileError: if the file is not as said: it names the line and the column.
        InputError: if an argument is not as said.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "pets.csv"
    >>> _ = path.write_text("legs,cover,kind\\n4,fur,cat\\n2,feathers,bird\\n4,fur,dog\\n")
    >>> table = read_csv(path, "kind")
    >>> table.inputs
    array([[4., 0., 1.],
           [2., 1., 0.],
           [4., 0., 1.]], dtype=float32)
    >>> table.labels, table.classes, [name for column in table.columns for name in column.inputs]
    (array([1, 0, 2], dtype=int32), ('bird', 'cat', 'dog'), ['legs', 'cover=feathers', 'cover=fur'])
    """
    if missing not in ("error", "drop", "mean") or labels not in (None, "classes", "numbers"):
        raise InputError(
            f"read_csv: missing is {missing!r} and labels {labels!r}; expected missing of 'error', 'drop' or 'mean', and"
            " labels of 'classes', 'numbers' or None"
        )
    path = Path(path)
    header, rows = _rows(path, delimiter, encoding)
    chosen = [name for name in header if name != target] if columns is None else list(columns)
    places = {name: _place(path, name, header) for name in (target, *chosen)}
    if target in chosen or not chosen:
        raise InputError(f"read_csv: columns are {chosen}; expected others than the target {target!r}, at least one")
    rows = _complete(path, rows, places, target, missing)
    made = tuple(
        _column(path, name, [_Row(r.line, [r.values[places[name]]]) for r in rows], missing) for name in chosen
    )
    inputs = _encoded(path, made, [(r.line, {name: r.values[places[name]] for name in chosen}) for r in rows])
    found, classes = _labels(path, target, [_Row(r.line, [r.values[places[target]]]) for r in rows], labels)
    return Table(inputs, found, classes, tuple(f"line {r.line}" for r in rows), made, target)


def read_rows(
    path: str | os.PathLike[str], columns: Sequence[Column], *, delimiter: str | None = None, encoding: str = "utf-8"
) -> Array:
    """Return the inputs in another CSV file, made as those of a table were; other columns in it do not matter.

    Raises:
        DataFileError: if a column is not there, or a value is none that the table could have.
    """
    path = Path(path)
    header, rows = _rows(path, delimiter, encoding)
    places = {column.name: _place(path, column.name, header) for column in columns}
    return _encoded(path, columns, [(r.line, {name: r.values[k] for name, k in places.items()}) for r in rows])


def _rows(path: Path, delimiter: str | None, encoding: str) -> tuple[list[str], list[_Row]]:
    """Return the names of the columns, and the rows below, which have as many values."""
    text = read_text(path, encoding)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or _delimiter(text), strict=True)
    rows = list(_lines(path, reader))
    if not rows:
        raise DataFileError(f"{path}: has no lines; a first line that names the columns was expected")
    header = [name.strip() for name in rows[0].values]
    for name in header:
        if not name or header.count(name) > 1:
            what = f"names a column {name!r} twice" if name else "has a column without a name"
            raise DataFileError(f"{path}, line {rows[0].line}: {what}; each column needs a name of its own")
    for row in rows[1:]:
        if len(row.values) != len(header):
            raise DataFileError(
                f"{path}, line {row.line}: has {len(row.values)} values, and there are {len(header)} columns"
            )
    if len(rows) == 1:
        raise DataFileError(f"{path}: has no rows below the names of the columns")
    return header, rows[1:]


def _lines(path: Path, reader: Any) -> Iterator[_Row]:
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataFileError(f"{path}, line {reader.line_num}: is no CSV: {error}") from error
        if any(value.strip() for value in values):
            yield _Row(reader.line_num, [value.strip() for value in values])


def _delimiter(text: str) -> str:
    """Return which of the usual characters the first line has most of."""
    line = text.split("\n", 1)[0]
    return max(DELIMITERS, key=line.count)


def _place(path: Path, name: str, header: Sequence[str]) -> int:
    if name in header:
        return header.index(name)
    near = difflib.get_close_matches(name, header, 1)
    advice = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(map(repr, header[:20]))}"
    raise DataFileError(f"{path}: has no column {name!r}; {advice}")


def _is_absent(value: str) -> bool:
    return value.lower() in ABSENT


def _complete(path: Path, rows: list[_Row], places: Mapping[str, int], target: str, missing: str) -> list[_Row]:
    """Return the rows that are kept; what is missing in them may be filled."""
    needed = {target: places[target]} if missing == "mean" else places
    kept = []
    for row in rows:
        absent = next((name for name, k in needed.items() if _is_absent(row.values[k])), None)
        if absent is None:
            kept.append(row)
        elif missing == "error":
            raise DataFileError(
                f"{path}, line {row.line}: the value of {absent!r} is missing; missing='drop' leaves such rows out, and"
                " missing='mean' puts the column's mean in its place"
            )
    if not kept:
        raise DataFileError(f"{path}: every row has a missing value; missing='mean' fills them")
    return kept


def _column(path: Path, name: str, values: Sequence[_Row], missing: str) -> Column:
    """Return whether a column is one of numbers or of categories, and which."""
    present = [(row.line, row.values[0]) for row in values if not _is_absent(row.values[0])]
    numbers = [_number(text) for _, text in present]
    wrong = [place for place, number in zip(present, numbers, strict=True) if number is None]
    if not wrong and present:
        mean = math.fsum(n for n in numbers if n is not None) / len(numbers)
        return Column(name, (), mean if missing == "mean" else None)
    if len(wrong) <= (1 - MOSTLY) * len(present):
        line, text = wrong[0] if wrong else (values[0].line, "")
        raise DataFileError(f"{path}, line {line}: {text!r} in column {name!r} is no number, as the others are")
    categories = tuple(sorted({row.values[0] for row in values}))
    if len(categories) > MOST_CATEGORIES:
        raise DataFileError(
            f"{path}: column {name!r} has {len(categories):,} different texts, too many to learn from; name the columns"
            " to use without it: columns=[...]"
        )
    return Column(name, categories)


def _number(text: str) -> float | None:
    """Return a finite number, or None for anything else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def _encoded(path: Path, columns: Sequence[Column], rows: Sequence[tuple[int, Mapping[str, str]]]) -> Array:
    inputs = np.zeros((len(rows), sum(len(column.inputs) for column in columns)), np.float32)
    first = 0
    for column in columns:
        numbers = {text: k for k, text in enumerate(column.categories)}
        for k, (line, values) in enumerate(rows):
            text = values[column.name]
            if numbers:
                if text not in numbers:
                    raise DataFileError(f"{path}, line {line}: {text!r} is none of the texts known in {column.name!r}")
                inputs[k, first + numbers[text]] = 1
            else:
                inputs[k, first] = _value(path, line, column, text)
        first += len(column.inputs)
    return inputs


def _value(path: Path, line: int, column: Column, text: str) -> float:
    if _is_absent(text) and column.filler is not None:
        return column.filler
    number = _number(text)
    if number is None or abs(number) > float(np.finfo(np.float32).max):
        raise DataFileError(f"{path}, line {line}: {text!r} in column {column.name!r} is no number that float32 holds")
    return number


def _labels(path: Path, target: str, values: Sequence[_Row], wanted: str | None) -> tuple[Array, tuple[str, ...]]:
    texts = [row.values[0] for row in values]
    numbers = [_number(text) for text in texts]
    if len(set(texts)) < 2:
        raise DataFileError(f"{path}: the target {target!r} is {texts[0]!r} in every row; there is nothing to learn")
    whole = all(n is not None and n == int(n) for n in numbers)
    is_number = all(n is not None for n in numbers)
    if wanted == "numbers" or (wanted is None and is_number and not (whole and len(set(numbers)) <= MOST_CLASSES)):
        column = Column(target)
        return np.array([_value(path, row.line, column, row.values[0]) for row in values], np.float32), ()
    if whole:  # 1, 01 and 1.0 are one class
        texts = [str(int(n)) for n in numbers if n is not None]
    classes = sorted(set(texts), key=(lambda text: (int(text), text)) if whole else None)
    place = {text: k for k, text in enumerate(classes)}
    return np.array([place[text] for text in texts], np.int32), tuple(classes)


__all__ = ["Column", "Table", "read_csv", "read_rows"]
