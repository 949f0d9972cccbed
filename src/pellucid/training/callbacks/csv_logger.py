"""A history in a file, row by row while training goes on."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np

from ... import distributed
from ...core.errors import OutputFolderError
from .callback import Callback, Logs


class CSVLogger(Callback):
    """Writes each epoch's figures as a row of a CSV file, which can be read while training goes on.

    Args:
        path: of the file. Its columns are ``epoch`` and the figures of the first epoch.
        append: keep the rows that an earlier run wrote, of epochs before those that follow now; a run that goes on from
            a checkpoint so writes the same file as one that was never stopped. Otherwise the file begins anew.

    >>> import numpy as np, pellucid as pc, pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "history.csv"
    >>> x = np.linspace(-1, 1, 64, dtype="float32").reshape(64, 1)
    >>> model = pc.Model(pc.Sequential(pc.layers.Dense(1)), "mse", "sgd")
    >>> _ = model.fit(x, 3 * x, epochs=2, callbacks=[pc.callbacks.CSVLogger(path)], verbose=0)
    >>> [line.split(",")[0] for line in path.read_text().splitlines()]
    ['epoch', '0', '1']
    """

    uses_model = False

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self.path, self.append = Path(path), append
        self._columns: list[str] = []
        self._file: Any = None

    def on_train_begin(self) -> None:
        """Open the file; keep what it is to keep of its rows."""
        if not distributed.is_first():
            return
        rows = self._earlier_rows() if self.append and self.path.exists() else []
        self._columns = rows[0] if rows else []
        try:
            self._file = self.path.open("w", newline="", encoding="utf-8")
        except OSError as error:
            raise OutputFolderError(f"CSVLogger cannot write {self.path}: {error.strerror}") from error
        self._write(rows)

    def _earlier_rows(self) -> list[list[str]]:
        with self.path.open(newline="", encoding="utf-8") as file:
            header, *rows = [*csv.reader(file)] or [[]]
        if not header:
            return []
        kept = [r for r in rows if len(r) == len(header) and r[0].isdigit() and int(r[0]) < self.model.progress.epochs]
        return [header, *kept]

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write a row."""
        if self._file is None:
            return
        rows: list[list[Any]] = []
        if not self._columns:
            self._columns = ["epoch", *logs]
            rows.append(self._columns)
        figures = {"epoch": epoch} | logs
        self._write([*rows, [_plain(figures.get(name, "")) for name in self._columns]])

    def _write(self, rows: list[list[Any]]) -> None:
        csv.writer(self._file, lineterminator="\n").writerows(rows)
        self._file.flush()

    def on_train_end(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


__all__ = ["CSVLogger"]
