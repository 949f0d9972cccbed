"""The roofline: what each kernel reaches, under what its arithmetic and its memory traffic allow.

Williams, Waterman and Patterson, Roofline: an insightful visual performance model, CACM 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .chart import OTHERS, OURS
from .kernel_table import KernelRow


def roof(rows: Sequence[KernelRow], unit: str) -> float:
    """The highest limit that was measured in a unit; 0 where none was."""
    return max((row.limit for row in rows if row.unit == unit), default=0.0)


def draw(rows: Sequence[KernelRow], path: Path) -> bool:
    """Write the picture; False where matplotlib is not installed or a limit was not measured."""
    arithmetic, bandwidth = roof(rows, "GFLOP/s"), roof(rows, "GB/s")
    if not arithmetic or not bandwidth:
        return False
    try:
        import matplotlib as mpl
    except ModuleNotFoundError:
        return False
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(10, 6), layout="constrained")
    bend, right = arithmetic / bandwidth, max(row.operations / row.bytes for row in rows if row.time) * 3
    axis.plot([0.2, bend, right], [0.2 * bandwidth, arithmetic, arithmetic], color="#333333", lw=1.5)
    axis.annotate(f"{arithmetic:.0f} GFLOP/s", (right, arithmetic), (0, 5), textcoords="offset points", ha="right")
    axis.annotate(f"{bandwidth:.0f} GB/s", (1.5, 1.5 * bandwidth), (-6, 2), textcoords="offset points", ha="right")
    for row in rows:
        points(axis, row)
    numbers(axis, rows)
    axis.set(xscale="log", yscale="log", xlabel="operations for each byte that must be moved", ylabel="GFLOP/s")
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_title("Single kernels under the limits of this machine: Pellucid filled, PyTorch hollow", loc="left")
    lines = "\n".join(f"{number} {row.name}" for number, row in enumerate(rows, 1))
    axis.text(0.98, 0.03, lines, transform=axis.transAxes, fontsize=8, va="bottom", ha="right")
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return True


def intensity(row: KernelRow) -> float:
    """Operations for each byte."""
    return row.operations / row.bytes if row.bytes else 0


def numbers(axis: Any, rows: Sequence[KernelRow]) -> None:
    """The numbers of the kernels; those at one intensity, whose points are close, stand together beside the highest."""
    together: dict[float, list[int]] = {}
    for number, row in enumerate(rows, 1):
        if row.time:
            together.setdefault(round(intensity(row), 3), []).append(number)
    for at, found in together.items():
        highest = max(rows[n - 1].operations / rows[n - 1].time.median / 1e6 for n in found)
        axis.annotate(", ".join(map(str, found)), (at, highest), (7, -4), textcoords="offset points", fontsize=8)


def points(axis: Any, row: KernelRow) -> None:
    """One kernel of both."""
    for time, colour, face in ((row.torch, OTHERS, "none"), (row.time, OURS, OURS)):
        if time:
            height = row.operations / time.median / 1e6
            axis.scatter([intensity(row)], [height], edgecolors=colour, facecolors=face, zorder=3)
