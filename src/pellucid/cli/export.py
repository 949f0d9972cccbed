"""``pellucid export``: the weights of a run's model, as a file that other programs read."""

from __future__ import annotations

from pathlib import Path

from .. import recipes
from ..core.settings import check_choice
from .screen import Screen

FORMATS = ("safetensors",)


def export(screen: Screen, folder: Path, to: str, out: Path | None = None) -> None:
    """Write the weights of a run.

    Raises:
        PellucidError: there is no run, no such format, or the file cannot be written.
    """
    check_choice("export", "--to", to, FORMATS)
    _, model = recipes.open_model(folder)
    path = out or folder / "weights.safetensors"
    model.save_weights(path)
    screen.say(f"The weights are in {path}")
