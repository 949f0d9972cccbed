"""The data sets that recipes use: where to get each, which files to put where, and how they are recognised.

Nothing is fetched: a set is put into a folder by hand, once, and found there from then on. Where its makers' files are
the same for everybody, their SHA-256 checksums are compared, of the content: whether a file is gzip'd, and by what
program, makes no difference.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import zlib
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..core.errors import DataFileError, InputError
from ..core.settings import nearest

CHUNK: Final = 2**20


class KnownFile(NamedTuple):
    """A file of a set.

    Attributes:
        path: where it lies in the folder of data sets; ``.gz`` may follow.
        size: in bytes, inflated.
        sha256: of the inflated content; None if its makers' is not known here.
    """

    path: str
    size: int
    sha256: str | None = None


class KnownSet(NamedTuple):
    """A data set.

    Attributes:
        name: what ``find`` and ``pellucid data`` call it.
        about: what it is.
        places: the files or folders in the folder of data sets of which each is all of it.
        files: what is checked in it.
        source: where it is to be had.
        licence: what its makers say.
    """

    name: str
    about: str
    places: tuple[str, ...]
    files: tuple[KnownFile, ...]
    source: str
    licence: str


def _idx_files(folder: str, sums: tuple[str | None, str | None, str | None, str | None]) -> tuple[KnownFile, ...]:
    """Return the four files in which MNIST, and any set in its form, is given."""
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    sizes = (16 + 60_000 * 28 * 28, 8 + 60_000, 16 + 10_000 * 28 * 28, 8 + 10_000)
    return tuple(
        KnownFile(f"{folder}/{name}-ubyte", size, total) for name, size, total in zip(names, sizes, sums, strict=True)
    )


# Checksums are as published with copies of the makers' files.
SETS: Final = {
    known.name: known
    for known in (
        KnownSet(
            "mnist",
            "handwritten digits, 70,000 of 28x28 pixels, in ten classes",
            ("mnist",),
            _idx_files(
                "mnist",
                (
                    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                ),
            ),
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "Y. LeCun, C. Cortes and C. Burges; copies are given under CC BY-SA 3.0",
        ),
        KnownSet(
            "fashion-mnist",
            "pictures of clothes in the form of MNIST, in ten classes",
            ("fashion-mnist",),
            _idx_files("fashion-mnist", (None, None, None, None)),
            "https://github.com/zalandoresearch/fashion-mnist",
            "MIT, Zalando SE",
        ),
        KnownSet(
            "cifar10",
            "colour pictures of 32x32 pixels in ten classes, as JPEGs in cifar10/train/CLASS and cifar10/test/CLASS",
            ("cifar10-jpegs.zip", "cifar10"),
            (),
            "https://www.cs.toronto.edu/~kriz/cifar.html",
            "A. Krizhevsky, Learning multiple layers of features from tiny images, 2009; no licence is stated",
        ),
        KnownSet(
            "tinyshakespeare",
            "1.1 MB of Shakespeare's plays, for models of characters",
            ("tinyshakespeare.txt",),
            (
                KnownFile(
                    "tinyshakespeare.txt",
                    1_115_394,
                    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                ),
            ),
            "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
            "in the public domain; put together by A. Karpathy",
        ),
        KnownSet(
            "cats-and-dogs",
            "25,000 photographs, one folder of cat.0.jpg, dog.0.jpg and so on",
            ("cats-and-dogs", "cats-and-dogs.zip"),
            (),
            "https://www.kaggle.com/c/dogs-vs-cats/data (train.zip)",
            "as the rules of Kaggle's competition say",
        ),
    )
}


class Found(NamedTuple):
    """Where a set is: its path, or None, and what is wrong with it, or None."""

    path: Path | None
    problem: str | None = None


def folders() -> list[Path]:
    r"""Return where data sets are looked for, in this order: $PELLUCID_DATA, ./data, and a folder of the user's own.

    The last is ``~/.local/share/pellucid/data`` (or in $XDG_DATA_HOME), on macOS ``pellucid/data`` in
    ``~/Library/Application Support``, and on Windows ``pellucid\data`` in %LOCALAPPDATA%.
    """
    given = os.environ.get("PELLUCID_DATA")
    return [*([Path(given).expanduser()] if given else []), Path("data"), _own() / "pellucid" / "data"]


def _own() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def known(name: str) -> KnownSet:
    """Return what is known of a data set.

    Raises:
        InputError: if there is none of this name; the nearest is suggested.

    >>> known("fashion-mnist").licence
    'MIT, Zalando SE'
    """
    if name not in SETS:
        raise InputError(f"there is no data set {name!r}; {nearest(str(name), SETS)}")
    return SETS[name]


def find(name: str, verify: bool = True) -> Path:
    """Return where a data set lies on this machine, having checked its files.

    Args:
        name: ``"mnist"``, ``"fashion-mnist"``, ``"cifar10"``, ``"tinyshakespeare"`` or ``"cats-and-dogs"``.
        verify: whether to compare checksums, which reads the files once; sizes of files that are not gzip'd, and
            whether they are there, are always checked.

    Returns:
        The file or the folder, for the reader of its kind.

    Raises:
        InputError: if there is no set of this name.
        DataFileError: if it is nowhere: the message says where to get it, which files to put where, and their
            checksums. Also if one of its files is missing, or another than its makers'.
    """
    found = look(name, verify)
    if found.path is None:
        raise DataFileError(f"the data set {name} was not found.\n{instructions(known(name))}")
    if found.problem is not None:
        raise DataFileError(found.problem)
    return found.path


def look(name: str, verify: bool = True) -> Found:
    """Return where a data set is and what is wrong with it, as ``find`` does, and refuse nothing but unknown names."""
    wanted = known(name)
    for folder in folders():
        for place in wanted.places:
            if (folder / place).exists():
                problems = (_problem(folder, file, wanted.source, verify) for file in wanted.files)
                return Found(folder / place, next(filter(None, problems), None))
    return Found(None)


def instructions(wanted: KnownSet) -> str:
    """Return where to get a set and where to put it, as lines of text."""
    lines = [
        f"It is {wanted.about}.",
        f"Get it from {wanted.source}",
        f"Licence: {wanted.licence}.",
        f"Put {' or '.join(wanted.places)} into one of these folders: {', '.join(map(str, folders()))}",
    ]
    lines += [f"  {file.path}: {file.size:,} bytes, SHA-256 {file.sha256 or 'not known'}" for file in wanted.files]
    if any(file.path.endswith("-ubyte") for file in wanted.files):
        lines.append("Sizes and checksums are of the files without gzip; gzip'd ones, named .gz, do as well.")
    return "\n".join(lines)


def _problem(folder: Path, file: KnownFile, source: str, verify: bool) -> str | None:
    """Return what is wrong with a file, or None."""
    plain = folder / file.path
    path = next((p for p in (plain.with_name(plain.name + ".gz"), plain) if p.is_file()), None)
    if path is None:
        return f"{plain}: is not there; get it from {source}"
    try:
        if not verify:
            size, total = (file.size if path.suffix == ".gz" else path.stat().st_size), file.sha256
        else:
            size, total = _measured(path, file.size)
    except (OSError, EOFError, zlib.error) as error:
        return f"{path}: cannot be read, or is damaged ({error}); get it again from {source}"
    if size != file.size:
        shown = f"more than {file.size:,}" if size > file.size else f"{size:,}"
        return (
            f"{path}: holds {shown} bytes; expected {file.size:,}. It is damaged, or another file: get it from {source}"
        )
    if file.sha256 is not None and total != file.sha256:
        return (
            f"{path}: has the SHA-256 checksum {total}; expected {file.sha256}. It is damaged, or another file: get it "
            f"from {source}"
        )
    return None


def _measured(path: Path, most: int) -> tuple[int, str]:
    """Return size and checksum of a file's inflated content, of which little more than ``most`` bytes are read."""
    digest, size = hashlib.sha256(), 0
    file: Any
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        while size <= most and (chunk := file.read(CHUNK)):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


__all__ = ["SETS", "Found", "KnownFile", "KnownSet", "find", "folders", "instructions", "known", "look"]
