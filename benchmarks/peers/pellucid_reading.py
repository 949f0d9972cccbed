"""Pellucid's reader of folders: with as many processes as there are cores, or with one."""

from __future__ import annotations

from pathlib import Path

import pellucid as pc

from ..reading import SIZE, Pixels, reading_runner
from ..runner import arguments

WORKERS = {"": None, "one process": 1}


def read(folder: Path) -> Pixels:
    """All images of the folder."""
    return pc.data.images(folder, SIZE, workers=WORKERS[arguments().variant]).inputs


if __name__ == "__main__":
    reading_runner(read, pc.data.read_image)
