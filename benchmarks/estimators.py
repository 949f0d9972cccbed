"""Whole fits of scikit-learn estimators: digits and MNIST, the same network, epochs and batches, five seeds."""

from __future__ import annotations

import statistics
import time
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import images
from .images import MissingDataError
from .runner import arguments, report

SEEDS = 5
EPOCHS = {"digits": 100, "mnist": 10}
OPTIONS = {"hidden_layer_sizes": (100,), "solver": "adam", "batch_size": 200, "tol": 0.0, "n_iter_no_change": 1_000_000}


class Problem(NamedTuple):
    """Examples (rows, features) float32 from 0 to 1 and their classes, to fit and to judge by."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]


def digits() -> Problem:
    """scikit-learn's 1,797 small digits, a quarter of them to judge by."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    return Problem((x / 16).astype(np.float32), y, (x_test / 16).astype(np.float32), y_test)


def mnist() -> Problem:
    """MNIST's 60,000 images, and its 10,000 test images."""
    parts = [images.mnist(part) for part in ("train", "t10k")]
    arrays: list[Any] = []
    for found in parts:
        if found is None:
            raise MissingDataError("MNIST is not here; set PELLUCID_DATA")
        pixels = found.pixels.reshape(len(found.labels), -1).astype(np.float32) / np.float32(255)
        arrays += [pixels, found.labels.astype(np.int64)]
    return Problem(*arrays)


PROBLEMS = {"digits": digits, "mnist": mnist}


def estimator_runner(estimator: Any) -> None:
    """Fit with each seed; report the median of the seconds, and the mean share of right test examples."""
    data = arguments().data
    try:
        problem = PROBLEMS[data]()
    except MissingDataError as missing:
        return report(missing=str(missing))
    warnings.simplefilter("ignore")  # that the epochs ran out, as they are meant to
    taken, right = [], []
    for seed in range(SEEDS):
        made = estimator(**OPTIONS, max_iter=EPOCHS[data], random_state=seed)
        begin = time.perf_counter()
        made.fit(problem.x, problem.y)
        taken.append(time.perf_counter() - begin)
        right.append(made.score(problem.x_test, problem.y_test))
    accuracy = statistics.mean(right)
    return report(
        seconds=statistics.median(taken),
        runs=SEEDS,
        accuracy=accuracy,
        early=[],
        final=[],
        comparable=False,
        note=f"{accuracy:.2%} of the test examples right, mean of {SEEDS} seeds",
    )
