"""Run every runner in a process of its own, A B C ... A B C ..., on two cores."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from . import addition, layers, moons, networks, reading, softmax
from .tasks import Runner, Task

CORES = 2
PATIENCE = 900
"""Seconds after which a runner is given up."""

ROOT = Path(__file__).resolve().parent.parent
PEERS = {"numpy", "torch", "jax", "sklearn", "pellucid", "keras", "tensorflow"}
NETWORK_KINDS = ("network", "reach", "recipe", "fit", "compile")
KERAS_PYTHON = "PELLUCID_BENCH_KERAS"
"""Names a Python that has Keras and TensorFlow, where they are installed apart from the others."""

PLATFORM = "PELLUCID_BENCH_PLATFORM"
"""Names what JAX runs on, where that is not the CPU."""

UNPREPARED = (
    "moons",
    "softmax",
    "network",
    "reach",
    "recipe",
    "fit",
    "kernels",
    "estimator",
    "addition",
    "learning",
    "layer",
    "characters",
    "reading",
)
"""Kinds of tasks whose runners warm up by themselves, so that they need no round 0 unless they have variants."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

Record = dict[str, Any]


class Length(NamedTuple):
    """How much is run."""

    rounds: int
    passes: int
    epochs: int
    enough: float
    goal: float
    """The share of the test images at which training to a goal ends."""
    steps: int
    """How many steps lie between two looks at the test images; 0 for an epoch."""
    samples: int
    """How many samples of binary addition are timed as one run."""
    seeds: int
    """On how many seeds binary addition is learnt."""
    characters: int = 0
    """From how many minibatches the character models learn; 0 for as many as are theirs."""


FULL = Length(
    rounds=5, passes=20_000, epochs=2, enough=0.5, goal=0.985, steps=0, samples=10_000, seeds=20, characters=0
)
QUICK = Length(
    rounds=2, passes=2_000, epochs=2, enough=0.2, goal=0.95, steps=200, samples=2_000, seeds=2, characters=20
)

MOST_ROUNDS = {"reach": 2, "recipe": 1, "learning": 1, "characters": 1}
"""Kinds of tasks that take minutes a round, and how many rounds of them are run at most."""


def keep_to_two_cores() -> None:
    """This process and all it starts use two cores, where the system lets us say so."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def write_problems(tasks: Iterable[Task], folder: Path) -> dict[str, str]:
    """Write the data that these tasks need, where runners do not draw them; what it is, by kind."""
    kinds = {task.kind for task in tasks}
    origins = {"moons": moons.write(folder)} if kinds & {"moons", "start", "fit"} else {}
    if "softmax" in kinds:
        origins["softmax"] = softmax.write(folder)
    drawn = {"addition": addition.ORIGIN, "learning": addition.ORIGIN, "layer": layers.ORIGIN}
    origins |= {kind: origin for kind, origin in drawn.items() if kind in kinds}
    if "reading" in kinds:
        with contextlib.suppress(networks.MissingDataError):  # its runners say so
            origins["reading"] = reading.write(folder)
    for key in sorted({task.network for task in tasks if task.network}):
        try:
            origins[key] = networks.write(networks.NETWORKS[key], folder)
        except networks.MissingDataError as missing:
            (folder / f"{key}-missing").write_text(str(missing), encoding="utf-8")
    return origins


def python(runner: Runner) -> str:
    """The interpreter that runs it."""
    return os.environ.get(KERAS_PYTHON, sys.executable) if "keras" in runner.module else sys.executable


def command(task: Task, runner: Runner, folder: Path, length: Length, variant: str = "") -> list[str]:
    """The command line of one runner."""
    network = ("--network", task.network)
    own = {
        "moons": ("--passes", length.passes, "--hidden", *task.hidden, "--enough", length.enough),
        "softmax": ("--epochs", length.epochs, "--enough", length.enough),
        "start": ("--passes", length.passes),
        "network": (*network, "--enough", length.enough),
        "reach": (*network, "--reach", length.goal, "--steps", length.steps),
        "recipe": (*network, "--recipe", 3),
        "fit": (*(network if task.network else ()), "--enough", length.enough),
        "compile": network,
        "estimator": (),
        "kernels": ("--enough", length.enough),
        "import": (),
        "addition": ("--samples", length.samples, "--enough", length.enough),
        "learning": ("--seeds", length.seeds),
        "layer": ("--enough", length.enough),
        "characters": ("--steps", length.characters),
        "reading": (),
    }[task.kind]
    chosen = ("--variant", variant) if variant else ()
    parts = ("-m", f"benchmarks.peers.{runner.module}", "--problem", folder, *own, *runner.options, *chosen)
    return [python(runner), *map(str, parts)]


def environment(runner: Runner, folder: Path, number: int) -> dict[str, str]:
    """Two threads, the CPU only, and a disk cache inside `folder`: an empty one for a cold start.

    $PELLUCID_BENCH_PLATFORM is what JAX runs on instead of the CPU.

    Python may write bytecode: the peers' came with pip, and Pellucid, editable, gets its own at its first import.
    """
    cache = folder / (f"cold-{number}" if runner.name.endswith("cold") else "cache")
    threads = dict.fromkeys(THREADS, str(CORES))
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if runner.backend:
        own["PELLUCID_BACKEND"] = runner.backend
    platform = os.environ.get(PLATFORM, "cpu")
    if platform != "cpu" and runner.module.startswith("jax_"):
        own["JAX_DEFAULT_MATMUL_PRECISION"] = "highest"  # or a GPU would leave out bits of float32
    return {**own, **threads, "PELLUCID_THREADS": str(CORES), "JAX_PLATFORMS": platform, "PELLUCID_CACHE": str(cache)}


def outcome(code: int, out: str, err: str) -> Record:
    """What a finished runner says: its figures, or that something is missing, or how it failed."""
    if code == 0:
        return dict(json.loads(out.strip().splitlines()[-1]))
    last = (err.strip().splitlines() or ["no message"])[-1]
    absent = re.fullmatch(r"ModuleNotFoundError: No module named '(\w+)'", last)
    if absent and absent[1] in PEERS:
        return {"missing": f"{absent[1]} is not installed"}
    return {"failed": f"exit code {code}: {last}"}


def run_one(task: Task, runner: Runner, folder: Path, length: Length, number: int, variant: str = "") -> Record:
    """Run one runner once, in one of its variants."""
    absent = folder / f"{task.network}-missing"
    if task.network and absent.exists():
        return {"task": task.key, "runner": runner.name, "round": number, "missing": absent.read_text(encoding="utf-8")}
    variables = environment(runner, folder, number)
    try:
        done = subprocess.run(
            command(task, runner, folder, length, variant),
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
    chosen = {"variant": variant} if variant else {}
    return {"task": task.key, "runner": runner.name, "round": number, **chosen, **found}


def choose(task: Task, runner: Runner, folder: Path, length: Length) -> Record:
    """Round 0: each variant of a runner once, where it has some; the record of the fastest."""
    tried: list[Record] = []
    for variant in runner.variants or ("",):
        tried.append(run_one(task, runner, folder, length, 0, variant))
        if "missing" in tried[-1]:
            break
    return min(tried, key=lambda record: record.get("seconds", float("inf")))


def run_rounds(tasks: Iterable[Task], folder: Path, length: Length, tell: Callable[[str], None]) -> list[Record]:
    """All rounds. Round 0 is not counted: it fills the system's caches and ours, and chooses among variants.

    A runner that is missing or has failed is not asked again.
    """
    records: list[Record] = []
    given_up: set[tuple[str, str]] = set()
    variants: dict[tuple[str, str], str] = {}
    for number in range(length.rounds + 1):
        for task in tasks:
            for runner in task.runners:
                key = (task.key, runner.name)
                if number > MOST_ROUNDS.get(task.kind, number):
                    continue
                if key in given_up or (number == 0 and task.kind in UNPREPARED and not runner.variants):
                    continue
                if number:
                    record = run_one(task, runner, folder, length, number, variants.get(key, ""))
                else:
                    record = choose(task, runner, folder, length)
                    variants[key] = record.get("variant", "")
                if "seconds" not in record:
                    given_up.add(key)
                if number or "seconds" not in record:
                    records.append(record)
                tell(f"round {number} of {length.rounds}  {task.title}: {runner.name}  {brief(record, task)}")
    return records


def brief(record: Record, task: Task) -> str:
    """A record in a few words."""
    if "seconds" in record:
        return f"{record['seconds'] * task.scale:.3g} {task.unit}"
    return str(record.get("missing") or record.get("failed"))
