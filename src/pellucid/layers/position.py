"""Positions: what tells a layer that treats all places of a sequence alike where each of them is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..core.configuration import register
from ..core.errors import ShapeError
from ..core.expression import Expression
from ..core.settings import check_number, check_whole
from ..core.sizes import Shape, show_shape
from ..operations.comparison import equal
from ..operations.elementwise import where
from ..operations.exponential import exp
from ..operations.movement import reshape, slice_axes
from ..operations.source import arange
from ..operations.trigonometric import cos, sin
from .arguments import check_sequence, shown
from .layer import Layer


@register
@dataclass(eq=False, repr=False)
class PositionEmbedding(Layer):
    """Sequences, and to each place a vector of weights added: the row of a table for its position.

    Args:
        sequence_length: how many rows, the most positions that a sequence may have.

    Shapes: ``(batch, time, width)``, which stays, of at most ``sequence_length`` positions; weights ``embeddings
    (sequence_length, width)``.

    Raises:
        ShapeError: for a longer sequence; where the time is a named axis, when the function is called.

    Gehring, Auli, Grangier, Yarats and Dauphin, *Convolutional sequence to sequence learning*, 2017, section 3.1.

    >>> import pellucid as pc
    >>> words = pc.layers.Input((20,), dtype="int32")
    >>> vectors = pc.layers.Embedding(1000, 64)(words)
    >>> pc.layers.PositionEmbedding(32)(vectors).shape
    (batch, 20, 64)
    """

    sequence_length: int
    embeddings_initializer: Any = "uniform"
    embeddings_regularizer: Any = None
    embeddings_constraint: Any = None

    def __post_init__(self) -> None:
        check_whole(self, "sequence_length", self.sequence_length)

    def build(self, shape: Shape) -> None:
        """Make the table."""
        self.embeddings = self.weight(
            "embeddings",
            (self.sequence_length, check_sequence(self, shape)),
            self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )

    def call(self, x: Expression) -> Expression:
        """Return the inputs, their positions added."""
        width = check_sequence(self, x.shape)
        time = x.shape[1]
        if isinstance(time, int) and time > self.sequence_length:
            raise ShapeError(
                f"{time} positions are in the sequences {show_shape(x.shape)}, and {shown(self)} was made for"
                f" {self.sequence_length}; make it with sequence_length={time} or more, or cut the sequences"
            )
        return x.astype(self.dtype) + slice_axes(self.embeddings, (0, 0), (time, width), (1, 1))


@register
@dataclass(eq=False, repr=False)
class SinePositionEncoding(Layer):
    """Sequences, and to each place sines and cosines of its position added, of wavelengths that grow with the channel.

    Channels 2 i and 2 i + 1 get sine and cosine of ``position / max_wavelength ** (2 i / width)``.

    Args:
        max_wavelength: the longest wavelength, over 2 π, is a little less than this.

    Shapes: ``(batch, time, width)``, which stays, of any number of positions; no weights.

    Vaswani et al., *Attention is all you need*, 2017, section 3.5.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((3, 2))
    >>> f = pc.function([x], pc.layers.SinePositionEncoding()(x))
    >>> f([[[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]]).round(2)
    array([[[ 0.  ,  1.  ],
            [ 0.84,  0.54],
            [ 0.91, -0.42]]], dtype=float32)
    """

    max_wavelength: float = 10000.0

    def __post_init__(self) -> None:
        check_number(self, "max_wavelength", self.max_wavelength, "positive")

    def build(self, shape: Shape) -> None:
        """Check the inputs' axes; there are no weights."""
        check_sequence(self, shape)

    def call(self, x: Expression) -> Expression:
        """Return the inputs, their positions added."""
        time, width = x.shape[1], check_sequence(self, x.shape)
        channel = arange(width)
        rate = exp((channel - channel % 2).astype(self.dtype) * (-math.log(self.max_wavelength) / width))
        angle = reshape(arange(time), (time, 1)).astype(self.dtype) * rate
        return x.astype(self.dtype) + where(equal(channel % 2, 0), sin(angle), cos(angle))


__all__ = ["PositionEmbedding", "SinePositionEncoding"]
