"""Rows that a run has not seen, read from files as those were that it learnt from."""

from __future__ import annotations

import csv
import io
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .. import data
from ..core.errors import DataFileError, InputError
from .document import Document
from .sources import image_size, prepare

Array = np.ndarray[Any, Any]
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
STANDARD_INPUT = "-"


def read_inputs(document: Document, file: str, shape: tuple[int, ...]) -> tuple[list[str], Array]:
    """Return what the rows in a file are called, and the rows as the network of a run takes them.

    Args:
        document: what made the run.
        file: an image or a folder of them, for a run on images; a text, whose end is read, for one on a text; else a
            table of the columns that were learnt from, or plain numbers. ``-`` is standard input.
        shape: of the network's input, a row of it.

    Raises:
        PellucidError: the file cannot be read, or its rows do not fit.
    """
    section, kept = document.content["data"], document.content.get("run", {})
    if section["kind"] == "images":
        names, inputs = _pictures(section, Path(file))
    elif section["kind"] == "text":
        names, inputs = [file], _text(file, kept["classes"], shape)
    elif "encoding" in kept:
        names, inputs = _table(file, data.Encoding.from_json(kept["encoding"]))
    else:
        names, inputs = _numbers(file)
    scaling = data.Scaling.from_json(kept["scaling"]) if "scaling" in kept else None
    inputs = prepare(section, inputs, scaling)
    if inputs.shape[1:] == (math.prod(shape),):  # of a network that takes matrices, written in a row
        inputs = inputs.reshape(-1, *shape)
    if inputs.shape[1:] != shape:
        raise InputError(f"{file}: a row has the shape {inputs.shape[1:]}, and the network takes {shape}")
    return names, inputs


def _read(file: str, expected: str) -> str:
    try:
        return sys.stdin.read() if file == STANDARD_INPUT else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError(f"{_name(file)}: cannot be read: {error}; expected {expected}") from error


def _name(file: str) -> str:
    return "standard input" if file == STANDARD_INPUT else file


def _numbers(file: str) -> tuple[list[str], Array]:
    """Return the rows of numbers of a CSV file or of standard input, and what each is called."""
    rows: list[list[float]] = []
    for k, cells in enumerate(csv.reader(io.StringIO(_read(file, "rows of numbers, with commas"))), 1):
        try:
            rows.append([float(cell) for cell in cells])
        except ValueError as error:
            if k > 1:
                raise DataFileError(
                    f"{_name(file)}, line {k}: {error}; expected numbers with commas between them"
                ) from error
        if len({len(row) for row in rows}) > 1:
            raise DataFileError(
                f"{_name(file)}, line {k}: has {len(cells)} numbers, and the lines before {len(rows[0])}"
            )
    if not rows:
        raise DataFileError(f"{_name(file)}: has no rows of numbers")
    return [f"{_name(file)}:{k + 1}" for k in range(len(rows))], np.array(rows, np.float32)


def _table(file: str, encoding: data.Encoding) -> tuple[list[str], Array]:
    """Return the rows of a table with the columns that were learnt from."""
    if file != STANDARD_INPUT:
        inputs, names = encoding.read(file)
        return list(names), inputs
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _name(file)
        path.write_text(_read(file, "rows of a table"), encoding="utf-8")
        try:
            inputs, names = encoding.read(path)
        except DataFileError as error:
            raise DataFileError(str(error).replace(str(path), path.name)) from None
    return list(names), inputs


def _text(file: str, characters: list[str], shape: tuple[int, ...]) -> Array:
    """Return the numbers of a text's last characters, as many as the network reads at once."""
    text = _read(file, "a text in UTF-8").rstrip("\n")
    if len(text) < shape[0]:
        raise InputError(
            f"{_name(file)}: has {len(text)} characters, and the network reads {shape[0]} at once;"
            " expected a longer text"
        )
    return data.Characters("".join(characters)).encode(text[-shape[0] :])[None]


def _pictures(section: dict[str, Any], path: Path) -> tuple[list[str], Array]:
    """Return the images of a file or a folder, each resized as those that were learnt from."""
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in PICTURES) if path.is_dir() else [path]
    if not found:
        raise DataFileError(f"{path}: holds no images")
    size = image_size(section)
    return [str(p) for p in found], np.stack([data.read_image(p, size) for p in found])


__all__ = ["read_inputs"]
