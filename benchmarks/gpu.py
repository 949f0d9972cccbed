"""`python -m benchmarks.gpu`: steps on a GPU, beside JAX written by hand (float32) and PyTorch compiled (bfloat16).

Prints the tables under the card's name and the date, and writes them to docs/benchmarks-gpu.md. Where there is no GPU
it says so and ends with exit code 2; `--platform cpu` runs a small form of it on the CPU, to try the program itself.
Images that are not here are drawn at random: what a step costs does not depend on them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import agreement, machine, networks, rounds, summary, table, xla_table
from .floors import XLA_FLOORS
from .networks import NETWORKS, Network
from .tasks import MILLI, ON_XLA, XLA_TASKS, Runner, Task

NO_GPU = 2
PAGE = "benchmarks-gpu.md"
HALF_TOLERANCE = 0.03
"""How far losses in bfloat16 may be from float64's after the early steps; its numbers have 8 bits."""

COMPILED = "PyTorch, compiled"
HALF = ("--variant", "bfloat16")


def half_task(key: str, title: str, kind: str, peer: str, network: str = "", beside: str = "") -> Task:
    """A step in bfloat16 beside PyTorch's."""
    ours = Runner(ON_XLA, f"pellucid_{peer}", HALF, backend="xla")
    runners = (ours, Runner(COMPILED, f"torch_compiled_{peer}"))
    return Task(key, title, kind, "ms a step", MILLI, runners, network=network, beside=beside)


HALF_TASKS = {
    "cuda": (
        half_task(
            "half-cifar-cnn", "CIFAR CNN, Nesterov, batch 1,024, bfloat16", "network", "network", "cifar-cnn-1024"
        ),
        half_task(
            "half-transformer", "Causal transformer block, bfloat16", "layer", "transformer", beside="transformer"
        ),
    ),
    "cpu": (half_task("half-cifar-cnn", "CIFAR CNN, batch 4, bfloat16", "network", "network", "cifar-cnn-4"),),
}
SMALL = rounds.QUICK._replace(rounds=1, passes=200, epochs=1, enough=0.0, samples=200)


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--platform", choices=("cuda", "cpu"), default="cuda", help="cpu tries the program itself")
    keys = [task.key for task in (*XLA_TASKS, *HALF_TASKS["cuda"])]
    parser.add_argument("--task", action="append", choices=keys, metavar="NAME", help=f"one of {', '.join(keys)}")
    parser.add_argument("--rounds", type=int, default=3, help="how many rounds")
    parser.add_argument("--out", type=Path, default=rounds.ROOT / "docs", help=f"folder for {PAGE}")
    return parser.parse_args(arguments)


def device(platform: str) -> str | None:
    """The name of JAX's first device of a platform; None where there is none. Asked of a process of its own."""
    program = "import jax; print(jax.devices()[0].device_kind)"
    variables = {**os.environ, "JAX_PLATFORMS": platform}
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def write_images(network: Network, folder: Path) -> str:
    """Write the images of a network, or random ones; say what they are."""
    with contextlib.suppress(networks.MissingDataError):
        return networks.write(network, folder)
    draw, rows = np.random.default_rng(0), max(network.steps * network.batch, 60 * network.batch)
    np.save(folder / f"{network.key}-images.npy", draw.integers(0, 256, (rows, *network.shape), dtype=np.uint8))
    np.save(folder / f"{network.key}-labels.npy", draw.integers(0, network.classes, rows).astype(np.int32))
    np.savez(folder / f"{network.key}-start.npz", *networks.start(network))
    return f"{network.key}: random images"


def measure(tasks: Sequence[Task], length: rounds.Length, platform: str) -> tuple[list[rounds.Record], list[str]]:
    """The records of all rounds, and what the data were."""
    os.environ[rounds.PLATFORM] = platform
    with tempfile.TemporaryDirectory(prefix="pellucid-benchmarks-") as name:
        folder = Path(name)
        found = rounds.write_problems([task for task in tasks if not task.network], folder)
        keys = dict.fromkeys(task.network for task in tasks if task.network)
        origins = [*found.values(), *(write_images(NETWORKS[key], folder) for key in keys)]
        records = rounds.run_rounds(tasks, folder, length, lambda line: print(line, file=sys.stderr, flush=True))
        for task in tasks:
            tolerance = HALF_TOLERANCE if task.runners[0].options == HALF else agreement.EARLY_TOLERANCE
            right = agreement.yardstick(task, folder)
            agreement.mark_disagreeing(records, task, right, agreement.late(task, folder), tolerance)
    return records, list(dict.fromkeys(origins))


def page(card: str, tasks: Sequence[Task], records: Sequence[rounds.Record], origins: Sequence[str]) -> str:
    """The page as Markdown."""
    found = machine.describe()
    versions = found["versions"]
    assert isinstance(versions, dict)
    rows, judged = summary.rows(records, tasks), summary.verdicts(records, XLA_FLOORS)
    single = [row for row in rows if row.task.runners[0].options != HALF]
    parts = [
        "# Benchmarks on a GPU",
        f"{card}, {found['date']}. `python -m benchmarks.gpu` wrote this page.",
        "\n".join(
            [
                f"- Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}",
                *(f"- Data: {origin}" for origin in origins),
            ]
        ),
    ]
    if single:
        cells = xla_table.cells(single, judged)
        parts += [
            f"## {xla_table.TITLE}",
            IN_SINGLE,
            table.markdown(xla_table.HEADINGS, cells),
            *xla_table.said(single),
        ]
    half = table.by_task([row for row in rows if row not in single])
    for title, group in half.items():
        parts += [f"## {title}", IN_HALF, table.markdown(table.HEADINGS, table.row_cells(group)), *table.notes(group)]
    return "\n\n".join(parts) + "\n"


IN_SINGLE = """\
In float32 with all its bits: JAX is told to multiply with the highest precision, as Pellucid does of itself. A ratio of
at most 1.05 is asked for."""
IN_HALF = """\
Products in bfloat16, parameters in float32, on both sides; PyTorch with `torch.compile`, channels last, autocast and
its fused optimiser, and the data on the card."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print and write; the exit code."""
    chosen = options(arguments)
    card = device(chosen.platform)
    if card is None:
        print("no GPU that JAX can use is here, so nothing was measured; --platform cpu tries the program itself")
        return NO_GPU
    every = (*XLA_TASKS, *HALF_TASKS[chosen.platform])
    tasks = [task for task in every if not chosen.task or task.key in chosen.task]
    length = SMALL if chosen.platform == "cpu" else rounds.FULL._replace(rounds=chosen.rounds)
    text = page(card, tasks, *measure(tasks, length, chosen.platform))
    print(text)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / PAGE).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
