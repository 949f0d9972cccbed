"""One network of a sweep: trained, and measured."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ..compile import Backend
from ..core.errors import PellucidError
from ..training.choosing import asked_for
from ..training.model import Model

Row = dict[str, Any]
FOLD, ERROR, SECONDS = "fold", "error", "seconds"


@dataclass(frozen=True)
class Job:
    """How each network of a sweep is trained.

    Attributes:
        epochs, batch_size: as in ``Model.fit``.
        options: what else that takes.
    """

    epochs: int
    batch_size: int
    options: dict[str, Any]

    def run(self, model: Model, x: Any, y: Any, trained: Any, held: Any, validation: tuple[Any, ...]) -> Row:
        """Train a model, and return its figures, or the message of what went wrong, and the seconds it took.

        Args:
            model: what is trained.
            x, y: examples and labels.
            trained, held: the rows that are trained on and those that are measured at the end; None for all and none.
            validation: examples, labels, and weights if there are any, that are measured instead; or nothing.
        """
        row: Row = {}
        began = time.perf_counter()
        try:
            model.fit(x, y, self.epochs, self.batch_size, verbose=0, rows=trained, **self.options)
            row |= {key: values[-1] for key, values in model.history.history.items()}
            computed_by = asked_for(*(self.options.get(name) for name in ("backend", "devices", "precision")))
            figures = _measured(model, x, y, held, validation, computed_by)
            row |= {f"val_{key}": value for key, value in figures.items()}
        except PellucidError as error:
            row[ERROR] = str(error)
        return {**row, SECONDS: time.perf_counter() - began}


def _measured(
    model: Model, x: Any, y: Any, held: Any, validation: tuple[Any, ...], backend: Backend | None
) -> dict[str, Any]:
    """Return the figures of the rows that are held out, or else of the validation data, if there are any."""
    if held is not None:
        return model.evaluate(x, y, rows=held, backend=backend)
    if not validation:
        return {}
    examples, labels, *weights = validation
    return model.evaluate(examples, labels, sample_weight=weights[0] if weights else None, backend=backend)


__all__ = ["ERROR", "FOLD", "SECONDS", "Job", "Row"]
