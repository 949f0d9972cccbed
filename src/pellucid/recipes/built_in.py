"""The recipes that come with Pellucid: TOML files beside this one."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import InputError
from ..core.settings import nearest
from .document import Document, parse, read

FOLDER = Path(__file__).parent / "built_in"


def names() -> list[str]:
    """Return the names of the recipes.

    >>> "moons" in names()
    True
    """
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def find(name: str) -> Document:
    """Return a recipe by its name, or the document of a TOML file by its path.

    Raises:
        InputError: for neither.
    """
    if name in names():
        return parse((FOLDER / f"{name}.toml").read_text(encoding="utf-8"), name)
    if name.endswith(".toml") or Path(name).is_file():
        return read(Path(name))
    raise InputError(f"there is no recipe {name!r}, nor a file of this name; {nearest(name, names())}")


__all__ = ["find", "names"]
