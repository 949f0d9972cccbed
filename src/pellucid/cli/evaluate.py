"""``pellucid evaluate``: what a run's model makes of the rows that it did not learn from."""

from __future__ import annotations

from pathlib import Path

from .. import recipes
from .screen import Screen
from .train import measured


def evaluate(screen: Screen, folder: Path, data: Path | None = None, as_json: bool = False) -> None:
    """Show the loss and the metrics of a run.

    Args:
        screen: where they are shown.
        folder: the run's.
        data: where its data are, if not where they were.
        as_json: write them as JSON.

    Raises:
        PellucidError: there is no run, or no data.
    """
    figures = measured(recipes.open_run(folder, None if data is None else str(data.resolve())))
    if as_json:
        screen.data(figures)
    else:
        screen.facts([(key, f"{value:.4f}") for key, value in figures.items()])
