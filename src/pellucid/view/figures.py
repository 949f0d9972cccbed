"""Figures: their style, and turning one into a file or a data address. The one place that loads matplotlib.

Figures are made without pyplot, so that drawing keeps no state, needs no screen and works in any thread.
"""

from __future__ import annotations

import base64
import io
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import MissingExtraError
from .folder import write_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure, SubFigure

# Colours that remain apart with any colour vision: M. Okabe and K. Ito, "Color Universal Design", 2002.
BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE)
INK, FAINT = "#222831", "#8a929c"
RESOLUTION = 150
LETTER = 0.075  # inches, of names beside pictures
GAP = 0.09  # inches between the pictures of a sheet


def new_figure(width: float, height: float, margin: float = 0.04) -> Figure:
    """Return an empty figure of a size in inches, with its parts laid out so that nothing overlaps.

    Args:
        width: of the whole.
        height: of the whole.
        margin: around every part, in inches.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "pictures need matplotlib, which is not installed; try: pip install pellucid[learn]"
        ) from error
    figure = Figure(figsize=(width, height), dpi=RESOLUTION, facecolor="white")
    figure.set_layout_engine("constrained", h_pad=margin, w_pad=margin)
    return figure


def new_axes(figure: Figure, rows: int = 1, columns: int = 1) -> list[Axes]:
    """Return a grid of axes in a figure, row by row."""
    grid: Any = figure.subplots(rows, columns, squeeze=False)
    return list(grid.ravel())


def new_sheet(
    count: int, columns: int, size: tuple[float, float], above: float = 0.0, beside: float = 0.0, title: str = ""
) -> tuple[Figure, list[Axes]]:
    """Return a figure of small pictures and the axes of each, with nothing on them yet.

    Each has a place of its own in inches: laying out a hundred axes so that they do not overlap would take seconds.

    Args:
        count: how many pictures.
        columns: how many stand in a row, where there are as many.
        size: width and height of one of them, in inches.
        above: what is left free above each for its name.
        beside: what is left free at the right.
        title: of the whole.
    """
    columns = max(min(columns, count), 1)
    rows = max(math.ceil(count / columns), 1)
    top = 0.32 if title else 0.04
    wide, high = size[0] + GAP, size[1] + above + GAP
    least = 0.085 * len(title)  # so that the title is not cut off
    width, height = max(wide * columns + GAP + beside, least), high * rows + top
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    cells = []
    for k in range(count):
        row, column = divmod(k, columns)
        left, bottom = GAP + wide * column, height - top - high * row - above - size[1]
        cells.append(figure.add_axes((left / width, bottom / height, size[0] / width, size[1] / height)))
        bare(cells[-1])
    if title:
        figure.suptitle(title, fontsize=11, color=INK, x=GAP / width, y=1 - 0.07 / height, ha="left", va="top")
    return figure, cells


def beside_sheet(figure: Figure, beside: float) -> Axes:
    """Return narrow axes in what a sheet left free at its right, for a bar of colours."""
    width, height = figure.get_size_inches()
    high = min(height - 0.7, 5.0)
    return figure.add_axes((1 - (beside - 0.1) / width, 0.5 - (high + 0.2) / height / 2, 0.1 / width, high / height))


def headline(figure: Figure, title: str) -> None:
    """Write the title of a whole figure, if there is one, at its left."""
    if title:
        figure.suptitle(title, fontsize=11, color=INK, x=0.01, ha="left")


def tints() -> Colormap:
    """Return the colours from one class's region to the other's, pale enough for points to be seen on them."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("classes", ["#9cc9e3", "#f7f7f5", "#f3c2a0"])


def plain(axes: Axes, title: str = "") -> None:
    """Give axes the house style: no box, quiet ticks, a title at the left."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=9, color=FAINT)
    if title:
        axes.set_title(title, loc="left", fontsize=11, color=INK)


def bare(axes: Axes, title: str = "", colour: str = INK) -> None:
    """Leave axes with a picture and a title only."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if title:
        axes.set_title(title, fontsize=9, color=colour)


def scale_bar(
    figure: Figure | SubFigure, shown: Any, cells: Axes | list[Axes], label: str = "", into: Axes | None = None
) -> Any:
    """Add a bar that says which colour is which number, in the house style, and return it.

    Args:
        figure: where it is.
        shown: what it explains.
        cells: the axes whose place it shares.
        label: what the numbers are.
        into: axes of its own, in place of a share of others'.
    """
    place: Any = {"ax": cells, "shrink": 0.8, "aspect": 30} if into is None else {"cax": into}
    bar = figure.colorbar(shown, **place)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=INK, length=0)
    if label:
        bar.set_label(label, fontsize=9, color=INK)
    return bar


def written(number: float) -> str:
    """Return a number with two digits and a true minus sign, for the ends of a scale."""
    return f"{number:.2g}".replace("-", "\N{MINUS SIGN}")


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=RESOLUTION, metadata={"Software": None})
    return buffer.getvalue()


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure as a PNG file, whole or not at all, and return its path."""
    return write_file(path, png(figure))


def data_address(image: bytes) -> str:
    """Return the bytes of a PNG file as an address that a page can hold."""
    return "data:image/png;base64," + base64.b64encode(image).decode("ascii")
