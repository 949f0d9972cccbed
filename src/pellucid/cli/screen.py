"""What the command line shows: headings, tables and progress; plain where the output is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
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
        self.console.print(
            f"  [cyan]{escape(left)}[/cyan] = {escape(str(right))}", soft_wrap=not self.console.is_terminal
        )

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
    def progress(self, names: Sequence[str], unit: str) -> Iterator[list[Report]]:
        """Show bars, one for each name, while the block runs; yields what to tell how much is done, of how much.

        The bars go away with the block, and only a terminal shows them.
        """
        with Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        ) as bars:
            yield [_report(bars, name) for name in names]


def _report(bars: Progress, name: str) -> Report:
    task = bars.add_task(name, total=None)
    return lambda done, total: bars.update(task, completed=done, total=total)
