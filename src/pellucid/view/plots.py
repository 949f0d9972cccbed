"""Plots of two-dimensional points, decision boundaries and losses. Each is a function of its subject."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .figures import BLUE, FAINT, INK, PALETTE, VERMILION, bare, new_axes, new_figure, plain, tints

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
Predict = Callable[[Array], Array]
CLASSES = ((BLUE, "o"), (VERMILION, "^"))
GRID = 240


def scatter(points: Array, labels: Array, title: str = "") -> Figure:
    """Return a figure of points in the plane, each class with a colour and a mark of its own.

    Args:
        points: of shape (n, 2).
        labels: 0 or 1 for each point.
        title: what it shows.
    """
    figure = new_figure(5.6, 4.2)
    (axes,) = new_axes(figure)
    _points(axes, points, labels, size=26)
    plain(axes, title)
    axes.set_aspect("equal")
    axes.legend(frameon=False, fontsize=9, loc="upper right", handletextpad=0.2)
    return figure


def boundary(predict: Predict, points: Array, labels: Array, title: str = "") -> Figure:
    """Return a figure of what a model says everywhere in the plane, and of the points it was trained on.

    Args:
        predict: takes points of shape (m, 2), float32, and returns for each the probability of class 1 (or the class).
        points: of shape (n, 2).
        labels: 0 or 1 for each point.
        title: what it shows.
    """
    figure = new_figure(5.6, 4.2)
    (axes,) = new_axes(figure)
    filled = _regions(axes, predict, points)
    _points(axes, points, labels, size=22)
    plain(axes, title)
    axes.set_aspect("equal")
    bar = figure.colorbar(filled, ax=axes, ticks=[0, 0.5, 1], shrink=0.8)
    bar.set_label("probability of class 1", fontsize=9, color=INK)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=INK, length=0)
    return figure


def boundaries(panels: Sequence[tuple[str, Predict]], points: Array, labels: Array, columns: int = 4) -> Figure:
    """Return one figure with the decision boundary of several models, each under its title."""
    rows = math.ceil(len(panels) / columns)
    figure = new_figure(3.1 * columns, 2.4 * rows)
    cells = new_axes(figure, rows, columns)
    for axes, (title, predict) in zip(cells, panels, strict=False):
        _regions(axes, predict, points)
        _points(axes, points, labels, size=9)
        bare(axes)
        axes.set_title(title, fontsize=10, color=INK, loc="left")
        axes.set_aspect("equal")
    for axes in cells[len(panels) :]:
        bare(axes)
    if len(cells) > len(panels):
        handles, names = cells[0].get_legend_handles_labels()
        cells[-1].legend(handles, names, loc="center", frameon=False, fontsize=11, markerscale=2.5)
    return figure


def losses(curves: Mapping[str, Array], title: str = "", unit: str = "pass", smooth: int = 1) -> Figure:
    """Return a figure of losses against the number of steps, on a logarithmic scale.

    Args:
        curves: for each name a loss a step, of shape (n,).
        title: what it shows.
        unit: what a step is called.
        smooth: over how many steps the mean is drawn, with the losses themselves faint behind it.
    """
    figure = new_figure(6.4, 3.6)
    (axes,) = new_axes(figure)
    for (name, curve), colour in zip(curves.items(), _cycle(len(curves)), strict=True):
        window = max(min(smooth, len(curve)), 1)
        if window > 1:
            axes.plot(np.arange(1, len(curve) + 1), curve, color=colour, linewidth=0.6, alpha=0.3)
        mean = np.convolve(curve, np.full(window, 1 / window), mode="valid")
        axes.plot(np.arange(window, len(curve) + 1), mean, color=colour, linewidth=1.6, label=name)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(_one_two_five)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    plain(axes, title)
    axes.tick_params(axis="y", which="minor", labelsize=8, labelcolor=INK, color=FAINT)
    axes.grid(axis="y", color="#e4e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(unit, fontsize=9, color=INK)
    axes.set_ylabel("loss", fontsize=9, color=INK)
    if len(curves) > 1:
        axes.legend(frameon=False, fontsize=9)
    return figure


def _one_two_five(value: float, _position: float | None) -> str:
    """Label a logarithmic axis at 1, 2 and 5 only, where labels have room."""
    digit = round(value / 10 ** math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:g}" if digit in (2, 5) else ""


def _cycle(count: int) -> list[str]:
    return [PALETTE[k % len(PALETTE)] for k in range(count)]


def _points(axes: Axes, points: Array, labels: Array, size: float) -> None:
    for value, (colour, mark) in enumerate(CLASSES):
        chosen = points[labels == value]
        axes.scatter(
            chosen[:, 0], chosen[:, 1], s=size, c=colour, marker=mark, edgecolors="white", linewidths=0.5,
            label=f"class {value}", zorder=3,
        )  # fmt: skip


def _regions(axes: Axes, predict: Predict, points: Array) -> Any:
    margin = 0.4
    (left, bottom), (right, top) = points.min(axis=0) - margin, points.max(axis=0) + margin
    x, y = np.meshgrid(np.linspace(left, right, GRID), np.linspace(bottom, top, GRID))
    places = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)
    chance = np.asarray(predict(places), dtype=float).reshape(x.shape)
    filled = axes.contourf(x, y, chance, levels=np.linspace(0, 1, 21), cmap=tints(), extend="neither", zorder=0)
    axes.contour(x, y, chance, levels=[0.5], colors=[INK], linewidths=1.4, zorder=2)
    return filled
