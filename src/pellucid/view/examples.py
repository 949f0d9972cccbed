"""Sheets of images, each with what a model says it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError, ShapeError
from .classes import checked_labels, class_names, predicted_classes, shortened_name
from .figures import GAP, INK, LETTER, VERMILION, bare, new_sheet
from .pixels import are_drawings, as_images, draw_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDEST = 9.2  # inches


def predictions(
    images: Any,
    labels: Any,
    predicted: Any,
    title: str = "",
    columns: int | None = None,
    classes: int | Sequence[str] | None = None,
) -> Figure:
    """Return a sheet of images, each with what was predicted; a wrong one says what it is too, in another colour.

    Args:
        images: of shape (n, height, width, channels) with 1 channel or 3, (n, height, width), or (n, pixels) of a
            square image; bytes, or numbers from 0 to 1.
        labels: the true classes, whole numbers of shape (n,).
        predicted: the predicted classes, or their probabilities as ``Model.predict`` returns them, which are shown.
        title: what it shows.
        columns: how many images in a row; as many as fit, unless told otherwise.
        classes: their names; numbers, unless told otherwise.

    Raises:
        ShapeError: if the examples are no images, or there is not one label and one prediction for each.
        InputError: if a class has no name.
        MissingExtraError: if matplotlib is not installed.
    """
    pixels = as_images(images)
    guesses, probability = predicted_classes(predicted)
    _check_count(len(pixels), len(guesses))
    truths = checked_labels(labels, len(pixels))
    names = [shortened_name(name) for name in class_names(classes, truths, guesses)]
    written = [_written(names, *pair) for pair in zip(truths, guesses, _shares(probability, len(guesses)), strict=True)]
    width = max(0.82, LETTER * max((len(line) for text in written for line in text.split("\n")), default=0))
    height = 0.82 * min(max(pixels.shape[1] / pixels.shape[2], 0.5), 2.0)
    lines = max((text.count("\n") + 1 for text in written), default=1)
    fitting = max(int(WIDEST / (width + GAP)), 1)
    figure, cells = new_sheet(len(pixels), columns or fitting, (width, height), 0.08 + 0.15 * lines, title=title)
    as_ink = are_drawings(pixels)
    for axes, image, text, right in zip(cells, pixels, written, truths == guesses, strict=False):
        draw_image(axes, image, as_ink)
        bare(axes, text, INK if right else VERMILION)
    return figure


def misclassified(
    inputs: Any,
    labels: Any,
    predicted: Any,
    classes: int | Sequence[str] | None = None,
    title: str = "",
    most: int = 40,
) -> Figure:
    r"""Return a sheet of the images that were taken for something else, the most certain mistakes first.

    Args:
        inputs: all the images, as for ``predictions``.
        labels: the true classes, whole numbers of shape (n,).
        predicted: the predicted classes, or their probabilities as ``Model.predict`` returns them.
        classes: their names; numbers, unless told otherwise.
        title: what it shows.
        most: how many are shown.

    Raises:
        ShapeError: if the examples are no images, or there is not one label and one prediction for each.
        InputError: if all predictions are right, or a class has no name.
        MissingExtraError: if matplotlib is not installed.

    >>> import numpy as np, pellucid as pc
    >>> images, labels = pc.data.digits()
    >>> figure = pc.plot.misclassified(images[:3], labels[:3], [0, 1, 3])
    >>> [axes.get_title() for axes in figure.axes]
    ['3\nis 2']
    """
    given, found = np.asarray(inputs), np.asarray(predicted)
    guesses, probability = predicted_classes(found)
    _check_count(len(given), len(guesses))
    truths = checked_labels(labels, len(guesses))
    wrong = np.flatnonzero(truths != guesses)
    if not len(wrong):
        raise InputError("every prediction is right; there is no misclassified example to show")
    if probability is not None:
        wrong = wrong[np.argsort(-probability[wrong], kind="stable")]
    chosen = wrong[:most]
    names = class_names(classes, truths, guesses)
    return predictions(given[chosen], truths[chosen], found[chosen], title, classes=names)


def _check_count(images: int, predictions: int) -> None:
    if images != predictions:
        raise ShapeError(f"there are {images} images for {predictions} predictions; expected as many")


def _shares(probability: Any, count: int) -> list[str]:
    return [""] * count if probability is None else [f" ({_percent(p)})" for p in probability]


def _percent(share: float) -> str:
    """Return a share as a percentage, which is 100% of all alone.

    >>> _percent(0.97), _percent(0.9999), _percent(1.0)
    ('97%', '>99%', '100%')
    """
    return ">99%" if 0.995 <= share < 1 else f"{share:.0%}"


def _written(names: Sequence[str], true: int, guess: int, share: str) -> str:
    return f"{names[guess]}{share}" + ("" if true == guess else f"\nis {names[true]}")


__all__ = ["misclassified", "predictions"]
