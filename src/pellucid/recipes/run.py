"""Run folders: a training run in files, from which it is resumed, judged and asked.

    model.safetensors   the last state, from which the run goes on; of a sweep, its best model
    best.safetensors    the state with the smallest loss, on the validation data where there are any
    history.csv         what each epoch measured, made anew from the state
    sweep.csv           of a sweep: the settings of each network, and what became of it
    predictions.csv     what it says of rows that were held out; of a text: sample.txt, which it wrote
    config.toml         the document that made it, with all its settings, and the fingerprint of the data
    pictures/           see ``pictures``
    report.html         all of it on one page

Every file is written whole or not at all. A run that was stopped at any moment goes on from the last state, and ends
with the same bits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from .. import distributed
from ..core.configuration import differences
from ..core.errors import InputError
from ..sweeps import Sweep
from ..training.loading import load as load_model
from ..training.model import Model
from ..view.folder import prepare_folder, write_file
from .document import Document, read
from .objects import make_layers, network
from .plan import Plan, plan
from .settings import LENGTHS, with_settings
from .sources import Parts, Progress, check, load
from .sweeping import choices_of
from .writing import as_toml

STATE, BEST, CONFIGURATION, REPORT = "model.safetensors", "best.safetensors", "config.toml", "report.html"


class Run(NamedTuple):
    """A run: its folder, what made it, its data and its model; and of a sweep, once it is trained, what was found."""

    folder: Path
    document: Document
    plan: Plan
    parts: Parts
    model: Model
    found: Sweep | None = None


def begin(document: Document, folder: Path, progress: Progress | None = None) -> Run:
    """Return the run of a document in a folder: a new one, or the one that is there, to go on with.

    Everything is checked before anything is computed or written. Where several hosts were joined, all call this, each
    with a folder of its own, and the first one's is the run's.

    Args:
        document: what is trained.
        folder: where, which may hold the run already.
        progress: called with how many files of data are read, and how many there are.

    Raises:
        PellucidError: what is wrong with the document, the data or the folder; the folder holds another run, or one
            that has come to its end.
    """
    plan(document)
    check(document)
    make_layers(document, 2)
    choices_of(document)
    existing = _existing(document, folder)
    run = prepared(document, progress)._replace(folder=folder)
    distributed.compare({"data": run.parts.fingerprint, **_without_place(document.content)})
    if existing is not None:
        then = existing.content.get("run", {}).get("fingerprint")
        if then != run.parts.fingerprint:
            raise InputError(
                f"{folder}: the data have changed since this run began: their fingerprint was {then}, and is"
                f" {run.parts.fingerprint}; give the data as they were, or choose another --out"
            )
    prepare_folder(folder)
    (folder / REPORT).unlink(missing_ok=True)
    write_file(folder / CONFIGURATION, as_toml({**document.content, "run": _kept(document, run.parts)}))
    return run


def _kept(document: Document, parts: Parts) -> dict[str, Any]:
    """Return what a run keeps of its data, so that rows to come are prepared as those were that it learnt from."""
    how = {"encoding": parts.encoding, "scaling": parts.scaling}
    kept = {key: value.to_json() for key, value in how.items() if value is not None}
    return {"recipe": document.name, "fingerprint": parts.fingerprint, "classes": list(parts.classes), **kept}


def prepared(document: Document, progress: Progress | None = None) -> Run:
    """Return a run that has no folder yet: its data and its network, to look at and to measure."""
    parts = load(document, progress)
    return Run(Path(), document, plan(document, parts.learnt), parts, model_of(document, parts))


def model_of(document: Document, parts: Parts) -> Model:
    """Return the model of a document, not trained yet, for its data."""
    wanted, rows = plan(document, parts.learnt), parts.train.inputs
    dtype = {"float64": "float32", "int64": "int32"}.get(rows.dtype.name, rows.dtype.name)
    made = network(document, rows.shape[1:], dtype, wanted.seed, len(parts.classes))
    return Model(made, wanted.loss, wanted.optimizer, wanted.metrics, wanted.seed)


def _existing(document: Document, folder: Path) -> Document | None:
    """Return what made the run that is in a folder, if there is one, checked to be the same and to have more to do."""
    path = folder / CONFIGURATION
    if not path.exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder}: is not empty, and holds no run; choose another --out")
        return None
    found = read(path)
    then, now = (_without_length(d.content) for d in (found, document))
    if shown := [f"\n  {where}: {a!r} there, {b!r} here" for where, a, b in differences(then, now)]:
        raise InputError(f"{folder}: is a run of another configuration:{''.join(shown[:10])}\nchoose another --out")
    _check_unfinished(folder, found.content["training"], document.content["training"])
    _check_schedule(folder, plan(found), plan(document))
    return found


def _without_place(content: dict[str, Any]) -> dict[str, Any]:
    """Return what hosts have in common that train a document together: each may have the data elsewhere."""
    data = {key: value for key, value in content["data"].items() if key != "path"}
    return {"configuration": {**{k: v for k, v in content.items() if k != "run"}, "data": data}}


def _without_length(content: dict[str, Any]) -> dict[str, Any]:
    training = {key: value for key, value in content["training"].items() if key not in LENGTHS}
    return {**{key: value for key, value in content.items() if key != "run"}, "training": training}


def _check_unfinished(folder: Path, then: dict[str, Any], now: dict[str, Any]) -> None:
    if not (folder / REPORT).exists():  # the run was stopped before its last file
        return
    for unit in LENGTHS:
        if unit in then and now.get(unit, 0) <= then[unit] and unit in now:
            raise InputError(
                f"{folder}: has done its {then[unit]} {unit}; to train it further: --{unit} with more than"
                f" {then[unit]}, or choose another --out for a new run"
            )


def _check_schedule(folder: Path, then: Plan, now: Plan) -> None:
    """Check that a learning rate that falls until the training ends is still to end at the same step."""
    if then.optimizer.learning_rate != now.optimizer.learning_rate:
        unit, count = ("steps", then.steps) if then.steps is not None else ("epochs", then.epochs)
        raise InputError(
            f"{folder}: its learning rate falls until the end, after {count} {unit}, and cannot go on from there;"
            f" give --{unit} {count} to train it to that end, or choose another --out for a new run"
        )


def open_run(folder: Path, path: str | None = None) -> Run:
    """Return a run that was trained, with its data, to judge and to ask.

    Args:
        folder: the run's.
        path: where its data are now, if not where they were.

    Raises:
        InputError: if there is no run; PellucidError for its files.
    """
    document, model = open_model(folder)
    document = with_settings(document, {"data.path": path})
    parts = load(document)
    return Run(folder, document, plan(document, parts.learnt), parts, model)


def open_model(folder: Path) -> tuple[Document, Model]:
    """Return what made a run, and its model as it is now; raises InputError if there is none."""
    if not (folder / CONFIGURATION).is_file() or not (folder / STATE).is_file():
        raise InputError(f"{folder}: is no run folder; expected one that `pellucid train` made")
    return read(folder / CONFIGURATION), load_model(folder / STATE)


__all__ = ["Run", "begin", "model_of", "open_model", "open_run", "prepared"]
