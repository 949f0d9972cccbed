"""Pellucid, a recipe, as `pellucid train` trains it; or its rows and its documents, for a peer to learn from."""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import pellucid as pc
from pellucid import recipes
from pellucid.recipes.sweeping import SEED, choices_of, each
from pellucid.training.splits import split_rows

from ..recipes import SEEDS, document_of


def trained(document: recipes.Document, seed: int, folder: Path) -> dict[str, Any]:
    """What a recipe comes to on its test rows, or the mean of its networks if it is a sweep; and in how long.

    A run that was stopped goes on, and its time is left out.
    """
    alone = recipes.with_settings(document, {SEED: seed})
    if choices := choices_of(document):
        alone.content["sweep"] = {**choices, SEED: [seed]}
    whole = not folder.exists()
    run = recipes.begin(alone, folder)
    begin = time.perf_counter()
    run = recipes.train(run, verbose=0)
    seconds = time.perf_counter() - begin
    return {**judged(run), **({"seconds": seconds} if whole else {}), "version": pc.__version__}


def judged(run: recipes.Run) -> dict[str, float]:
    """Loss and metrics on the test rows, their means if there are several networks."""
    models = run.found.models if run.found else [run.model]
    found = [model.evaluate(run.parts.test.inputs, run.parts.test.labels) for model in models]
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def write(document: recipes.Document, folder: Path) -> None:
    """Write what a peer needs: a document for each network, and the rows, with those that each seed learns from."""
    parts = recipes.prepared(document).parts
    choices = {name: values for name, values in choices_of(document).items() if name != SEED}
    networks = [
        filled(each(document, dict(zip(choices, values, strict=True))), len(parts.classes))
        for values in itertools.product(*choices.values())
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "documents.json").write_text(json.dumps(networks), encoding="utf-8")
    arrays = {
        "inputs": parts.train.inputs,
        "labels": parts.train.labels,
        "test_inputs": parts.test.inputs,
        "test_labels": parts.test.labels,
    }
    for seed in SEEDS:
        rows = split_rows(parts.train.labels, parts.validation, seed)[0] if parts.validation else None
        arrays[f"rows-{seed}"] = np.arange(len(parts.train.inputs)) if rows is None else rows
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def filled(document: recipes.Document, classes: int) -> dict[str, Any]:
    """The sections of a document, with the number of classes where it says "classes"."""
    tables = [{k: classes if v == "classes" else v for k, v in table.items()} for table in document.content["layers"]]
    return {"layers": tables, "training": document.content["training"]}


def main() -> None:
    """Train it, and print what it comes to; or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="in the list of benchmarks.recipes")
    parser.add_argument("--data", help="where the images are")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="where the run is kept")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write what a peer needs, and train nothing")
    chosen = parser.parse_args()
    document = document_of(chosen.name, chosen.data)
    if chosen.write:
        write(document, chosen.write)
        return
    with tempfile.TemporaryDirectory(prefix="pellucid-recipe-") as name:
        print(json.dumps(trained(document, chosen.seed, chosen.run or Path(name) / "run")))


if __name__ == "__main__":
    main()
