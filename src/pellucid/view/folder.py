"""The folder that pictures and pages are written to, and writing a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ..core.atomic import write_whole
from ..core.errors import OutputFolderError


def prepare_folder(path: str | os.PathLike[str]) -> Path:
    """Return a folder that exists and can be written to; it is made, with its parents, if it is missing.

    That it can be written to is found out by writing: permission bits do not bind every user, and do not show
    a file system that is mounted read-only.

    Raises:
        OutputFolderError: if it is a file, cannot be made, or cannot be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     prepare_folder(Path(parent) / "runs" / "demo-1").is_dir()
    True
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise OutputFolderError(f"{folder}: is a file, and a folder to write into was expected; choose another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFolderError(
            f"{folder}: cannot be made: {_reason(error)}; choose a folder you may write to"
        ) from error
    probe = folder / f".probe-{secrets.token_hex(4)}"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise OutputFolderError(
            f"{folder}: cannot be written to: {_reason(error)}; choose a folder you may write to"
        ) from error
    return folder


def write_file(path: str | os.PathLike[str], content: bytes | str) -> Path:
    """Write a file whole or not at all.

    Raises:
        OutputFolderError: if it cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_file(Path(folder) / "page.html", "<p>done</p>").read_text()
    '<p>done</p>'
    """
    path = Path(path)
    try:
        write_whole(path, [content.encode() if isinstance(content, str) else content])
    except OSError as error:
        raise OutputFolderError(f"{path}: cannot be written: {_reason(error)}") from error
    return path


def numbered_folder(parent: str | os.PathLike[str], name: str) -> Path:
    """Return the first of ``parent/name-1``, ``parent/name-2``, ... that does not exist yet.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     numbered_folder(parent, "demo").name
    'demo-1'
    """
    number = 1
    while (folder := Path(parent) / f"{name}-{number}").exists():
        number += 1
    return folder


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
