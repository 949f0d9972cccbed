"""Numbers as pictures: which shapes are images, and which colours their numbers are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import ShapeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
AROUND_ZERO = "PuOr_r"  # purple below, white at, orange above
INK_ON_PAPER = 0.2  # images whose median is darker are drawings, and are drawn as ink on white


def image_shape(shape: Shape, size: Shape | None = None) -> Shape:
    """Return height, width and channels (1 or 3) of an example that is an image.

    Args:
        shape: the example's: (height, width), (height, width, channels), or (pixels,).
        size: height and width, and channels unless there is one, of pixels in a row; those of a square if not given.

    Raises:
        ShapeError: if that is no image.

    >>> image_shape((784,)), image_shape((3072,)), image_shape((32, 20, 3)), image_shape((6,), (2, 3))
    ((28, 28, 1), (32, 32, 3), (32, 20, 3), (2, 3, 1))
    """
    wanted = size or shape
    if len(wanted) == 1:
        for channels in (1, 3):
            side = math.isqrt(wanted[0] // channels)
            if side and side * side * channels == wanted[0]:
                return side, side, channels
        raise ShapeError(
            f"{wanted[0]} pixels are no square image; expected 64 (8 x 8) or 784 (28 x 28), for example, or in colours"
            " 3072 (32 x 32 x 3); give others in the shape (height, width, channels)"
        )
    found = (*wanted, 1) if len(wanted) == 2 else wanted
    if len(found) != 3 or found[2] not in (1, 3) or math.prod(found) != math.prod(shape) or not math.prod(found):
        raise ShapeError(
            f"an example of shape {shape} is no image{f' of {size}' if size else ''}; expected"
            " (height, width, channels) with 1 channel or 3"
        )
    return found


def as_images(inputs: Any) -> Array:
    """Return examples as images of shape (n, height, width, channels), with numbers from 0 to 1.

    Args:
        inputs: of shape (n, ...), each an image (see ``image_shape``). Bytes are divided by 255; other numbers are
            stretched to 0 and 1, over all images alike, if they are not between those.

    Raises:
        ShapeError: if an example is no image.
    """
    given = np.asarray(inputs)
    images = given.reshape(len(given), *image_shape(given.shape[1:]))
    if given.dtype == np.uint8:
        return images.astype(np.float32) / np.float32(255)
    images = images.astype(np.float32)
    least, most = float(images.min(initial=0)), float(images.max(initial=1))
    return images if (least, most) == (0, 1) else (images - np.float32(least)) / np.float32(most - least)


def are_drawings(images: Array) -> bool:
    """Whether images of one channel are light lines on black, which are drawn as ink on white."""
    return images.shape[-1] == 1 and float(np.median(images)) < INK_ON_PAPER


def draw_image(axes: Axes, image: Array, as_ink: bool) -> None:
    """Draw an image of shape (height, width, channels)."""
    if image.shape[-1] == 3:
        axes.imshow(image)
    else:
        axes.imshow(image[..., 0], cmap="gray_r" if as_ink else "gray", vmin=0, vmax=1)


__all__ = ["AROUND_ZERO", "are_drawings", "as_images", "draw_image", "image_shape"]
