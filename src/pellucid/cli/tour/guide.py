"""What the parts of the tour share: the screen, the folder, the report's sections and the stopwatch."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...compiled import CompiledFunction
from ...core.expression import Expression, Parameter
from ...gradient import gradient
from ...view import Section, formulas, page, png, write_file
from ..screen import Screen

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES = "pictures"
LONGEST = 110


@dataclass
class Guide:
    """Leads through the tour.

    Attributes:
        screen: where it shows what it does.
        folder: what it writes to; it exists.
        seed: draws data, initial weights and the order of minibatches.
        sections: the report so far.
        files: what was written so far.
        timings: for each piece of work its name, how many steps it had, and its seconds.
    """

    screen: Screen
    folder: Path
    seed: int = 0
    sections: list[Section] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    timings: list[tuple[str, int, float]] = field(default_factory=list)

    def section(self, title: str, text: str) -> Section:
        """Begin a part, on the screen and in the report."""
        self.screen.heading(title)
        self.sections.append(Section(title).paragraph(text))
        return self.sections[-1]

    def picture(self, section: Section, name: str, figure: Figure, caption: str) -> None:
        """Write a picture to the folder and put it in the report."""
        image = png(figure)
        (self.folder / PICTURES).mkdir(exist_ok=True)
        self.files.append(write_file(self.folder / PICTURES / f"{name}.png", image))
        section.picture(image, caption)

    def table(self, section: Section, columns: list[str], rows: list[list[str]], caption: str = "") -> None:
        """Show a table on the screen and in the report."""
        self.screen.table(columns, rows)
        section.table(columns, rows, caption)

    @contextmanager
    def timed(self, name: str, steps: int) -> Iterator[None]:
        """Note how long the block took."""
        began = time.perf_counter()
        yield
        self.timings.append((name, steps, time.perf_counter() - began))

    def finish(self, title: str, lead: str) -> Path:
        """Write the report and return its path."""
        section = self.section("Timings", "In this run, on this machine; a function is compiled at its first call.")
        rows = [
            [name, f"{steps:,}", f"{seconds:.2f} s", f"{1e6 * seconds / steps:,.2f} µs"]
            for name, steps, seconds in self.timings
        ]
        self.table(section, ["training", "steps", "time", "a step"], rows)
        self.files.append(write_file(self.folder / "report.html", page(title, lead, self.sections)))
        return self.files[-1]


def derivatives(loss: Expression, parameters: Sequence[Parameter]) -> str:
    """Return the gradient of a loss as HTML, an equation for each parameter."""
    names = [rf"\frac{{\partial\, \mathrm{{loss}}}}{{\partial {latex_identifier(str(p))}}}" for p in parameters]
    return formulas(dict(zip(names, gradient(loss, parameters), strict=True)))


def latex_identifier(name: str) -> str:
    """Return a letter and its number, such as W1, as LaTeX."""
    return f"{name[0]}_{{{name[1:]}}}" if name[1:].isdigit() else name


def fired(function: CompiledFunction) -> list[list[str]]:
    """Return the rewriting rules that fired, each with how often, and what it first found and made of it."""
    entries: list[Any] = list(function.log)
    counts = Counter(str(entry.rule) for entry in entries)
    first: dict[str, Any] = {}
    for entry in entries:
        first.setdefault(str(entry.rule), entry)
    return [
        [rule, f"{counts[rule]}", f"`{_short(entry.before)}`", f"`{_short(entry.after)}`"]
        for rule, entry in first.items()
    ]


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
