"""The Typer application: every command and its options."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from .cache import cache as show_cache
from .data import data as show_data
from .demo import Stopped
from .demo import demo as run_demo
from .devices import devices as show_devices
from .screen import Screen

JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON, for another program.")]
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells report it

application = typer.Typer(
    name="pellucid",
    help="Deep learning you can see through.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(f"pellucid {version('pellucid')}")
        except PackageNotFoundError:
            typer.echo("pellucid, not installed: run from its source")
        raise typer.Exit


@application.callback()
def main(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Deep learning you can see through."""


@application.command()
def demo(
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where to write; the next free runs/demo-N by default.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="MNIST's four IDX files, to use in place of the 8x8 digits.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 2, help="Draws data, weights and minibatches.")] = 0,
    short: Annotated[
        bool, typer.Option("--short", help="Train for a hundredth of the steps, to try the tour.")
    ] = False,
) -> None:
    """Take the tour: two moons and handwritten digits, with pictures and a report page."""
    try:
        run_demo(Screen(), out, data, seed, short)
    except Stopped as stopped:
        print(f"pellucid: {stopped}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


@application.command()
def devices(
    refresh: Annotated[bool, typer.Option("--refresh", help="Measure again, which takes a few seconds.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show this machine: cores, vectors, caches, memory, and its peak arithmetic and bandwidth, measured."""
    show_devices(Screen(), refresh, as_json)


@application.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything that is kept.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what is kept on disk of compiled programs and measurements."""
    show_cache(Screen(), clear, as_json)


@application.command("data")
def data_sets(as_json: JsonOption = False) -> None:
    """Show the data sets that recipes use, where they were found, or how to get them: pellucid data."""
    show_data(Screen(), as_json)
