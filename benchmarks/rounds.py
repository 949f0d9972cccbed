"""Run every runner in a process of its own, A B C ... A B C ..., on two cores."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from . import moons, softmax
from .tasks import Runner, Task

CORES = 2
PATIENCE = 600
"""Seconds after which a runner is given up."""

ROOT = Path(__file__).resolve().parent.parent
PEERS = {"numpy", "torch", "jax", "sklearn", "pellucid"}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

Record = dict[str, Any]


class Length(NamedTuple):
    """How much is run."""

    rounds: int
    passes: int
    epochs: int
    enough: float


FULL = Length(rounds=5, passes=20_000, epochs=2, enough=0.5)
QUICK = Length(rounds=2, passes=2_000, epochs=2, enough=0.2)


def keep_to_two_cores() -> None:
    """This process and all it starts use two cores, where the system lets us say so."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def write_problems(tasks: Iterable[Task], folder: Path) -> dict[str, str]:
    """Write the data that these tasks need; what it is, by kind."""
    kinds = {task.kind for task in tasks}
    origins = {"moons": moons.write(folder)} if kinds & {"moons", "start"} else {}
    if "softmax" in kinds:
        origins["softmax"] = softmax.write(folder)
    return origins


def command(task: Task, runner: Runner, folder: Path, length: Length) -> list[str]:
    """The command line of one runner."""
    own = {
        "moons": ("--passes", length.passes, "--hidden", *task.hidden, "--enough", length.enough),
        "softmax": ("--epochs", length.epochs, "--enough", length.enough),
        "start": ("--passes", length.passes),
        "import": (),
    }[task.kind]
    parts = ("-m", f"benchmarks.peers.{runner.module}", "--problem", folder, *own, *runner.options)
    return [sys.executable, *map(str, parts)]


def environment(runner: Runner, folder: Path, number: int) -> dict[str, str]:
    """Two threads, the CPU only, and a disk cache inside `folder`: an empty one for a cold start.

    Python may write bytecode: the peers' came with pip, and Pellucid, editable, gets its own at its first import.
    """
    cache = folder / (f"cold-{number}" if runner.name.endswith("cold") else "cache")
    threads = dict.fromkeys(THREADS, str(CORES))
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**own, **threads, "JAX_PLATFORMS": "cpu", "PELLUCID_CACHE": str(cache)}


def outcome(code: int, out: str, err: str) -> Record:
    """What a finished runner says: its figures, or that something is missing, or how it failed."""
    if code == 0:
        return dict(json.loads(out.strip().splitlines()[-1]))
    last = (err.strip().splitlines() or ["no message"])[-1]
    absent = re.fullmatch(r"ModuleNotFoundError: No module named '(\w+)'", last)
    if absent and absent[1] in PEERS:
        return {"missing": f"{absent[1]} is not installed"}
    return {"failed": f"exit code {code}: {last}"}


def run_one(task: Task, runner: Runner, folder: Path, length: Length, number: int) -> Record:
    """Run one runner once."""
    variables = environment(runner, folder, number)
    try:
        done = subprocess.run(
            command(task, runner, folder, length),
            check=False,
            cwd=ROOT,
            env=variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        found: Record = {"failed": f"no result after {PATIENCE} s"}
    else:
        found = outcome(done.returncode, done.stdout, done.stderr)
    return {"task": task.key, "runner": runner.name, "round": number, **found}


def run_rounds(tasks: Iterable[Task], folder: Path, length: Length, tell: Callable[[str], None]) -> list[Record]:
    """All rounds. Round 0, for what starts fresh processes, fills the system's caches and ours and is not counted.

    A runner that is missing or has failed is not asked again.
    """
    records: list[Record] = []
    given_up: set[tuple[str, str]] = set()
    for number in range(length.rounds + 1):
        for task in tasks:
            if number == 0 and task.kind in ("moons", "softmax"):
                continue
            for runner in task.runners:
                if (task.key, runner.name) in given_up:
                    continue
                record = run_one(task, runner, folder, length, number)
                if "seconds" not in record:
                    given_up.add((task.key, runner.name))
                if number or "seconds" not in record:
                    records.append(record)
                tell(f"round {number} of {length.rounds}  {task.title}: {runner.name}  {brief(record, task)}")
    return records


def brief(record: Record, task: Task) -> str:
    """A record in a few words."""
    if "seconds" in record:
        return f"{record['seconds'] * task.scale:.3g} {task.unit}"
    return str(record.get("missing") or record.get("failed"))
