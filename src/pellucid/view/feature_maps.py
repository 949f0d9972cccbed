"""What the layers of a convolutional network make of one image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError
from ..layers.composed import Applied
from ..layers.convolution import ConvolutionLayer
from .figures import INK, bare, headline, new_figure, scale_bar, written
from .inside import applied_layers, layer_called, network_of, values_for
from .pixels import AROUND_ZERO, are_drawings, as_images, draw_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

Array = np.ndarray[Any, Any]
COLUMNS = 8
MOST_LAYERS = 4
CELL = 0.86  # inches


def feature_maps(
    model: Any, image: Any, layer: str | Sequence[str] | None = None, title: str = "", most: int = 16
) -> Figure:
    """Return a figure of an image and of what convolution layers make of it: a small grid of maps for each layer.

    The maps of a layer are on one scale: white is zero, orange above it, purple below.

    Args:
        model: a ``pc.Model``, or a network.
        image: one example, in the shape that the network was made for.
        layer: the name of a layer that returns maps, or several names; the first four convolution layers, unless told
            otherwise.
        title: what it shows.
        most: how many maps of a layer are shown, the first ones.

    Raises:
        InputError: if the network is not built or has no such layer.
        ShapeError: if the example has another shape, or is no image.
        MissingExtraError: if matplotlib is not installed.

    >>> import numpy as np, pellucid as pc
    >>> network = pc.Sequential(pc.layers.Conv2D(6, 5), pc.layers.Flatten(), pc.layers.Dense(10)).build((28, 28, 1))
    >>> figure = pc.plot.feature_maps(network, np.zeros((28, 28, 1)))
    >>> [part.get_suptitle() for part in figure.subfigs]
    ['the image', 'conv2d: 6 maps of 24 x 24']
    """
    network = network_of(model)
    chosen = _chosen(applied_layers(network), layer)
    given = np.asarray(image)
    pixels = as_images(given[None])
    maps = values_for(network, {a.name: a.output for a in chosen}, given[None])
    rows = [math.ceil(min(found.shape[-1], most) / COLUMNS) for found in maps.values()]
    heights = [1.2, *(CELL * count + 0.4 for count in rows)]
    figure = new_figure(CELL * COLUMNS + 0.8, sum(heights) + (0.3 if title else 0))
    headline(figure, title)
    parts: Any = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False).ravel()
    _draw_input(parts[0], pixels)
    for part, (name, found) in zip(parts[1:], maps.items(), strict=True):
        _draw_maps(part, name, found[0], most)
    return figure


def has_maps(applied: Applied) -> bool:
    """Whether a layer is a convolution over images."""
    return isinstance(applied.layer, ConvolutionLayer) and applied.output.ndim == 4


def _chosen(found: list[Applied], layer: str | Sequence[str] | None) -> list[Applied]:
    if layer is None:
        chosen = list(filter(has_maps, found))[:MOST_LAYERS]
        if not chosen:
            raise InputError("the network has no convolution over images; name a layer that returns maps: layer=...")
        return chosen
    names = [layer] if isinstance(layer, str) else list(layer)
    chosen = [layer_called(found, name) for name in names]
    for applied in chosen:
        if applied.output.ndim != 4:
            raise InputError(
                f"layer {applied.name} returns {applied.output.shape}, which are no maps; expected"
                " (batch, height, width, channels)"
            )
    return chosen


def _draw_input(part: SubFigure, pixels: Array) -> None:
    cells: Any = part.subplots(1, COLUMNS)
    for axes in cells:
        bare(axes)
    draw_image(cells[0], pixels[0], are_drawings(pixels))
    _name(part, "the image")


def _draw_maps(part: SubFigure, name: str, maps: Array, most: int) -> None:
    height, width, count = maps.shape
    shown = min(count, most)
    cells: Any = part.subplots(math.ceil(shown / COLUMNS), COLUMNS, squeeze=False).ravel()
    largest = max(float(np.abs(maps[..., :shown]).max()), 1e-12)
    least = -largest if float(maps[..., :shown].min()) < 0 else 0.0
    for axes in cells:
        bare(axes)
    for k, axes in enumerate(cells[:shown]):
        picture = axes.imshow(maps[..., k], cmap=AROUND_ZERO, vmin=-largest, vmax=largest)
    bar = scale_bar(part, picture, list(cells))
    bar.ax.set_ylim(least, largest)
    ticks = sorted({least, 0.0, largest})
    bar.set_ticks(ticks, labels=[*map(written, ticks)])
    how_many = f"{shown} of {count}" if shown < count else str(count)
    _name(part, f"{name}: {how_many} maps of {height} x {width}")


def _name(part: SubFigure, text: str) -> None:
    part.suptitle(text, fontsize=9, color=INK, x=0.01, ha="left")


__all__ = ["feature_maps", "has_maps"]
