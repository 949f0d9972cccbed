"""``pellucid train``: a recipe or a model's file, trained into a run folder; and ``pellucid recipes``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .. import recipes
from ..core.errors import InputError
from ..recipes.sources import TAKEN_FROM_FILES, found_path
from ..view import numbered_folder
from .screen import Screen


class Stopped(KeyboardInterrupt):
    """Ctrl-C during training; its text says how to go on."""


def train(
    screen: Screen,
    name: str,
    data: Path | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    seed: int | None = None,
    out: Path | None = None,
    as_json: bool = False,
) -> Path:
    """Train a recipe or a model's file, and return the run folder.

    Raises:
        PellucidError: one of its kinds, for what is wrong with what was given.
        Stopped: on Ctrl-C.
    """
    if epochs is not None and steps is not None:
        raise InputError("--epochs and --steps are two ways to say how long; give one of them")
    document = recipes.with_settings(with_data(recipes.find(name), data), None, epochs, steps, seed)
    folder = out or numbered_folder("runs", Path(name).stem)
    try:
        run = recipes.begin(document, folder)
        recipes.train(run, verbose=0 if as_json else 1)
        figures = measured(run)
        recipes.illustrate(run, figures)
    except KeyboardInterrupt:
        again = "".join(f" --{key} {value}" for key, value in _given(data, epochs, steps, seed))
        raise Stopped(f"stopped; to go on: pellucid train {name}{again} --out {folder}") from None
    if as_json:
        progress = run.model.progress
        screen.data({"run": str(folder), "epochs": progress.epochs, "steps": progress.steps, **figures})
    else:
        screen.facts([(key, f"{value:.4f}") for key, value in figures.items()])
        screen.say(f"The run is in {folder}; its page is {folder / 'report.html'}")
    return folder


def with_data(document: recipes.Document, data: Path | None) -> recipes.Document:
    """Return a document that says where its data are: where told, or where they are looked for."""
    section = document.content["data"]
    path = None if data is None else str(data.resolve())
    if path is None and section.get("kind") in TAKEN_FROM_FILES and "path" not in section:
        path = found_path(section["kind"])
    return recipes.with_settings(document, path, None, None, None)


def _given(data: Path | None, epochs: int | None, steps: int | None, seed: int | None) -> list[tuple[str, Any]]:
    pairs = {"data": None if data is None else os.fspath(data), "epochs": epochs, "steps": steps, "seed": seed}
    return [(key, value) for key, value in pairs.items() if value is not None]


def measured(run: recipes.Run) -> dict[str, Any]:
    """Return the loss and the metrics on the rows kept for the test, or on those learnt from if there are none."""
    judged, prefix = (run.parts.test, "test_") if run.parts.test else (run.parts.train, "")
    return {f"{prefix}{key}": value for key, value in run.model.evaluate(judged.inputs, judged.labels).items()}


def show_recipes(screen: Screen, as_json: bool = False) -> None:
    """List the recipes that come with Pellucid."""
    titles = {name: str(recipes.find(name).content.get("title", "")) for name in recipes.names()}
    if as_json:
        screen.data(titles)
        return
    screen.heading("Recipes: pellucid train NAME")
    screen.facts(list(titles.items()))
