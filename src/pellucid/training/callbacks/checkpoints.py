"""Callbacks that keep a run in files: checkpoints to come back to, and a backup from which a killed run goes on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ... import distributed
from ...core.errors import InputError
from ...core.settings import is_whole
from ..reading import SavedModel, read, refuse, refusing, take_up
from ..same_data import show_differences
from ..saving import configuration, content
from ..weights import weights
from ..writing import Writer
from .callback import Callback, Logs
from .monitor import Monitor


def _check_frequency(owner: object, given: Any) -> int:
    """Return after how many steps a file is written each time; 0 for after each epoch."""
    if given == "epoch":
        return 0
    if not is_whole(given) or given < 1:
        raise InputError(
            f'{type(owner).__name__}: save_freq is {given!r}, and "epoch" or a number of steps of 1 or more was'
            " expected"
        )
    return int(given)


class ModelCheckpoint(Monitor):
    """Writes the model into a file after each epoch, or each so many steps; ``pc.load`` makes it again from there.

    Args:
        filepath: the file. ``{epoch}`` in it is the epoch's number counted from 1, ``{step}`` how many steps were done,
            and names of figures are those of the epoch: ``"{epoch:02d}-{val_loss:.3f}.safetensors"``.
        monitor: the figure that ``save_best_only`` looks at.
        mode: "min" where smaller is better, "max" where larger is, "auto" to tell by the figure's name.
        save_best_only: whether only a model is written whose figure is better than all before.
        save_weights_only: whether only weights are written, for ``model.load_weights``.
        save_freq: "epoch", or a number of steps.

    The model is copied, and written by a thread of its own while training goes on; a file is whole or not there.

    Raises:
        InputError: for a name in ``filepath``, or a ``monitor``, that is no figure of the epoch.
        OutputFolderError: if a file cannot be written.

    >>> import os, tempfile, numpy as np, pellucid as pc
    >>> x = np.linspace(-1, 1, 8, dtype="float32").reshape(8, 1)
    >>> model = pc.Model(pc.Sequential(pc.layers.Dense(1)), "mse", "sgd")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keep = pc.callbacks.ModelCheckpoint(folder + "/{epoch:02d}.safetensors")
    ...     _ = model.fit(x, 2 * x, epochs=2, callbacks=[keep], verbose=0)
    ...     print(sorted(os.listdir(folder)))
    ['01.safetensors', '02.safetensors']
    """

    rank = 1

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
    ) -> None:
        super().__init__(monitor, mode)
        self.filepath, self.save_freq = filepath, save_freq
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.every = _check_frequency(self, save_freq)
        self.uses_model = self.every == 0
        self._writer = Writer()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write the model, if it is written by epochs."""
        if not self.every:
            self._save(epoch, logs)

    def on_steps(self, step: int, logs: Logs) -> None:
        """Write the model, if it is written by steps."""
        progress = self.model.progress
        self._save(progress.epochs - (progress.step == 0), logs)

    def flush(self) -> None:
        """Wait until the last file is written."""
        self._writer.wait()

    on_train_end = flush

    def _save(self, epoch: int, logs: Logs) -> None:
        if self.save_best_only and not self.improves(self.value(logs)):
            return
        if not distributed.is_first():
            return
        path = self._path(epoch, logs)
        self._writer.write(path, weights(self.model.network) if self.save_weights_only else content(self.model))

    def _path(self, epoch: int, logs: Logs) -> str:
        names = {**logs, "epoch": epoch + 1, "step": self.model.progress.steps}
        try:
            return os.fspath(self.filepath).format(**names)
        except (LookupError, ValueError, TypeError) as error:
            raise InputError(
                f"ModelCheckpoint: filepath is {self.filepath!r}, and can have the names {', '.join(names)} in braces,"
                f" with a format for a number: {error}"
            ) from None


class BackupAndRestore(Callback):
    """Lets a script that was stopped go on when it is run again, and end as if it had never been stopped.

    The backup holds the model, the state of the other callbacks, and where the run is. When ``fit`` begins and the file
    is there, the run is taken up from it; ``epochs`` still counts from where the run first began, so that the same
    script does no epochs more. The model has to be made as it was then, and the data have to be the same: this is
    checked. It ends with the same bits, in weights, history and callbacks, as a run that was not stopped.

    Args:
        path: the file. Each call of ``fit`` needs one of its own.
        save_freq: "epoch" to write it after each epoch, or a number of steps.
        delete_checkpoint: whether to remove the file when the run has come to its end. Otherwise a script that is run
            once more does not train again, but has the model as it ended.

    Of several hosts, the first alone has the file, and sends it to the others when they begin.

    The state is copied, and written by a thread of its own while training goes on. Where writing takes longer than
    ``save_freq``, a backup is left out.

    Raises:
        InputError: for a model, callbacks or data that are not those of the backup; it says in what.
        ModelFileError: if the file is no backup, or damaged.

    >>> import tempfile, numpy as np, pellucid as pc
    >>> x = np.linspace(-1, 1, 8, dtype="float32").reshape(8, 1)
    >>> def script(path, epochs):
    ...     model = pc.Model(pc.Sequential(pc.layers.Dense(1)), "mse", "sgd")
    ...     return model.fit(x, 2 * x, epochs, callbacks=[pc.callbacks.BackupAndRestore(path)], verbose=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = script(folder + "/one", epochs=3)  # stopped after three epochs, say
    ...     script(folder + "/one", epochs=5).history == script(folder + "/other", epochs=5).history
    True
    """

    rank = 2

    def __init__(
        self, path: str | os.PathLike[str], save_freq: str | int = "epoch", delete_checkpoint: bool = False
    ) -> None:
        self.path, self.delete_checkpoint = Path(path), delete_checkpoint
        self.every = _check_frequency(self, save_freq)
        self.uses_model = self.every == 0
        self._writer = Writer()

    def resume(self) -> None:
        """Take up the run of the backup, if there is one."""
        if self.model.progress.data is None:
            raise InputError(
                "BackupAndRestore needs data as arrays, whose rows it can go on from; save the model with"
                " ModelCheckpoint where they come from an iterator"
            )
        with distributed.file_of_first(self.path) as path:
            saved = None if path is None else read(path)
        if saved is None:
            return
        if not isinstance(saved.run, dict):
            refuse(str(self.path), "is a model, and no backup of a run", "give BackupAndRestore a file of its own")
        with refusing(saved.path):
            began, stopped = list(saved.run["began"]), bool(saved.run["stopped"])
            states = [(str(kept["name"]), kept["state"]) for kept in saved.run["callbacks"]]
        self._check(saved, began, [name for name, _ in states])
        take_up(self.model, saved)
        self.model.stop_training = stopped
        with refusing(saved.path):
            for callback, (_, state) in zip(self._others(), states, strict=True):
                callback.restore(state)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write the backup, if it is written by epochs."""
        ending = self.model.progress.epochs >= self.run.last or self.model.stop_training
        if not self.every:
            self._save(wait=ending)

    def on_steps(self, step: int, logs: Logs) -> None:
        """Write the backup, if it is written by steps."""
        self._save(wait=False)

    def on_train_end(self) -> None:
        """Wait until the last backup is written; remove it, if that is wanted and the run came to its end."""
        self.flush()
        if self.delete_checkpoint and self.run.finished and distributed.is_first():
            self.path.unlink(missing_ok=True)

    def flush(self) -> None:
        """Wait until the last backup is written."""
        self._writer.wait()

    def _save(self, wait: bool) -> None:
        if distributed.is_first() and (wait or not self._writer.busy):
            for callback in self.run.callbacks:
                callback.flush()  # a backup that says what they wrote is no older than that
            self._writer.write(self.path, content(self.model, self._state()))

    def _others(self) -> list[Callback]:
        """Return the callbacks that have a state."""
        return [c for c in self.run.callbacks if type(c).state is not Callback.state]

    def _state(self) -> dict[str, Any]:
        return {
            "began": list(self.run.began),
            "stopped": self.model.stop_training,
            "callbacks": [{"name": type(c).__name__, "state": c.state()} for c in self._others()],
        }

    def _check(self, saved: SavedModel, began: list[Any], names: list[str]) -> None:
        """Check that the backup is one of this run.

        Raises:
            InputError: if it is not; it says in what it differs.
        """
        arrays: list[Any] = []
        have = {
            "model": saved.part("model"),
            "data": saved.part("progress").get("data"),
            "callbacks": names,
            "began after epochs, steps, steps of an epoch": began,
        }
        want = {
            "model": configuration(self.model, arrays),
            "data": self.model.progress.data,
            "callbacks": [type(c).__name__ for c in self._others()],
            "began after epochs, steps, steps of an epoch": list(self.run.began),
        }
        shown = show_differences(have, want, "in the backup", "here")
        if not shown and not _equal(arrays, saved.arrays):
            shown = "\n  model: arrays that are part of it have other values"
        if shown:
            raise InputError(
                f"{self.path}: is the backup of another run:{shown}\nmake the model anew as it was, with the same data"
                " and callbacks, or remove the file to begin from the beginning"
            )


def _equal(some: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether arrays that a model is made of are those at the beginning of a backup's."""
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(some, others, strict=False))


__all__ = ["BackupAndRestore", "ModelCheckpoint"]
