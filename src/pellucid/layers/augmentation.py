"""Augmentation: in training each example is an image flipped, cut or shifted at random; its label stays.

Each layer says for every row and column of the new image which one of the old image stands there, and takes the pixels,
so that images of bytes stay bytes and nothing but the new images is written. The draws are those of ``Dropout``:
functions of a seed, of the step and of the example's place in its batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.configuration import register
from ..core.dtypes import is_float
from ..core.errors import InputError, ShapeError
from ..core.expression import Expression
from ..core.settings import check_choice, check_number, check_whole, is_number
from ..core.sizes import show_shape
from ..operations.comparison import greater_equal, less
from ..operations.composed import clip
from ..operations.elementwise import where
from ..operations.indexing import take
from ..operations.logical import logical_and
from ..operations.movement import reshape, slice_axes
from ..operations.random import bernoulli, uniform
from ..operations.rounding import floor, minimum
from ..operations.source import arange, constant
from .arguments import check_layout, shown
from .layer import Layer

FLIPS = {"horizontal": (False, True), "vertical": (True, False), "horizontal_and_vertical": (True, True)}
FILL_MODES = ("constant", "nearest", "reflect", "wrap")


def _size(layer: Layer, x: Expression) -> tuple[int, int]:
    """Return height and width of images, which are to be numbers."""
    check_layout(layer, x.shape, 2)
    height, width = x.shape[1:3]
    if isinstance(height, int) and isinstance(width, int):
        return height, width
    raise ShapeError(
        f"{shown(layer)} takes images whose height and width are numbers, and was given {show_shape(x.shape)}; bring"
        " them to one size first, pc.data.images(folder, size=(32, 32))"
    )


def _rows(height: int) -> Expression:
    """Return the numbers of rows, ``(1, height, 1)``."""
    return reshape(arange(height), (1, height, 1))


def _columns(width: int) -> Expression:
    """Return the numbers of columns, ``(1, 1, width)``."""
    return reshape(arange(width), (1, 1, width))


def _drawn(x: Expression, count: int) -> Expression:
    """Return for each example a whole number from 0 to ``count`` - 1, each as likely; ``(batch, 1, 1)``."""
    if count == 1:
        return constant(0)
    return floor(uniform((x.shape[0], 1, 1)) * float(count)).astype("int32")


def _pixels(x: Expression, rows: Expression, columns: Expression) -> Expression:
    """Return images made of what stands, in each example's own image, at some rows and columns.

    Args:
        x: ``(batch, height, width, channels)``.
        rows: from 0 to height - 1, ``(batch, new height, 1)``, with 1 for the batch where they are the same for all.
        columns: from 0 to width - 1, ``(batch, 1, new width)``, or likewise.
    """
    batch, height, width, channels = x.shape
    # int64, as a batch may have more than 2**31 pixels
    first = reshape(arange(batch, "int64"), (batch, 1, 1)) * (height * width)
    return take(reshape(x, (batch * height * width, channels)), first + rows * width + columns)


@register
@dataclass(eq=False, repr=False)
class RandomFlip(Layer):
    """In training half of the images, each by itself, are turned left to right, or upside down; else nothing.

    Args:
        mode: ``"horizontal"`` turns left to right, ``"vertical"`` upside down, ``"horizontal_and_vertical"`` draws both
            independently.

    Shapes: ``(batch, height, width, channels)``, height and width numbers, which stays, as the dtype does; no weights.

    Krizhevsky, Sutskever and Hinton, *ImageNet classification with deep convolutional neural networks*, 2012, section
    4.1.

    >>> import numpy as np, pellucid as pc
    >>> x, layer = pc.layers.Input((1, 3, 1), "uint8"), pc.layers.RandomFlip("horizontal")
    >>> images = np.tile(np.array([[[1], [2], [3]]], "uint8"), (4, 1, 1, 1))
    >>> pc.function([x], layer(x, training=True), seed=0)(images).reshape(4, 3).tolist()
    [[3, 2, 1], [3, 2, 1], [1, 2, 3], [1, 2, 3]]
    """

    mode: str = "horizontal_and_vertical"

    def __post_init__(self) -> None:
        check_choice(self, "mode", self.mode, FLIPS)

    def call(self, x: Expression, training: bool = False) -> Expression:
        """Return the images, some of them flipped in training."""
        height, width = _size(self, x)
        if not training:
            return x
        flips_rows, flips_columns = FLIPS[self.mode]
        rows, columns = _rows(height), _columns(width)
        return _pixels(
            x,
            self._flipped(x, rows, height) if flips_rows else rows,
            self._flipped(x, columns, width) if flips_columns else columns,
        )

    def _flipped(self, x: Expression, places: Expression, size: int) -> Expression:
        return where(bernoulli(0.5, (x.shape[0], 1, 1)), size - 1 - places, places)


@register
@dataclass(eq=False, repr=False)
class RandomCrop(Layer):
    """A part of each image: in training anywhere in it, each place as likely; else the middle.

    After ``ZeroPadding2D`` it shifts images, which stay whole where nothing is trained.

    Args:
        height, width: of the part, at most the images'.

    Shapes: ``(batch, image height, image width, channels)``, both numbers, to ``(batch, height, width, channels)``; the
    dtype stays; no weights.

    Krizhevsky, Sutskever and Hinton, *ImageNet classification with deep convolutional neural networks*, 2012, section
    4.1.

    >>> import numpy as np, pellucid as pc
    >>> x, layer = pc.layers.Input((1, 5, 1)), pc.layers.RandomCrop(1, 3)
    >>> images = np.tile(np.arange(5, dtype="float32").reshape(1, 5, 1), (3, 1, 1, 1))
    >>> pc.function([x], layer(x, training=True), seed=0)(images).reshape(3, 3).tolist()
    [[1.0, 2.0, 3.0], [0.0, 1.0, 2.0], [2.0, 3.0, 4.0]]
    >>> pc.function([x], layer(x))(images[:1]).ravel()
    array([1., 2., 3.], dtype=float32)
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        check_whole(self, "height", self.height)
        check_whole(self, "width", self.width)

    def call(self, x: Expression, training: bool = False) -> Expression:
        """Return the parts."""
        height, width = _size(self, x)
        spare = height - self.height, width - self.width
        if min(spare) < 0:
            raise ShapeError(
                f"{shown(self)} cuts out of images, and was given smaller ones, {show_shape(x.shape)}; make height and"
                " width at most theirs, or put pc.layers.ZeroPadding2D before it"
            )
        if not training or spare == (0, 0):
            starts = (0, spare[0] // 2, spare[1] // 2, 0)
            return slice_axes(x, starts, (x.shape[0], self.height, self.width, x.shape[3]), (1, 1, 1, 1))
        top, left = (_drawn(x, n + 1) for n in spare)
        return _pixels(x, top + _rows(self.height), left + _columns(self.width))


@register
@dataclass(eq=False, repr=False)
class RandomTranslation(Layer):
    """In training each image is shifted by whole pixels, each shift of the range as likely; else nothing.

    Args:
        height_factor: how far down at most, as a share of the height from 0 to 1, and as far up; or the range ``(least,
            most)``, from -1 to 1, where what is negative is up. The ends are rounded to whole pixels.
        width_factor: the same to the right, as a share of the width, and to the left.
        fill_mode: what comes in at the border: ``"reflect"`` the image mirrored (``c b a | a b c``), ``"wrap"`` its
            other side (``a b c | a b c``), ``"nearest"`` its border (``a a a | a b c``), ``"constant"`` the value.
        fill_value: that value; for images of integers a whole number that their dtype has.

    Shapes: ``(batch, height, width, channels)``, height and width numbers, which stays, as the dtype does; no weights.

    Raises:
        InputError: for a factor or a mode that is none; when the layer is called, for a value that the dtype has not.

    Simard, Steinkraus and Platt, *Best practices for convolutional neural networks applied to visual document
    analysis*, 2003, section 2.

    >>> import numpy as np, pellucid as pc
    >>> x, layer = pc.layers.Input((1, 4, 1), "uint8"), pc.layers.RandomTranslation(0, 0.25, "constant")
    >>> images = np.tile(np.array([[[1], [2], [3], [4]]], "uint8"), (4, 1, 1, 1))
    >>> pc.function([x], layer(x, training=True), seed=0)(images).reshape(4, 4).tolist()
    [[1, 2, 3, 4], [2, 3, 4, 0], [0, 1, 2, 3], [1, 2, 3, 4]]
    """

    height_factor: Any
    width_factor: Any
    fill_mode: str = "reflect"
    fill_value: float = 0.0

    def __post_init__(self) -> None:
        self.shares = tuple(self._share(name) for name in ("height_factor", "width_factor"))
        check_choice(self, "fill_mode", self.fill_mode, FILL_MODES)
        check_number(self, "fill_value", self.fill_value, "finite")

    def _share(self, name: str) -> tuple[float, float]:
        given = getattr(self, name)
        least, most = given if isinstance(given, tuple | list) and len(given) == 2 else (given, given)
        if is_number(given):
            least = -given
        if is_number(least) and is_number(most) and -1 <= least <= most <= 1:
            return float(least), float(most)
        raise InputError(
            f"{type(self).__name__}: {name} is {given!r}, and a share from 0 to 1, or a range (least, most) from -1 to"
            " 1, was expected"
        )

    def call(self, x: Expression, training: bool = False) -> Expression:
        """Return the images, shifted in training."""
        height, width = _size(self, x)
        self._check_value(x.dtype)
        ranges = [(round(a * n), round(b * n)) for (a, b), n in zip(self.shares, (height, width), strict=True)]
        if not training or ranges == [(0, 0), (0, 0)]:
            return x
        down, right = (_drawn(x, most - least + 1) + least for least, most in ranges)
        rows, columns = _rows(height) - down, _columns(width) - right
        shifted = _pixels(x, self._inside(rows, height), self._inside(columns, width))
        if self.fill_mode != "constant":
            return shifted
        stands = logical_and(_stands(rows, height), _stands(columns, width))
        return where(reshape(stands, (*stands.shape, 1)), shifted, constant(self.fill_value, x.dtype))

    def _inside(self, places: Expression, size: int) -> Expression:
        """Return places from -size to 2 size - 1 brought inside, from 0 to size - 1."""
        if self.fill_mode == "wrap":
            return places % size
        if self.fill_mode == "reflect":
            places = where(less(places, 0), -1 - places, places)
            return minimum(places, 2 * size - 1 - places)
        return clip(places, 0, size - 1)

    def _check_value(self, dtype: str) -> None:
        if self.fill_mode != "constant" or is_float(dtype):
            return
        least, most = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        if not (least <= self.fill_value <= most and float(self.fill_value).is_integer()):
            raise InputError(
                f"{shown(self)}: the images are {dtype}, and have no {self.fill_value!r} for fill_value; a whole number"
                f" from {least} to {most} was expected, or floats, which pc.layers.Rescaling before it makes"
            )


def _stands(places: Expression, size: int) -> Expression:
    """Whether a row or column is one of the image's."""
    return logical_and(greater_equal(places, 0), less(places, size))


__all__ = ["RandomCrop", "RandomFlip", "RandomTranslation"]
