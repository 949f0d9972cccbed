"""``pellucid predict``: class and probability of rows, images and texts that a run's model has not seen."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .. import recipes
from ..core.errors import InputError
from ..core.settings import check_choice
from ..recipes.samples import COLUMNS, continued
from .screen import Screen

FORMATS = ("table", "csv", "jsonl")


def predict(screen: Screen, folder: Path, files: list[str], form: str = "table", length: int | None = None) -> None:
    """Show what a run's model makes of files.

    Args:
        screen: where it is shown.
        folder: the run's.
        files: images, or folders of them; tables of the columns that were learnt from, or rows of numbers; texts. ``-``
            is standard input.
        form: "table", "csv" or "jsonl".
        length: go on with a text for so many characters, in place of saying which comes next.

    Raises:
        PellucidError: there is no run, or a file cannot be read or does not fit the network.
    """
    check_choice("predict", "--format", form, FORMATS)
    document, model = recipes.open_model(folder)
    kind, classes = document.content["data"]["kind"], document.content.get("run", {}).get("classes", [])
    if length is not None and kind != "text":
        raise InputError(f"--length is for texts, and {folder} has learnt {kind}")
    shape = model.network.inputs[0].shape[1:]
    found = [recipes.read_inputs(document, file, shape) for file in files]
    rows = np.concatenate([inputs for _, inputs in found])
    if length is not None:
        seed = document.content["training"].get("seed", 0)
        for row in rows:
            screen.say("".join(classes[k] for k in [*row, *continued(model, row, length, seed)]))
        return
    names = [name for some, _ in found for name in some]
    outputs = model.predict(rows)
    _write(screen, [recipes.said(name, output, classes) for name, output in zip(names, outputs, strict=True)], form)


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
