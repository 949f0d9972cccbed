"""What data a training run is on, in few words that a file keeps: it goes on with the same, or says what differs."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.configuration import differences
from ..core.errors import InputError, shortened
from ..core.sizes import show_shape
from .examples import Examples

if TYPE_CHECKING:
    from .progress import Progress

Array = np.ndarray[Any, Any]
MOST_SHOWN = 10  # differences
LOOKED_AT = 32  # rows of an array, evenly spread: what is larger than memory is not read whole


def described_data(examples: Examples, batch_size: int, shuffle: bool, held: Examples | None) -> dict[str, Any]:
    """Return what tells data from others: shapes, dtypes, a checksum of some rows, and how batches are made of them.

    >>> examples = Examples((np.zeros((10, 3), "float32"),), np.arange(10))
    >>> described_data(examples, 4, True, None)["inputs"]
    ['float32 (10, 3), checksum 395d7a27']
    """
    return {
        "rows": examples.count,
        "batch_size": int(batch_size),
        "shuffle": bool(shuffle),
        **_described(examples),
        "validation": None if held is None else _described(held),
    }


def _described(examples: Examples) -> dict[str, Any]:
    return {
        "inputs": [_shown(array) for array in examples.inputs],
        "labels": _shown(examples.labels),
        "weights": None if examples.weights is None else _shown(examples.weights),
        "chosen rows": None if examples.rows is None else _shown(examples.rows),
    }


def _shown(array: Array) -> str:
    chosen = np.linspace(0, len(array) - 1, min(len(array), LOOKED_AT)).astype(int)
    return f"{array.dtype} {show_shape(array.shape)}, checksum {zlib.crc32(array[chosen].tobytes()):08x}"


def check_continued(progress: Progress, data: dict[str, Any]) -> None:
    """Check that an epoch which was begun goes on with the data that it was begun with.

    Raises:
        InputError: if these are others; it says in what.
    """
    if not progress.step or progress.data is None:
        return
    then, now = ({**d, "validation": None} for d in (progress.data, data))
    if shown := show_differences(then, now, "then", "now"):
        raise InputError(
            f"the model stands at step {progress.step} of an epoch of other data:{shown}\nfit it on the same, or call"
            " model.progress.restart_epoch() first"
        )


def show_differences(have: Any, want: Any, first: str, second: str) -> str:
    """Return where two data differ, a line for each difference, for a message."""
    lines = [f"\n  {path}: {first} {_short(a)}, {second} {_short(b)}" for path, a, b in differences(have, want)]
    return "".join(lines[:MOST_SHOWN]) + (f"\n  and {len(lines) - MOST_SHOWN} more" if len(lines) > MOST_SHOWN else "")


def _short(value: Any) -> str:
    return "nothing" if value is None else shortened(str(value), 100)


__all__ = ["check_continued", "described_data", "show_differences"]
