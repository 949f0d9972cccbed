"""Arrays in files of NumPy (.npz) and in safetensors. Neither can hold anything that is run."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import DataFileError
from .labelled import Labelled

Array = np.ndarray[Any, Any]
INPUTS = ("x", "inputs", "X", "images", "data")
LABELS = ("y", "labels", "targets", "target")
LARGEST = 1 << 36  # bytes of all arrays of one file


def read_arrays(path: str | os.PathLike[str], inputs: str | None = None, labels: str | None = None) -> Labelled:
    """Return the inputs and the labels in an .npz or a .safetensors file.

    Args:
        path: the file; which of the two it is, is seen from its first bytes.
        inputs: the name of the array of inputs; x, inputs, X, images or data if not given.
        labels: that of the labels; y, labels, targets or target if not given.

    Returns:
        Inputs as they are, and labels: whole numbers as int32, where they are classes, others as float32.

    Raises:
        DataFileError: if the file is damaged, has no such arrays, or they do not have as many rows as each other.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "set.npz"
    >>> np.savez(path, x=np.zeros((3, 2), "float32"), y=np.array([0, 1, 0]))
    >>> found = read_arrays(path)
    >>> found.inputs.shape, found.labels, found.classes
    ((3, 2), array([0, 1, 0], dtype=int32), ('0', '1'))
    """
    path = Path(path)
    arrays = _arrays(path)
    x, y = _named(path, arrays, inputs, INPUTS, "inputs"), _named(path, arrays, labels, LABELS, "labels")
    if x.ndim < 1 or y.ndim < 1 or len(x) != len(y) or not len(x):
        raise DataFileError(
            f"{path}: inputs are {x.shape} and labels {y.shape}; expected as many rows in both, and some"
        )
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim > 1 or y.dtype.kind == "f":
        return Labelled(x, y.astype(np.float32))
    return _classes(path, x, y)


def _classes(path: Path, x: Array, y: Array) -> Labelled:
    """Return rows with classes: texts, or whole numbers from 0."""
    if y.dtype.kind in "U":
        names, y = np.unique(y, return_inverse=True)
        return Labelled(x, y.astype(np.int32), tuple(map(str, names)))
    if y.dtype.kind not in "iub" or int(y.min()) < 0 or int(y.max()) >= 2**31:
        raise DataFileError(f"{path}: labels are {y.dtype} from {y.min()} to {y.max()}; expected whole numbers from 0")
    return Labelled(x, y.astype(np.int32), tuple(map(str, range(int(y.max()) + 1))))


def _arrays(path: Path) -> Mapping[str, Array]:
    try:
        with path.open("rb") as file:
            is_zip = file.read(4) == b"PK\x03\x04"
        return _npz(path) if is_zip else _safetensors(path)
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read: {error.strerror or error}") from error


def _npz(path: Path) -> dict[str, Array]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > LARGEST:
            raise DataFileError(f"{path}: its arrays would take {size:,} bytes; at most {LARGEST:,} are read")
        with np.load(path, allow_pickle=False) as loaded:
            return {name: loaded[name] for name in loaded.files}
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        if isinstance(error, DataFileError):
            raise
        raise DataFileError(f"{path}: is no whole .npz file of plain arrays: {error}") from error


def _safetensors(path: Path) -> dict[str, Array]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        loaded: dict[str, Array] = load_file(path)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataFileError(f"{path}: is neither a .npz file nor a whole .safetensors one: {error}") from error
    return loaded


def _named(path: Path, arrays: Mapping[str, Array], name: str | None, usual: tuple[str, ...], what: str) -> Array:
    names = (name,) if name is not None else usual
    found = next((n for n in names if n in arrays), None)
    if found is None:
        raise DataFileError(
            f"{path}: has no array of {what} called {' or '.join(names)}; it has {', '.join(sorted(arrays)) or 'none'}"
        )
    return arrays[found]


__all__ = ["read_arrays"]
