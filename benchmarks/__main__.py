"""`python -m benchmarks`: run the comparisons, print the tables, write the page, the pictures and the raw results.

A run writes docs/benchmarks.md, .json and pictures. `--task` measures some of the tasks, and what was measured of the
others before stays on the page. `--quick` writes to benchmarks/build/, so that a look never overwrites the page.
`--from FILE` writes everything again from raw results.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import agreement, chart, kernel_table, machine, page, results, roofline, rounds, summary, table, xla_table
from .floors import FLOORS
from .tasks import TASKS, Task

KEYS = [task.key for task in TASKS]
FOLDERS = {False: "docs", True: "benchmarks/build"}


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds of shorter runs: a rough picture")
    several = f"one of {', '.join(KEYS)}; may be given several times"
    parser.add_argument("--task", "--only", action="append", choices=KEYS, metavar="NAME", help=several)
    parser.add_argument("--rounds", type=int, help="how many rounds")
    parser.add_argument("--out", type=Path, help="folder for benchmarks.md, .png and .json")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="raw results to show again")
    parser.add_argument("--check", action="store_true", help="exit code 1 where a floor is not met")
    return parser.parse_args(arguments)


def measure(tasks: Sequence[Task], length: rounds.Length, command: str) -> results.Results:
    """Run the tasks; raw results with what they were taken on."""
    rounds.keep_to_two_cores()
    with tempfile.TemporaryDirectory(prefix="pellucid-benchmarks-") as name:
        folder = Path(name)
        data = rounds.write_problems(tasks, folder)
        records = rounds.run_rounds(tasks, folder, length, lambda line: print(line, file=sys.stderr, flush=True))
        for task in tasks:
            right, late = agreement.yardstick(task, folder), agreement.late(task, folder)
            agreement.mark_disagreeing(records, task, right, late)
    described = machine.describe()
    origins = {
        task.key: data.get(task.network or ("moons" if task.kind == "start" else task.kind), "") for task in tasks
    }
    takings = {key: results.taking(described, length._asdict(), origin) for key, origin in origins.items()}
    return {"command": command, "takings": takings, "records": records}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print and write; the exit code."""
    chosen = options(arguments)
    out = chosen.out or (chosen.source.parent if chosen.source else rounds.ROOT / FOLDERS[chosen.quick])
    if chosen.source:
        found = results.read(chosen.source)
    else:
        tasks = [task for task in TASKS if not chosen.task or task.key in chosen.task]
        length = rounds.QUICK if chosen.quick else rounds.FULL
        command = " ".join(["python -m benchmarks", *(arguments or sys.argv[1:])])
        newer = measure(tasks, length._replace(rounds=chosen.rounds) if chosen.rounds else length, command)
        found = results.merged(results.read(out / "benchmarks.json"), newer)
    judged = write(found, out)
    return int(chosen.check and any(verdict.met is False for verdict in judged))


def write(found: results.Results, out: Path) -> list[summary.Verdict]:
    """Print the tables, and write the page, the pictures and the raw results into a folder."""
    tasks = [task for task in TASKS if task.key in found["takings"]]
    rows, judged = summary.rows(found["records"], tasks), summary.verdicts(found["records"], FLOORS)
    kernels = kernel_table.kernels(found["records"])
    shown = [row for row in rows if row.task.kind != "kernels" and not row.task.beside]
    table.print_tables(shown, judged)
    on_xla = [row for row in rows if row.task.beside]
    if on_xla:
        table.print_table(xla_table.TITLE, xla_table.HEADINGS, xla_table.cells(on_xla, judged))
    if kernels:
        table.print_table("Single kernels", kernel_table.HEADINGS, kernel_table.cells(kernels))
    out.mkdir(parents=True, exist_ok=True)
    drawn = {
        "benchmarks.png": chart.draw(shown, out / "benchmarks.png"),
        "roofline.png": roofline.draw(kernels, out / "roofline.png"),
    }
    pictures = [name for name, done in drawn.items() if done]
    (out / "benchmarks.md").write_text(page.page(rows, judged, kernels, found, pictures), encoding="utf-8")
    results.write(found, out / "benchmarks.json")
    print(f"\nWritten to {out}: {', '.join(['benchmarks.md', 'benchmarks.json', *pictures])}")
    return judged


if __name__ == "__main__":
    sys.exit(main())
