"""Tables in CSV files: what each column is, the inputs and labels it becomes, and the same for rows to come."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ..core.errors import DataFileError, InputError, shortened
from ..core.settings import check_choice
from .encoding import LARGEST_NUMBER, Column, Encoding, row_names
from .rows import Rows, is_missing, is_numeric, read_rows

Array = np.ndarray[Any, Any]
MOST_CATEGORIES: Final = 1_000
LARGEST_WHOLE: Final = 2**53
FEW: Final = 20  # values of a target of whole numbers that are taken for classes; MNIST has 10, ages have 100
DAY: Final = r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})"
DATE: Final = re.compile(DAY + r"([T ]\d{1,2}:\d{2}.*)?", re.ASCII)


class Table(NamedTuple):
    """A table as training takes it; its first four fields are those of ``Labelled``.

    Attributes:
        inputs: float32 of shape (n, columns).
        labels: of shape (n,): int32 for classes, float32 for numbers.
        classes: the names of the classes, in the order of their labels; () if the labels are numbers.
        names: what each row is called: the file and the line it begins on.
        columns: the names of the inputs' columns.
        encoding: how rows become inputs, for rows to come.
    """

    inputs: Array
    labels: Array
    classes: tuple[str, ...]
    names: tuple[str, ...]
    columns: tuple[str, ...]
    encoding: Encoding

    def encode(self, rows: Sequence[Any]) -> Array:
        """Return other rows as inputs, encoded as this table's are; see ``Encoding.encode``."""
        return self.encoding.encode(rows)


def read_csv(
    path: str | os.PathLike[str],
    target: str | int,
    *,
    task: str | None = None,
    missing: str = "refuse",
    dates: str = "refuse",
    ignore: Sequence[str | int] = (),
    delimiter: str | None = None,
    header: bool | None = None,
    encoding: str = "utf-8",
) -> Table:
    r"""Return the table in a CSV file: inputs, the labels to learn, and what they are called.

    A column whose values are all numbers is one input; any other is a column of categories, one-hot encoded in the
    order of their texts. A target of texts is classes. One of numbers is classes if they are whole and at most 20
    differ; otherwise it is numbers.

    Args:
        path: the file.
        target: the column to learn, by its name or number; -1 is the last.
        task: "classes" or "numbers", to take the target as such whatever its values are.
        missing: what to do about missing values: "refuse" them, "drop" their rows, or fill numbers with the "mean" of
            their column and let categories be none of them. A missing target is never filled.
        dates: "refuse" columns of dates, or take them as "text" of categories.
        ignore: columns to leave out, by name or number.
        delimiter: the character between cells; None to see it from the first lines.
        header: whether the first row has names; None to see it: it has if the target is a name, or none of its cells
            is a number.
        encoding: of the file; UTF-8, with or without its mark, unless told otherwise.

    Raises:
        InputError: for an argument that cannot be, or a column that is not there; the nearest name is suggested.
        DataFileError: for a file that is no table, or a value that cannot be taken; it names line and column.
        MemoryNeededError: if the inputs do not fit into this machine's memory.

    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "fruit.csv"
    >>> _ = path.write_text("weight,colour,fruit\n150,red,apple\n120,yellow,banana\n170,green,apple\n")
    >>> table = read_csv(path, "fruit")
    >>> table.columns
    ('weight', 'colour=green', 'colour=red', 'colour=yellow')
    >>> table.inputs[0], table.labels, table.classes
    (array([150., 0., 1., 0.], dtype=float32), array([0, 1, 0], dtype=int32), ('apple', 'banana'))
    >>> table.encode([[130, "yellow"]])
    array([[130., 0., 0., 1.]], dtype=float32)
    """
    check_choice("read_csv", "task", task, ("classes", "numbers", None))
    check_choice("read_csv", "missing", missing, ("refuse", "drop", "mean"))
    check_choice("read_csv", "dates", dates, ("refuse", "text"))
    rows = read_rows(path, delimiter, True if header is None and isinstance(target, str) else header, encoding)
    learnt, inputs = _chosen(rows, target, ignore)
    if missing == "drop":
        rows = _without_missing(rows, [learnt, *inputs])
    columns = tuple(_column(rows, k, dates) for k in inputs)
    labels, classes = _labels(rows, learnt, task)
    how = Encoding(columns, rows.names[learnt], classes, len(rows.names), rows.header, missing == "mean")
    values = how.encoded([[row[k] for k in inputs] for row in rows.cells], rows.source)
    return Table(values, labels, classes, row_names(rows.source), how.names, how)


def _chosen(rows: Rows, target: str | int, ignore: Sequence[str | int]) -> tuple[int, list[int]]:
    if isinstance(ignore, str):
        raise InputError(f"read_csv: ignore is {ignore!r}; expected a list of columns: [{ignore!r}]")
    learnt = rows.position(target)
    ignored = {rows.position(column) for column in ignore}
    if learnt in ignored:
        raise InputError(f"read_csv: the target {target!r} is among the columns to ignore; take it off that list")
    inputs = [k for k in range(len(rows.names)) if k != learnt and k not in ignored]
    if not inputs:
        raise DataFileError(
            f"{rows.source.name}: has no column to learn from beside the target {rows.names[learnt]!r}; is the "
            "delimiter another one? Say which: delimiter=';'"
        )
    return learnt, inputs


def _without_missing(rows: Rows, places: list[int]) -> Rows:
    whole = [k for k, row in enumerate(rows.cells) if not any(is_missing(row[place]) for place in places)]
    if not whole:
        raise DataFileError(
            f"{rows.source.name}: each of its {len(rows.cells)} rows has a missing value, and none is left; take "
            "missing='mean', or leave the columns out that have few values: ignore=[...]"
        )
    return rows.keep(whole)


def _column(rows: Rows, place: int, dates: str) -> Column:
    name = rows.names[place]
    cells = [row[place] for row in rows.cells if not is_missing(row[place])]
    if not cells:
        raise DataFileError(f"{rows.source.name}: column {name!r} holds no values; leave it out: ignore=[{name!r}]")
    if all(map(is_numeric, cells)):
        numbers = np.array([float(cell) for cell in cells])
        numbers = numbers[np.abs(numbers) <= LARGEST_NUMBER]  # what is larger is refused when it is encoded
        return Column(name, place, mean=float(numbers.mean()) if numbers.size else 0.0)
    if dates == "refuse" and all(DATE.fullmatch(cell) for cell in cells):
        raise DataFileError(
            f"{rows.source.name}: column {name!r} holds dates, such as {cells[0]!r}, which are no numbers; "
            f"leave it out with ignore=[{name!r}], take each date as a category with dates='text', or put numbers in "
            "their place"
        )
    categories = tuple(sorted(set(cells)))
    if len(categories) > MOST_CATEGORIES:
        odd = next(k for k, row in enumerate(rows.cells) if not is_missing(row[place]) and not is_numeric(row[place]))
        text = shortened(repr(rows.cells[odd][place]), 60)
        rows.source.refuse(
            odd,
            name,
            f"{text} is no number, and as categories the column has {len(categories):,}, more than "
            f"{MOST_CATEGORIES:,}; correct it, or leave the column out: ignore=[{name!r}]",
        )
    return Column(name, place, categories)


def _labels(rows: Rows, place: int, task: str | None) -> tuple[Array, tuple[str, ...]]:
    name, cells = rows.names[place], [row[place] for row in rows.cells]
    for k, cell in enumerate(cells):
        if is_missing(cell):
            rows.source.refuse(k, name, "the target is missing; drop such rows with missing='drop'")
    whole = all(map(_is_whole, cells))
    if whole:
        cells = [str(int(float(cell))) for cell in cells]  # 1 and 1.0 are one class
    different = sorted(set(cells), key=float if whole else None)
    if task is None:
        task = "numbers" if all(map(is_numeric, cells)) and not (whole and len(different) <= FEW) else "classes"
    if task == "numbers":
        classes: tuple[str, ...] = ()
        labels = Column(name, place).encode(cells, rows.source, fill=False)[:, 0]
    else:
        numbers = {text: k for k, text in enumerate(different)}
        labels, classes = np.array([numbers[cell] for cell in cells], np.int32), tuple(different)
    if (labels == labels[0]).all():
        raise DataFileError(
            f"{rows.source.name}: the target {name!r} is {shortened(repr(cells[0]), 60)} in every row, so there is "
            "nothing to learn; choose another column, or more data"
        )
    return labels, classes


def _is_whole(cell: str) -> bool:
    """Whether a cell is a whole number that float64 holds exactly."""
    return is_numeric(cell) and abs(float(cell)) <= LARGEST_WHOLE and float(cell).is_integer()


__all__ = ["Table", "read_csv"]
