"""Real images for the networks: MNIST, and the ten classes of CIFAR-10 or its cats and dogs alone.

They are looked for in $PELLUCID_DATA, then in ../shared/data beside the repository. Without them a task is skipped.
"""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "benchmarks" / "build"
ANIMALS = ("cat", "dog")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class MissingDataError(Exception):
    """A data set is not here; the message says which, and where it was looked for."""


class Images(NamedTuple):
    """Pixels (rows, height, width, channels) uint8 and labels (rows,) int32."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int32]


def folders() -> list[Path]:
    """The folders that are looked through."""
    named = os.environ.get("PELLUCID_DATA")
    return [*([Path(named)] if named else []), ROOT.parent / "shared" / "data"]


def find(*names: str) -> Path | None:
    """The first of these files that is in one of the folders."""
    found = (folder / name for folder in folders() for name in names)
    return next((path for path in found if path.is_file()), None)


def mnist(part: str) -> Images | None:
    """MNIST's `train` or `t10k` images, or None where they are not here."""
    paths = [
        find(f"mnist/{part}-{name}", f"{part}-{name}") for name in ("images-idx3-ubyte.gz", "labels-idx1-ubyte.gz")
    ]
    if None in paths:
        return None
    pixels, labels = (
        np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)
        for path, offset in zip(paths, (16, 8), strict=True)
        if path
    )
    return Images(pixels.reshape(-1, 28, 28, 1), labels.astype(np.int32))


def cifar(names: tuple[str, ...]) -> Images | None:
    """CIFAR-10's training images of these classes, or None where the archive is not here."""
    archive = find("cifar10-jpegs.zip")
    if archive is None:
        return None
    every = decoded(archive)
    chosen = np.isin(every.labels, [CLASSES.index(name) for name in names])
    places = np.full(len(CLASSES), -1, np.int32)
    places[[CLASSES.index(name) for name in names]] = np.arange(len(names))
    return Images(every.pixels[chosen], places[every.labels[chosen]])


def decoded(archive: Path) -> Images:
    """All training images of the archive, by class and number; decoded once, and kept in benchmarks/build/."""
    kept = CACHE / f"cifar10-{archive.stat().st_size}.npz"
    if not kept.is_file():
        images = list(decode(archive))
        pixels, labels = np.stack([pixel for pixel, _ in images]), np.array([label for _, label in images], np.int32)
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}.npz")
        np.savez(partial, pixels=pixels, labels=labels)
        partial.replace(kept)
    with np.load(kept, allow_pickle=False) as arrays:
        return Images(arrays["pixels"], arrays["labels"])


def decode(archive: Path) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Each training image and its class."""
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise MissingDataError("CIFAR-10 is here as JPEGs, and Pillow is not installed") from error
    with zipfile.ZipFile(archive) as files:
        for name in sorted(files.namelist()):
            _, _, rest = name.partition("train/")
            kind, _, file = rest.partition("/")
            if kind in CLASSES and file.endswith(".jpg"):
                with Image.open(io.BytesIO(files.read(name))) as image:
                    yield np.asarray(image.convert("RGB")), CLASSES.index(kind)
