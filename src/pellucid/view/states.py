"""A recurrent network's states over time, with what it reads at each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .figures import INK, new_axes, new_figure, plain, tints

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]


def states(values: Array, labels: Sequence[str] = (), title: str = "") -> Figure:
    """Return a figure of states over time: a column for each step, a row for each unit.

    Args:
        values: of shape (time, units).
        labels: what is read at each step; a label may have several lines.
        title: what it shows.
    """
    time, units = values.shape
    figure = new_figure(min(2.2 + 0.62 * time, 12.0), 1.6 + 0.16 * units)
    (axes,) = new_axes(figure)
    plain(axes, title)
    most = max(1.0, float(np.abs(values).max(initial=0.0)))
    least = 0.0 if values.min(initial=0.0) >= 0 else -most
    shown = axes.imshow(values.T, cmap=tints(), vmin=least, vmax=most, aspect="auto", interpolation="nearest")
    axes.set_xticks(range(time), labels or [str(t) for t in range(1, time + 1)])
    axes.set_yticks(range(0, units, max(1, units // 8)))
    axes.set_ylabel("unit", fontsize=9, color=INK)
    bar = figure.colorbar(shown, ax=axes, shrink=0.9)
    bar.set_label("state", fontsize=9, color=INK)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=INK, length=0)
    return figure


__all__ = ["states"]
