"""Pictures of weights: what each unit or filter of a first layer answers to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError, ShapeError
from ..core.expression import Parameter
from ..layers.convolution import Conv2D
from ..layers.dense import Dense
from ..layers.reshaping import Permute
from .classes import class_names, shortened_name
from .figures import bare, beside_sheet, new_sheet, scale_bar, written
from .inside import applied_layers, network_of
from .pixels import AROUND_ZERO, Shape, image_shape

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
ABOVE_WEIGHTS = 18  # letters
CELL, BESIDE = 0.82, 0.75  # inches: a filter, and what the bar of colours takes


def weights(matrix: Any, title: str = "", columns: int = 5, classes: int | Sequence[str] | None = None) -> Figure:
    """Return a figure of a softmax regression's weights: for each class, what speaks for it and what against it.

    Args:
        matrix: of shape (pixels, classes); the pixels of a square image, grey or in colours.
        title: what it shows.
        columns: how many classes in a row.
        classes: their names; numbers, unless told otherwise.

    Raises:
        ShapeError: if the pixels are not a square image's.
        InputError: if a class has no name.
        MissingExtraError: if matplotlib is not installed.
    """
    images = _as_images(np.asarray(matrix), None)
    names = [shortened_name(name, ABOVE_WEIGHTS) for name in class_names(classes, np.arange(len(images)))]
    figure, bar = _sheet(images, names[: len(images)], title, columns, 1.4)
    if bar is not None:
        bar.ax.set_yticklabels(["against", "0", "for"])
    return figure


def filters(given: Any, title: str = "", columns: int = 8, most: int = 64, image: Shape | None = None) -> Figure:
    """Return a figure of a first layer's filters, all on one scale: purple is below zero, white zero, orange above.

    Filters over three channels are shown in their colours, where grey is zero.

    Args:
        given: a ``pc.Model`` or a network, whose first layer with a kernel is shown if it is a ``Conv2D``, or a
            ``Dense`` that reads all pixels of images; or such a layer's kernel: of shape (height, width, channels,
            filters) with 1 channel or 3, or (pixels, units).
        title: what it shows; how many filters of which size, unless told otherwise.
        columns: how many filters in a row.
        most: how many are shown, the first ones.
        image: height and width, and channels unless there is one, of the pixels of a dense layer's kernel; a square,
            unless told otherwise.

    Raises:
        ShapeError: if the kernel is of other channels, or its pixels are no image's.
        InputError: if a network is not built, or does not begin with such a layer.
        MissingExtraError: if matplotlib is not installed.

    >>> import pellucid as pc
    >>> network = pc.Sequential(pc.layers.Conv2D(6, 5), pc.layers.Flatten(), pc.layers.Dense(10)).build((28, 28, 1))
    >>> pc.plot.filters(network).get_suptitle()
    '6 filters of 5 x 5'
    """
    if isinstance(given, np.ndarray | Parameter):
        kernel = np.asarray(given.value if isinstance(given, Parameter) else given)
    else:
        kernel, image = _of_network(given)
    images = _as_images(kernel, image)
    count, height, width = images.shape[:3]
    shown = images[:most]
    what = "filters" if kernel.ndim == 4 else "units over images"
    how_many = f"{len(shown)} of {count}" if len(shown) < count else f"{count}"
    return _sheet(shown, [], title or f"{how_many} {what} of {height} x {width}", columns, CELL)[0]


def _of_network(given: Any) -> tuple[Array, Shape | None]:
    found = first_kernel(given)
    if found is None:
        raise InputError(
            "the network does not begin with a layer whose weights are images; expected a Conv2D over 1 or 3 channels,"
            " or a Dense that reads all pixels; another layer's kernel can be given itself: network[k].kernel"
        )
    return found


def first_kernel(model: Any) -> tuple[Array, Shape | None] | None:
    """Return the kernel that meets a network's inputs, and their shape as images if it is a dense layer's.

    There is none if the first layer with a kernel is neither a ``Conv2D`` over 1 or 3 channels nor a ``Dense`` that
    reads whole images.
    """
    network = network_of(model)
    shape = network.inputs[0].shape[1:]
    example = tuple(size for size in shape if isinstance(size, int))
    pixels = math.prod(example) if len(example) == len(shape) else None
    for _, layer, _ in applied_layers(network):
        if isinstance(layer, Conv2D) and layer.kernel.value.shape[2] in (1, 3):
            return layer.kernel.value, None
        if isinstance(layer, Dense) and layer.kernel.value.shape[0] == pixels:
            return layer.kernel.value, example
        if isinstance(layer, Permute) or layer.parameters:
            return None
    return None


def _as_images(kernel: Array, image: Shape | None) -> Array:
    """Return filters as images of shape (filters, height, width, channels)."""
    if not kernel.size or kernel.ndim not in (2, 4) or (kernel.ndim == 4 and kernel.shape[2] not in (1, 3)):
        raise ShapeError(
            f"a kernel of shape {kernel.shape} cannot be shown; expected (height, width, channels, filters) with 1"
            " channel or 3, or (pixels, units)"
        )
    if kernel.ndim == 4:
        return np.moveaxis(kernel, 3, 0)
    return kernel.T.reshape(kernel.shape[1], *image_shape(kernel.shape[:1], image))


def _sheet(images: Array, names: Sequence[str], title: str, columns: int, width: float) -> tuple[Figure, Any]:
    """Return a sheet of weights on one scale, and the bar of that scale, which colours have none of."""
    largest = max(float(np.abs(images).max()), 1e-12)
    grey = images.shape[-1] == 1
    height = width * min(max(images.shape[1] / images.shape[2], 0.5), 2.0)
    above, beside = 0.23 if names else 0.0, BESIDE if grey else 0.0
    figure, cells = new_sheet(len(images), columns, (width, height), above, beside, title)
    for k, (axes, image) in enumerate(zip(cells, images, strict=False)):
        if grey:
            shown = axes.imshow(image[..., 0], cmap=AROUND_ZERO, vmin=-largest, vmax=largest)
        else:
            axes.imshow(0.5 + image / (2 * largest))
        bare(axes, names[k] if names else "")
    if not grey:
        return figure, None
    bar = scale_bar(figure, shown, cells, into=beside_sheet(figure, BESIDE))
    bar.set_ticks([-largest, 0, largest], labels=[*map(written, (-largest, 0, largest))])
    return figure, bar


__all__ = ["filters", "first_kernel", "weights"]
