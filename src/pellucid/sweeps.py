"""Many small networks at once: one for each choice of sizes, rates, seeds and folds, each on a core of its own.

Small networks do not gain from several cores each; many of them do. Each is trained by native calls that leave Python's
lock free, so that as many train side by side as there are cores.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from .backends.native.cores import thread_count
from .core.errors import InputError, PellucidError
from .core.settings import check_whole
from .training.model import Model
from .training.splits import fold_rows

Row = dict[str, Any]
FOLD, ERROR, SECONDS = "fold", "error", "seconds"


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


def sweep(
    make: Callable[..., Model],
    x: Any,
    y: Any,
    choices: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
    *,
    epochs: int = 1,
    batch_size: int = 32,
    folds: int = 0,
    validation_data: Any = None,
    seed: int = 0,
    threads: int | None = None,
    **options: Any,
) -> Sweep:
    """Train a network for each choice, side by side, and return what became of them.

    Args:
        make: makes a model from one choice, ``make(units=3, rate=0.1)``.
        x, y: examples and labels; they are not copied.
        choices: the values of each name, of which every combination is tried; or a list of the choices themselves.
        epochs, batch_size: of each training.
        folds: if 2 or more, each choice is trained so many times, each time with another part of the examples held out
            and measured (cross-validation, stratified for labels that are whole numbers).
        validation_data: ``(x, y)`` or ``(x, y, sample_weight)`` to measure at the end, instead.
        seed: the key of the folds.
        threads: how many networks at once; as many as there are cores, unless told otherwise.
        options: what else ``Model.fit`` takes.

    Returns:
        A table of choices and figures; a network that fails has its message there, and the others go on.

    Raises:
        InputError: if there is nothing to choose from, an argument is out of range, or both folds and validation data
            are given.

    >>> import pellucid as pc
    >>> x, y = pc.data.moons(100)
    >>> def make(units):
    ...     layers = pc.layers.Dense(units, activation="tanh"), pc.layers.Dense(2)
    ...     return pc.Model(pc.Sequential(*layers), "cross_entropy", pc.optimizers.SGD(0.5), metrics=["accuracy"])
    >>> found = pc.sweep(make, x, y, {"units": [1, 3, 20]}, epochs=200, batch_size=100)
    >>> [row["units"] for row in found.rows], found.best("accuracy", largest=True)["accuracy"] > 0.8
    ([1, 3, 20], True)
    """
    check_whole("sweep", "threads", threads, or_none=True)
    if folds and validation_data is not None:
        raise InputError("a fold is measured on the examples it holds out; give folds or validation_data, not both")
    chosen = _combinations(choices)
    parts = fold_rows(y, folds, seed) if folds else [(None, None)]  # for all rows and none

    def train(job: tuple[Mapping[str, Any], int]) -> tuple[Row, Model]:
        choice, fold = job
        trained, held = parts[fold]
        model = _made(make, choice)
        row: Row = {**choice, **({FOLD: fold} if folds else {})}
        began = time.perf_counter()
        try:
            model.fit(x, y, epochs, batch_size, verbose=0, rows=trained, **options)
            row |= {key: values[-1] for key, values in model.history.history.items()}
            row |= {f"val_{key}": value for key, value in _measured(model, x, y, held, validation_data).items()}
        except PellucidError as error:
            row[ERROR] = str(error)
        return {**row, SECONDS: time.perf_counter() - began}, model

    with ThreadPoolExecutor(threads or thread_count(), "pellucid sweep") as pool:
        found = list(pool.map(train, itertools.product(chosen, range(len(parts)))))
    names = dict.fromkeys(name for choice in chosen for name in choice)
    return Sweep([row for row, _ in found], [model for _, model in found], [*names, *([FOLD] if folds else [])])


def _made(make: Callable[..., Model], choice: Mapping[str, Any]) -> Model:
    model = make(**choice)
    if not isinstance(model, Model):
        raise InputError(f"make returned {model!r} for {dict(choice)}, and a pc.Model was expected")
    return model


def _measured(model: Model, x: Any, y: Any, held: Any, validation_data: Any) -> dict[str, Any]:
    """Return the figures of the rows that are held out, or else of the validation data, if there are any."""
    if held is not None:
        return model.evaluate(x, y, rows=held)
    if validation_data is None:
        return {}
    examples, labels, *weights = validation_data
    return model.evaluate(examples, labels, sample_weight=weights[0] if weights else None)


def _combinations(choices: Any) -> list[Mapping[str, Any]]:
    if isinstance(choices, Mapping):
        for name, values in choices.items():
            if isinstance(values, str) or not hasattr(values, "__iter__"):
                raise InputError(f"the choices of {name!r} are {values!r}, and a list of values was expected")
        found = [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]
    else:
        found = [dict(choice) for choice in choices]
    if not found:
        raise InputError("the sweep has no choices: one of the lists is empty")
    return list(found)


def _average(kept: Sequence[str], rows: Sequence[Row]) -> Row:
    result: Row = {name: rows[0][name] for name in kept}
    for key in dict.fromkeys(key for row in rows for key in row):
        values = [row[key] for row in rows if isinstance(row.get(key), float)]
        if values and key not in kept:
            result |= {key: float(np.mean(values)), f"{key}_deviation": float(np.std(values))}
    return {**result, "count": len(rows)}


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


__all__ = ["Sweep", "sweep"]
