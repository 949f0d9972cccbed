"""The house style that a linter does not know: sizes of files, documented exports, nothing that can run code."""

from __future__ import annotations

import ast
import inspect
import re
import types
from pathlib import Path

import pytest

import pellucid as pc
from architecture.source import SOURCES, parse, repository_files, shown

LONGEST = 500
CODE = [p for p in repository_files() if p.suffix in {".py", ".c"}]
TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".in", ".c", ".html", ".css", ".svg", ".cfg", ".yml", ".yaml", ""}
# Spelled so that this file does not hold them itself.
SPELLED_APART = ("/wo" + "rk/", "/ro" + "ot/", "/ho" + r"me/\w", r"/tm" + r"p/\w", "C:" + r"\\Users")
MACHINE_PATHS = re.compile("|".join(SPELLED_APART))


@pytest.mark.parametrize("path", CODE, ids=shown)
def test_files_are_under_500_lines(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines < LONGEST, f"{shown(path)} has {lines} lines; split it by what it says"


def test_no_file_names_a_machines_own_paths() -> None:
    found = []
    for path in repository_files():
        if path.suffix in TEXT_SUFFIXES and path.name != "LICENSE":
            text = path.read_text(encoding="utf-8", errors="replace")
            found += [f"{shown(path)}: {match.group()}" for match in MACHINE_PATHS.finditer(text)]
    assert not found


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_loading_cannot_run_code(path: Path) -> None:
    """Nothing that Pellucid loads can run code: no pickle, marshal, shelve, eval or exec."""
    for statement in ast.walk(parse(path)):
        names = [a.name for a in statement.names] if isinstance(statement, ast.Import | ast.ImportFrom) else []
        names += [statement.module or ""] if isinstance(statement, ast.ImportFrom) else []
        assert not {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"} & {n.split(".")[0] for n in names}
        if isinstance(statement, ast.Call) and isinstance(statement.func, ast.Name):
            assert statement.func.id not in {"eval", "exec", "compile", "__import__"}, (
                f"{shown(path)}:{statement.lineno}"
            )


def exported() -> list[tuple[str, object]]:
    """Return what `import pellucid as pc` offers, by name."""
    names = {*getattr(pc, "__all__", ()), *dir(pc)}
    return [(name, getattr(pc, name)) for name in sorted(names) if not name.startswith("_")]


def test_something_is_exported() -> None:
    assert {"variable", "parameter", "function", "gradient", "show", "exp", "sum"} <= {name for name, _ in exported()}


EXPORTED = exported()


@pytest.mark.parametrize(("name", "value"), EXPORTED, ids=[name for name, _ in EXPORTED])
def test_exports_are_documented(name: str, value: object) -> None:
    if isinstance(value, str):
        return
    summary = None if isinstance(value, type) else getattr(value, "summary", None)  # an operation's first sentence
    documentation = value.__doc__ if isinstance(value, types.ModuleType) else summary or inspect.getdoc(value)
    assert documentation, f"pc.{name} has no documentation"
    assert len(documentation.split()) >= 3, f"pc.{name} is documented as {documentation!r}"
