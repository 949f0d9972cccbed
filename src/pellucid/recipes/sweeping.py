"""The section [sweep]: the values of some settings, of which each combination becomes a network."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError
from ..sweeps import ERROR, SECONDS, Sweep, sweep
from ..view.folder import write_file
from .document import Document
from .settings import with_settings

if TYPE_CHECKING:
    from ..training.model import Model
    from .run import Run
    from .sources import Parts

TABLE = "sweep.csv"
SEED = "training.seed"
FIXED = ("training.epochs", "training.steps", "training.batch_size", "training.early_stopping")
ALONE = ("early_stopping", "reduce_on_plateau", "steps")


def choices_of(document: Document) -> dict[str, list[Any]]:
    """Return the values of each setting that a document varies; none if it has no section [sweep].

    Raises:
        InputError: if one cannot be varied, or has no list of values; it says where.
    """
    section: dict[str, Any] = document.content.get("sweep", {})
    for path, values in section.items():
        where = document.where("sweep", f'"{path}"')
        if not isinstance(values, list) or not values:
            raise InputError(f"{where}: {path} is {values!r}, and a list of values was expected")
        if path.startswith("data.") or path.startswith(FIXED):
            raise InputError(f"{where}: {path} is the same for all networks of a sweep; vary layers or the optimizer")
        for value in values:
            with_settings(document, {path: value})
    if section:
        for key in ALONE:
            if key in document.content["training"]:
                raise InputError(f"{document.where('training', key)}: a sweep counts epochs, and has no {key}")
    return section


def each(document: Document, choice: dict[str, Any]) -> Document:
    """Return the document of one network of a sweep.

    Raises:
        InputError: if it varies what is not there.
    """
    alone = {key: value for key, value in document.content.items() if key != "sweep"}
    return with_settings(Document(document.name, document.text, alone), choice)


def train_each(run: Run, model_of: Callable[[Document, Parts], Model], **how: Any) -> Run:
    """Train the networks of a sweep side by side; return the run with the best of them, and what was found.

    The best has the smallest loss, on the validation data where there are any. The table is ``sweep.csv``.

    Args:
        run: begun, of a document with a section [sweep].
        model_of: makes the model of a document.
        how: what computes it, as ``Model.fit`` takes it.

    Raises:
        PellucidError: no network could be trained, or the table cannot be written.
    """
    parts, wanted = run.parts, run.plan
    found = sweep(
        lambda **choice: model_of(each(run.document, choice), parts),
        parts.train.inputs,
        parts.train.labels,
        choices_of(run.document),
        epochs=wanted.epochs,
        batch_size=wanted.batch_size,
        validation_split=parts.validation,
        shuffle=wanted.shuffle,
        **how,
    )
    best = found.best("val_loss" if parts.validation else "loss")
    for row, model in zip(found.rows, found.models, strict=True):
        if parts.test and ERROR not in row:
            row |= {f"test_{k}": v for k, v in model.evaluate(parts.test.inputs, parts.test.labels).items()}
    write_file(run.folder / TABLE, _csv(found))
    return run._replace(model=found.models[found.rows.index(best)], found=found)


def _csv(found: Sweep) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(found), lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(found.rows)
    return text.getvalue()


def columns(found: Sweep) -> Sequence[str]:
    """Return the names of what a sweep's rows hold, the times aside, so that the same sweep gives the same table."""
    return [key for key in dict.fromkeys(key for row in found.rows for key in row) if key != SECONDS]


def averages(run: Run) -> tuple[list[str], list[list[str]]]:
    """Return the columns and the rows of a table of what a sweep found: figures averaged over the seeds.

    Args:
        run: a sweep's, trained.
    """
    assert run.found is not None  # its caller asks only then
    found = run.found
    rows = found.mean(*(name for name in found.choices if name == SEED))
    kept = [name for name in found.choices if name != SEED]
    figures = [name for name in columns(found) if name not in found.choices and any(name in row for row in rows)]

    def shown(row: dict[str, Any], name: str) -> str:
        if name not in row:
            return "failed"
        spread = f" ± {row[f'{name}_deviation']:.4f}" if row["count"] > 1 else ""
        return f"{row[name]:.4f}{spread}"

    return [*kept, *figures], [[str(row[k]) for k in kept] + [shown(row, f) for f in figures] for row in rows]


__all__ = ["averages", "choices_of", "columns", "each", "train_each"]
