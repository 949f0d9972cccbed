"""``pellucid train``: a recipe or a model's file, trained into a run folder; and ``pellucid recipes``."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import distributed, recipes
from ..core.errors import InputError
from ..recipes.sources import TAKEN_FROM_FILES, found_path
from ..recipes.sweeping import averages
from ..view import numbered_folder
from .computing import OPEN, Computing
from .launching import launch
from .screen import Screen


class Stopped(KeyboardInterrupt):
    """Ctrl-C during training; its text says how to go on."""


@dataclass(frozen=True)
class Changes:
    """What the command line asks for in place of a document's own settings; None is left as it is.

    Attributes:
        data: where the data are.
        epochs, steps: how long; one of them.
        seed: draws weights and minibatches.
        settings: others, each as ``KEY=VALUE``.
        strict: refuse a folder with a file that is no image.
    """

    data: Path | None = None
    epochs: int | None = None
    steps: int | None = None
    seed: int | None = None
    settings: Sequence[str] = ()
    strict: bool = False

    def made_to(self, document: recipes.Document) -> recipes.Document:
        """Return the document with the changes, which says where its data are.

        Raises:
            PellucidError: for changes that do not fit, or data that are nowhere.
        """
        kind = document.content["data"].get("kind")
        if self.epochs is not None and self.steps is not None:
            raise InputError("--epochs and --steps are two ways to say how long; give one of them")
        if self.strict and kind != "images":
            raise InputError(f"--strict is for folders of images, and the data of {document.name} are {kind}")
        if self.data is not None and kind not in TAKEN_FROM_FILES:
            raise InputError(f"--data is for data in files, and {document.name} makes its own: {kind}")
        changed = {"epochs": self.epochs, "steps": self.steps, "seed": self.seed}
        settings = {f"training.{key}": value for key, value in changed.items()} | recipes.parse_settings(self.settings)
        if self.strict:
            settings["data.strict"] = True
        return with_data(recipes.with_settings(document, settings), self.data)

    def words(self) -> list[str]:
        """Return the options as they are typed."""
        single = {"data": self.data, "epochs": self.epochs, "steps": self.steps, "seed": self.seed}
        words = [word for key, value in single.items() if value is not None for word in (f"--{key}", str(value))]
        words += [word for setting in self.settings for word in ("--set", setting)]
        return [*words, *(["--strict"] if self.strict else [])]

    def __str__(self) -> str:
        """The options as they are typed, quoted for a shell."""
        return "".join(f" {shlex.quote(word)}" for word in self.words())


def with_data(document: recipes.Document, data: Path | None) -> recipes.Document:
    """Return a document that says where its data are: where told, or where they are looked for."""
    section = document.content["data"]
    path = None if data is None else str(data.resolve())
    if path is None and section.get("kind") in TAKEN_FROM_FILES and "path" not in section:
        path = found_path(section["kind"])
    return recipes.with_settings(document, {"data.path": path})


def train(
    screen: Screen,
    name: str,
    changes: Changes = Changes(),
    out: Path | None = None,
    as_json: bool = False,
    computing: Computing = OPEN,
) -> Path:
    """Train a recipe or a model's file, and return the run folder.

    Args:
        screen: where it is shown.
        name: the recipe's, or the file's path.
        changes: of its settings.
        out: the run folder, which may hold the run already; the next free one by default.
        as_json: write the figures as JSON, and nothing else.
        computing: what computes it.

    Raises:
        PellucidError: one of its kinds, for what is wrong with what was given.
        Stopped: on Ctrl-C.
        SystemExit: hosts were started on this machine, and the first did not come to its end; it has said why.
    """
    document = changes.made_to(recipes.find(name))
    computing = computing.checked(document)
    folder = out or numbered_folder("runs", Path(name).stem)
    if computing.starts_hosts and computing.hosts is not None:
        words = ["train", name, *changes.words(), *computing.words(), "--out", str(folder)]
        if code := launch([*words, *(["--json"] if as_json else [])], computing.hosts):
            raise SystemExit(code)
        return folder
    try:
        with computing.joined(), _own(folder) as own:
            computing.check_batch(document)
            run = recipes.train(_begun(screen, document, own), 0 if as_json else 1, **computing.how)
            first = distributed.is_first()
        if not first:
            return folder
        figures = measured(run)
        recipes.write_samples(run)
        recipes.illustrate(run, figures)
    except KeyboardInterrupt:
        again = f"pellucid train {shlex.quote(name)}{changes}{computing} --out {shlex.quote(str(folder))}"
        raise Stopped(f"stopped; to go on: {again}") from None
    if as_json:
        progress = run.model.progress
        screen.data({"run": str(folder), "epochs": progress.epochs, "steps": progress.steps, **figures})
        return folder
    if run.found is not None:
        _show_sweep(screen, run)
    screen.facts([(key, f"{value:.4f}") for key, value in figures.items()])
    screen.say(f"The run is in {folder}; its page is {folder / 'report.html'}")
    return folder


@contextmanager
def _own(folder: Path) -> Iterator[Path]:
    """Yield the run folder, which is that of the first host alone; another has one that does not stay, and is empty."""
    if distributed.is_first():
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="pellucid-") as own:
        yield Path(own)


def _begun(screen: Screen, document: recipes.Document, folder: Path) -> recipes.Run:
    if document.content["data"].get("kind") != "images":
        return recipes.begin(document, folder)
    with screen.progress(["reading images"], 0, "images") as (report,):
        return recipes.begin(document, folder, report)


def _show_sweep(screen: Screen, run: recipes.Run) -> None:
    columns, rows = averages(run)
    screen.table(columns, rows)
    screen.say(f"The best is written as the run's model; each network is a line of {run.folder / 'sweep.csv'}")


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
