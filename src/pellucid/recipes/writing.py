"""A document's content as TOML: what a run folder keeps of how it was made."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any


def as_toml(content: dict[str, Any]) -> str:
    """Return content as TOML, which reads as the same content again.

    >>> print(as_toml({"title": "A", "data": {"kind": "moons", "test": 0.25}, "layers": [{"units": 2}]}), end="")
    title = "A"
    <BLANKLINE>
    [data]
    kind = "moons"
    test = 0.25
    <BLANKLINE>
    [[layers]]
    units = 2
    """
    return "\n".join(_lines(content)) + "\n"


def _lines(content: dict[str, Any]) -> Iterator[str]:
    for key, value in content.items():
        if not _is_section(value):
            yield f"{key} = {_value(value)}"
    for key, value in content.items():
        if _is_section(value):
            for table in value if isinstance(value, list) else [value]:
                yield f"\n[[{key}]]" if isinstance(value, list) else f"\n[{key}]"
                yield from (f"{_key(name)} = {_value(inner)}" for name, inner in table.items())


def _is_section(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value).replace("\x7f", "\\u007f")


__all__ = ["as_toml"]
