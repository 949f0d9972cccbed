"""What LLVM leaves in memory when it is done, given back to the system.

That is freed memory which the allocator keeps, and the pages of LLVM's library, most of which a compilation touches:
some 70 MB, more than many a network takes to train. The system keeps the library's pages in its cache as long as nobody
else needs the room, and maps them again when LLVM is next called.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import struct
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

MAPS = Path("/proc/self/maps")
_HEADER = struct.Struct("<4sBB26xQ14xHH")  # magic, class, order; of segments: where, size, count
_SEGMENT = struct.Struct("<IIQQQQQQ")  # type, flags, offset, address, -, -, size in memory, -
_LOADED, _WRITTEN = 1, 2


def give_back(library: str) -> None:
    """Give back what calls of a library have left: on Linux, and elsewhere nothing."""
    if sys.platform != "linux":
        return
    system = _system()
    if hasattr(system, "malloc_trim"):
        system.malloc_trim(0)
    with contextlib.suppress(OSError, UnicodeDecodeError, struct.error):
        for start, size in never_written(Path(library)):
            system.madvise(start, size, mmap.MADV_DONTNEED)


def never_written(library: Path) -> Iterator[tuple[int, int]]:
    """Yield where the parts of a loaded library lie that are as they are in its file, code above all, and their sizes.

    What is relocated when it is loaded is none of them, even if it is protected from writing afterwards.
    """
    base = _base(library)
    with library.open("rb") as file:
        magic, bits, order, at, size, count = _HEADER.unpack(file.read(_HEADER.size))
        if base is None or (magic, bits, order, size) != (b"\x7fELF", 2, 1, _SEGMENT.size):
            return
        file.seek(at)
        segments = list(_SEGMENT.iter_unpack(file.read(size * count)))
    for kind, flags, _, address, _, _, length, _ in segments:
        if kind == _LOADED and not flags & _WRITTEN:
            start = base + address & -mmap.PAGESIZE
            yield start, base + address + length - start


def _base(library: Path) -> int | None:
    """Return where a library was loaded, or None where the system does not tell."""
    with MAPS.open() as lines:
        for line in lines:
            place, _, offset, _, _, *name = line.split(maxsplit=5)
            if name and name[0].strip() == str(library) and int(offset, 16) == 0:
                return int(place.partition("-")[0], 16)
    return None


@cache
def _system() -> ctypes.CDLL:
    library = ctypes.CDLL(None)
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return library


__all__ = ["give_back", "never_written"]
