"""A model's TOML file as it was read: its sections, where in the file each thing stands, and what may stand there."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import InputError
from ..core.settings import nearest

LARGEST = 2**20  # bytes; a model's file has a few hundred
SECTIONS = ("title", "data", "layers", "training", "sweep", "run")


class Setting(NamedTuple):
    """What a key may hold: a type in words, and the types that hold it."""

    words: str
    types: tuple[type, ...]


WHOLE = Setting("a whole number", (int,))
NUMBER = Setting("a number", (int, float))
TEXT = Setting("a text in quotes", (str,))
CHOICE = Setting("true or false", (bool,))
NAMES = Setting("a list of names", (list,))
SIZE = Setting("a whole number or a list of them", (int, list))
TABLE = Setting("a table such as { kind = ... }", (dict,))
NAMED = Setting("a name in quotes or a table such as { kind = ... }", (str, dict))


@dataclass
class Document:
    """What a model's file holds.

    Attributes:
        name: what messages call it: its path, or the recipe's name.
        text: all of it.
        content: its sections.
    """

    name: str
    text: str
    content: dict[str, Any] = field(default_factory=dict)

    def where(self, section: str, key: str | None = None, number: int = 0) -> str:
        """Return the file and, if it is found, the line of a section or of a key in it.

        Args:
            section: its name.
            key: a key in it; the section itself if None.
            number: which of the sections of this name.
        """
        header = re.compile(rf"\s*\[\[?\s*{re.escape(section)}\s*[.\]]")
        found, line = -1, None
        for k, content in enumerate(self.text.splitlines(), 1):
            if re.match(r"\s*\[", content):
                found = found + 1 if header.match(content) else found
                inside = bool(header.match(content)) and found >= number
                if inside and found == number and line is None:
                    line = k
            elif key is not None and line is not None and inside and re.match(rf"\s*{re.escape(key)}\s*=", content):
                return f"{self.name}, line {k}"
        return self.name if line is None else f"{self.name}, line {line}"


def parse(text: str, name: str) -> Document:
    """Return the document of a TOML text, whose sections are known ones.

    Raises:
        InputError: if it is no TOML, or has other sections, or ones of another form; it says where.

    >>> parse("[dada]", "m.toml")
    Traceback (most recent call last):
    ...
    pellucid.core.errors.InputError: m.toml, line 1: there is no section 'dada'; did you mean 'data'?
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name}: is no TOML: {error}; a text needs quotes, a list needs brackets") from error
    except RecursionError as error:
        raise InputError(f"{name}: is nested too deeply") from error
    document = Document(name, text, content)
    for section in content:
        if section not in SECTIONS:
            raise InputError(
                f"{document.where(section)}: there is no section {section!r}; {nearest(section, SECTIONS)}"
            )
    for section in ("data", "layers", "training", *(["sweep"] if "sweep" in content else [])):
        _check_form(document, section)
    return document


def _check_form(document: Document, section: str) -> None:
    if section not in document.content:
        header = "[[layers]]" if section == "layers" else f"[{section}]"
        raise InputError(f"{document.name}: has no section {header}; see `pellucid recipes` for examples")
    given = document.content[section]
    if section != "layers":
        if not isinstance(given, dict):
            raise InputError(
                f"{document.where(section)}: {section} is {given!r}, and a section [{section}] was expected"
            )
    elif not isinstance(given, list) or not given or not all(isinstance(layer, dict) for layer in given):
        raise InputError(f"{document.where(section)}: each layer is a section [[layers]], with two brackets")


def read(path: Path) -> Document:
    """Return the document of a file.

    Raises:
        InputError: if it cannot be read, or is no such document.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; expected a model's TOML file") from error
    if len(data) > LARGEST:
        raise InputError(f"{path}: has more than {LARGEST:,} bytes, too many for a model's TOML file")
    try:
        return parse(data.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no text in UTF-8 (byte {error.start}); expected a model's TOML file") from error


def check_keys(
    document: Document, section: str, given: Mapping[str, Any], known: Mapping[str, Setting], number: int = 0
) -> None:
    """Check that a section has known keys only, each with a value of its type.

    Raises:
        InputError: which says where, and names the nearest known key, or the type that was expected.
    """
    for key, value in given.items():
        if key not in known:
            raise InputError(
                f"{document.where(section, key, number)}: [{section}] has no key {key!r}; {nearest(key, known)}"
            )
        setting = known[key]
        if not isinstance(value, setting.types) or (isinstance(value, bool) and bool not in setting.types):
            raise InputError(
                f"{document.where(section, key, number)}: {key} is {value!r}, and {setting.words} was expected"
            )


__all__ = [
    "CHOICE",
    "NAMED",
    "NAMES",
    "NUMBER",
    "SIZE",
    "TABLE",
    "TEXT",
    "WHOLE",
    "Document",
    "Setting",
    "check_keys",
    "parse",
    "read",
]
