"""Where a model's training is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Progress:
    """Where a model's training is.

    Attributes:
        epochs: how many epochs were done.
        steps: how many steps were done, in all epochs.
        step: how many of them belong to the epoch that is not done yet.
        length: how many steps that epoch has; 0 where it is not known.
        sums: what these summed up.
        data: what data the last run was on.
    """

    epochs: int = 0
    steps: int = 0
    step: int = 0
    length: int = 0
    sums: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] | None = None

    def restart_epoch(self) -> None:
        """Forget the steps of the epoch that is not done yet; its weights stay as these steps left them."""
        self.step, self.sums = 0, {}


__all__ = ["Progress"]
