"""`python -m benchmarks`: run the comparisons, print the tables, write the page, the picture and the raw results.

A full run writes docs/benchmarks.md, .png and .json; `--quick` and `--only` write to benchmarks/build/ instead, so that
a look at one task never overwrites the page. `--from FILE` writes everything again from raw results.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import agreement, chart, machine, page, rounds, summary, table
from .tasks import FLOORS, TASKS, Task

KEYS = [task.key for task in TASKS]


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds of shorter runs: a rough picture")
    parser.add_argument("--only", action="append", choices=KEYS, metavar="NAME", help=f"one of {', '.join(KEYS)}")
    parser.add_argument("--rounds", type=int, help="how many rounds")
    parser.add_argument("--out", type=Path, help="folder for benchmarks.md, .png and .json")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="raw results to show again")
    parser.add_argument("--check", action="store_true", help="exit code 1 where a floor is not met")
    return parser.parse_args(arguments)


def measure(tasks: Sequence[Task], length: rounds.Length) -> dict[str, Any]:
    """Run the tasks; raw results with what they were taken on."""
    rounds.keep_to_two_cores()
    with tempfile.TemporaryDirectory(prefix="pellucid-benchmarks-") as name:
        folder = Path(name)
        data = rounds.write_problems(tasks, folder)
        records = rounds.run_rounds(tasks, folder, length, lambda line: print(line, file=sys.stderr, flush=True))
        for task in tasks:
            agreement.mark_disagreeing(records, task, agreement.yardstick(task, folder))
    return {"machine": machine.describe(), "data": data, "length": length._asdict(), "records": records}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print and write; the exit code."""
    chosen = options(arguments)
    if chosen.source:
        results = json.loads(chosen.source.read_text(encoding="utf-8"))
        tasks = [task for task in TASKS if any(record["task"] == task.key for record in results["records"])]
        chosen.out = chosen.out or chosen.source.parent
    else:
        tasks = [task for task in TASKS if not chosen.only or task.key in chosen.only]
        length = rounds.QUICK if chosen.quick else rounds.FULL
        results = measure(tasks, length._replace(rounds=chosen.rounds) if chosen.rounds else length)
        results["command"] = " ".join(["python -m benchmarks", *(arguments or sys.argv[1:])])
    found, judged = summary.rows(results["records"], tasks), summary.verdicts(results["records"], FLOORS)
    table.print_tables(found, judged)

    partial = chosen.quick or chosen.only
    out = chosen.out or (rounds.ROOT / ("benchmarks/build" if partial else "docs"))
    out.mkdir(parents=True, exist_ok=True)
    picture = "benchmarks.png" if chart.draw(found, out / "benchmarks.png") else None
    text = page.page(found, judged, results, results["command"], picture)
    (out / "benchmarks.md").write_text(text, encoding="utf-8")
    (out / "benchmarks.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"\nWritten to {out}: benchmarks.md, benchmarks.json{', ' + picture if picture else ''}")
    return int(chosen.check and any(verdict.met is False for verdict in judged))


if __name__ == "__main__":
    sys.exit(main())
