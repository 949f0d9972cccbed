"""Compiled objects kept on disk, so that a program compiles once and not at every start.

The folder is private to its owner and every file carries a checksum; what does not check out is not loaded. The
threats are other users and corruption: whoever can write as you can already run code as you. Nothing here stops a
program: where the cache does not work, one warning says why, and every function is compiled anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "PELLUCID_CACHE"
LARGEST_SIZE = 256 * 2**20
_HEADER = b"pellucid object 1\n"
_ENDING = ".object"
_HASH_BYTES = hashlib.sha256().digest_size


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
    """Keep an object under a key; the file appears whole or not at all."""
    with _reported("write"):
        place = folder()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_private(place, os.stat(place))
        with tempfile.NamedTemporaryFile(dir=place, prefix="new-", delete=False) as file:
            try:
                file.write(_HEADER + _checksum(name, data) + data)
                file.close()
                os.replace(file.name, place / (name + _ENDING))
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(file.name)
                raise
        _remove_oldest(place)


def _checksum(name: str, data: bytes) -> bytes:
    """A checksum of content and name, so that one object cannot stand in for another."""
    return hashlib.sha256(name.encode() + data).digest()


def _read_private(path: Path) -> bytes:
    """Return a file's content, having checked whose it and its folder are (the open file, so nobody swaps it)."""
    _check_private(path.parent, os.stat(path.parent))
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
        _check_private(path, os.fstat(file.fileno()))
        return file.read()


def _check_private(path: Path, status: os.stat_result) -> None:
    if not hasattr(os, "getuid"):
        return
    if status.st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to another user")
    if stat.S_IMODE(status.st_mode) & 0o022:
        raise PermissionError(f"others may write to {path}; make it private with chmod go-w")


def _remove_oldest(place: Path) -> None:
    """Remove what has not been used for longest, while the whole is too large."""
    files = []
    with os.scandir(place) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # another process removed it
                status = entry.stat(follow_symlinks=False)
                if entry.name.endswith(_ENDING) or entry.name.startswith("new-"):
                    files.append((status.st_mtime, status.st_size, entry.path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= LARGEST_SIZE:
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        total -= size


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
