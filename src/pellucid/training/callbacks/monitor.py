"""The figure that a callback watches, and whether it became better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.errors import InputError
from ...core.settings import check_choice, check_number
from .callback import Callback, Logs

RISING = ("accuracy", "acc", "auc", "precision", "recall", "r2", "cosine_similarity")  # metrics that are better larger


@dataclass(eq=False)
class Monitor(Callback):
    """What callbacks share that watch one figure of an epoch.

    Args:
        monitor: its key in the history, such as "val_loss".
        mode: "min" where smaller is better, "max" where larger is, "auto" to tell by the key's name.
        min_delta: by how much it has to change to count as better.
    """

    monitor: str = "val_loss"
    mode: str = "auto"
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        check_choice(self, "mode", self.mode, ("auto", "min", "max"))
        check_number(self, "min_delta", self.min_delta, "nonnegative")
        known = self.monitor.removeprefix("val_")
        rises = self.mode == "max" or self.mode == "auto" and known.endswith(RISING)
        self.sign = -1.0 if rises else 1.0
        self.best, self.wait = math.inf, 0  # the best value times the sign, so that smaller is better
        self._restored = False

    def on_train_begin(self) -> None:
        """Forget what was seen in earlier runs."""
        if not self._restored:
            self.best, self.wait = math.inf, 0
        self._restored = False

    def value(self, logs: Logs) -> float:
        """Return the figure.

        Raises:
            InputError: if there is none; it lists what there is.
        """
        if self.monitor not in logs:
            cure = "; give fit validation_data or a validation_split" if self.monitor.startswith("val_") else ""
            raise InputError(
                f"{type(self).__name__} watches {self.monitor!r}, and an epoch's figures are {', '.join(logs)}{cure}"
            )
        value = logs[self.monitor]
        if np.ndim(value):
            raise InputError(f"{type(self).__name__} watches {self.monitor!r}, which is an array and not one number")
        return float(value)

    def is_better(self, value: float, than: float, by: float = 0.0) -> bool:
        """Whether a value is better than another, by more than ``by``."""
        return self.sign * value < self.sign * than - by

    def improves(self, value: float) -> bool:
        """Take note of a value; return whether it is the best so far."""
        if not self.sign * value < self.best - self.min_delta:
            return False
        self.best = self.sign * value
        return True

    def state(self) -> dict[str, Any]:
        """Return the best value, and for how many epochs it has been."""
        return {"best": self.best, "wait": self.wait}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what ``state`` returned."""
        self.best, self.wait, self._restored = float(state["best"]), int(state["wait"]), True


__all__ = ["Monitor"]
