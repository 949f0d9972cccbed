"""Noise that only training adds: dropout, and numbers of the normal distribution.

A draw is a function of the seed of the compiled function, of its number among the function's draws, and of the step. So
the forward and the backward pass see the same numbers, each step sees others, and the number of threads changes none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.configuration import register
from ..core.errors import ShapeError
from ..core.expression import Expression
from ..core.settings import check_number
from ..core.sizes import Shape, as_axis, show_shape
from ..operations.composed import floats
from ..operations.elementwise import where
from ..operations.random import bernoulli, normal
from .arguments import shown
from .layer import Layer


def dropped(x: Expression, rate: float, mask: Shape) -> Expression:
    """Return x with a share of it 0 and the rest scaled, so that the expectation stays; x itself for a rate of 0."""
    if rate == 0:
        return x
    x = floats(x)
    return where(bernoulli(1 - rate, mask), x if rate == 1 else x / (1 - rate), 0)


@register
@dataclass(eq=False, repr=False)
class Dropout(Layer):
    """In training a share ``rate`` of the inputs becomes 0, and the rest is divided by ``1 - rate``; else nothing.

    Args:
        rate: how likely each input is dropped, from 0 to 1.
        noise_shape: the shape of what is drawn: 1 along axes whose elements are dropped together, None for an axis's
            own size; without it each input is dropped by itself.

    Shapes: any, which stays; no weights.

    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, *Dropout: a simple way to prevent neural networks from
    overfitting*, 2014; scaling in training is section 10.

    >>> import numpy as np, pellucid as pc
    >>> x, layer = pc.layers.Input((8,)), pc.layers.Dropout(0.5)
    >>> ones = np.ones((2, 8), "float32")
    >>> sorted(set(pc.function([x], layer(x, training=True), seed=1)(ones).ravel().tolist()))
    [0.0, 2.0]
    >>> bool((pc.function([x], layer(x))(ones) == 1).all())
    True
    """

    rate: float
    noise_shape: Any = None

    def __post_init__(self) -> None:
        check_number(self, "rate", self.rate, "share")

    def call(self, x: Expression, training: bool = False) -> Expression:
        """Return the inputs, some of them dropped in training."""
        return dropped(x, self.rate, self._mask(x.shape)) if training else x

    def _mask(self, shape: Shape) -> Shape:
        asked = shape if self.noise_shape is None else tuple(self.noise_shape)
        if len(asked) == len(shape):
            axes = tuple(n if a is None else as_axis(a) for a, n in zip(asked, shape, strict=True))
            if all(axis in (1, n) for axis, n in zip(axes, shape, strict=True)):
                return axes
        raise ShapeError(
            f"{shown(self)}: noise_shape has for each axis of the inputs, {show_shape(shape)}, a 1, or its size, or"
            " None for its size"
        )


@register
@dataclass(eq=False, repr=False)
class SpatialDropout1D(Layer):
    """Dropout of whole channels of sequences: neighbours are alike, so that dropping one alone would hide little.

    Args:
        rate: how likely each channel of each example is dropped.

    Shapes: ``(batch, steps, channels)``, which stays; no weights.

    Tompson, Goroshin, Jain, LeCun and Bregler, *Efficient object localization using convolutional networks*, 2015,
    section 3.2.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((7, 4))
    >>> pc.layers.SpatialDropout1D(0.5)(x, training=True).shape
    (batch, 7, 4)
    """

    rate: float

    def __post_init__(self) -> None:
        check_number(self, "rate", self.rate, "share")

    def call(self, x: Expression, training: bool = False) -> Expression:
        """Return the inputs, some of their channels dropped in training."""
        return _channels_dropped(self, x, training, "(batch, steps, channels)")


@register
@dataclass(eq=False, repr=False)
class SpatialDropout2D(Layer):
    """Dropout of whole channels of images: neighbours are alike, so that dropping one alone would hide little.

    Args:
        rate: how likely each channel of each example is dropped.

    Shapes: ``(batch, height, width, channels)``, which stays; no weights.

    Tompson, Goroshin, Jain, LeCun and Bregler, *Efficient object localization using convolutional networks*, 2015,
    section 3.2.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((8, 8, 3))
    >>> pc.layers.SpatialDropout2D(0.5)(x, training=True).shape
    (batch, 8, 8, 3)
    """

    rate: float

    def __post_init__(self) -> None:
        check_number(self, "rate", self.rate, "share")

    def call(self, x: Expression, training: bool = False) -> Expression:
        """Return the inputs, some of their channels dropped in training."""
        return _channels_dropped(self, x, training, "(batch, height, width, channels)")


def _channels_dropped(layer: Any, x: Expression, training: bool, expected: str) -> Expression:
    if x.ndim != expected.count(",") + 1:
        raise ShapeError(f"{shown(layer)} takes inputs {expected}, and was given {show_shape(x.shape)}")
    return dropped(x, layer.rate, (x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1])) if training else x


@register
@dataclass(eq=False, repr=False)
class GaussianNoise(Layer):
    """In training numbers of the normal distribution of mean 0 are added to the inputs; else nothing.

    Args:
        stddev: their standard deviation, 0 or more.

    Shapes: any, which stays; no weights.

    Bishop, *Training with noise is equivalent to Tikhonov regularization*, 1995.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((8,))
    >>> print(pc.layers.GaussianNoise(0.1)(x), pc.layers.GaussianNoise(0.1)(x, training=True), sep="; ")
    input; input + standard_normal(batch, 8) * 0.1
    """

    stddev: float

    def __post_init__(self) -> None:
        check_number(self, "stddev", self.stddev, "nonnegative")

    def call(self, x: Expression, training: bool = False) -> Expression:
        """Return the inputs, with noise in training."""
        if not training or self.stddev == 0:
            return x
        x = floats(x)
        return x + normal(x.shape, 0.0, self.stddev, x.dtype)


__all__ = ["Dropout", "GaussianNoise", "SpatialDropout1D", "SpatialDropout2D", "dropped"]
