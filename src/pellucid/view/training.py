"""Plots of what training measured: the history of a model, and the networks of a sweep beside each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import InputError
from .figures import INK, PALETTE, headline, new_axes, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..sweeps import Sweep
    from ..training.history import History

GRID = "#e4e7eb"
COLUMNS = 3
MARKED = 15  # epochs, each of which has a mark: one alone would be no line


def history(history: History, keys: Sequence[str] = (), title: str = "") -> Figure:
    """Return a figure of what was measured after each epoch: a panel a quantity, training and validation together.

    Args:
        history: what ``Model.fit`` returned.
        keys: the quantities to show, such as "loss" and "accuracy"; all that are single numbers, unless told otherwise.
        title: what it shows.

    Raises:
        InputError: if a quantity was not measured, or nothing was.
        MissingExtraError: if matplotlib is not installed.
    """
    known = {k: v for k, v in history.history.items() if v and np.ndim(v[0]) == 0}
    shown = list(keys) or [k for k in known if not k.startswith("val_")]
    for key in shown:
        if key not in known:
            raise InputError(f"the history has no {key!r}; it has {', '.join(known) or 'nothing yet'}")
    if not shown:
        raise InputError("the history is empty; fit the model first")
    columns = min(len(shown), COLUMNS)
    rows = math.ceil(len(shown) / columns)
    figure = new_figure(5.2 * columns, 3.6 * rows)
    cells = new_axes(figure, rows, columns)
    for axes in cells[len(shown) :]:
        axes.remove()
    for axes, key in zip(cells, shown, strict=False):
        for name, label, colour in ((key, "training", PALETTE[0]), (f"val_{key}", "validation", PALETTE[1])):
            if name in known:
                epochs = np.arange(1, len(known[name]) + 1)
                mark = "o" if len(epochs) <= MARKED else None
                axes.plot(epochs, known[name], color=colour, linewidth=1.6, marker=mark, markersize=4, label=label)
        _ruled(axes, "epoch", key)
        if len(next(iter(known.values()))) == 1:
            axes.set_xlim(0.5, 1.5)
            axes.set_xticks([1])
        else:
            axes.locator_params(axis="x", integer=True)
        if f"val_{key}" in known:
            axes.legend(frameon=False, fontsize=9)
    headline(figure, title)
    return figure


def sweep(found: Sweep, choice: str, figure: str = "loss", title: str = "") -> Figure:
    """Return a figure of how a choice matters: a dot for each network, and a line through the means.

    Args:
        found: what ``pc.sweep`` returned.
        choice: what was varied, along the horizontal axis.
        figure: the quantity, along the vertical axis, such as "val_accuracy".
        title: what it shows.

    Raises:
        InputError: if the sweep did not vary or measure that.
    """
    if choice not in found.choices:
        raise InputError(f"the sweep did not vary {choice!r}; it varied {', '.join(found.choices)}")
    rows = [row for row in found.rows if isinstance(row.get(figure), float)]
    if not rows:
        raise InputError(f"no network of the sweep has the figure {figure!r}")
    values = list(dict.fromkeys(row[choice] for row in rows))
    numeric = all(isinstance(value, int | float) for value in values)
    places = sorted(values) if numeric else values
    position = {value: value if numeric else k for k, value in enumerate(places)}
    drawn = new_figure(6.4, 3.6)
    (axes,) = new_axes(drawn)
    axes.scatter(
        [position[row[choice]] for row in rows],
        [row[figure] for row in rows],
        s=22,
        color=PALETTE[0],
        alpha=0.6,
        zorder=3,
    )
    means = [float(np.mean([row[figure] for row in rows if row[choice] == value])) for value in places]
    axes.plot([position[value] for value in places], means, color=PALETTE[1], linewidth=1.6, zorder=2, label="mean")
    if not numeric:
        axes.set_xticks(range(len(places)), [str(value) for value in places])
    elif min(places) > 0 and max(places) / min(places) > 20:
        axes.set_xscale("log")
        axes.set_xticks(places, [f"{value:g}" for value in places])
        axes.minorticks_off()
    _ruled(axes, choice, figure)
    plain(axes, title)
    axes.legend(frameon=False, fontsize=9)
    return drawn


def _ruled(axes: Axes, across: str, up: str) -> None:
    plain(axes)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(across, fontsize=9, color=INK)
    axes.set_ylabel(up, fontsize=9, color=INK)


__all__ = ["history", "sweep"]
