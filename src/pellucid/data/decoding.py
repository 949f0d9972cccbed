"""Image files as arrays of bytes, by Pillow.

This file also runs by itself, as the process that decodes images beside others (`processes.py`). Importing Pellucid and
NumPy would take longer than all else it does before it begins, and as much memory again: it imports neither.
"""

from __future__ import annotations

import io
import json
import os
import signal
import struct
import sys
import warnings
import zipfile
from collections.abc import Sequence
from functools import cache
from math import prod
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from PIL import Image

Shape = tuple[int, int, int]
LARGEST = 1 << 28  # bytes of one file; the largest photographs have some tens of millions
MOST_PIXELS = 100_000_000  # of one image; a decompression bomb has more
SMALL = 1 << 20  # pixels of a JPEG whose header is worth reading here
# Kinds of a JPEG's segments: frames coded in the ways that libjpeg knows; JFIF's header, comments and tables, which
# leave the meaning of the picture as it is.
FRAMES, BEGIN_OF_SCAN = {0xC0, 0xC1, 0xC2}, 0xDA
WITHOUT_MEANING = {0xE0, 0xFE, 0xDB, 0xC4, 0xDD}
READY = b"ready\n"  # what such a process says first


class BadImageError(Exception):
    """Why one file gives no image; its text goes behind the file's name."""


class Entry(NamedTuple):
    """A file of a folder, or, where it has an offset, a member of a zip archive.

    Attributes:
        name: its path inside the folder or archive, with / between the parts.
        size: how many bytes it has.
        offset: where the member begins in the archive, with its header.
        packed: how many bytes it has there.
        method: how they were packed, as a number of the zip format.
        checksum: the CRC-32 of the file.
    """

    name: str
    size: int
    offset: int | None = None
    packed: int = 0
    method: int = 0
    checksum: int = 0


def decode_files(path: str, files: Sequence[Entry], shape: Shape, into: bytearray | memoryview) -> dict[int, str]:
    """Read files of a folder or archive, and decode them into memory, one behind the other.

    Returns:
        What is wrong with those that could not be, by their place among the files.
    """
    contents: dict[int, bytes] = {}
    bad: dict[int, str] = {}
    size = prod(shape)
    # All are read first: calls of the system in between make the decoding of small images slower by a fifth.
    for row, file in enumerate(files):
        try:
            contents[row] = read(path, file)
        except BadImageError as error:
            bad[row] = str(error)
    for row, content in contents.items():
        try:
            into[row * size : (row + 1) * size] = decode(content, shape)
        except BadImageError as error:
            bad[row] = str(error)
    return bad


def read(path: str, file: Entry) -> bytes:
    """Return what is in a file of a folder or archive.

    Raises:
        BadImageError: if it cannot be read, or is too large.
    """
    if file.size > LARGEST:
        raise BadImageError(f"has {file.size:,} bytes; at most {LARGEST:,} are read")
    try:
        if file.offset is None:
            with open(f"{path}/{file.name}", "rb", buffering=0) as opened:
                return opened.read()
        with open(path, "rb", buffering=0) as archive:
            return _unpacked(archive, file.offset, file)
    except Exception as error:  # noqa: BLE001 - what damaged archives raise is of many kinds
        raise BadImageError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _unpacked(archive: io.FileIO, offset: int, file: Entry) -> bytes:
    """Return a member of an archive whose directory was read already; PKWARE, *APPNOTE.TXT*, section 4.3.7."""
    archive.seek(offset)
    header = archive.read(30)
    if len(header) < 30 or not header.startswith(b"PK\3\4"):
        raise zipfile.BadZipFile("the archive is damaged where it begins")
    archive.seek(sum(struct.unpack_from("<HH", header, 26)), os.SEEK_CUR)  # its name, and what else is noted of it
    member = zipfile.ZipInfo()
    member.compress_type, member.compress_size = file.method, file.packed
    member.file_size, member.CRC = file.size, file.checksum
    with zipfile.ZipExtFile(archive, "r", member) as content:
        return content.read()


def decode(content: bytes, shape: Shape) -> bytes:
    """Decode an image file; return its pixels' bytes, row by row, stretched to a shape of (height, width, channels).

    One channel is grey, three are red, green and blue. What is transparent becomes white, of an animation the first
    picture is taken, and what a camera noted about how it was held is heeded. Deeper colours are cut to eight bits.

    Raises:
        BadImageError: if it is no image, or damaged, or too large.
    """
    image_module = _pillow()
    if not content:
        raise BadImageError("is empty")
    height, width, channels = shape
    mode, size = "L" if channels == 1 else "RGB", (width, height)
    try:
        picture = _quickly(content, mode, size) or _by_kind(content, mode, size)
        if picture.size != size:
            picture = picture.resize(size, image_module.Resampling.BILINEAR, reducing_gap=2.0)
        return picture.tobytes()
    except BadImageError:
        raise
    except image_module.UnidentifiedImageError:
        raise BadImageError("is no image of a kind that Pillow knows") from None
    except image_module.DecompressionBombError as error:
        raise BadImageError(f"is too large: {error}") from None
    except Exception as error:  # noqa: BLE001 - what decoders raise on damaged files is of many kinds
        raise BadImageError(f"is damaged: {str(error) or type(error).__name__}") from None


@cache
def _pillow() -> Any:
    from PIL import Image

    return Image


def _quickly(content: bytes, mode: str, size: tuple[int, int]) -> Image.Image | None:
    """Return the picture in a small JPEG of the most common kind, or None if it is no such file, or damaged.

    Of a small file Pillow reads the header, in Python, for several times as long as it decodes. Here it is read just
    enough to know that nothing in it matters but its size.
    """
    found = _common_jpeg(content)
    if (
        found is None
        or not 0 < found[0] * found[1] <= SMALL
        or all(f >= 2 * n for f, n in zip(found, size, strict=True))
    ):
        return None
    try:
        picture: Image.Image = _pillow().new(mode, found, None)
        picture.frombytes(content, "jpeg", (mode, ""))
    except (OSError, ValueError):
        return None
    return picture


def _common_jpeg(content: bytes) -> tuple[int, int] | None:
    """Return the width and height of a JPEG in three colours of eight bits without Exif, or None of anything else.

    A segment is 255, its kind, and its length in two bytes: ITU-T Recommendation T.81, section B.1.
    """
    size, place = None, 2
    if not content.startswith(b"\xff\xd8"):
        return None
    while place + 10 <= len(content) and content[place] == 0xFF:
        kind = content[place + 1]
        if kind == BEGIN_OF_SCAN:
            return size
        if kind in FRAMES and content[place + 4] == 8 and content[place + 9] == 3:
            size = content[place + 7] << 8 | content[place + 8], content[place + 5] << 8 | content[place + 6]
        elif kind not in WITHOUT_MEANING:
            return None
        place += 2 + (content[place + 2] << 8 | content[place + 3])
    return None


def _by_kind(content: bytes, mode: str, size: tuple[int, int]) -> Image.Image:
    """Return the picture in a file of any kind that Pillow knows, at least as large as it is wanted."""
    with _pillow().open(io.BytesIO(content)) as file:
        if file.width * file.height > MOST_PIXELS:
            raise BadImageError(f"has {file.width} x {file.height} pixels; at most {MOST_PIXELS:,} are decoded")
        if file.format == "JPEG":
            file.draft(mode, size)  # large ones are decoded at half the size or less
        picture = _plain(_upright(file), mode)
        picture.load()
        return picture


def _upright(file: Image.Image) -> Image.Image:
    """Return an image as it was seen, not as the camera was held."""
    if file.format in ("JPEG", "TIFF", "WEBP", "MPO") and file.getexif().get(0x0112, 1) != 1:
        from PIL import ImageOps

        return ImageOps.exif_transpose(file)
    return file


def _plain(picture: Image.Image, mode: str) -> Image.Image:
    """Return an image in grey or in colours, of eight bits each and with nothing transparent."""
    if picture.mode == mode:
        return picture
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return _eight_bits(picture).convert(mode)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        from PIL import Image

        seen = picture.convert("RGBA")
        white = Image.new("RGBA", seen.size, "white")
        picture = Image.alpha_composite(white, seen)
    return picture.convert(mode)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Return an image of deep greys in 256 of them: 16 bits are cut, others stretched from lowest to highest."""
    sixteen = picture.mode.startswith("I;16")
    low, high = (0, 65535) if sixteen else cast(tuple[float, float], picture.getextrema())
    if sixteen or (picture.mode == "I" and low >= 0 and 255 < high < 65536):
        return picture.convert("I").point(lambda value: value * (1 / 256) + 0)
    if picture.mode == "I" and low >= 0 and high < 256:
        return picture
    scale = 255 / (high - low) if high > low else 0.0
    return picture.convert("F").point(lambda value: value * scale + (0.5 - low * scale))


def serve() -> None:
    """Decode what standard input asks for, until it ends, which it also does where the process at its other end dies.

    The first line is the path of a folder or archive and the shape of an image, and each other one a list of files, in
    JSON. The answer to each is a line of JSON, what is wrong with which of the files, and then the bytes of all images.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the process that started this one, which ends it
    warnings.simplefilter("ignore")  # Pillow's, which do not say which file they are about
    asked: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_listen, args=(asked,), daemon=True).start()
    path, shape = json.loads(asked.get())
    _pillow().preinit()
    answers = sys.stdout.buffer
    answers.write(READY)
    answers.flush()
    while True:
        files = [Entry(*words) for words in json.loads(asked.get())]
        images = bytearray(len(files) * prod(shape))
        bad = decode_files(path, files, shape, images)
        answers.write(json.dumps(bad).encode() + b"\n")
        answers.write(images)
        answers.flush()


def _listen(asked: SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        asked.put(line)
    os._exit(0)  # at once, whatever is being decoded: nobody is there to take it


if __name__ == "__main__":
    serve()

__all__ = ["READY", "BadImageError", "Entry", "decode", "decode_files"]
