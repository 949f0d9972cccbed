"""Inputs and labels in files of arrays: NumPy's ``.npz``, and safetensors.

An ``.npz`` file is a zip archive of ``.npy`` files, each a header and numbers (NumPy's documentation, "NEP 1: A simple
file format for NumPy arrays"). Objects in one would be pickled, and unpickling runs code: they are refused, unread.
What a header promises is compared with what the archive holds before anything is allocated.
"""

from __future__ import annotations

import math
import os
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..core.errors import DataFileError, InputError, ModelFileError, shortened
from ..core.memory import require_memory
from ..tensors import read_tensors
from .checks import check_finite
from .labelled import Labelled

Array = np.ndarray[Any, Any]
LARGEST: Final = 2**32  # bytes of arrays in one file, inflated
MOST_CLASSES: Final = 2**16
PAIRS: Final = (
    ("x", "y"), ("X", "y"), ("inputs", "labels"), ("images", "labels"), ("data", "labels"), ("data", "target"),
    ("x_train", "y_train"),
)  # fmt: skip
PLAIN: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy.savez and savez_compressed write
DAMAGE: Final = (
    ValueError, TypeError, KeyError, IndexError, OverflowError, EOFError, SyntaxError, RuntimeError, struct.error,
    zlib.error, zipfile.BadZipFile, tokenize.TokenError,
)  # fmt: skip
"""What NumPy and zipfile raise for damaged files, RecursionError and NotImplementedError among them."""


def read_arrays(
    path: str | os.PathLike[str], x: str | None = None, y: str | None = None, largest: int = LARGEST
) -> Labelled:
    """Return inputs and labels from an ``.npz`` or a ``.safetensors`` file. Nothing in it is executed.

    Args:
        path: the file; its name says which of the two it is.
        x: the name of the inputs; None to find it: x or X and y, inputs or images and labels, data and labels or
            target, or x_train and y_train.
        y: the name of the labels; given together with ``x``.
        largest: the most bytes of arrays that an ``.npz`` file may hold, 4 GiB unless told otherwise.

    Returns:
        Inputs, of the shape they have: uint8 as they are, and other numbers as float32. Labels of shape (n,): whole
        numbers from 0 are classes, int32, whose names are their numbers; floats are numbers, float32.

    Raises:
        DataFileError: if the file cannot be read or is damaged, holds objects, or arrays that do not fit together.
        InputError: if an array of the given name is not in it; it lists what there is.
        NotANumberError: if an input or a label is not finite.
        MemoryNeededError: if the arrays do not fit into this machine's memory.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "points.npz"
    >>> np.savez(path, x=np.eye(3), y=np.array([0, 1, 1]))
    >>> points = read_arrays(path)
    >>> points.inputs.shape, points.labels, points.classes
    ((3, 3), array([0, 1, 1], dtype=int32), ('0', '1'))
    """
    path = Path(path)
    if (x is None) != (y is None):
        raise InputError(f"read_arrays: x is {x!r} and y is {y!r}; give the names of both, or of neither")
    if path.suffix not in READERS:
        raise InputError(f"{path}: is named neither .npz nor .safetensors; expected a file of arrays of either kind")
    arrays = READERS[path.suffix](path, largest)
    first, second = (x, y) if x is not None and y is not None else _pair(path, arrays)
    inputs = _inputs(path, first, _named(path, arrays, first))
    labels, classes = _labels(path, second, _named(path, arrays, second))
    if len(inputs) != len(labels):
        raise DataFileError(
            f"{path}: {first} has {len(inputs):,} rows, and {second} {len(labels):,}; expected a label for each row"
        )
    return Labelled(inputs, labels, classes)


def _npz(path: Path, largest: int) -> dict[str, Array]:
    if not path.is_file():
        raise DataFileError(f"{path}: is not there, or no ordinary file; expected an .npz file")
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            _check_members(path, members, largest)
            return {member.filename.removesuffix(".npy"): _member(path, archive, member) for member in members}
    except DataFileError:
        raise
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read: {error.strerror or error}; expected an .npz file") from error
    except DAMAGE as error:
        raise DataFileError(
            f"{path}: is damaged, or no .npz file ({shortened(str(error), 100)}); fetch it again, or write it "
            f"again with numpy.savez"
        ) from error


def _check_members(path: Path, members: list[zipfile.ZipInfo], largest: int) -> None:
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise DataFileError(f"{path}: holds two arrays of one name; write it again with numpy.savez")
    odd = next((member for member in members if member.compress_type not in PLAIN or member.flag_bits & 1), None)
    if odd is not None:
        raise DataFileError(
            f"{path}: {odd.filename} is encrypted, or packed as numpy does not pack; write it again with numpy.savez"
        )
    promised = sum(member.file_size for member in members)
    if promised > largest:
        raise DataFileError(
            f"{path}: promises {promised:,} bytes of arrays, more than the {largest:,} allowed; the file is "
            f"damaged, or call read_arrays(path, largest=...) with more"
        )
    require_memory(promised, f"{path}: reading its arrays")


def _member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    with archive.open(member) as file:
        _check_header(path, file, member)
    with archive.open(member) as file:
        array: Array = np.lib.format.read_array(file, allow_pickle=False)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _check_header(path: Path, file: Any, member: zipfile.ZipInfo) -> None:
    """Check that an array fills its member of the archive exactly, and that it is made of numbers."""
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read:
        raise DataFileError(f"{path}: {member.filename} is of version {version}; expected 1.0 or 2.0")
    shape, _, dtype = read[version](file)
    if dtype.kind not in "biuf":
        raise DataFileError(
            f"{path}: {member.filename} holds {shortened(str(dtype), 60)}; expected numbers. Objects are "
            f"never read, as that could run code; names of classes belong into a CSV file"
        )
    promised, follow = math.prod(shape) * dtype.itemsize, member.file_size - file.tell()
    if min(shape, default=0) < 0 or promised != follow:
        raise DataFileError(
            f"{path}: {member.filename} promises an array of shape {shape}, {promised:,} bytes, and {follow:,} follow; "
            "the file is damaged, fetch it again"
        )


def _safetensors(path: Path, _: int) -> dict[str, Array]:
    try:
        return read_tensors(path)[0]
    except ModelFileError as error:
        raise DataFileError(str(error)) from error


READERS: Final = {".npz": _npz, ".safetensors": _safetensors}


def _pair(path: Path, arrays: dict[str, Array]) -> tuple[str, str]:
    for pair in PAIRS:
        if all(name in arrays for name in pair):
            return pair
    raise DataFileError(
        f"{path}: holds {_shown(arrays)}, and no pair such as x and y or inputs and labels; say which are "
        f"meant: x=..., y=..."
    )


def _named(path: Path, arrays: dict[str, Array], name: str) -> Array:
    if name not in arrays:
        raise InputError(f"{path}: holds no array {name!r}; expected one of {_shown(arrays)}")
    return arrays[name]


def _shown(arrays: dict[str, Array]) -> str:
    return shortened(", ".join(map(repr, arrays)), 300) or "nothing"


def _inputs(path: Path, name: str, array: Array) -> Array:
    if array.ndim < 2 or array.size == 0 or array.dtype.kind not in "biuf":
        raise DataFileError(
            f"{path}: {name} is {array.dtype} of shape {array.shape}; expected rows of numbers, of shape (n, "
            f"...) with at least one number; one number a row is of shape (n, 1)"
        )
    return array if array.dtype == np.uint8 else _float32(path, name, array)


def _labels(path: Path, name: str, array: Array) -> tuple[Array, tuple[str, ...]]:
    flat = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if flat.ndim != 1 or flat.size == 0 or flat.dtype.kind not in "biuf":
        raise DataFileError(
            f"{path}: {name} is {array.dtype} of shape {array.shape}; expected one label a row, of shape "
            f"(n,). Of one-hot rows keep the places of the ones: y.argmax(axis=1)"
        )
    if flat.dtype.kind == "f":
        return _float32(path, name, flat), ()
    least, most = int(flat.min()), int(flat.max())
    if least < 0 or most >= MOST_CLASSES:
        raise DataFileError(
            f"{path}: {name} holds whole numbers from {least} to {most}, which as classes count from 0 to at most "
            f"{MOST_CLASSES - 1:,}; if they are numbers, store them as float32"
        )
    return flat.astype(np.int32), tuple(map(str, range(most + 1)))


def _float32(path: Path, name: str, array: Array) -> Array:
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is then refused by name
        return check_finite(f"{path}: {name}", array.astype(np.float32, copy=False))


__all__ = ["read_arrays"]
