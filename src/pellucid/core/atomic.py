"""Writing a file whole or not at all, whatever stops the writer: an error, a full disk, SIGKILL, a loss of power.

The content goes into a temporary file in the same folder, and to the disk; then one system call puts it in the place of
the old file. A writer holds a lock on its temporary file as long as it lives, so that the next one to write into the
folder knows which of those that it finds there were left behind, and removes them.

The order of the calls is the one that crashes do not undo: Pillai and others, *All file systems are not created equal:
on the complexity of crafting crash-consistent applications*, 2014, section 2.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

UNFINISHED = ".pellucid-unfinished"  # ends the names of temporary files
_NO_SUCH_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EACCES}


def write_whole(
    path: str | os.PathLike[str], parts: Iterable[Any], permissions: int | None = None, durable: bool = True
) -> None:
    """Write a file whole or not at all. Until it is whole, readers see the old file, and so they do after a failure.

    Args:
        path: the file; what has this name is replaced. A link is replaced too, and not followed.
        parts: its content, one part after the other: bytes, or arrays of bytes.
        permissions: the new file's; those of the old one if None, or what the umask leaves where there is none.
        durable: whether to return only once the content is on the disk. Without, a loss of power may lose it.

    Raises:
        OSError: if it cannot be written; nothing is left behind.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "weights"
    ...     write_whole(path, [b"one", b" and ", b"two"])
    ...     print(path.read_bytes(), os.listdir(folder))
    b'one and two' ['weights']
    """
    path = Path(path)
    remove_abandoned(path.parent)  # first: a full disk may need the space
    descriptor, unfinished = _begin(path.parent, _permissions(path) if permissions is None else permissions)
    try:
        with open(descriptor, "wb") as file:
            file.writelines(parts)
            file.flush()
            if durable:
                os.fsync(descriptor)
            os.replace(unfinished, path)  # before the lock goes, with which the file would count as abandoned
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise
    if durable:
        _sync_folder(path.parent)


def remove_abandoned(folder: str | os.PathLike[str]) -> int:
    """Remove the temporary files of writers that were stopped, and return how many there were.

    One whose lock is held has a living writer, and stays; so does what may not be looked at or removed.
    """
    removed = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(UNFINISHED):
                with contextlib.suppress(OSError):
                    _remove_unlocked(entry.path)
                    removed += 1
    return removed


def _remove_unlocked(path: str) -> None:
    """Remove a file under its lock; raises OSError if somebody holds that, or if it is no ordinary file of ours."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    finally:
        os.close(descriptor)


def _permissions(path: Path) -> int | None:
    """Return the permissions of what is replaced; None if there is nothing."""
    with contextlib.suppress(FileNotFoundError):
        return stat.S_IMODE(os.stat(path).st_mode)
    return None


def _begin(folder: Path, permissions: int | None) -> tuple[int, str]:
    """Return a new temporary file, locked, and its name, which does not depend on how long the target's is."""
    while True:
        unfinished = os.path.join(folder, f".{secrets.token_hex(8)}{UNFINISHED}")
        mode = 0o666 if permissions is None else permissions
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            if permissions is not None:
                os.fchmod(descriptor, permissions)
            with contextlib.suppress(OSError):  # a file system without locks; there, nothing counts as abandoned
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return descriptor, unfinished
        except BaseException:
            os.close(descriptor)
            os.unlink(unfinished)
            raise
        os.close(descriptor)  # it was taken for abandoned between the two calls


def _sync_folder(folder: Path) -> None:
    """Wait until the folder's own content, which is the names, is on the disk, where there is a way to."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:  # network file systems, and folders that may be written and not read
        if error.errno not in _NO_SUCH_SYNC:
            raise
