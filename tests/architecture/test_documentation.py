"""The pages under docs/ agree with the code they speak of."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from architecture.source import PACKAGE, ROOT, repository_files, shown
from pellucid import layers
from pellucid.schedule import loops

ARCHITECTURE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- grammar of src/pellucid/schedule/loops.py: begin -->", "<!-- grammar: end -->"
PAGES = [p for p in repository_files() if p.suffix == ".md"]


def test_the_grammar_is_the_one_in_the_code(request: pytest.FixtureRequest) -> None:
    """The indented paragraph of the module's docstring; --update-golden copies it."""
    lines = (loops.__doc__ or "").splitlines()
    grammar = textwrap.dedent("\n".join(line for line in lines if line.startswith("    ")))
    assert "Statement" in grammar
    page = ARCHITECTURE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    now = f"{before}{BEGIN}\n\n```\n{grammar}\n```\n\n{END}{rest.split(END)[1]}"
    if request.config.getoption("--update-golden"):
        ARCHITECTURE.write_text(now, encoding="utf-8")
    else:
        assert page == now, "docs/architecture.md shows another grammar; run pytest --update-golden"


def test_every_module_of_the_ladder_is_on_the_map() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    names = {p.stem for p in PACKAGE.iterdir() if not p.name.startswith((".", "_")) and p.suffix in {"", ".py"}}
    assert not sorted(n for n in names if n not in text)


def test_every_layer_is_in_the_table() -> None:
    """And nothing else is."""
    page = (ROOT / "docs" / "layers.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    shown_there = [name for row in rows for name in re.findall(r"`(\w+)`", row) if not name.startswith("pc")]
    exported = {n for n in layers.__all__ if isinstance(getattr(layers, n), type)} - {"Layer"}
    assert sorted(shown_there) == sorted(exported)


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{shown(page)} links to {target}, which is not there"
