"""IDX files, the format MNIST is given in, gzip'd or not.

An IDX file is two zero bytes, a byte for the type, a byte for the number of axes, each axis's size as a big-endian
32-bit number, and then the numbers, big-endian, the last axis fastest (Y. LeCun, C. Cortes, C. Burges, "The MNIST
database of handwritten digits", section "File formats for the MNIST database").
"""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from ..core.errors import DataFileError
from .sets import Split

Array = np.ndarray[Any, Any]

TYPES: Final = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP: Final = b"\x1f\x8b"
LARGEST: Final = 2**30  # bytes of numbers in one file; MNIST's largest has 47 million
MOST_AXES: Final = 8
CHUNK: Final = 2**20


class Readable(Protocol):
    """What a plain file and an inflated one have in common."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most ``size``."""


def read_idx(path: str | os.PathLike[str], largest: int = LARGEST) -> Array:
    """Return the array in an IDX file, which may be gzip'd.

    No more is read or inflated than the header promises, so a damaged or hostile file costs no more memory than
    an honest one.

    Args:
        path: the file; whether it is gzip'd is seen from its first bytes.
        largest: the most bytes of numbers that a header may promise, 1 GiB unless told otherwise.

    Returns:
        An array of the file's shape, in this machine's byte order: uint8, int8, int16, int32, float32 or float64.

    Raises:
        DataFileError: if the file cannot be read, is no IDX file, or does not hold what its header says.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "labels-idx1-ubyte"
    >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
    >>> read_idx(path)
    array([5, 0, 4], dtype=uint8)
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _read(path, _inflated(path, file), largest)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataFileError(f"{path}: its gzip data is damaged or cut short ({error}); fetch the file again") from error
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read: {error.strerror}; expected an IDX file") from error


def _inflated(path: Path, file: io.BufferedReader) -> Readable:
    start = file.peek(2)[:2]
    if start == GZIP:
        return gzip.GzipFile(fileobj=file)
    if path.suffix == ".gz":
        raise DataFileError(
            f"{path}: is named .gz, and begins with {_hexadecimal(start)} instead of gzip's 1f 8b; "
            "fetch the file again, or take .gz off its name if it is unpacked already"
        )
    return file


def _read(path: Path, stream: Readable, largest: int) -> Array:
    dtype, shape = _header(path, stream)
    promised = math.prod(shape) * dtype.itemsize
    if math.prod(max(size, 1) for size in shape) * dtype.itemsize > largest:
        raise DataFileError(
            f"{path}: the header promises {' x '.join(map(str, shape))} numbers of {dtype.itemsize} bytes, more than "
            f"the {largest:,} bytes allowed; the file is damaged, or call read_idx(path, largest=...) with more"
        )
    data = bytearray()
    while len(data) < promised and (chunk := stream.read(min(CHUNK, promised - len(data)))):
        data += chunk
    if len(data) < promised:
        raise DataFileError(
            f"{path}: the header promises {promised:,} bytes of data, and {len(data):,} follow; "
            "the file was cut short, fetch it again"
        )
    if stream.read(1):  # reading to the end also makes gzip check its checksum
        raise DataFileError(
            f"{path}: the header promises {promised:,} bytes of data, and more follow; the file is damaged, "
            "fetch it again"
        )
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _header(path: Path, stream: Readable) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4:
        raise DataFileError(f"{path}: has {len(magic)} bytes, too few for the header of an IDX file")
    zeros, code, axes = magic[:2], magic[2], magic[3]
    if zeros != b"\0\0" or code not in TYPES or not 1 <= axes <= MOST_AXES:
        raise DataFileError(
            f"{path}: begins with {_hexadecimal(magic)}, and an IDX file begins with 00 00, a type "
            f"({', '.join(f'{known:02x}' for known in TYPES)}) and 01 to {MOST_AXES:02x} axes; is it another file?"
        )
    sizes = stream.read(4 * axes)
    if len(sizes) < 4 * axes:
        raise DataFileError(f"{path}: the header promises {axes} axes, and the file ends before their sizes")
    return np.dtype(TYPES[code]), struct.unpack(f">{axes}I", sizes)


def _hexadecimal(data: bytes) -> str:
    return data.hex(" ") or "nothing"


def mnist(folder: str | os.PathLike[str]) -> Split:
    """Return MNIST, or a set in its form, from a folder of its four IDX files, gzip'd or not.

    Args:
        folder: holds ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
            ``t10k-labels-idx1-ubyte``, each with or without ``.gz``.

    Returns:
        Training images, float32 from 0 to 1 of shape (n, height * width), training labels, int32 of shape (n,),
        then the same of the test set.

    Raises:
        DataFileError: if a file is missing or damaged, or images and labels do not belong together.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataFileError(f"{folder}: is no folder; expected one with MNIST's four IDX files")
    train = _images_and_labels(folder, "train")
    test = _images_and_labels(folder, "t10k")
    if train[0].shape[1] != test[0].shape[1]:
        raise DataFileError(
            f"{folder}: the training images have {train[0].shape[1]} pixels, and the test images {test[0].shape[1]};"
            " the files are of different sets"
        )
    return Split(*train, *test)


def _images_and_labels(folder: Path, part: str) -> tuple[Array, Array]:
    images_path, labels_path = (_find(folder, f"{part}-{name}-ubyte") for name in ("images-idx3", "labels-idx1"))
    images, labels = read_idx(images_path), read_idx(labels_path)
    for path, array, axes in ((images_path, images, 3), (labels_path, labels, 1)):
        if array.dtype != np.uint8 or array.ndim != axes:
            raise DataFileError(f"{path}: holds {array.ndim} axes of {array.dtype}; expected {axes} of uint8")
        if array.size == 0:
            raise DataFileError(f"{path}: holds nothing; its shape is {array.shape}")
    if len(images) != len(labels):
        raise DataFileError(
            f"{images_path}: holds {len(images):,} images, and {labels_path.name} {len(labels):,} labels; "
            "the files are of different sets"
        )
    if labels.max() > 9:
        raise DataFileError(f"{labels_path}: holds the label {labels.max()}; expected 0 to 9")
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat /= np.float32(255)
    return flat, labels.astype(np.int32)


def _find(folder: Path, name: str) -> Path:
    for candidate in (folder / f"{name}.gz", folder / name):
        if candidate.is_file():
            return candidate
    raise DataFileError(f"{folder}: holds neither {name} nor {name}.gz; expected MNIST's four IDX files there")
