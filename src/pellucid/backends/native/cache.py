"""Compiled objects kept on disk, so that a program compiles once and not at every start.

The folder is private to its owner and every file carries a checksum; what does not check out is not loaded. The
threats are other users and corruption: whoever can write as you can already run code as you. Nothing here stops a
program: where the cache does not work, one warning says why, and every function is compiled anew. Any number of
processes may read and write at once: a file appears whole, under a name that says what is in it, and is never changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ...core.atomic import remove_abandoned, write_whole
from ...core.errors import PellucidError
from ...core.memory import parse_bytes

VARIABLE = "PELLUCID_CACHE"
LIMIT_VARIABLE = "PELLUCID_CACHE_SIZE"
USUAL_LIMIT = "256M"
MEASURED = "measured-"  # begins the keys of what was measured, as opposed to compiled
_HEADER = b"pellucid object 1\n"
_ENDING = ".object"
_HASH_BYTES = hashlib.sha256().digest_size


class Kept(NamedTuple):
    """What the cache holds.

    Attributes:
        folder: where it is.
        programs: how many compiled programs.
        measurements: how many results of measuring this machine.
        bytes: how large they are together.
        limit: how large they may become, before what has not been used for longest is removed.
        oldest, newest: when a file was used last, the least and the most recent (seconds since 1970); None if there
            is none.
    """

    folder: str
    programs: int
    measurements: int
    bytes: int
    limit: int
    oldest: float | None
    newest: float | None


class _Report:
    """Whether the one warning has been given."""

    given = False


def key(*parts: str) -> str:
    """Return the name under which the object made from these parts is kept: their SHA-256.

    >>> len(key("define void @f() { ret void }", "x86_64", "light"))
    64
    """
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(f"{len(encoded)}:".encode() + encoded)
    return digest.hexdigest()


def folder() -> Path:
    """Return the folder: PELLUCID_CACHE, or ``pellucid`` in XDG_CACHE_HOME (by default ~/.cache)."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pellucid"


def limit() -> int:
    """Return how many bytes the cache may hold: PELLUCID_CACHE_SIZE, such as "1G"; 256 MiB if it is not set.

    Raises:
        PellucidError: the variable is no amount of memory.
    """
    chosen = os.environ.get(LIMIT_VARIABLE) or USUAL_LIMIT
    try:
        return parse_bytes(chosen)
    except PellucidError as error:
        raise PellucidError(
            f"{LIMIT_VARIABLE}, the largest size of the cache of compiled functions: {error} (the sizes of the"
            " processor's own caches are PELLUCID_CACHE_SIZES)"
        ) from None


def kept() -> Kept:
    """Return what the cache holds.

    Raises:
        PellucidError: the folder cannot be looked at.
    """
    most = limit()
    with _explained("looked at"):
        files = _files(folder()) if folder().exists() else []
    measured = sum(f.name.startswith(MEASURED) for f in files)
    uses = [f.used for f in files]
    return Kept(
        str(folder()),
        len(files) - measured,
        measured,
        sum(f.size for f in files),
        most,
        uses[0] if uses else None,
        uses[-1] if uses else None,
    )


def clear() -> int:
    """Remove everything the cache holds, and return how many files that was. Other files of the folder stay.

    Raises:
        PellucidError: a file cannot be removed, or the folder is not one that ``read`` would trust.
    """
    removed = 0
    with _explained("cleared"):
        if not folder().exists():
            return 0
        _check_private(folder(), os.stat(folder()))
        for file in _files(folder()):
            removed += _remove(file)
        return removed + remove_abandoned(folder())


def read(name: str) -> bytes | None:
    """Return the object kept under a key; None if there is none, or if it cannot be trusted."""
    found = None
    with _reported("read"), contextlib.suppress(FileNotFoundError):
        path = folder() / (name + _ENDING)
        content = _read_private(path)
        start = len(_HEADER) + _HASH_BYTES
        if content[:start] != _HEADER + _checksum(name, content[start:]):
            path.unlink(missing_ok=True)
            raise OSError(f"{path} is damaged, and was removed")
        found = content[start:]
        os.utime(path)  # so that the oldest is what has not been used for longest
    return found


def write(name: str, data: bytes) -> None:
    """Keep an object under a key; the file appears whole or not at all. One larger than the limit is not kept."""
    most = limit()
    if len(data) > most:
        return
    with _reported("write"):
        place = folder()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_private(place, os.stat(place))
        content = [_HEADER, _checksum(name, data), data]
        write_whole(place / (name + _ENDING), content, permissions=0o600, durable=False)  # it can be made again
        _remove_oldest(place, most)


def _checksum(name: str, data: bytes) -> bytes:
    """A checksum of content and name, so that one object cannot stand in for another."""
    return hashlib.sha256(name.encode() + data).digest()


def _read_private(path: Path) -> bytes:
    """Return a file's content, having checked whose it and its folder are (the open file, so nobody swaps it)."""
    _check_private(path.parent, os.stat(path.parent))
    # What stands in the file's place may be a link, or a pipe that would never open.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path} is no ordinary file")
        _check_private(path, status)
        return file.read()


def _check_private(path: Path, status: os.stat_result) -> None:
    if not hasattr(os, "getuid"):
        return
    if status.st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to another user")
    if stat.S_IMODE(status.st_mode) & 0o022:
        raise PermissionError(f"others may write to {path}; make it private with chmod go-w")


class _File(NamedTuple):
    """A file of the cache, ordered by when it was used last."""

    used: float
    name: str
    size: int
    path: str


def _files(place: Path) -> list[_File]:
    """Return the files that the cache made, what was not used for longest first."""
    files = []
    with os.scandir(place) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # another process removed it
                status = entry.stat(follow_symlinks=False)
                if entry.name.endswith(_ENDING) and stat.S_ISREG(status.st_mode):
                    files.append(_File(status.st_mtime, entry.name, status.st_size, entry.path))
    return sorted(files)


def _remove_oldest(place: Path, most: int) -> None:
    """Remove what has not been used for longest, while the whole is too large."""
    files = _files(place)
    total = sum(file.size for file in files)
    for file in files:
        if total > most:
            _remove(file)
            total -= file.size


def _remove(file: _File) -> bool:
    """Remove a file, and return whether it was still there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(file.path)
        return True
    return False


@contextlib.contextmanager
def _explained(doing: str) -> Iterator[None]:
    """Turn failures of the disk into an error that names the folder."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise PellucidError(
            f"the cache of compiled functions cannot be {doing}: {error}; see to {folder_name()}, or let {VARIABLE}"
            " name another folder"
        ) from None


@contextlib.contextmanager
def _reported(doing: str) -> Iterator[None]:
    """Turn failures of the disk into one warning for the whole process."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        if not _Report.given:
            _Report.given = True
            warnings.warn(
                f"the cache of compiled functions cannot {doing}: {error}; functions are compiled anew in each"
                f" process until {folder_name()} can be used, or {VARIABLE} names another folder",
                stacklevel=2,
            )


def folder_name() -> str:
    """Return the folder as text, also where there is no home to put it in."""
    try:
        return str(folder())
    except RuntimeError:
        return "a cache folder"
