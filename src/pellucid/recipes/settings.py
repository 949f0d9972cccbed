"""A document with some of its settings changed, each named by its path: ``training.seed``, ``layers.1.units``."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import InputError
from ..core.settings import nearest
from .document import Document

LENGTHS = ("epochs", "steps")  # of which a training has one
NAMED_BY_TEXT = ("optimizer", "loss")  # which may be a name in place of a table
CHANGED = ("data", "layers", "training")


def with_settings(document: Document, settings: Mapping[str, Any]) -> Document:
    """Return the document with other settings in place of its own.

    Args:
        document: the document, which stays as it is.
        settings: values by their paths, in which layers are counted from 1; what is None is left alone.

    Raises:
        InputError: if there is no such section or layer.

    >>> from pellucid.recipes import find
    >>> changed = with_settings(find("moons"), {"layers.1.units": 3, "training.optimizer.learning_rate": 0.1})
    >>> changed.content["layers"][0]["units"], changed.content["training"]["optimizer"]
    (3, {'kind': 'Adam', 'learning_rate': 0.1})
    """
    content = copy.deepcopy(document.content)
    for path, value in settings.items():
        if value is not None:
            _place(content, path, value)
    return Document(document.name, document.text, content)


def _place(content: dict[str, Any], path: str, value: Any) -> None:
    section, *inner = path.split(".")
    if section not in CHANGED or not inner or not all(inner):
        near = "" if section in CHANGED else f"; {nearest(section, CHANGED)}"
        raise InputError(f"{path!r} is no setting{near}; expected one such as training.batch_size or layers.1.units")
    table: Any = content[section]
    if section == "layers":
        number, *inner = inner
        if not number.isdecimal() or not 0 < int(number) <= len(table) or not inner:
            raise InputError(f"{path!r}: there are layers 1 to {len(table)}; expected one such as layers.1.units")
        table = table[int(number) - 1]
    for key in inner[:-1]:
        if key in NAMED_BY_TEXT and isinstance(table.get(key), str):
            table[key] = {"kind": table[key]}
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise InputError(f"{path!r}: {key} is {table!r}, which has no settings of its own")
    if section == "training" and inner[-1] in LENGTHS:
        for key in LENGTHS:
            table.pop(key, None)
    table[inner[-1]] = value


def parse_settings(given: Iterable[str]) -> dict[str, Any]:
    """Return settings from texts ``KEY=VALUE``, whose values are TOML, or else texts.

    Raises:
        InputError: for one without a key or a value.

    >>> parse_settings(["training.optimizer.learning_rate=1e-4", "layers.1.activation=relu"])
    {'training.optimizer.learning_rate': 0.0001, 'layers.1.activation': 'relu'}
    """
    found: dict[str, Any] = {}
    for text in given:
        key, mark, value = (part.strip() for part in text.partition("="))
        if not key or not mark or not value:
            raise InputError(f"--set {text!r}: expected KEY=VALUE, such as training.batch_size=50")
        try:
            found[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            found[key] = value
    return found


__all__ = ["parse_settings", "with_settings"]
