"""The section [data]: which rows to learn from, which to test with, and how both are prepared."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

from .. import data
from ..core.errors import DataFileError, InputError
from ..core.settings import check_number, check_whole
from ..data.labelled import Labelled
from ..training.splits import split_rows
from .document import NUMBER, SIZE, TEXT, WHOLE, Document, Setting, check_keys, suggestion

Array = np.ndarray[Any, Any]
COMMON: dict[str, Setting] = {"kind": TEXT, "seed": WHOLE, "test": NUMBER, "validation": NUMBER}
SHAPED: dict[str, Setting] = {"shape": SIZE}
KINDS: dict[str, dict[str, Setting]] = {
    "moons": {"n": WHOLE, "noise": NUMBER},
    "digits": SHAPED,
    "mnist": {"path": TEXT, **SHAPED},
    "addition": {"bits": WHOLE, "n": WHOLE},
    "text": {"path": TEXT, "length": WHOLE, "step": WHOLE},
    "images": {"path": TEXT, "size": SIZE, **SHAPED},
    "csv": {"path": TEXT, "target": TEXT, "missing": TEXT},
    "arrays": {"path": TEXT, **SHAPED},
}
TAKEN_FROM_FILES = {kind for kind, known in KINDS.items() if "path" in known}


class Parts(NamedTuple):
    """Rows to learn from, and rows to test with, which there may be none of.

    Attributes:
        train: what is learnt from; the share that is held out for validation is still in it.
        test: what is only measured at the end.
        validation: that share.
        classes: the names of the classes, or the characters of a text.
        fingerprint: what tells these data from others.
    """

    train: Labelled
    test: Labelled | None
    validation: float
    classes: tuple[str, ...]
    fingerprint: str


def check(document: Document) -> dict[str, Any]:
    """Return the section [data], checked before anything is read.

    Raises:
        InputError: for an unknown kind or key, or a wrong value: it says where.
    """
    section: dict[str, Any] = document.content["data"]
    kind = section.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        near = suggestion(kind, KINDS) if isinstance(kind, str) else f"expected one of {', '.join(KINDS)}"
        raise InputError(f"{document.where('data', 'kind')}: [data] has the kind {kind!r}; {near}")
    check_keys(document, "data", section, COMMON | KINDS[kind])
    for key in ("test", "validation"):
        check_number(document.where("data", key), key, section.get(key, 0), "decay")
    check_whole(document.where("data", "seed"), "seed", section.get("seed", 0), 0)
    return section


def load(document: Document) -> Parts:
    """Return the data of a document.

    Raises:
        PellucidError: InputError or DataFileError, for data that are not there or damaged.
    """
    section = check(document)
    kind, seed = section["kind"], section.get("seed", 0)
    if kind in TAKEN_FROM_FILES and "path" not in section:
        raise InputError(f"{document.where('data')}: {kind} needs a path; give one here, or with --data PATH")
    whole, test = READERS[kind](section)
    share = section.get("test", 0)
    if share and test is None:
        learnt, held = split_rows(whole.labels, share, seed)
        whole, test = _chosen(whole, learnt), _chosen(whole, held)
    whole, test = _prepared(section, whole), None if test is None else _prepared(section, test)
    return Parts(whole, test, section.get("validation", 0), whole.classes, fingerprint(whole, test))


def _chosen(given: Labelled, rows: Array) -> Labelled:
    names = tuple(given.names[k] for k in rows) if given.names else ()
    return given._replace(inputs=given.inputs[rows], labels=given.labels[rows], names=names)


def _prepared(section: dict[str, Any], given: Labelled) -> Labelled:
    return given._replace(inputs=prepare(section, given.inputs))


def prepare(section: dict[str, Any], inputs: Array) -> Array:
    """Return inputs as the network takes them: in the shape that was asked for."""
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


def _moons(section: dict[str, Any]) -> tuple[Labelled, None]:
    points = data.moons(section.get("n", 500), section.get("noise", 0.2), section.get("seed", 0))
    return Labelled(*points, ("0", "1")), None


def _digits(section: dict[str, Any]) -> tuple[Labelled, None]:
    return Labelled(*data.digits(), tuple("0123456789")), None


def _mnist(section: dict[str, Any]) -> tuple[Labelled, Labelled]:
    parts, classes = data.mnist(section["path"]), tuple("0123456789")
    return (
        Labelled(parts.train_inputs, parts.train_labels, classes),
        Labelled(parts.test_inputs, parts.test_labels, classes),
    )


def _addition(section: dict[str, Any]) -> tuple[Labelled, Labelled]:
    bits, n = section.get("bits", 8), section.get("n", 10_000)
    return Labelled(*data.addition(bits, n, section.get("seed", 0))), Labelled(*data.addition(bits, None))


def _text(section: dict[str, Any]) -> tuple[Labelled, Labelled]:
    whole = data.read_text(section["path"])
    characters = tuple(sorted(set(whole)))
    learnt, held = data.split_text(data.Characters(whole).encode(whole))
    length = section.get("length", 64)
    given = data.windows(learnt, length, section.get("step"))
    return Labelled(*given, characters), Labelled(*data.windows(held, length), characters)


def _images(section: dict[str, Any]) -> tuple[Labelled, Labelled | None]:
    """Return the images of a folder; apart, where it says which are to learn from and which to test with."""
    path, size = section["path"], image_size(section)
    if not {"train", "test"} <= set(data.parts_of(path)):
        return data.images(path, size), None
    learnt, held = (data.images(path, size, part=part) for part in ("train", "test"))
    if learnt.classes != held.classes:
        differ = sorted(set(learnt.classes) ^ set(held.classes))
        raise DataFileError(f"{path}: train and test do not have the same classes: {', '.join(differ[:5])} in one only")
    return learnt, held


def image_size(section: dict[str, Any]) -> tuple[int, int]:
    """Return the height and width that images are stretched to."""
    size = section.get("size", 32)
    return (size[0], size[1]) if isinstance(size, list) else (size, size)


def _csv(section: dict[str, Any]) -> tuple[Labelled, None]:
    if "target" not in section:
        raise InputError('[data] of a CSV file needs target = "..." with the name of the column to learn')
    table = data.read_csv(section["path"], section["target"], missing=section.get("missing", "refuse"))
    return Labelled(*table[:4]), None


def _arrays(section: dict[str, Any]) -> tuple[Labelled, None]:
    return data.read_arrays(section["path"]), None


READERS: dict[str, Any] = {
    "moons": _moons,
    "digits": _digits,
    "mnist": _mnist,
    "addition": _addition,
    "text": _text,
    "images": _images,
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


__all__ = ["KINDS", "Parts", "check", "fingerprint", "found_path", "image_size", "load", "prepare"]
