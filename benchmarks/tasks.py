"""What is compared, who takes part, and the floors that Pellucid must reach."""

from __future__ import annotations

from typing import NamedTuple

from .moons import SWEEP

PELLUCID = "Pellucid"


class Runner(NamedTuple):
    """One way of computing a task: its name in the table, its module in peers/, and options of its own."""

    name: str
    module: str
    options: tuple[str, ...] = ()


class Task(NamedTuple):
    """One comparison. `kind` says which yardstick judges it; times are seconds times `scale`, in `unit`."""

    key: str
    title: str
    kind: str
    unit: str
    scale: float
    runners: tuple[Runner, ...]
    hidden: tuple[int, ...] = ()


class Figure(NamedTuple):
    """The time of one runner in one task, or the best of several."""

    task: str
    runners: tuple[str, ...]


class Floor(NamedTuple):
    """A ratio of two figures of the same round, and the bound its median must keep."""

    text: str
    above: Figure
    below: Figure
    bound: float
    at_most: bool


MICRO, MILLI = 1e6, 1e3
ENGINES = ("NumPy", "PyTorch", "JAX, jit per step", "JAX, whole loop", "scikit-learn")


def moons_task(key: str, title: str, hidden: int) -> Task:
    """Two moons with one hidden size."""
    modules = ("pellucid_moons", "c_moons", "numpy_moons", "torch_moons", "jax_step", "jax_loop", "sklearn_moons")
    names = (PELLUCID, "C loop", *ENGINES)
    runners = tuple(Runner(name, module) for name, module in zip(names, modules, strict=True))
    return Task(key, title, "moons", "µs a pass", MICRO, runners, (hidden,))


TASKS = (
    moons_task("moons-3", "Two moons, 2-3-2", 3),
    moons_task("moons-50", "Two moons, 2-50-2", 50),
    Task(
        "sweep",
        "Two moons, seven networks of 1 to 50 hidden units",
        "moons",
        "µs a pass of all seven",
        MICRO,
        (
            Runner(PELLUCID, "pellucid_moons"),
            Runner("C loop", "c_moons"),
            Runner("NumPy", "numpy_sweep"),
            Runner("PyTorch", "torch_sweep"),
            Runner("JAX, whole loop", "jax_sweep"),
        ),
        SWEEP,
    ),
    Task(
        "softmax",
        "Softmax regression 784-10, batch 100",
        "softmax",
        "µs a step",
        MICRO,
        (
            Runner(PELLUCID, "pellucid_softmax"),
            Runner("NumPy", "numpy_softmax"),
            Runner("PyTorch", "torch_softmax"),
            Runner("JAX, jit per step", "jax_step_softmax"),
            Runner("JAX, whole loop", "jax_loop_softmax"),
            Runner("scikit-learn", "sklearn_softmax"),
        ),
    ),
    Task(
        "import",
        "Import",
        "import",
        "ms",
        MILLI,
        tuple(
            Runner(name, "import_time", ("--module", module))
            for name, module in (
                (PELLUCID, "pellucid"),
                ("NumPy", "numpy"),
                ("PyTorch", "torch"),
                ("JAX", "jax"),
                ("scikit-learn", "sklearn"),
            )
        ),
    ),
    Task(
        "start",
        "From import to a trained 2-3-2, fresh process",
        "start",
        "ms",
        MILLI,
        (
            Runner("Pellucid, cached", "pellucid_start"),
            Runner("Pellucid, cold", "pellucid_start"),
            Runner("import torch alone", "import_time", ("--module", "torch")),
        ),
    ),
)

FLOORS = (
    Floor(
        "two moons 2-3-2: time beside the C loop",
        Figure("moons-3", (PELLUCID,)),
        Figure("moons-3", ("C loop",)),
        2.0,
        at_most=True,
    ),
    Floor(
        "two moons 2-50-2: ahead of JAX's whole loop",
        Figure("moons-50", ("JAX, whole loop",)),
        Figure("moons-50", (PELLUCID,)),
        2.5,
        at_most=False,
    ),
    Floor(
        "import to trained model, cold, beside import torch",
        Figure("start", ("Pellucid, cold",)),
        Figure("start", ("import torch alone",)),
        1 / 2,
        at_most=True,
    ),
    Floor(
        "import to trained model, cached, beside import torch",
        Figure("start", ("Pellucid, cached",)),
        Figure("start", ("import torch alone",)),
        1 / 6,
        at_most=True,
    ),
    Floor("import beside import numpy", Figure("import", (PELLUCID,)), Figure("import", ("NumPy",)), 1.6, at_most=True),
    Floor(
        "softmax regression: steps a second ahead of the best peer",
        Figure("softmax", ENGINES),
        Figure("softmax", (PELLUCID,)),
        2.0,
        at_most=False,
    ),
)


def base(task: Task) -> str:
    """The runner that the ratios of a task refer to: its first."""
    return task.runners[0].name
