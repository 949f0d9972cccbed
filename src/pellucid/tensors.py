"""Named arrays in one file, in the safetensors format, which other libraries read as well.

A file is eight bytes with the length of a header, the header, and the arrays one after the other, little-endian. The
header is a JSON object: of each array its dtype, its shape, and where it begins and ends; under ``__metadata__`` may
be texts (Hugging Face, *safetensors*, section "Format"). Nothing in a file is executed, and everything is checked
before it is believed.

The format's own library is the oracle of the tests. It is not what writes here: it puts the metadata in a random order,
so that the same model gave other bytes each time; arrays that are not contiguous come out wrong; and it makes a
temporary file of its own, which nobody removes when it is stopped. Reading has one open file, from check to last byte.
"""

from __future__ import annotations

import io
import json
import math
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

import numpy as np

from .core.atomic import write_whole
from .core.errors import InputError, ModelFileError, OutputFolderError, shortened
from .core.memory import require_memory

Array = np.ndarray[Any, Any]

METADATA: Final = "__metadata__"
LARGEST_HEADER: Final = 2**24  # bytes; a hundred thousand arrays. Parsed, a hostile one takes some twenty times as much
MOST_AXES: Final = 64  # as many as NumPy has
DTYPES: Final = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8",
    "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8", "C64": "<c8",
}  # fmt: skip
_NAMES: Final = {np.dtype(kind).newbyteorder("="): name for name, kind in DTYPES.items()}
FOREIGN: Final = {
    "BF16": "bfloat16", "F8_E4M3": "float8", "F8_E5M2": "float8", "F8_E8M0": "float8", "F8_E4M3FNUZ": "float8",
    "F8_E5M2FNUZ": "float8", "F6_E2M3": "float6", "F6_E3M2": "float6", "F4": "float4",
}  # fmt: skip

_Bytes = io.BufferedReader | io.BytesIO  # a file, or what one holds


class _Entry(NamedTuple):
    """Where an array lies among the bytes after the header, and what it is; in the order of the file."""

    begin: int
    end: int
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def write_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays into a file, whole or not at all: until all is on the disk, the old file stays.

    The same arrays and texts give the same bytes, in whatever order the arrays come. Beyond the arrays themselves,
    memory is needed only for one at a time that is not contiguous.

    Args:
        path: the file; a link is followed.
        tensors: arrays of any shape, of bool, integers or floats of NumPy's, or complex64.
        metadata: texts by name; they keep their order.

    Raises:
        InputError: if something has a name or a dtype that the format does not have.
        OutputFolderError: if the file cannot be written; the old one is as it was.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "model.safetensors"
    >>> write_tensors(path, {"W": np.eye(2), "steps": np.int64(7)}, {"made by": "an example"})
    >>> read_tensors(path)
    ({'W': array([[1., 0.],
           [0., 1.]]), 'steps': array(7)}, {'made by': 'an example'})
    """
    parts = _file_parts(tensors, metadata)
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            raise OutputFolderError(f"{path}: is no ordinary file, and is not replaced; choose another name")
        write_whole(target, parts)
    except OutputFolderError:
        raise
    except OSError as error:
        raise OutputFolderError(
            f"{path}: cannot be written: {error.strerror or error}; what was there before is unchanged"
        ) from error


def pack_tensors(tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return what ``write_tensors`` would write.

    >>> unpack_tensors(pack_tensors({"steps": np.int64(7)}), "an example")
    ({'steps': array(7)}, {})
    """
    return b"".join(_file_parts(tensors, metadata))


def unpack_tensors(content: bytes, name: str) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the arrays and the texts of a safetensors file's content, which has a name for errors.

    Raises:
        ModelFileError, MemoryNeededError: as ``read_tensors`` does.
    """
    return _read(name, io.BytesIO(content), len(content))


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the arrays and the texts of a safetensors file.

    Each array is read into memory of its own, which it needs once; it may be written to. What a file can make this
    reserve is bounded by the file's own size.

    Returns:
        Arrays by name, in the order of the file, in this machine's byte order, and texts by name.

    Raises:
        ModelFileError: if the file cannot be read or is not a whole and well-formed safetensors file.
        MemoryNeededError: if its arrays do not fit into this machine's memory.
    """
    try:
        # what stands in the file's place may be a pipe, which would never open
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                _refuse(str(path), "is no ordinary file")
            return _read(str(path), file, status.st_size)
    except OSError as error:
        raise ModelFileError(
            f"{path}: cannot be read: {error.strerror or error}; expected a safetensors file"
        ) from error


def _checked(name: object, tensor: Any) -> Array:
    _check_text("a tensor's name", name)
    if name == METADATA:
        raise InputError(
            f"a tensor cannot be named {METADATA}, under which the format keeps texts; choose another name"
        )
    array = np.asarray(tensor)
    if array.dtype.newbyteorder("=") not in _NAMES:
        raise InputError(
            f"tensor {name!r} is {array.dtype}, and a safetensors file holds"
            f" {', '.join(dtype.name for dtype in _NAMES)}; convert it first"
        )
    return array


def _checked_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    for key, value in metadata.items():
        _check_text("a name in the metadata", key)
        _check_text(f"the metadata {key!r}", value)
    return dict(metadata)


def _check_text(what: str, value: object) -> None:
    if not isinstance(value, str) or not _is_text(value):
        raise InputError(f"{what} is {value!r}, and text was expected, without halves of surrogate pairs")


def _is_text(value: str) -> bool:
    """Whether a string can be written as UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _file_parts(tensors: Mapping[str, Any], metadata: Mapping[str, str] | None) -> Iterator[Any]:
    """Check what a file is to hold, and return its bytes, one array at a time."""
    arrays = [(name, _checked(name, tensor)) for name, tensor in tensors.items()]
    arrays.sort(key=lambda pair: (-pair[1].itemsize, pair[0]))  # so that each begins at a multiple of its item's size
    header = _encoded_header(arrays, _checked_metadata(metadata or {}))
    return _parts(header, [array for _, array in arrays])


def _encoded_header(arrays: list[tuple[str, Array]], metadata: dict[str, str]) -> bytes:
    header: dict[str, Any] = {METADATA: metadata} if metadata else {}
    begin = 0
    for name, array in arrays:
        end = begin + array.nbytes
        dtype = _NAMES[array.dtype.newbyteorder("=")]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the arrays begin at a multiple of eight
    if len(text) > LARGEST_HEADER:
        raise InputError(
            f"names, shapes and metadata come to {len(text):,} bytes, and at most {LARGEST_HEADER:,} are read again;"
            " put what is large into a tensor"
        )
    return text


def _parts(header: bytes, arrays: list[Array]) -> Iterator[Any]:
    """Return the bytes of a file, one array at a time."""
    yield len(header).to_bytes(8, "little")
    yield header
    for array in arrays:
        stored = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        yield stored.reshape(-1).view(np.uint8)


def _read(path: str, file: _Bytes, size: int) -> tuple[dict[str, Array], dict[str, str]]:
    begin = file.read(8)
    if len(begin) < 8:
        _refuse(path, f"has {len(begin)} bytes, too few for the header of a safetensors file")
    length, follow = int.from_bytes(begin, "little"), size - 8
    if length > min(follow, LARGEST_HEADER):
        _refuse(
            path,
            f"begins with a header's length of {length:,} bytes, and {max(follow, 0):,} follow"
            + (f", of which at most {LARGEST_HEADER:,} are read as a header" if follow > LARGEST_HEADER else ""),
        )
    metadata, entries = _parsed(path, file.read(length))
    _check_layout(path, entries, follow - length)
    require_memory(follow, f"{path}: reading its tensors")
    return {entry.name: _array(path, file, entry) for entry in entries}, metadata


def _parsed(path: str, text: bytes) -> tuple[dict[str, str], list[_Entry]]:
    """Return the metadata of a header, and its entries in the order of the file."""
    if text[:1] != b"{":
        _refuse(path, f"has a header that begins with {text[:8]!r}, and a JSON object was expected")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            _refuse(path, f"names {next(n for n in names if names.count(n) > 1)!r} twice in its header")
        return found

    try:
        header = json.loads(text.decode(), object_pairs_hook=unique)
    except RecursionError:
        _refuse(path, "has a header that is nested too deeply")
    except ModelFileError:
        raise
    except ValueError as error:  # no JSON, no UTF-8, or a number of thousands of digits
        _refuse(path, f"has a header that is no JSON ({str(error)[:100]})")
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) and _is_text(k + v) for k, v in metadata.items()):
        _refuse(path, f"has {METADATA} in its header that is not an object of texts")
    return metadata, sorted(_entry(path, name, given) for name, given in header.items())


def _entry(path: str, name: str, given: Any) -> _Entry:
    """Return what a header says of one array, after checking all that can be checked of it alone."""
    if not _is_text(name):
        _refuse(path, f"names a tensor {name!r}, which is no text")
    if not isinstance(given, dict) or given.keys() != {"dtype", "shape", "data_offsets"}:
        _refuse(path, f"should say dtype, shape and data_offsets of {_short(name)}, and says {_short(given)}")
    dtype, shape, offsets = given["dtype"], given["shape"], given["data_offsets"]
    if isinstance(dtype, str) and dtype in FOREIGN:
        _refuse(
            path,
            f"holds {_short(name)} as {dtype}, and NumPy has no {FOREIGN[dtype]}",
            "store it as float32, which holds the same values, with the library that wrote it",
        )
    if not isinstance(dtype, str) or dtype not in DTYPES:
        _refuse(path, f"gives {_short(name)} the dtype {_short(dtype)}; expected one of {', '.join(DTYPES)}")
    if not _are_sizes(shape) or len(shape) > MOST_AXES:
        _refuse(
            path, f"gives {_short(name)} the shape {_short(shape)}; expected at most {MOST_AXES} sizes of 0 or more"
        )
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        _refuse(path, f"gives {_short(name)} the offsets {_short(offsets)}; expected where it begins and where it ends")
    kind = np.dtype(DTYPES[dtype])
    if math.prod(max(size, 1) for size in shape) * kind.itemsize > sys.maxsize:
        _refuse(path, f"gives {_short(name)} the shape {_short(shape)}, larger than any memory")
    needed = math.prod(shape) * kind.itemsize
    if needed != offsets[1] - offsets[0]:
        _refuse(
            path,
            f"gives {_short(name)} the shape {_short(shape)} of {dtype}, which is {needed:,} bytes, and the offsets"
            f" {offsets}, which are {offsets[1] - offsets[0]:,}",
        )
    return _Entry(offsets[0], offsets[1], name, kind, tuple(shape))


def _are_sizes(value: Any) -> bool:
    """Whether a value of JSON is a list of integers that a machine can count with."""
    return isinstance(value, list) and all(type(size) is int and 0 <= size <= sys.maxsize for size in value)


def _check_layout(path: str, entries: list[_Entry], follow: int) -> None:
    """Check that the arrays fill the rest of the file: one after the other, to its last byte."""
    reached = 0
    for entry in entries:
        if entry.begin != reached:
            what = "overlaps what is before it" if entry.begin < reached else "leaves a gap before it"
            _refuse(path, f"lets {_short(entry.name)} begin at {entry.begin:,}, which {what}; expected {reached:,}")
        reached = entry.end
    if reached != follow:
        _refuse(path, f"the header promises {reached:,} bytes of tensors, and {follow:,} follow")


def _array(path: str, file: _Bytes, entry: _Entry) -> Array:
    array = np.empty(entry.shape, entry.dtype)
    content = array.reshape(-1).view(np.uint8)
    if file.readinto(content.data) < array.nbytes:
        _refuse(path, f"became shorter while {_short(entry.name)} was read")
    if entry.dtype.kind == "b" and content.max(initial=0) > 1:
        _refuse(path, f"holds {content.max()} in {_short(entry.name)}, whose values are 0 for false and 1 for true")
    return array.astype(entry.dtype.newbyteorder("="), copy=False)


def _short(value: object) -> str:
    """Return a value as text that fits into a message."""
    return shortened(repr(value), 80)


def _refuse(path: str, what: str, cure: str = "fetch it again, or take another copy") -> NoReturn:
    raise ModelFileError(f"{path}: {what}; {cure}")


__all__ = ["pack_tensors", "read_tensors", "unpack_tensors", "write_tensors"]
