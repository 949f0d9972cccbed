"""The single kernels beside PyTorch's and beside the limit of the machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .rounds import Record
from .summary import Spread, note, spread
from .table import Cells, between, number
from .tasks import TASKS

HEADINGS = (
    "kernel",
    "Pellucid, ms",
    "PyTorch, ms",
    "PyTorch / Pellucid",
    "range",
    "reached",
    "share",
    "PyTorch's share",
)


class KernelRow(NamedTuple):
    """One kernel; times in milliseconds, shares of the limit, `limit` in `unit`. `note` says why there is no time."""

    name: str
    time: Spread | None = None
    torch: Spread | None = None
    ratio: Spread | None = None
    share: Spread | None = None
    torch_share: Spread | None = None
    limit: float = 0.0
    unit: str = ""
    operations: int = 0
    bytes: int = 0
    note: str = ""


def kernels(records: Sequence[Record]) -> list[KernelRow]:
    """One row for each kernel that was tried."""
    task = next(task for task in TASKS if task.key == "kernels")
    found = []
    for runner in task.runners:
        mine = [record for record in records if (record["task"], record["runner"]) == (task.key, runner.name)]
        timed = [record for record in mine if record.get("seconds")]
        if timed:
            found.append(row(runner.name, timed)._replace(note=note(mine, task, runner.name)))
        elif mine:
            found.append(KernelRow(runner.name, note=note(mine, task, runner.name)))
    return found


def row(name: str, records: Sequence[Record]) -> KernelRow:
    """A kernel's row out of its rounds."""
    both = [record for record in records if record.get("torch")]
    limit = spread([record["limit"] for record in records])
    last = records[-1]
    return KernelRow(
        name,
        spread([record["seconds"] * 1e3 for record in records]),
        spread([record["torch"] * 1e3 for record in both]),
        spread([record["torch"] / record["seconds"] for record in both]),
        spread([record["share"] for record in records]),
        spread([record["torch_share"] for record in both]),
        limit.median if limit else 0.0,
        last["unit"],
        last["operations"],
        last["bytes"],
    )


def cells(rows: Sequence[KernelRow]) -> Cells:
    """The table's cells."""
    return [
        (
            row.name,
            number(row.time.median) if row.time else "–",
            number(row.torch.median) if row.torch else "–",
            f"{number(row.ratio.median)}x" if row.ratio else "–",
            between(row.ratio),
            f"{number(row.share.median * row.limit)} of {number(row.limit)} {row.unit}" if row.share else "–",
            f"{row.share.median:.0%}" if row.share else "–",
            f"{row.torch_share.median:.0%}" if row.torch_share else "–",
        )
        for row in rows
    ]
