"""``pellucid show``: every stage of a training step, from formula to machine code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import recipes
from ..view import stage_text
from .screen import Screen
from .train import with_data


def show(screen: Screen, subject: str, stage: str, data: Path | None = None) -> None:
    """Show one stage of the training step of a run, a recipe or a model's file.

    Raises:
        PellucidError: there is no such subject or stage.
    """
    function, _ = training_step(subject, data)
    screen.console.file.write(stage_text(function, stage))


def training_step(subject: str, data: Path | None) -> tuple[Any, tuple[Any, ...]]:
    """Return the compiled training step of a run, a recipe or a file, and a batch for it."""
    folder = Path(subject)
    path = None if data is None else str(data.resolve())
    if folder.is_dir():
        run = recipes.open_run(folder, path)
    else:
        run = recipes.prepared(with_data(recipes.find(subject), data))
    rows = slice(run.plan.batch_size)
    examples = run.model.batch(run.parts.train.inputs[rows], run.parts.train.labels[rows])
    _, _, step = run.model.training_step(examples)
    return step, tuple(examples.arrays)
