"""What the command line shows: headings, tables and progress; plain where the output is no terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

UNBROKEN = 400  # columns; what reads a pipe gets each line whole
Report = Callable[[int, int], None]


class Screen:
    """Where a command writes what it does.

    Args:
        console: standard output unless told otherwise.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = UNBROKEN

    def heading(self, text: str) -> None:
        """Show the title of what comes next."""
        self.console.print()
        self.console.print(f"[bold]{escape(text)}[/bold]")

    def say(self, text: str) -> None:
        """Show a line or more of text."""
        self.console.print(escape(text))

    def formula(self, left: str, right: object) -> None:
        """Show an equation; long ones are broken over lines, indented."""
        equation = f"[cyan]{escape(left)}[/cyan] = {escape(str(right))}"
        indented = Padding(equation, (0, 0, 0, 2), expand=False)
        self.console.print(indented if self.console.is_terminal else f"  {equation}")

    def facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Show names and what they are, one a line."""
        width = max((len(name) for name, _ in facts), default=0)
        for name, value in facts:
            self.console.print(f"  [dim]{escape(name.ljust(width))}[/dim]  {escape(value)}")

    def data(self, data: object) -> None:
        """Write data as JSON, and nothing else, for another program to read."""
        print(json.dumps(data, indent=2), file=self.console.file)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show a table; every column but the first is set to the right."""
        style = box.SIMPLE_HEAD if self.console.is_terminal else None
        table = Table(box=style, header_style="bold" if self.console.is_terminal else "", pad_edge=style is not None)
        for k, name in enumerate(columns):
            table.add_column(name, justify="right" if k else "left")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self.console.print(table)

    @contextmanager
    def progress(self, names: Sequence[str], total: int, unit: str) -> Iterator[list[Report]]:
        """Show bars while the block runs, and yield for each what to tell how much is done, of how much.

        Args:
            names: one for each bar.
            total: how much there is to do for each.
            unit: of what.

        The bars go away with the block, and only a terminal shows them.
        """
        with Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=32),
            TextColumn("{task.percentage:>3.0f}% of {task.total:,} " + unit),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        ) as bars:
            yield [_report(bars, name, total) for name in names]


def _report(bars: Progress, name: str, total: int) -> Report:
    task = bars.add_task(escape(name), total=total)
    return lambda done, total: bars.update(task, completed=done, total=total)
