"""Pictures made of pictures: weights, digits with what was predicted for them, and what is taken for what."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import ShapeError
from .figures import INK, VERMILION, bare, new_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]


def weights(matrix: Array, title: str = "", columns: int = 5) -> Figure:
    """Return a figure of a softmax regression's weights: for each class, what speaks for it and what against it.

    Args:
        matrix: of shape (pixels, classes); the pixels of a square image.
        title: what it shows.
        columns: how many classes in a row.

    Raises:
        ShapeError: if the pixels are not a square image's.
    """
    pixels, classes = matrix.shape
    side = _side(pixels)
    rows = math.ceil(classes / columns)
    figure = new_figure(1.5 * columns + 0.6, 1.65 * rows + (0.4 if title else 0))
    cells = new_axes(figure, rows, columns)
    largest = max(float(np.abs(matrix).max()), 1e-12)
    for axes in cells:
        bare(axes)
    for k, axes in enumerate(cells[:classes]):
        shown = axes.imshow(matrix[:, k].reshape(side, side), cmap="PuOr_r", vmin=-largest, vmax=largest)
        bare(axes, str(k))
    bar = figure.colorbar(shown, ax=cells, shrink=0.7, ticks=[-largest, 0, largest], aspect=30)
    bar.ax.set_yticklabels(["against", "0", "for"])
    bar.ax.tick_params(labelsize=8, colors=INK, length=0)
    bar.outline.set_visible(False)
    if title:
        figure.suptitle(title, fontsize=11, color=INK, x=0.01, ha="left")
    return figure


def filters(kernel: Array, title: str = "", columns: int = 8) -> Figure:
    """Return a figure of a first convolution's filters, each on a scale of its own.

    Args:
        kernel: of shape (height, width, 1, filters).
        title: what it shows.
        columns: how many filters in a row.

    Raises:
        ShapeError: if the kernel is not that of images with one channel.
    """
    if kernel.ndim != 4 or kernel.shape[2] != 1 or not kernel.size:
        raise ShapeError(f"a kernel of shape {kernel.shape} cannot be shown; expected (height, width, 1, filters)")
    count = kernel.shape[3]
    rows = math.ceil(count / columns)
    figure = new_figure(0.82 * columns, 0.82 * rows + (0.4 if title else 0))
    cells = new_axes(figure, rows, columns)
    for axes in cells:
        bare(axes)
    for k, axes in enumerate(cells[:count]):
        largest = max(float(np.abs(kernel[..., k]).max()), 1e-12)
        axes.imshow(kernel[:, :, 0, k], cmap="PuOr_r", vmin=-largest, vmax=largest)
    if title:
        figure.suptitle(title, fontsize=11, color=INK, x=0.01, ha="left")
    return figure


def predictions(images: Array, labels: Array, predicted: Array, title: str = "", columns: int = 10) -> Figure:
    """Return a sheet of images, each with what was predicted; a wrong one says what it is too, in another colour.

    Args:
        images: of shape (n, pixels), the pixels of a square image, from 0 to 1.
        labels: what they are, of shape (n,).
        predicted: what a model says they are, of shape (n,).
        title: what it shows.
        columns: how many images in a row.

    Raises:
        ShapeError: if the pixels are not a square image's.
    """
    side = _side(images.shape[1])
    rows = max(math.ceil(len(images) / columns), 1)
    figure = new_figure(0.82 * columns, 1.02 * rows + (0.4 if title else 0))
    cells = new_axes(figure, rows, columns)
    for axes in cells:
        bare(axes)
    for axes, image, label, guess in zip(cells, images, labels, predicted, strict=False):
        axes.imshow(image.reshape(side, side), cmap="gray_r", vmin=0, vmax=1)
        if label == guess:
            bare(axes, str(guess))
        else:
            bare(axes, f"{guess}, is {label}", VERMILION)
    if title:
        figure.suptitle(title, fontsize=11, color=INK, x=0.01, ha="left")
    return figure


def confusion(labels: Array, predicted: Array, classes: int = 10, title: str = "") -> Figure:
    """Return a figure that counts, for each true class (a row), what was predicted (a column)."""
    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (labels, predicted), 1)
    figure = new_figure(4.8, 4.8)
    (axes,) = new_axes(figure)
    wrong = counts * (1 - np.eye(classes, dtype=int))
    axes.imshow(np.ma.masked_equal(wrong, 0), cmap="Oranges", vmin=0, vmax=max(2 * int(wrong.max()), 1))
    for true, guess in np.argwhere(counts):
        colour = INK if true != guess else "#8a929c"
        axes.text(guess, true, f"{counts[true, guess]:,}", ha="center", va="center", fontsize=8, color=colour)
    bare(axes)
    axes.set_xticks(range(classes))
    axes.set_yticks(range(classes))
    axes.tick_params(labelsize=9, colors=INK, length=0)
    axes.set_xlabel("predicted", fontsize=9, color=INK)
    axes.set_ylabel("true", fontsize=9, color=INK)
    if title:
        axes.set_title(title, loc="left", fontsize=11, color=INK)
    return figure


def _side(pixels: int) -> int:
    side = math.isqrt(pixels)
    if side * side != pixels:
        raise ShapeError(f"{pixels} pixels are no square image; expected 64 (8 x 8) or 784 (28 x 28), for example")
    return side
