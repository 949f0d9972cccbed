"""The source as the architecture tests read it."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "pellucid"
SOURCES = sorted(PACKAGE.rglob("*.py"))


def shown(path: Path) -> str:
    """Return a file's path as seen from the root of the repository."""
    return path.relative_to(ROOT).as_posix()


def parse(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def repository_files() -> list[Path]:
    """Return the files of the repository that people wrote: no environments, caches or build products."""
    skipped = {"build", "dist", "htmlcov", "runs", "__pycache__"}
    return [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file()
        and not skipped.intersection(path.relative_to(ROOT).parts)
        and not any(p.startswith(".") and p != ".ci" for p in path.relative_to(ROOT).parts[:-1])
        and not path.name.startswith(".coverage")
    ]
