"""The section [data]: which rows to learn from, which to test with, and how both are prepared."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import data
from ..core.errors import DataFileError, InputError
from ..core.settings import check_number, check_whole, nearest
from ..data.labelled import Labelled
from ..training.splits import split_rows
from .document import CHOICE, NUMBER, SIZE, TEXT, WHOLE, Document, Setting, check_keys

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int], None]
COMMON: dict[str, Setting] = {"kind": TEXT, "seed": WHOLE, "test": NUMBER, "validation": NUMBER}
SHAPED: dict[str, Setting] = {"shape": SIZE}
KINDS: dict[str, dict[str, Setting]] = {
    "moons": {"n": WHOLE, "noise": NUMBER},
    "circles": {"n": WHOLE, "noise": NUMBER, "factor": NUMBER},
    "blobs": {"n": WHOLE, "classes": WHOLE, "spread": NUMBER},
    "spirals": {"n": WHOLE, "classes": WHOLE, "noise": NUMBER, "turns": NUMBER},
    "digits": SHAPED,
    "mnist": {"path": TEXT, **SHAPED},
    "addition": {"bits": WHOLE, "n": WHOLE},
    "text": {"path": TEXT, "length": WHOLE, "step": WHOLE},
    "images": {"path": TEXT, "size": SIZE, "strict": CHOICE, **SHAPED},
    "csv": {"path": TEXT, "target": TEXT, "missing": TEXT, "standardize": CHOICE},
    "arrays": {"path": TEXT, **SHAPED},
}
BITS = ("0", "1")
TAKEN_FROM_FILES = {kind for kind, known in KINDS.items() if "path" in known}


class Parts(NamedTuple):
    """Rows to learn from, and rows to test with, which there may be none of.

    Attributes:
        train: what is learnt from; the share that is held out for validation is still in it.
        test: what is only measured at the end.
        validation: that share.
        classes: the names of the classes, or the characters of a text.
        fingerprint: what tells these data from others.
        encoding: of a table, how rows to come are encoded.
        scaling: how they are scaled, if they are.
    """

    train: Labelled
    test: Labelled | None
    validation: float
    classes: tuple[str, ...]
    fingerprint: str
    encoding: data.Encoding | None = None
    scaling: data.Scaling | None = None

    @property
    def learnt(self) -> int:
        """How many rows are learnt from."""
        rows = len(self.train.inputs)
        return rows - round(self.validation * rows)


def check(document: Document) -> dict[str, Any]:
    """Return the section [data], checked before anything is read.

    Raises:
        InputError: for an unknown kind or key, or a wrong value: it says where.
    """
    section: dict[str, Any] = document.content["data"]
    kind = section.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        near = nearest(kind, KINDS) if isinstance(kind, str) else f"expected one of {', '.join(KINDS)}"
        raise InputError(f"{document.where('data', 'kind')}: [data] has the kind {kind!r}; {near}")
    check_keys(document, "data", section, COMMON | KINDS[kind])
    for key in ("test", "validation"):
        check_number(document.where("data", key), key, section.get(key, 0), "decay")
    check_whole(document.where("data", "seed"), "seed", section.get("seed", 0), 0)
    return section


class Source(NamedTuple):
    """What a kind of data was read as: all rows, or those to learn from and those to test with; a table's encoding."""

    whole: Labelled
    test: Labelled | None = None
    encoding: data.Encoding | None = None


def load(document: Document, progress: Progress | None = None) -> Parts:
    """Return the data of a document.

    Args:
        document: whose section [data] says where they are.
        progress: called with how many files of a folder are read, and how many there are.

    Raises:
        PellucidError: InputError or DataFileError, for data that are not there or damaged.
    """
    section = check(document)
    kind, seed = section["kind"], section.get("seed", 0)
    if kind in TAKEN_FROM_FILES and "path" not in section:
        raise InputError(f"{document.where('data')}: {kind} needs a path; give one here, or with --data PATH")
    source: Source = _images(section, progress) if kind == "images" else READERS[kind](section)
    whole, test, share = source.whole, source.test, section.get("test", 0)
    if share and test is None:
        learnt, held = split_rows(whole.labels, share, seed)
        whole, test = _chosen(whole, learnt), _chosen(whole, held)
    scaling = data.Scaling.fit(whole.inputs) if section.get("standardize") else None
    whole, test = _prepared(section, whole, scaling), None if test is None else _prepared(section, test, scaling)
    validation = section.get("validation", 0)
    return Parts(whole, test, validation, whole.classes, fingerprint(whole, test), source.encoding, scaling)


def _chosen(given: Labelled, rows: Array) -> Labelled:
    names = tuple(given.names[k] for k in rows) if given.names else ()
    return given._replace(inputs=given.inputs[rows], labels=given.labels[rows], names=names)


def _prepared(section: dict[str, Any], given: Labelled, scaling: data.Scaling | None) -> Labelled:
    return given._replace(inputs=prepare(section, given.inputs, scaling))


def prepare(section: dict[str, Any], inputs: Array, scaling: data.Scaling | None = None) -> Array:
    """Return inputs as the network takes them: scaled, and in the shape that was asked for."""
    if scaling is not None:
        inputs = scaling.apply(inputs)
    if "shape" in section:
        wanted = section["shape"]
        shape = tuple(wanted) if isinstance(wanted, list) else (wanted,)
        try:
            return inputs.reshape(len(inputs), *shape)
        except (ValueError, TypeError) as error:
            raise InputError(f"[data] shape is {wanted}, and each row has the shape {inputs.shape[1:]}") from error
    return inputs


def fingerprint(*parts: Labelled | None) -> str:
    """Return a digest of all rows and labels, with their shapes.

    >>> fingerprint(Labelled(np.zeros(2), np.zeros(2))) == fingerprint(Labelled(np.ones(2), np.zeros(2)))
    False
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in filter(None, parts):
        for array in (part.inputs, part.labels):
            digest.update(f"{array.dtype} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        digest.update("\0".join(part.classes).encode())
    return digest.hexdigest()


def _generated(make: Callable[..., tuple[Array, Array]]) -> Callable[[dict[str, Any]], Source]:
    """Return the reader of points that are drawn, with the settings that the function takes."""

    def read(section: dict[str, Any]) -> Source:
        known = {key: value for key, value in section.items() if key in KINDS[section["kind"]]}
        points, labels = make(**known, seed=section.get("seed", 0))
        return Source(Labelled(points, labels, tuple(str(k) for k in range(int(labels.max()) + 1))))

    return read


def _digits(section: dict[str, Any]) -> Source:
    return Source(Labelled(*data.digits(), tuple("0123456789")))


def _mnist(section: dict[str, Any]) -> Source:
    parts, classes = data.mnist(section["path"]), tuple("0123456789")
    return Source(
        Labelled(parts.train_inputs, parts.train_labels, classes),
        Labelled(parts.test_inputs, parts.test_labels, classes),
    )


def _addition(section: dict[str, Any]) -> Source:
    bits, n = section.get("bits", 8), section.get("n", 10_000)
    drawn = Labelled(*data.addition(bits, n, section.get("seed", 0)), BITS)
    return Source(drawn, Labelled(*data.addition(bits, None), BITS))


def _text(section: dict[str, Any]) -> Source:
    whole = data.read_text(section["path"])
    characters = tuple(sorted(set(whole)))
    learnt, held = data.split_text(data.Characters(whole).encode(whole))
    length = section.get("length", 64)
    given = data.windows(learnt, length, section.get("step"))
    return Source(Labelled(*given, characters), Labelled(*data.windows(held, length), characters))


def _images(section: dict[str, Any], progress: Progress | None) -> Source:
    """Return the images of a folder; apart, where it says which are to learn from and which to test with."""
    path, size = section["path"], image_size(section)
    options: dict[str, Any] = {"strict": section.get("strict", False), "progress": progress}
    if not {"train", "test"} <= set(data.parts_of(path)):
        return Source(data.images(path, size, **options))
    learnt, held = (data.images(path, size, part=part, **options) for part in ("train", "test"))
    if learnt.classes != held.classes:
        differ = sorted(set(learnt.classes) ^ set(held.classes))
        raise DataFileError(f"{path}: train and test do not have the same classes: {', '.join(differ[:5])} in one only")
    return Source(learnt, held)


def image_size(section: dict[str, Any]) -> tuple[int, int]:
    """Return the height and width that images are stretched to."""
    size = section.get("size", 32)
    return (size[0], size[1]) if isinstance(size, list) else (size, size)


def _csv(section: dict[str, Any]) -> Source:
    if "target" not in section:
        raise InputError('[data] of a CSV file needs target = "..." with the name of the column to learn')
    table = data.read_csv(section["path"], section["target"], missing=section.get("missing", "refuse"))
    return Source(Labelled(*table[:4]), None, table.encoding)


def _arrays(section: dict[str, Any]) -> Source:
    return Source(data.read_arrays(section["path"]))


READERS: dict[str, Callable[[dict[str, Any]], Source]] = {
    "moons": _generated(data.moons),
    "circles": _generated(data.circles),
    "blobs": _generated(data.blobs),
    "spirals": _generated(data.spirals),
    "digits": _digits,
    "mnist": _mnist,
    "addition": _addition,
    "text": _text,
    "csv": _csv,
    "arrays": _arrays,
}
SETS = {"mnist": "mnist", "text": "tinyshakespeare"}


def found_path(kind: str) -> str | None:
    """Return where the set lies that a recipe takes if it is told none; None for kinds that every user brings.

    Raises:
        DataFileError: it is nowhere; the message says where to get it.
    """
    return str(data.find(SETS[kind]).resolve()) if kind in SETS else None


__all__ = ["KINDS", "Parts", "Progress", "check", "fingerprint", "found_path", "image_size", "load", "prepare"]
