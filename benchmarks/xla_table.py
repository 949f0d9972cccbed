"""Steps on XLA beside the same steps written by hand in JAX, as one table."""

from __future__ import annotations

from collections.abc import Sequence

from .floors import XLA_FLOORS
from .summary import Row, Verdict
from .table import Cells, between, markdown, number
from .tasks import ON_XLA

TITLE = "On XLA: beside the same step written by hand in JAX"
HEADINGS = ("step", "unit", "Pellucid on XLA", "by hand in JAX", "ratio", "range", "met")
WORDS = {True: "yes", False: "NO", None: "not measured"}


def cells(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> Cells:
    """One line for each task; of several ways by hand the one with the lowest median is shown."""
    found = []
    judged = {verdict.floor.above.task: verdict for verdict in verdicts if verdict.floor in XLA_FLOORS}
    for key in dict.fromkeys(row.task.key for row in rows):
        group = [row for row in rows if row.task.key == key]
        ours = next(row for row in group if row.runner == ON_XLA)
        others = [row for row in group if row.runner != ON_XLA and row.time]
        best = min(others, key=lambda row: row.time.median if row.time else 0.0, default=None)
        verdict = judged[key]
        found.append(
            (
                ours.task.title,
                ours.task.unit,
                number(ours.time.median) if ours.time else "–",
                number(best.time.median) if best and best.time else "–",
                f"{number(verdict.measured.median)}x" if verdict.measured else "–",
                between(verdict.measured),
                WORDS[verdict.met],
            )
        )
    return found


def parts(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> list[str]:
    """The section of the page; nothing where no such step was measured."""
    return [f"## {TITLE}", ABOUT, markdown(HEADINGS, cells(rows, verdicts)), *said(rows), GPU] if rows else []


def said(rows: Sequence[Row]) -> list[str]:
    """What sets a runner apart."""
    return [f"{row.task.title}, {row.runner}: {row.note}" for row in rows if row.note]


ABOUT = """\
Float32, on the CPU, in alternation on a machine that others used meanwhile: the ratios are taken within a round, and
their range over the rounds says how far each may be trusted. A ratio of at most 1.05 is asked for. The ratio is to the
faster of the ways that are written by hand (`benchmarks/peers/jax_*.py`), which differ where one call of JAX may be one
step or all of them, or a loop over time may be written out."""

GPU = """\
No GPU could be had so far. Where there is one, `make bench-gpu` measures the same steps on it, and the CIFAR CNN at
batch 1,024 and the transformer block in bfloat16 beside PyTorch's (`torch.compile`, channels last, autocast); it prints
the tables under the card's name and the date, and writes them to `docs/benchmarks-gpu.md`."""
