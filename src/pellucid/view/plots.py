"""Plots of two-dimensional points, decision boundaries and losses. Each is a function of its subject."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError, ShapeError
from .classes import checked_labels, class_names, shortened_name
from .figures import FAINT, INK, PALETTE, bare, new_axes, new_figure, plain, scale_bar, tints

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
Predict = Callable[[Array], Array]
CLASSES = tuple(zip(PALETTE, "o^sDvP", strict=True))  # a colour and a mark for each
LEGEND: dict[str, Any] = {
    "loc": "outside lower center", "ncols": len(CLASSES), "frameon": False, "fontsize": 9, "handletextpad": 0.2
}  # fmt: skip
GRID = 240
MARGIN = 0.08  # inches: with axes of one scale, what is laid out at once is not exact


def scatter(points: Any, labels: Any, title: str = "", classes: int | Sequence[str] | None = None) -> Figure:
    """Return a figure of points in the plane, each class with a colour and a mark of its own.

    Args:
        points: of shape (n, 2).
        labels: the class of each point, whole numbers of shape (n,); up to six classes.
        title: what it shows.
        classes: their names; numbers, unless told otherwise.

    Raises:
        ShapeError: if the points are none of the plane, or there is not one label for each.
        InputError: if there are more classes than marks, or one has no name.
        MissingExtraError: if matplotlib is not installed.
    """
    places, kinds, names = _checked(points, labels, classes)
    figure = new_figure(5.6, 0.9 + 4.8 * _height(places), MARGIN)
    (axes,) = new_axes(figure)
    _points(axes, places, kinds, 26, names)
    plain(axes, title)
    if _on_one_scale(places):
        axes.set_aspect("equal")
    figure.legend(**LEGEND)
    return figure


def boundary(
    predict: Any, points: Any, labels: Any, title: str = "", classes: int | Sequence[str] | None = None
) -> Figure:
    """Return a figure of what a model says everywhere in the plane, and of points whose class is known.

    Args:
        predict: a model, or a function: it takes points of shape (m, 2), float32, and returns for each the probability
            of class 1, of shape (m,) or (m, 1), that of each class, of shape (m, classes), or the class, of shape (m,).
        points: of shape (n, 2).
        labels: the class of each point, whole numbers of shape (n,); up to six classes.
        title: what it shows.
        classes: their names; numbers, unless told otherwise.

    Raises:
        ShapeError: if the points are none of the plane, there is not one label for each, or the model returns something
            else.
        InputError: if there are more classes than colours, or one has no name.
        MissingExtraError: if matplotlib is not installed.

    >>> import pellucid as pc
    >>> points, labels = pc.data.moons(100)
    >>> figure = pc.plot.boundary(lambda points: points[:, 1] < 0.25, points, labels, classes=["upper", "lower"])
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['upper', 'lower']
    """
    places, kinds, names = _checked(points, labels, classes)
    figure = new_figure(5.8, 0.9 + 4.2 * _height(places), MARGIN)
    (axes,) = new_axes(figure)
    filled = _regions(axes, _probabilities(predict), places, len(names))
    _points(axes, places, kinds, 22, names)
    plain(axes, title)
    if _on_one_scale(places):
        axes.set_aspect("equal")
    if filled is not None:
        bar = scale_bar(figure, filled, axes, f"probability of {names[1]}")
        bar.set_ticks([0, 0.5, 1])
    figure.legend(**LEGEND)
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


def _checked(points: Any, labels: Any, classes: int | Sequence[str] | None) -> tuple[Array, Array, list[str]]:
    places = np.asarray(points)
    if places.ndim != 2 or places.shape[1] != 2 or not len(places):
        raise ShapeError(f"the points have shape {places.shape}; expected (n, 2), points in the plane")
    kinds = checked_labels(labels, len(places))
    named = classes is not None and not isinstance(classes, int)
    names = class_names(classes, kinds, np.array([1]) if not named else np.array([], int))
    if len(names) > len(CLASSES):
        raise InputError(f"there are {len(names)} classes, and colours for {len(CLASSES)}")
    return places, kinds, [shortened_name(name) if named else f"class {name}" for name in names]


def _height(points: Array) -> float:
    """Return how high axes for points are, as a share of their width."""
    across, up = np.maximum(np.ptp(points, axis=0), 1e-6)
    return float(up / across) if _on_one_scale(points) else 0.75


def _on_one_scale(points: Array) -> bool:
    """Whether both axes can have one scale, which is not where that would leave one of them a strip."""
    across, up = np.ptp(points, axis=0)
    return bool(max(across, up) < 2.5 * min(across, up))


def _points(
    axes: Axes, points: Array, labels: Array, size: float, names: Sequence[str] = ("class 0", "class 1")
) -> None:
    for value, (name, (colour, mark)) in enumerate(zip(names, CLASSES, strict=False)):
        chosen = points[labels == value]
        axes.scatter(
            chosen[:, 0], chosen[:, 1], s=size, c=colour, marker=mark, edgecolors="white", linewidths=0.5, label=name,
            zorder=3,
        )  # fmt: skip


def _probabilities(predict: Any) -> Predict:
    """Return the function from points to probabilities of a model, of an estimator, or the function itself."""
    for name in ("predict_proba", "predict"):
        if hasattr(predict, name):
            return getattr(predict, name)  # type: ignore[no-any-return]
    if not callable(predict):
        raise InputError(f"{predict!r} says nothing of points; expected a model, or a function of points")
    return predict  # type: ignore[no-any-return]


def _regions(axes: Axes, predict: Predict, points: Array, classes: int = 2) -> Any:
    """Draw what is predicted everywhere; return the colours of probabilities where there are two classes."""
    margin = 0.1 * np.maximum(np.ptp(points, axis=0), 1e-6)
    (left, bottom), (right, top) = points.min(axis=0) - margin, points.max(axis=0) + margin
    x, y = np.meshgrid(np.linspace(left, right, GRID), np.linspace(bottom, top, GRID))
    places = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)
    found = np.asarray(predict(places), dtype=float)
    if found.ndim not in (1, 2) or len(found) != len(places) or found.shape[1:] == (0,):
        raise ShapeError(
            f"for {len(places)} points the model returned the shape {found.shape}; expected ({len(places)},), the"
            f" probability of class 1, or ({len(places)}, classes)"
        )
    if found.ndim == 1 and classes > 2:
        found = (found[:, None] == np.arange(classes)).astype(float)
    if found.ndim == 2 and found.shape[1] > 2:
        _of_several(axes, x, y, found.reshape(*x.shape, -1))
        return None
    chance = found.reshape(*x.shape, -1)[..., -1]
    filled = axes.contourf(x, y, chance, levels=np.linspace(0, 1, 21), cmap=tints(), extend="neither", zorder=0)
    axes.contour(x, y, chance, levels=[0.5], colors=[INK], linewidths=1.4, zorder=2)
    return filled


def _of_several(axes: Axes, x: Array, y: Array, found: Array) -> None:
    """Fill the region of each of several classes, where its probability is the largest."""
    for k, (colour, _) in zip(range(found.shape[-1]), CLASSES, strict=False):
        ahead = found[..., k] - np.delete(found, k, axis=-1).max(axis=-1)
        if ahead.max() > 0:
            axes.contourf(x, y, ahead, levels=[0, 2], colors=[colour], alpha=0.25, zorder=0)
            axes.contour(x, y, ahead, levels=[0], colors=[INK], linewidths=1.0, zorder=2)
