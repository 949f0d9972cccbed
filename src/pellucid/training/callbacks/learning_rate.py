"""Learning rates that are set while training goes on."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...core.errors import InputError
from ...core.settings import check_number
from .callback import Callback, Logs
from .monitor import Monitor


@dataclass(eq=False)
class ReduceLROnPlateau(Monitor):
    """Makes the learning rate smaller when a figure has not become better for some epochs.

    Args:
        monitor: the figure's key in the history.
        factor: what the rate is multiplied by, at least 0 and below 1.
        patience: for how many epochs the figure may fail to become better.
        mode: "min", "max", or "auto" to tell by the key's name.
        min_delta: by how much it has to change to count as better.
        cooldown: how many epochs are not counted after the rate was changed.
        min_lr: the smallest rate.

    >>> import numpy as np, pellucid as pc
    >>> x = np.linspace(-1, 1, 64, dtype="float32").reshape(64, 1)
    >>> model = pc.Model(pc.Sequential(pc.layers.Dense(1)), "mae", pc.optimizers.SGD(0.5))
    >>> slower = pc.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=2)
    >>> rates = model.fit(x, 3 * x, epochs=50, callbacks=[slower], verbose=0).history["learning_rate"]
    >>> rates[0], rates[-1] < 0.1
    (0.5, True)
    """

    monitor: str = "val_loss"
    factor: float = 0.1
    patience: int = 10
    mode: str = "auto"
    min_delta: float = 1e-4
    cooldown: int = 0
    min_lr: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "factor", self.factor, "decay")
        for name in ("patience", "cooldown", "min_lr"):
            check_number(self, name, getattr(self, name), "nonnegative")
        self._resting = 0

    def on_train_begin(self) -> None:
        """Begin to count, and check that the rate can be set."""
        if not self._restored:
            self._resting = 0
        super().on_train_begin()
        _check_settable(self)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Make the rate smaller if it is time, from the next epoch on."""
        value = self.value(logs)
        logs["learning_rate"] = rate = self.model.learning_rate
        if self._resting:
            self._resting, self.wait = self._resting - 1, 0
        if self.improves(value):
            self.wait = 0
        elif not self._resting:
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                self.model.learning_rate = max(rate * self.factor, self.min_lr)
                self._resting, self.wait = self.cooldown, 0

    def state(self) -> dict[str, Any]:
        """Return what was counted."""
        return super().state() | {"resting": self._resting}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what ``state`` returned."""
        super().restore(state)
        self._resting = int(state["resting"])


@dataclass(eq=False)
class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch.

    A rate that changes from step to step is one of ``pc.optimizers.schedules``, given to the optimiser.

    Args:
        schedule: a function of the epoch's number, or of that and the rate so far, that returns the new rate.

    >>> import numpy as np, pellucid as pc
    >>> x = np.linspace(-1, 1, 64, dtype="float32").reshape(64, 1)
    >>> model = pc.Model(pc.Sequential(pc.layers.Dense(1)), "mse", pc.optimizers.SGD(0.5))
    >>> halved = pc.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    >>> model.fit(x, 3 * x, epochs=3, callbacks=[halved], verbose=0).history["learning_rate"]
    [0.5, 0.25, 0.125]
    """

    schedule: Callable[..., float]

    def __post_init__(self) -> None:
        if not callable(self.schedule):
            raise InputError(f"LearningRateScheduler takes a function of the epoch, and was given {self.schedule!r}")
        try:
            self._takes_rate = len(inspect.signature(self.schedule).parameters) > 1
        except ValueError:  # some of Python's own functions have no signature
            self._takes_rate = False

    def on_train_begin(self) -> None:
        """Check that the rate can be set."""
        _check_settable(self)

    def on_epoch_begin(self, epoch: int) -> None:
        """Set the rate of the epoch."""
        given = (epoch, self.model.learning_rate) if self._takes_rate else (epoch,)
        rate = float(self.schedule(*given))
        if not (math.isfinite(rate) and rate >= 0):
            raise InputError(f"the schedule returned {rate} for epoch {epoch}; a rate of 0 or more was expected")
        self.model.learning_rate = rate

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Note the rate."""
        logs["learning_rate"] = self.model.learning_rate


def _check_settable(callback: Callback) -> None:
    if not isinstance(callback.model.learning_rate, float):
        raise InputError(
            f"{type(callback).__name__} sets the learning rate, and the optimiser's follows"
            f" {callback.model.learning_rate!r}; give the optimiser a number, or leave out one of the two"
        )


__all__ = ["LearningRateScheduler", "ReduceLROnPlateau"]
