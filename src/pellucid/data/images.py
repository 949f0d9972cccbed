"""Folders and zip archives of images, a class to a folder or in each file's name, as one array of bytes."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import DataFileError, InputError, MissingExtraError
from .decoding import BadImageError, Entry, decode
from .entries import entries
from .labelled import Labelled
from .processes import Progress, decode_all, worthwhile

Array = np.ndarray[Any, Any]
PARTS = ("train", "test", "validation", "valid", "val")
NUMBERED = re.compile(r"(.+?)[._-]\d+\.[^.]+$")  # class.123.jpg
MOST_NAMED = 5  # skipped files whose names a warning says


class SkippedImageWarning(UserWarning):
    """Files that are no images, or damaged ones, were left out."""


class _File(NamedTuple):
    entry: Entry
    label: str


def images(
    path: str | os.PathLike[str],
    size: int | tuple[int, int] = 32,
    *,
    channels: int = 3,
    part: str | None = None,
    strict: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Labelled:
    """Return the images in a folder, or in a zip archive of one, all stretched to one size.

    Each class has a folder (``cat/7.jpg``), or each file's name begins with its class (``cat.7.jpg``). Classes are
    sorted by name, and so are the files in each.

    Args:
        path: the folder or archive, which may have folders in between, such as ``train`` and ``test``.
        size: height and width, or one number for both.
        channels: 3 for colours, 1 for grey.
        part: take only what is in folders of this name, such as ``"train"``.
        strict: whether a file that is no whole image is an error; else it is left out, with a warning that names it.
        workers: how many processes decode, this one among them; if not given, as many as there are cores to use, and
            fewer where there is little to do.
        progress: called with how many files are done and how many there are.

    Returns:
        Images, uint8 of shape (n, height, width, channels), labels, the names of the classes and of the files.

    Raises:
        DataFileError: if there is no such folder, fewer than two classes in it, or, with ``strict``, a bad file.
        InputError: if an argument is not as said.
        MissingExtraError: if Pillow is not installed.
        PellucidError: if a process that decodes is killed, or crashes.

    >>> import tempfile
    >>> from PIL import Image
    >>> folder = tempfile.TemporaryDirectory()
    >>> for name in ("cat.1", "cat.2", "dog.1"):
    ...     Image.new("RGB", (40, 30), "navy").save(Path(folder.name) / f"{name}.png")
    >>> found = images(folder.name, size=(24, 32))
    >>> found.inputs.shape, found.labels, found.classes
    ((3, 24, 32, 3), array([0, 0, 1], dtype=int32), ('cat', 'dog'))
    """
    height, width = _checked(size, channels, workers)
    files = _labelled_files(Path(path), entries(path), part)
    listed = [file.entry for file in files]
    inputs = np.empty((len(files), height, width, channels), np.uint8)
    bad = decode_all(Path(path), listed, inputs, workers or worthwhile(listed), progress)
    if bad and strict:
        first = min(bad)
        raise DataFileError(
            f"{Path(path) / files[first].entry.name}: {bad[first]}; leave strict out to skip such files"
        )
    return _without(Path(path), files, inputs, bad)


def read_image(path: str | os.PathLike[str], size: int | tuple[int, int] = 32, *, channels: int = 3) -> Array:
    """Return one image file as ``images`` would, uint8 of shape (height, width, channels).

    Raises:
        DataFileError: if it cannot be read or is no whole image.
        MissingExtraError: if Pillow is not installed.
    """
    shape = (*_checked(size, channels, None), channels)
    try:
        return np.frombuffer(bytearray(decode(Path(path).read_bytes(), shape)), np.uint8).reshape(shape)
    except BadImageError as error:
        raise DataFileError(f"{path}: {error}") from None
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read: {error.strerror}") from error


def parts_of(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return which of the usual parts, such as train and test, a folder or archive of images has as folders."""
    found = {folder for entry in entries(path) for folder in entry.name.split("/")[:-2]}
    return tuple(part for part in PARTS if part in found)


def _checked(size: Any, channels: int, workers: int | None) -> tuple[int, int]:
    sizes = (size, size) if isinstance(size, int) else tuple(size)
    if len(sizes) != 2 or not all(isinstance(n, int) and 0 < n <= 1 << 14 for n in sizes):
        raise InputError(f"images: size is {size!r}; expected a whole number of pixels, or two: (height, width)")
    if channels not in (1, 3):
        raise InputError(f"images: channels is {channels!r}; expected 3 for colours or 1 for grey")
    if workers is not None and workers < 1:
        raise InputError(f"images: workers is {workers!r}; expected at least 1, or None for all cores")
    if importlib.util.find_spec("PIL") is None:
        raise MissingExtraError("reading images needs Pillow, which is not installed; try: pip install pellucid[learn]")
    return sizes[0], sizes[1]


def _labelled_files(path: Path, listed: Sequence[Entry], part: str | None) -> list[_File]:
    """Return the files with the names of their classes, class by class."""
    if part is not None:
        listed = [entry for entry in listed if part in entry.name.split("/")[:-1]]
        if not listed:
            raise DataFileError(f"{path}: has no files in a folder {part!r}")
    if not listed:
        raise DataFileError(f"{path}: has no files; a folder for each class, with images in it, was expected")
    in_folders = [entry for entry in listed if "/" in entry.name]
    if in_folders:
        files = [_File(entry, sys.intern(entry.name.split("/")[-2])) for entry in in_folders]
    else:
        named = [(entry, NUMBERED.match(entry.name)) for entry in listed]
        files = [_File(entry, match[1]) for entry, match in named if match]
        if not files:
            raise DataFileError(
                f"{path}: says nowhere which class its files are of; expected a folder for each class (cat/7.jpg), or"
                f" the class in each name (cat.7.jpg), and found {listed[0].name}"
            )
    return sorted(files, key=lambda file: (file.label, file.entry.name))


def _without(path: Path, files: Sequence[_File], inputs: Array, bad: dict[int, str]) -> Labelled:
    """Return what could be decoded, and warn of the rest."""
    good = [row for row in range(len(files)) if row not in bad]
    if bad:
        _move_up(inputs, good)
        _warn(path, files, bad)
    classes = tuple(dict.fromkeys(files[row].label for row in good))
    if len(classes) < 2:
        only = f"only one class, {classes[0]!r}" if classes else "no image that could be read"
        raise DataFileError(f"{path}: has {only}; at least two classes were expected, each in a folder of its name")
    number = {label: k for k, label in enumerate(classes)}
    labels = np.array([number[files[row].label] for row in good], np.int32)
    return Labelled(inputs[: len(good)], labels, classes, tuple(files[row].entry.name for row in good))


def _move_up(inputs: Array, good: Sequence[int]) -> None:
    """Close the gaps, row by row, so that no second array is needed."""
    for place, row in enumerate(good):
        if place != row:
            inputs[place] = inputs[row]


def _warn(path: Path, files: Sequence[_File], bad: dict[int, str]) -> None:
    shown = "; ".join(f"{files[row].entry.name} {why}" for row, why in sorted(bad.items())[:MOST_NAMED])
    more = f"; and {len(bad) - MOST_NAMED} more" if len(bad) > MOST_NAMED else ""
    message = f"{path}: {len(bad)} of {len(files)} files were left out: {shown}{more}"
    warnings.warn(message, SkippedImageWarning, stacklevel=3)


__all__ = ["SkippedImageWarning", "images", "parts_of", "read_image"]
