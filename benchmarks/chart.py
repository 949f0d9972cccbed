"""The results as one picture: a panel for each task, a bar for each runner, time on a logarithmic axis."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .summary import Row
from .table import by_task, number

OURS, OTHERS = "#c8451b", "#8a94a6"
TITLE_WIDTH = 58  # letters to a line


def draw(rows: Sequence[Row], path: Path) -> bool:
    """Write the picture; False where matplotlib is not installed."""
    try:
        import matplotlib as mpl
    except ModuleNotFoundError:
        return False
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    groups = {title: [row for row in group if row.time] for title, group in by_task(rows).items()}
    groups = {title: group for title, group in groups.items() if len(group) > 1}  # a single bar shows nothing
    if not groups:
        return False
    lines = -(-len(groups) // 2)
    figure, axes = plt.subplots(lines, 2, figsize=(12, 0.4 + 2.9 * lines), squeeze=False, layout="constrained")
    for axis, (title, group) in zip(axes.flat, groups.items(), strict=False):
        panel(axis, title, group)
    for axis in axes.flat[len(groups) :]:
        axis.set_visible(False)
    figure.suptitle(
        "Time on a logarithmic axis, shorter is better; in brackets beside Pellucid; whiskers: the range of the rounds"
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return True


def panel(axis: Any, title: str, group: Sequence[Row]) -> None:
    """One task."""
    for place, row in enumerate(group):
        time = row.time
        if time is None:
            continue
        whiskers = [[time.median - time.low], [time.high - time.median]]
        colour = OURS if row.runner.startswith("Pellucid") else OTHERS
        axis.barh(place, time.median, color=colour, xerr=whiskers, error_kw={"ecolor": "#333333", "lw": 1})
        label = number(time.median)
        if row.ratio and not row.runner.startswith("Pellucid"):
            label += f"  ({number(row.ratio.median)}x)"
        axis.annotate(label, (time.high, place), (5, 0), textcoords="offset points", va="center", fontsize=9)
    medians = [row.time.median for row in group if row.time]
    axis.set_xscale("log")
    axis.tick_params(axis="x", which="minor", labelbottom=False)  # on a short axis they would overlap
    axis.set_xlim(min(medians) / 3, max(medians) * 8)
    axis.set_yticks(range(len(group)), [row.runner for row in group])
    axis.invert_yaxis()
    axis.set_title(textwrap.fill(title, TITLE_WIDTH), fontsize=10, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
