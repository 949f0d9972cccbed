"""What a sweep found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..training.model import Model
from .job import ERROR, Row


@dataclass
class Sweep:
    """What a sweep found: a row for each network, in the order of the choices.

    Attributes:
        rows: for each network its choices, its figures after the last epoch, and the seconds its training took; where
            it failed, the message under "error".
        models: the trained models, in the same order.
        choices: the names of what was varied.
    """

    rows: list[Row]
    models: list[Model]
    choices: list[str]

    @property
    def histories(self) -> list[dict[str, list[Any]]]:
        """What was measured in each epoch, by figure, for each network."""
        return [model.history.history for model in self.models]

    def table(self) -> Any:
        """Return the rows as a pandas DataFrame; as a list of dicts where pandas is not installed."""
        try:
            import pandas as pd
        except ImportError:
            return self.rows
        return pd.DataFrame(self.rows)

    def best(self, figure: str = "loss", largest: bool = False) -> Row:
        """Return the row with the smallest figure (or the largest), among those that were trained to the end.

        Raises:
            InputError: if there is no such figure, or no network was trained to the end.
        """
        known = [row for row in self.rows if isinstance(row.get(figure), float) and row[figure] == row[figure]]
        if not known:
            names = dict.fromkeys(key for row in self.rows for key in row if key not in (*self.choices, ERROR))
            raise InputError(f"no row has the figure {figure!r}; there are {', '.join(names)}")
        return (max if largest else min)(known, key=lambda row: row[figure])

    def mean(self, *over: str) -> list[Row]:
        """Return the rows averaged over some choices, such as "seed" or "fold": means, and standard deviations.

        >>> rows = [{"units": 1, "seed": 0, "loss": 1.0}, {"units": 1, "seed": 1, "loss": 3.0}]
        >>> found = Sweep(rows, [], ["units", "seed"])
        >>> found.mean("seed")
        [{'units': 1, 'loss': 2.0, 'loss_deviation': 1.0, 'count': 2}]
        """
        for name in over:
            if name not in self.choices:
                raise InputError(f"the sweep did not vary {name!r}; it varied {', '.join(self.choices)}")
        kept = [name for name in self.choices if name not in over]
        groups: dict[tuple[str, ...], list[Row]] = {}
        for row in self.rows:
            groups.setdefault(tuple(repr(row[name]) for name in kept), []).append(row)
        return [_average(kept, rows) for rows in groups.values()]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        names = list(dict.fromkeys(key for row in self.rows for key in row))
        cells = [names, *([_shown(row.get(name, "")) for name in names] for row in self.rows)]
        widths = [max(len(row[k]) for row in cells) for k in range(len(names))]
        return "\n".join("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells)


def _average(kept: Sequence[str], rows: Sequence[Row]) -> Row:
    result: Row = {name: rows[0][name] for name in kept}
    for key in dict.fromkeys(key for row in rows for key in row):
        values = [row[key] for row in rows if isinstance(row.get(key), float)]
        if values and key not in kept:
            result |= {key: float(np.mean(values)), f"{key}_deviation": float(np.std(values))}
    return {**result, "count": len(rows)}


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


__all__ = ["Sweep"]
