"""Early stopping: training ends when it no longer helps, or is good enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.errors import InputError
from ...core.settings import check_number
from ...core.snapshot import Snapshot, snapshot
from .callback import Logs
from .monitor import Monitor


@dataclass(eq=False)
class EarlyStopping(Monitor):
    """Stops the training when a figure has not become better for some epochs, or has reached a threshold.

    It stops at exactly that epoch, also where many short epochs run in one native call.

    Args:
        monitor: the figure's key in the history.
        min_delta: by how much it has to change to count as better.
        patience: for how many epochs it may fail to become better; 0 unless told otherwise, and without end where
            there is a ``threshold``.
        mode: "min", "max", or "auto" to tell by the key's name.
        baseline: what it has to be better than to be let off.
        restore_best_weights: give the network, when the training ends in whatever way, the weights of its best epoch.
        start_from_epoch: the number of the first epoch that counts.
        threshold: stop once the figure is this or better.

    Source: Prechelt, Early stopping: but when?, 1998, sections 2 and 3 for what may be waited for.

    >>> import numpy as np, pellucid as pc
    >>> x = np.linspace(-1, 1, 64, dtype="float32").reshape(64, 1)
    >>> model = pc.Model(pc.Sequential(pc.layers.Dense(1)), "mse", pc.optimizers.SGD(0.1))
    >>> enough = pc.callbacks.EarlyStopping("loss", threshold=0.01)
    >>> losses = model.fit(x, 3 * x, epochs=1000, callbacks=[enough], verbose=0).history["loss"]
    >>> len(losses) < 100, losses[-2] > 0.01, losses[-1] <= 0.01
    (True, True, True)
    """

    monitor: str = "val_loss"
    min_delta: float = 0.0
    patience: int | None = None
    mode: str = "auto"
    baseline: float | None = None
    restore_best_weights: bool = False
    start_from_epoch: int = 0
    threshold: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patience is None and self.threshold is None:
            self.patience = 0
        for name in ("patience", "start_from_epoch"):
            check_number(self, name, getattr(self, name), "nonnegative", or_none=True)
        self.uses_model = self.restore_best_weights
        self.stopped_epoch: int | None = None
        self._weights: Snapshot | None = None
        self._kept: dict[str, Any] = {}

    def on_train_begin(self) -> None:
        """Begin to count."""
        self.stopped_epoch = None
        if not self._restored:
            self._weights = None
        elif self._kept:
            self._weights = self._given_weights()
        super().on_train_begin()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Stop the training if it is time."""
        value = self.value(logs)
        if epoch < self.start_from_epoch:
            return
        if self.improves(value):
            if self.restore_best_weights:
                self._keep_weights()
            if self.baseline is None or self.is_better(value, self.baseline, self.min_delta):
                self.wait = -1
        self.wait += 1
        worn_out = self.patience is not None and self.wait >= max(self.patience, 1)
        if worn_out or (self.threshold is not None and not self.is_better(self.threshold, value)):
            self.stopped_epoch, self.model.stop_training = epoch, True

    def on_train_end(self) -> None:
        """Put the best weights back, if that was asked for."""
        if self._weights is not None:
            self._weights.restore()

    def _keep_weights(self) -> None:
        if self._weights is None:
            self._weights = snapshot(self.model.network.parameters.values())
        else:
            self._weights.take()

    def _given_weights(self) -> Snapshot:
        """Return the weights that a checkpoint kept, for the parameters of the model."""
        made = snapshot(self.model.network.parameters.values())
        for path, value in zip(self.model.network.parameters, made.values, strict=True):
            if path not in self._kept:
                raise InputError(f"EarlyStopping was restored without the best weights of {path}")
            np.copyto(value, self._kept[path])
        return made

    def state(self) -> dict[str, Any]:
        """Return what was counted, and the best weights by path."""
        kept: dict[str, Any] = {}
        if self._weights is not None:
            kept = {p: v.copy() for p, v in zip(self.model.network.parameters, self._weights.values, strict=True)}
        return super().state() | {"weights": kept}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what ``state`` returned; the next training goes on from there."""
        super().restore(state)
        self._kept = dict(state["weights"])


__all__ = ["EarlyStopping"]
