"""The Typer application: every command and its options."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from .. import distributed
from .cache import cache as show_cache
from .computing import Computing
from .data import data as show_data
from .demo import Stopped
from .demo import demo as run_demo
from .devices import devices as show_devices
from .evaluate import evaluate as show_evaluation
from .export import export as export_run
from .predict import predict as show_predictions
from .screen import Screen
from .show import show as show_stage
from .time import time as show_times
from .train import Changes, show_recipes
from .train import Stopped as TrainingStopped
from .train import train as train_run

JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON, for another program.")]
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells report it

application = typer.Typer(
    name="pellucid",
    help="Deep learning you can see through.",
    no_args_is_help=True,
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
    """Take the tour: two moons and handwritten digits, with pictures and a report page: pellucid demo --out tour."""
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
    """Show this machine: cores, vectors, caches, memory, and its measured peaks: pellucid devices --refresh."""
    show_devices(Screen(), refresh, as_json)


@application.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything that is kept.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what is kept on disk of compiled programs and measurements: pellucid cache --clear."""
    show_cache(Screen(), clear, as_json)


@application.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE|MODEL.toml", help="A recipe's name, or a model's file.")],
    data: Annotated[Path | None, typer.Option(metavar="PATH", help="Where the data are.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="How often all rows are learnt from.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="How many minibatches, in place of epochs.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**31 - 2, help="Draws weights and minibatches.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another setting, as layers.1.units=50; may be repeated."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a folder with a file that is no image.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="The run folder; runs/RECIPE-N by default.")] = None,
    backend: Annotated[str | None, typer.Option(help="What computes: native, xla or reference.")] = None,
    devices: Annotated[int | None, typer.Option(min=1, help="How many devices of XLA share each batch.")] = None,
    precision: Annotated[str | None, typer.Option(help="bfloat16 to multiply matrices in it, on XLA.")] = None,
    hosts: Annotated[
        int | None, typer.Option(min=1, help="How many processes train together; all on this machine without --host.")
    ] = None,
    host: Annotated[int | None, typer.Option(min=0, help="The number of this one, from 0 on.")] = None,
    coordinator: Annotated[
        str | None, typer.Option(metavar="ADDRESS:PORT", help="Where host 0 listens, and the others reach it.")
    ] = None,
    wait: Annotated[float | None, typer.Option(help="Seconds to wait for the other hosts; 60 by default.")] = None,
    launched: Annotated[bool, typer.Option(hidden=True)] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a recipe or a model's file into a run folder, or go on with one: pellucid train moons."""
    changes = Changes(data, epochs, steps, seed, settings or (), strict)
    try:
        computing = Computing(backend, devices, precision, hosts, host, coordinator, wait, launched)
        train_run(Screen(), recipe, changes, out, as_json, computing)
    except TrainingStopped as stopped:
        print(f"pellucid: {stopped}", file=sys.stderr)
        distributed.leave_process(INTERRUPTED)
        raise typer.Exit(INTERRUPTED) from None


@application.command()
def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    data: Annotated[Path | None, typer.Option(metavar="PATH", help="Where its data are now.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a run's model makes of the rows kept for the test: pellucid evaluate runs/moons-1."""
    show_evaluation(Screen(), run, data, as_json)


@application.command()
def recipes(as_json: JsonOption = False) -> None:
    """List the recipes: models with their data and training, each one command: pellucid recipes."""
    show_recipes(Screen(), as_json)


@application.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    to: Annotated[str, typer.Option(help="The format: safetensors.")] = "safetensors",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The file; in the run folder by default.")] = None,
) -> None:
    """Write a run's weights for other programs: pellucid export runs/moons-1 --to safetensors."""
    export_run(Screen(), run, to, out)


@application.command()
def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Images, folders, CSV or text; - reads rows.")],
    form: Annotated[str, typer.Option("--format", help="table, csv or jsonl.")] = "table",
    length: Annotated[int | None, typer.Option(min=1, help="Go on with a text, for so many characters.")] = None,
) -> None:
    """Print the class and the probability of each row or image: pellucid predict runs/moons-1 points.csv."""
    show_predictions(Screen(), run, files, form, length)


@application.command()
def show(
    subject: Annotated[str, typer.Argument(metavar="RUN|MODEL.toml", help="A run folder, a recipe or a model's file.")],
    stage: Annotated[
        str, typer.Option(help="formula, graph, gradient, rewrites, schedule, llvm or assembly.")
    ] = "formula",
    data: Annotated[Path | None, typer.Option(metavar="PATH", help="Where its data are.")] = None,
) -> None:
    """Show what became of a training step on its way to machine code: pellucid show moons --stage gradient."""
    show_stage(Screen(), subject, stage, data)


@application.command()
def time(
    subject: Annotated[str, typer.Argument(metavar="RUN|MODEL.toml", help="A run folder, a recipe or a model's file.")],
    data: Annotated[Path | None, typer.Option(metavar="PATH", help="Where its data are.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a training step, layer by layer, forward and backward: pellucid time digits."""
    show_times(Screen(), subject, data, as_json)


@application.command("data")
def data_sets(as_json: JsonOption = False) -> None:
    """Show the data sets that recipes use, where they were found, or how to get them: pellucid data."""
    show_data(Screen(), as_json)
