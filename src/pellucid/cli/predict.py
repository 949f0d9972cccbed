"""``pellucid predict``: class and probability of rows, images and texts that a run's model has not seen."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .. import recipes
from ..core.errors import DataFileError, InputError
from ..core.settings import check_choice
from ..data import read_image
from ..recipes.sources import image_size, prepare
from .screen import Screen

Array = np.ndarray[Any, Any]
FORMATS = ("table", "csv", "jsonl")
COLUMNS = ("name", "class", "probability")
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"}


def predict(screen: Screen, folder: Path, files: list[str], form: str = "table") -> None:
    """Show what a run's model makes of files.

    Args:
        screen: where it is shown.
        folder: the run's.
        files: of images, or folders of them; of rows of numbers as CSV; ``-`` for such rows from standard input.
        form: "table", "csv" or "jsonl".

    Raises:
        PellucidError: there is no run, or a file cannot be read or does not fit the network.
    """
    check_choice("predict", "--format", form, FORMATS)
    document, model = recipes.open_model(folder)
    section = document.content["data"]
    shape = model.network.inputs[0].shape[1:]
    names, rows = [], []
    for file in files:
        found, inputs = _pictures(section, Path(file)) if section["kind"] == "images" else _numbers(file)
        names += found
        rows.append(prepare(section, inputs))
        if rows[-1].shape[1:] != shape:
            raise InputError(
                f"{file}: a row has the shape {rows[-1].shape[1:]}, and the network of {folder} takes {shape}"
            )
    classes = document.content.get("run", {}).get("classes", [])
    outputs = model.predict(np.concatenate(rows))
    _write(screen, [_row(name, output, classes) for name, output in zip(names, outputs, strict=True)], form)


def _row(name: str, output: Array, known: list[str]) -> dict[str, Any]:
    classes = known or [str(k) for k in range(max(output.shape[-1], 2))]
    if output.ndim != 1:
        return {"name": name, "class": " ".join(f"{v:.0f}" for v in output.ravel()), "probability": None}
    chances = output if len(output) > 1 else np.array([1 - output[0], output[0]])
    best = int(chances.argmax())
    return {"name": name, "class": classes[best], "probability": float(chances[best])}


def _numbers(file: str) -> tuple[list[str], Array]:
    """Return the rows of numbers of a CSV file or of standard input, and what each is called."""
    name = "standard input" if file == "-" else file
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError(f"{name}: cannot be read: {error}; expected rows of numbers, with commas") from error
    rows: list[list[float]] = []
    for k, cells in enumerate(csv.reader(io.StringIO(text)), 1):
        try:
            rows.append([float(cell) for cell in cells])
        except ValueError as error:
            if k > 1:
                raise DataFileError(f"{name}, line {k}: {error}; expected numbers with commas between them") from error
        if len({len(row) for row in rows}) > 1:
            raise DataFileError(f"{name}, line {k}: has {len(cells)} numbers, and the lines before {len(rows[0])}")
    if not rows:
        raise DataFileError(f"{name}: has no rows of numbers")
    return [f"{name}:{k + 1}" for k in range(len(rows))], np.array(rows, np.float32)


def _pictures(section: dict[str, Any], path: Path) -> tuple[list[str], Array]:
    """Return the images of a file or a folder, each resized as those that were learnt from."""
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in PICTURES) if path.is_dir() else [path]
    if not found:
        raise DataFileError(f"{path}: holds no images")
    size = image_size(section)
    return [str(p) for p in found], np.stack([read_image(p, size) for p in found])


def _write(screen: Screen, rows: list[dict[str, Any]], form: str) -> None:
    if form == "table":
        shown = [[r["name"], r["class"], "" if r["probability"] is None else f"{r['probability']:.4f}"] for r in rows]
        screen.table(COLUMNS, shown)
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
