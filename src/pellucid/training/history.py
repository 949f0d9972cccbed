"""What was measured while a model was trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


class History:
    """A list for each quantity with a value for each epoch, under Keras's keys: loss, val_loss, accuracy, ...

    Attributes:
        history: the lists by key, all of one length: NaN where an epoch has no such value.
        epoch: the numbers of the epochs, counted from 0 over all the model's training.

    >>> history = History()
    >>> history.add(0, {"loss": 0.5})
    >>> history.history, history.epoch
    ({'loss': [0.5]}, [0])
    """

    def __init__(self, history: dict[str, list[Any]] | None = None, epoch: list[int] | None = None) -> None:
        self.history: dict[str, list[Any]] = {} if history is None else history
        self.epoch: list[int] = [] if epoch is None else epoch

    def add(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Add one epoch's values."""
        self.extend([epoch], {key: [value] for key, value in logs.items()})

    def extend(self, epochs: Sequence[int], logs: Mapping[str, list[Any]]) -> None:
        """Add several epochs' values: a list for each quantity."""
        before = len(self.epoch)
        self.epoch.extend(epochs)
        for key in {**self.history, **logs}:
            values = self.history.setdefault(key, [math.nan] * before)
            values.extend(logs[key] if key in logs else [math.nan] * len(epochs))

    def __repr__(self) -> str:
        last = ", ".join(f"{k} {v[-1]:.4g}" for k, v in self.history.items() if isinstance(v[-1], float))
        return f"<History of {len(self.epoch)} epochs; the last: {last}>" if self.epoch else "<History of no epochs>"


__all__ = ["History"]
