"""Many small networks at once: one for each choice of sizes, rates, seeds and folds, each on a core of its own.

Small networks do not gain from several cores each; many of them do. Each is trained by native calls that leave Python's
lock free, so that as many train side by side as there are cores.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..backends.native.cores import thread_count
from ..core.errors import InputError
from ..core.settings import check_whole
from ..training.model import Model
from ..training.splits import fold_rows
from .job import FOLD, Job, Row
from .table import Sweep
from .workers import Workers


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

    They train in threads of this process; within ``joblib.parallel_config("dask")``, or another backend that has
    processes, in its workers, on whatever machines these are, and the result is the same.

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
            are given; or if something cannot be sent to workers.
        PellucidError: if workers end before their work is done.

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
    for name in ("rows", "verbose"):
        if name in options:
            raise InputError(f"sweep has no {name}: it trains on all rows, or on those of a fold, and shows a table")
    if folds and validation_data is not None:
        raise InputError("a fold is measured on the examples it holds out; give folds or validation_data, not both")
    chosen = _combinations(choices)
    parts = fold_rows(y, folds, seed) if folds else [(None, None)]  # for all rows and none
    jobs = list(itertools.product(chosen, range(len(parts))))
    validation = () if validation_data is None else tuple(validation_data)
    job = Job(epochs, batch_size, options)

    def train(choice: Mapping[str, Any], fold: int) -> tuple[Row, Model]:
        model = _made(make, choice)
        trained, held = parts[fold]
        return job.run(model, x, y, trained, held, validation), model

    workers = Workers.configured(threads)
    if workers is None:
        with ThreadPoolExecutor(threads or thread_count(), "pellucid sweep") as pool:
            found = list(pool.map(lambda each: train(*each), jobs))
    else:
        models = [_made(make, choice) for choice, _ in jobs]
        given = [(choice, (x, y, *parts[fold], *validation)) for choice, fold in jobs]
        found = list(zip(workers.run(make, job, given, models), models, strict=True))
    names = dict.fromkeys(name for choice in chosen for name in choice)
    rows = [
        {**choice, **({FOLD: fold} if folds else {}), **row}
        for (choice, fold), (row, _) in zip(jobs, found, strict=True)
    ]
    return Sweep(rows, [model for _, model in found], [*names, *([FOLD] if folds else [])])


def _made(make: Callable[..., Model], choice: Mapping[str, Any]) -> Model:
    model = make(**choice)
    if not isinstance(model, Model):
        raise InputError(f"make returned {model!r} for {dict(choice)}, and a pc.Model was expected")
    return model


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


__all__ = ["sweep"]
