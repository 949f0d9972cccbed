"""Callbacks: what looks at a training run while it goes on, and may end it or change its rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..model import Model
    from ..training_run import TrainingRun

Logs = dict[str, Any]


class Callback:
    """What is called during training. One of your own is a subclass with some of these methods.

    Attributes:
        model: the model that is trained, from ``on_train_begin`` on.
        run: the run, from ``resume`` to ``on_train_end``.
        every: if above 0, ``on_steps`` is called each so many steps.
        uses_model: whether it looks at the model, or changes it, when an epoch begins or ends: its weights, its
            learning rate. If no callback does, many short epochs run in one native call, and their callbacks come
            afterwards, all in order; one that then stops the training stops it at its own epoch nevertheless.
        block_seconds: how long such a native call may take; less where it is likely to stop the training, as what was
            done beyond its epoch is done in vain.
        rank: in which order callbacks are called: 0 for all that look at training; 1 for what keeps it in files, after
            the figures have come into the history; 2 for what keeps the callbacks' states as well.

    >>> import numpy as np, pellucid as pc
    >>> class Announce(pc.callbacks.Callback):
    ...     def on_epoch_end(self, epoch, logs):
    ...         print(f"epoch {epoch}:", ", ".join(logs))
    >>> model = pc.Model(pc.Sequential(pc.layers.Dense(1)), "mse", "sgd")
    >>> x = np.linspace(-1, 1, 8, dtype="float32").reshape(8, 1)
    >>> _ = model.fit(x, 2 * x, epochs=2, callbacks=[Announce()], verbose=0)
    epoch 0: loss
    epoch 1: loss
    """

    model: Model
    run: TrainingRun
    every: int = 0
    uses_model: bool = True
    block_seconds: float = 1.0
    rank: int = 0

    def resume(self) -> None:
        """Called before everything else: where a run that was interrupted is taken up."""

    def on_train_begin(self) -> None:
        """Called before the first step. Counts begin anew here, unless ``restore`` was called before."""

    def on_train_end(self) -> None:
        """Called after the last step, also where an error or Ctrl-C ended the training."""

    def flush(self) -> None:
        """Wait until the files that it writes are on the disk."""

    def on_epoch_begin(self, epoch: int) -> None:
        """Called before the first step of an epoch, of those callbacks that use the model."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Called after an epoch.

        Args:
            epoch: its number, counted from 0 over all the model's training.
            logs: its figures: the loss, the metrics, and those of the validation data. What is changed in it is kept in
                the history.
        """

    def on_steps(self, step: int, logs: Logs) -> None:
        """Called each ``every`` steps; after ``on_epoch_end`` where the step was its epoch's last.

        Args:
            step: how many steps were done over all the model's training.
            logs: the epoch's figures so far.
        """

    def on_progress(self, epoch: int, step: int, steps: int | None, rows: int, logs: Logs) -> None:
        """Called several times a second while steps run, to show how far they are.

        Args:
            epoch: the epoch they belong to.
            step: how many of its steps are done.
            steps: how many it has, where that is known.
            rows: how many examples this call of ``fit`` has taken.
            logs: the epoch's figures as of about a second ago; empty if there are none yet.
        """

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of it: plain numbers, strings, lists, dicts and arrays."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what ``state`` returned."""


__all__ = ["Callback", "Logs"]
