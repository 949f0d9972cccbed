"""The results as tables: for a terminal (with rich where it is installed, plain otherwise) and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from .summary import Row, Spread, Verdict

HEADINGS = ("runner", "median", "range", "beside Pellucid", "range")
MEMORY_HEADINGS = (*HEADINGS, "memory, MiB", "beside Pellucid")
FLOOR_HEADINGS = ("floor", "needed", "measured", "range", "met")

Cells = list[tuple[str, ...]]


def number(value: float) -> str:
    """Three digits, never an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def between(spread: Spread | None) -> str:
    """The range of a spread."""
    return f"{number(spread.low)} to {number(spread.high)}" if spread else ""


def row_cells(rows: Sequence[Row]) -> Cells:
    """The cells of one task's rows."""
    return [
        (
            row.runner,
            number(row.time.median) if row.time else "–",
            between(row.time),
            f"{number(row.ratio.median)}x" if row.ratio else "–",
            between(row.ratio),
        )
        for row in rows
    ]


def headings_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """The headings of one task's rows: with memory, where it was measured."""
    return MEMORY_HEADINGS if any(row.memory for row in rows) else HEADINGS


def task_cells(rows: Sequence[Row]) -> Cells:
    """The cells under those headings."""
    if headings_of(rows) == HEADINGS:
        return row_cells(rows)
    memory = [
        (
            number(row.memory.median) if row.memory else "–",
            f"{number(row.memory_ratio.median)}x" if row.memory_ratio else "–",
        )
        for row in rows
    ]
    return [left + right for left, right in zip(row_cells(rows), memory, strict=True)]


def bound(value: float, verdict: Verdict) -> str:
    """A bound or what was measured: a share, or how many times as much or of what."""
    return f"{value:.0%}" if verdict.is_share else f"{number(value)}{verdict.floor.unit}"


def notes(rows: Sequence[Row]) -> list[str]:
    """What is to be said below a task's table."""
    return [f"{row.runner}: {row.note}" for row in rows if row.note]


def verdict_cells(verdicts: Sequence[Verdict]) -> Cells:
    """The cells of the floors."""
    words = {True: "yes", False: "NO", None: "not measured"}
    return [
        (
            verdict.floor.text,
            f"at {'most' if verdict.floor.at_most else 'least'} {bound(verdict.floor.bound, verdict)}",
            bound(verdict.measured.median, verdict) if verdict.measured else "–",
            between(verdict.measured),
            "busy machine, measure again" if verdict.impossible else words[verdict.met],
        )
        for verdict in verdicts
    ]


def by_task(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows under each task's title."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(f"{row.task.title} ({row.task.unit})", []).append(row)
    return groups


def markdown(headings: Sequence[str], cells: Cells) -> str:
    """One Markdown table, the first column to the left and the others to the right."""
    lines = [list(headings), ["---", *["---:"] * (len(headings) - 1)], *map(list, cells)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def plain(title: str, headings: Sequence[str], cells: Cells) -> str:
    """One table in aligned columns."""
    lines = [tuple(headings), *cells]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    written = [title]
    for first, *others in lines:
        right = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        written.append("  ".join([first.ljust(widths[0]), *right]).rstrip())
    return "\n".join(written)


def print_tables(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> None:
    """Print every table."""
    tables = [(title, headings_of(group), task_cells(group), notes(group)) for title, group in by_task(rows).items()]
    tables.append(("Floors", FLOOR_HEADINGS, verdict_cells(verdicts), []))
    for title, headings, cells, below in tables:
        print_table(title, headings, cells)
        print("\n".join(below), end="\n\n" if below else "\n")


def print_table(title: str, headings: Sequence[str], cells: Cells) -> None:
    """Print one table, with rich where it is installed."""
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table
    except ModuleNotFoundError:
        print(plain(title, headings, cells))
        return
    table = Table(*headings[:1], title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in headings[1:]:
        table.add_column(heading, justify="right", no_wrap=True)
    for line in cells:
        table.add_row(*line)
    Console().print(table)
