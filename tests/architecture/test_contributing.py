"""CONTRIBUTING.md's worked example is true: its one file adds an operation, and the contract suite takes it in.

Its block is written into that one file in a copy of the package, and nothing else there is changed. A fresh
process then uses the operation, and runs the contract checks on it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from architecture.source import PACKAGE, ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", TEXT, flags=re.DOTALL))
FILE = "src/pellucid/operations/activation.py"


def run(root: Path, *arguments: str) -> str:
    """Run Python in a copy of the repository and return its output."""
    path = os.pathsep.join([str(root / "src"), str(root / "tests"), str(root)])
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the repository with the worked example in it."""
    root = tmp_path_factory.mktemp("repository")
    shutil.copytree(PACKAGE, root / "src" / "pellucid", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests" / "contract", root / "tests" / "contract")
    shutil.copy(ROOT / "tests" / "conftest.py", root / "tests")
    shutil.copy(ROOT / "pyproject.toml", root)
    assert FILE in BLOCKS, f"CONTRIBUTING.md has no block that begins with # {FILE}"
    before, listed, names = (root / FILE).read_text(encoding="utf-8").partition("\n__all__ = ")
    assert listed
    (root / FILE).write_text(before + BLOCKS[FILE] + listed + names, encoding="utf-8")
    return root


def test_the_operation_is_new() -> None:
    from_here = run(ROOT, "-c", "import pellucid as pc; print(hasattr(pc, 'softsign'))")
    assert from_here.strip() == "False"


def test_it_computes_and_has_a_gradient(copy: Path) -> None:
    out = run(copy, "-c", BLOCKS["try-it.py"])
    assert out.split() == ["0.75", "0.0625"]


def test_the_contract_suite_takes_it_in_and_passes(copy: Path) -> None:
    out = run(copy, "-m", "pytest", "tests/contract", "-k", "softsign", "-p", "no:cacheprovider")
    passed = re.search(r"(\d+) passed", out)
    assert passed, out
    assert int(passed.group(1)) >= 5, out


def test_the_linter_takes_it(copy: Path) -> None:
    run(copy, "-m", "ruff", "check", "--quiet", FILE)
    run(copy, "-m", "ruff", "format", "--check", "--quiet", FILE)
