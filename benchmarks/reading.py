"""Reading a folder of 50,000 small JPEGs: CIFAR-10's, some of them twice, each class in a folder of its own."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .images import MissingDataError, find
from .memory import Memory
from .runner import arguments, report

FILES = 50_000
SIZE = 32
FOLDER = "reading"
ORIGIN = f"CIFAR-10 as JPEGs of 32 x 32, some of them twice: {FILES:,} files (A. Krizhevsky)"

Pixels = NDArray[np.uint8]


def write(folder: Path) -> str:
    """Write the files; what they are.

    Raises:
        MissingDataError: where the images are not here.
    """
    path = find("cifar10-jpegs.zip")
    if path is None:
        raise MissingDataError("CIFAR-10 as JPEGs is not here; set PELLUCID_DATA")
    with zipfile.ZipFile(path) as archive:
        members = [name for name in sorted(archive.namelist()) if name.endswith(".jpg")]
        for number in range(FILES):
            name = members[number % len(members)]
            file = folder / FOLDER / name.split("/")[-2] / f"{number:05d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(archive.read(name))
    return ORIGIN


def reading_runner(read: Callable[[Path], Pixels], warm: Callable[[Path], object]) -> None:
    """Read one file, so that whatever is imported late is there, then all; report the time of one and the memory.

    ``growth`` is how many times the decoded size the largest resident size came to lie above the one before.
    """
    folder = arguments().problem / FOLDER
    if not folder.is_dir():
        return report(missing="CIFAR-10 as JPEGs is not here; set PELLUCID_DATA")
    warm(next(folder.glob("*/*.jpg")))
    memory = Memory()
    begin = time.perf_counter()
    pixels = read(folder)
    seconds = time.perf_counter() - begin
    taken = memory.taken()
    mean = float(pixels.mean())
    return report(
        seconds=seconds / len(pixels),
        runs=1,
        memory=taken,
        growth=taken / pixels.nbytes,
        early=[],
        final=[mean],
        comparable=True,
        note=f"memory {taken / pixels.nbytes:.2f} of the decoded size",
    )
