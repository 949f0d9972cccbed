"""The files of a folder or of a zip archive, which is read where it is and never unpacked."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ..core.errors import DataFileError
from .decoding import Entry

MOST_INFLATED = 200  # times as large as it was packed: images hardly shrink, and what shrinks more is a trap


def entries(path: str | os.PathLike[str]) -> list[Entry]:
    """Return the files of a folder, or of a zip archive, by name; hidden ones are left out.

    Raises:
        DataFileError: if there is no such folder, or the archive is damaged, encrypted or names files outside itself.
    """
    path = Path(path)
    if path.is_dir():
        return sorted(_of_folder(path))
    if not path.exists():
        raise DataFileError(f"{path}: is not there; a folder of images or a zip archive of one was expected")
    try:
        with zipfile.ZipFile(path) as archive:
            return sorted(_of_archive(path, archive))
    except zipfile.BadZipFile as error:
        raise DataFileError(f"{path}: is neither a folder nor a whole zip archive ({error})") from error
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read: {error.strerror}") from error


def _of_folder(path: Path) -> Iterator[Entry]:
    def refuse(error: OSError) -> None:
        raise DataFileError(f"{error.filename}: cannot be read: {error.strerror}") from error

    seen = {os.path.realpath(path)}
    for folder, folders, files in os.walk(path, onerror=refuse, followlinks=True):
        kept = []
        for name in sorted(folders):
            real = os.path.realpath(os.path.join(folder, name))
            if not name.startswith(".") and real not in seen:  # a link back up would go round for ever
                seen.add(real)
                kept.append(name)
        folders[:] = kept
        inside = PurePosixPath(Path(folder).relative_to(path).as_posix())
        yield from _of_one_folder(folder, inside, [name for name in files if not name.startswith(".")])


def _of_one_folder(folder: str, inside: PurePosixPath, names: list[str]) -> Iterator[Entry]:
    before = "" if inside == PurePosixPath() else f"{inside}/"
    for name in names:
        try:
            status = os.stat(os.path.join(folder, name))
        except OSError:  # a link to nowhere, or a file that has gone
            continue
        if stat.S_ISREG(status.st_mode):
            yield Entry(before + name, status.st_size)


def _of_archive(path: Path, archive: zipfile.ZipFile) -> Iterator[Entry]:
    for member in archive.infolist():
        name = PurePosixPath(member.filename)
        if member.is_dir() or any(part.startswith((".", "__MACOSX")) and part != ".." for part in name.parts):
            continue
        if name.is_absolute() or ".." in name.parts:
            raise DataFileError(f"{path}: names a file outside itself, {member.filename}; it is not to be trusted")
        if member.flag_bits & 1:
            raise DataFileError(f"{path}: {member.filename} is encrypted; unpack the archive, and give the folder")
        if member.file_size > MOST_INFLATED * max(member.compress_size, 1024):
            raise DataFileError(
                f"{path}: {member.filename} would grow from {member.compress_size:,} bytes to {member.file_size:,};"
                " it is not to be trusted"
            )
        where = member.header_offset, member.compress_size, member.compress_type, member.CRC
        yield Entry(str(name), member.file_size, *where)


__all__ = ["entries"]
