"""Run folders: a training run in files, from which it is resumed, judged and asked.

    model.safetensors   the last state, from which the run goes on
    best.safetensors    the state with the smallest loss, on the validation data where there are any
    history.csv         what each epoch measured, made anew from the state
    config.toml         the document that made it, with all its settings, and the fingerprint of the data
    pictures/           see ``pictures``
    report.html         all of it on one page

Every file is written whole or not at all. A run that was stopped at any moment goes on from the last state, and ends
with the same bits.
"""

from __future__ import annotations

import copy
import csv
import io
from pathlib import Path
from typing import Any, NamedTuple

from ..core.configuration import differences
from ..core.errors import InputError
from ..training.callbacks import BackupAndRestore, Callback, Logs, ModelCheckpoint
from ..training.loading import load as load_model
from ..training.model import Model
from ..view.folder import prepare_folder, write_file
from .document import Document, read
from .objects import make_layers, network
from .plan import Plan, plan
from .sources import Parts, check, load
from .writing import as_toml

STATE, BEST, CONFIGURATION = "model.safetensors", "best.safetensors", "config.toml"
HISTORY, REPORT = "history.csv", "report.html"
BACKUPS = 20  # of a run that counts steps


class Run(NamedTuple):
    """A run: its folder, what made it, its data and its model."""

    folder: Path
    document: Document
    plan: Plan
    parts: Parts
    model: Model


def with_settings(
    document: Document, path: str | None, epochs: int | None, steps: int | None, seed: int | None
) -> Document:
    """Return the document with what the command line asks for in place of its own."""
    content = copy.deepcopy(document.content)
    if path is not None:
        content["data"]["path"] = path
    if seed is not None:
        content["training"]["seed"] = seed
    for key, value in (("epochs", epochs), ("steps", steps)):
        if value is not None:
            content["training"].pop("epochs", None)
            content["training"].pop("steps", None)
            content["training"][key] = value
    return Document(document.name, document.text, content)


def begin(document: Document, folder: Path) -> Run:
    """Return the run of a document in a folder: a new one, or the one that is there, to go on with.

    Everything is checked before anything is computed or written.

    Raises:
        PellucidError: what is wrong with the document, the data or the folder; the folder holds another run, or one
            that has come to its end.
    """
    wanted = plan(document)
    check(document)
    make_layers(document, 2)
    existing = _existing(document, folder)
    parts = load(document)
    model = _model(document, wanted, parts)
    if existing is not None:
        then = existing.content.get("run", {}).get("fingerprint")
        if then != parts.fingerprint:
            raise InputError(
                f"{folder}: the data have changed since this run began: their fingerprint was {then}, and is"
                f" {parts.fingerprint}; give the data as they were, or choose another --out"
            )
    prepare_folder(folder)
    (folder / REPORT).unlink(missing_ok=True)
    content = {**document.content, "run": _kept(document, parts)}
    write_file(folder / CONFIGURATION, as_toml(content))
    return Run(folder, document, wanted, parts, model)


def _kept(document: Document, parts: Parts) -> dict[str, Any]:
    return {"recipe": document.name, "fingerprint": parts.fingerprint, "classes": list(parts.classes)}


def prepared(document: Document) -> Run:
    """Return a run that has no folder yet: its data and its network, to look at and to measure."""
    wanted, parts = plan(document), load(document)
    return Run(Path(), document, wanted, parts, _model(document, wanted, parts))


def _model(document: Document, wanted: Plan, parts: Parts) -> Model:
    rows = parts.train.inputs
    dtype = {"float64": "float32", "int64": "int32"}.get(rows.dtype.name, rows.dtype.name)
    made = network(document, rows.shape[1:], dtype, wanted.seed, len(parts.classes))
    return Model(made, wanted.loss, wanted.optimizer, wanted.metrics, wanted.seed)


def _existing(document: Document, folder: Path) -> Document | None:
    """Return what made the run that is in a folder, if there is one, checked to be the same."""
    path = folder / CONFIGURATION
    if not path.exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder}: is not empty, and holds no run; choose another --out")
        return None
    found = read(path)
    then, now = (_without_length(d.content) for d in (found, document))
    if shown := [f"\n  {where}: {a!r} there, {b!r} here" for where, a, b in differences(then, now)]:
        raise InputError(f"{folder}: is a run of another configuration:{''.join(shown[:10])}\nchoose another --out")
    if (folder / STATE).exists():
        _check_unfinished(folder, plan(document))
    return found


def _without_length(content: dict[str, Any]) -> dict[str, Any]:
    training = {key: value for key, value in content["training"].items() if key not in ("epochs", "steps")}
    return {**{key: value for key, value in content.items() if key != "run"}, "training": training}


def _check_unfinished(folder: Path, wanted: Plan) -> None:
    progress = load_model(folder / STATE).progress
    if wanted.steps is not None:
        done, asked, unit = progress.steps, wanted.steps, "steps"
    else:
        done, asked, unit = progress.epochs, wanted.epochs, "epochs"
    if done >= asked and (folder / REPORT).exists():  # without it, the run was stopped before its last file
        raise InputError(
            f"{folder}: has done its {done} {unit}; to train it further: --{unit} with more than {done}, or choose"
            " another --out for a new run"
        )


class StopAfter(Callback):
    """Ends the training after a number of steps, which may be in the middle of an epoch."""

    uses_model = False

    def __init__(self, steps: int) -> None:
        self.every = self.steps = steps

    def on_train_begin(self) -> None:
        """Go on, where a run that had come to its end is to do more steps."""
        self.model.stop_training = self.model.progress.steps >= self.steps

    def on_steps(self, step: int, logs: Logs) -> None:
        """Stop, once the backup before is written, so that the last one is not left out."""
        for callback in self.run.callbacks:
            callback.flush()
        self.model.stop_training = True


def train(run: Run, verbose: int = 1) -> Model:
    """Train until the end, from where the run was stopped; return the model.

    Raises:
        KeyboardInterrupt: on Ctrl-C; the run goes on from its last state when it is begun again.
        PellucidError: a file cannot be written, or the loss became no number.
    """
    wanted, parts = run.plan, run.parts
    monitor = "val_loss" if parts.validation else "loss"
    steps = wanted.steps
    batches = -(-round(len(parts.train.inputs) * (1 - parts.validation)) // wanted.batch_size)
    epochs = wanted.epochs if steps is None else -(-steps // max(batches, 1)) + 1
    callbacks: list[Callback] = [
        *wanted.callbacks,
        *([StopAfter(steps)] if steps else []),
        ModelCheckpoint(run.folder / BEST, monitor, save_best_only=True),
        BackupAndRestore(run.folder / STATE, "epoch" if steps is None else _often(steps)),
    ]
    run.model.fit(
        parts.train.inputs,
        parts.train.labels,
        epochs,
        wanted.batch_size,
        validation_split=parts.validation,
        callbacks=callbacks,
        verbose=verbose,
        shuffle=wanted.shuffle,
    )
    write_history(run)
    return run.model


def _often(steps: int) -> int:
    """Return after how many steps a backup is written: a divisor of all, so that one is written at the end."""
    most = max(steps // BACKUPS, 1)
    return next(size for size in range(most, 0, -1) if steps % size == 0)


def write_history(run: Run) -> None:
    """Write what was measured as CSV: a row an epoch."""
    history = run.model.history
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *history.history])
    for k, epoch in enumerate(history.epoch):
        writer.writerow([epoch + 1, *(values[k] for values in history.history.values())])
    write_file(run.folder / HISTORY, text.getvalue())


def open_run(folder: Path, path: str | None = None) -> Run:
    """Return a run that was trained, with its data, to judge and to ask.

    Args:
        folder: the run's.
        path: where its data are now, if not where they were.

    Raises:
        InputError: if there is no run; PellucidError for its files.
    """
    document, model = open_model(folder)
    document = with_settings(document, path, None, None, None)
    return Run(folder, document, plan(document), load(document), model)


def open_model(folder: Path) -> tuple[Document, Model]:
    """Return what made a run, and its model as it is now; raises InputError if there is none."""
    if not (folder / CONFIGURATION).is_file() or not (folder / STATE).is_file():
        raise InputError(f"{folder}: is no run folder; expected one that `pellucid train` made")
    return read(folder / CONFIGURATION), load_model(folder / STATE)


__all__ = ["Run", "begin", "open_model", "open_run", "prepared", "train", "with_settings", "write_history"]
