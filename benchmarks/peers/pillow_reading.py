"""Pillow in a plain loop, into an array that is made beforehand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ..reading import SIZE, Pixels, reading_runner


def read(folder: Path) -> Pixels:
    """All images of the folder, by class and name."""
    paths = sorted(folder.glob("*/*.jpg"))
    images = np.empty((len(paths), SIZE, SIZE, 3), np.uint8)
    for row, path in enumerate(paths):
        with Image.open(path) as image:
            images[row] = np.asarray(image)
    return images


def warm(path: Path) -> None:
    """Load what Pillow loads when it meets its first JPEG."""
    with Image.open(path) as image:
        image.load()


if __name__ == "__main__":
    reading_runner(read, warm)
