"""What is taken for what: a table of true and predicted classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .classes import checked_labels, class_names, predicted_classes, shortened_name
from .figures import BLUE, INK, LETTER, bare, new_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALLEST_CELL, LARGEST_CELL = 0.31, 0.9  # inches


def confusion(labels: Any, predicted: Any, classes: int | Sequence[str] | None = None, title: str = "") -> Figure:
    """Return a figure that counts, for each true class (a row), what was predicted (a column).

    Args:
        labels: the true classes, whole numbers of shape (n,).
        predicted: the predicted classes, or their probabilities as ``Model.predict`` returns them.
        classes: their names, or how many there are; as many as occur, unless told otherwise.
        title: what it shows.

    Raises:
        ShapeError: if there is not one label for each prediction.
        InputError: if a class has no name.
        MissingExtraError: if matplotlib is not installed.

    >>> import pellucid as pc
    >>> figure = pc.plot.confusion([0, 1, 1], [0, 1, 0], classes=["cat", "dog"])
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['cat', 'dog']
    """
    guesses, _ = predicted_classes(predicted)
    truths = checked_labels(labels, len(guesses))
    names = [shortened_name(name) for name in class_names(classes, truths, guesses)]
    count, longest = len(names), max(map(len, names))
    counts = np.zeros((count, count), dtype=int)
    np.add.at(counts, (truths, guesses), 1)
    cell = min(max(4.0 / count, SMALLEST_CELL), LARGEST_CELL)
    beside = 0.5 + LETTER * longest
    figure = new_figure(max(count * cell + beside, LETTER * len(title) + beside), count * cell + beside + 0.3)
    (axes,) = new_axes(figure)
    wrong = counts * (1 - np.eye(count, dtype=int))
    axes.imshow(np.ma.masked_equal(wrong, 0), cmap="Oranges", vmin=0, vmax=max(2 * int(wrong.max()), 1))
    size = min(8.0, 72 * cell / (0.62 * len(f"{counts.max():,}") + 0.8))  # points, so that numbers fit into cells
    axes.imshow(np.ma.masked_equal(np.eye(count), 0), cmap="Blues", vmin=0, vmax=8)
    for true, guess in np.argwhere(counts):
        colour = INK if true != guess else BLUE
        axes.text(guess, true, f"{counts[true, guess]:,}", ha="center", va="center", fontsize=size, color=colour)
    bare(axes)
    axes.set_xticks(range(count), names, rotation=90 if longest * LETTER > cell else 0)
    axes.set_yticks(range(count), names)
    axes.tick_params(labelsize=9, colors=INK, length=0)
    axes.set_xlabel("predicted", fontsize=9, color=INK)
    axes.set_ylabel("true", fontsize=9, color=INK)
    if title:
        axes.set_title(title, loc="left", fontsize=11, color=INK)
    return figure


__all__ = ["confusion"]
