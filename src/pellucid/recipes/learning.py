"""Training a run until its end, from where it was stopped."""

from __future__ import annotations

import csv
import io
from typing import Any

from .. import distributed
from ..core.errors import InputError
from ..training.callbacks import BackupAndRestore, Callback, Logs, ModelCheckpoint
from ..view.folder import write_file
from .document import Document
from .run import BEST, STATE, Run, model_of
from .sweeping import choices_of, train_each

HISTORY = "history.csv"
BACKUPS = 20  # of a run that counts steps


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


def train(
    run: Run,
    verbose: int = 1,
    backend: str | None = None,
    devices: Any = None,
    precision: str | None = None,
) -> Run:
    """Return the run, trained until its end from where it was stopped; of a sweep, with the best of its networks.

    Where several hosts were joined, each calls this; only the first writes.

    Args:
        run: begun.
        verbose, backend, devices, precision: see ``Model.fit``. They are no part of a run, which may go on with others.

    Raises:
        KeyboardInterrupt: on Ctrl-C; the run goes on from its last state when it is begun again. A sweep begins anew.
        PellucidError: a file cannot be written, or the loss became no number.
    """
    if choices_of(run.document):
        check_sweep(run.document, distributed.hosts())
        trained = train_each(run, model_of, backend=backend, devices=devices, precision=precision)
        for name in (STATE, BEST):
            trained.model.save(run.folder / name)
        write_history(trained)
        return trained
    try:
        _fit(run, verbose, backend=backend, devices=devices, precision=precision)
    finally:
        if run.model.history.epoch and distributed.is_first():
            write_history(run)
    return run


def check_sweep(document: Document, hosts: int | None) -> None:
    """Check that a sweep, if a document is one, is not to be trained by several hosts.

    Raises:
        InputError: it is.
    """
    if choices_of(document) and hosts is not None and hosts > 1:
        raise InputError(
            f"{document.name} is a sweep, whose networks are trained one beside the other, and not each by several"
            ' hosts; several machines share them out through Dask: with joblib.parallel_config("dask"): pc.sweep(...)'
        )


def _fit(run: Run, verbose: int, **how: Any) -> None:
    wanted, parts, steps = run.plan, run.parts, run.plan.steps
    batches = -(-parts.learnt // wanted.batch_size)
    epochs = wanted.epochs if steps is None else -(-steps // max(batches, 1)) + 1
    callbacks: list[Callback] = [
        *wanted.callbacks,
        *([StopAfter(steps)] if steps else []),
        ModelCheckpoint(run.folder / BEST, "val_loss" if parts.validation else "loss", save_best_only=True),
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
        **how,
    )


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


__all__ = ["check_sweep", "train", "write_history"]
