"""The ladder of folders: imports go one way, at the top of a file, and `import pellucid` stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter import cli as importlinter

from architecture.source import PACKAGE, ROOT, SOURCES, parse, shown

# Heavy, or of an extra that may not be installed.
HEAVY = {"llvmlite", "jax", "matplotlib", "sklearn", "latex2mathml", "pandas", "PIL"}


def late_imports(tree: ast.Module) -> list[tuple[int, str]]:
    """Return line and top-level name of every import inside a function."""
    found = []
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for statement in ast.walk(function):
                if isinstance(statement, ast.Import):
                    found += [(statement.lineno, alias.name.split(".")[0]) for alias in statement.names]
                elif isinstance(statement, ast.ImportFrom):
                    name = "." * statement.level + (statement.module or "")
                    found.append((statement.lineno, name if statement.level else name.split(".")[0]))
    return sorted(set(found))


def imports_root(tree: ast.Module, depth: int) -> list[int]:
    """Return the lines that import the package itself, by which a module could reach past the ladder."""
    lines = []
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import) and any(a.name.split(".")[0] == "pellucid" for a in statement.names):
            lines.append(statement.lineno)
        elif isinstance(statement, ast.ImportFrom):
            absolute = statement.level == 0 and (statement.module or "").split(".")[0] == "pellucid"
            above = depth > 0 and statement.level == depth + 1 and not statement.module
            if absolute or (above and not _only_modules(statement)):
                lines.append(statement.lineno)
    return lines


def _only_modules(statement: ast.ImportFrom) -> bool:
    """Whether `from .. import a, b` names modules and folders of the package, and nothing it exports."""
    return all((PACKAGE / a.name).is_dir() or (PACKAGE / f"{a.name}.py").is_file() for a in statement.names)


def run_python(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT / "src", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_contracts_of_import_linter(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT / "src"))
    failed = importlinter.lint_imports(config_filename="pyproject.toml", no_cache=True)
    assert not failed, capsys.readouterr().out


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_imports_stand_at_the_top(path: Path) -> None:
    late = [(line, name) for line, name in late_imports(parse(path)) if name not in HEAVY]
    assert not late, f"{shown(path)} imports inside a function: {late}; only {sorted(HEAVY)} may be loaded late"


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_no_module_goes_through_the_public_namespace(path: Path) -> None:
    depth = len(path.relative_to(PACKAGE).parts) - 1
    lines = imports_root(parse(path), depth)
    assert not lines, f"{shown(path)} imports pellucid itself on lines {lines}; import the module that defines it"


def test_late_imports_are_found() -> None:
    tree = ast.parse("import os\ndef f():\n    import jax.numpy as jnp\n    from ..core import sizes\n")
    assert late_imports(tree) == [(3, "jax"), (4, "..core")]


def test_importing_pellucid_is_light() -> None:
    code = "import sys, pellucid; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = set(run_python(code).split())
    assert "pellucid" in loaded
    assert not loaded & {"llvmlite", "jax", "matplotlib", "sklearn", "scipy", "torch", "typer", "rich"}


def test_compiling_loads_llvm_and_nothing_else() -> None:
    code = (
        "import sys, pellucid as pc\n"
        "x = pc.variable('x', (2,)); assert pc.function([x], x.sum())([1.0, 2.0]) == 3.0\n"
        "print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    loaded = set(run_python(code).split())
    assert "llvmlite" in loaded
    assert not loaded & {"jax", "matplotlib", "sklearn", "scipy", "torch", "typer", "rich"}
