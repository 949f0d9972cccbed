"""Rescaling: inputs in other units, such as the bytes of images as numbers from 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.configuration import register
from ..core.expression import Expression
from ..operations.composed import floats
from ..operations.source import constant
from .layer import Layer


@register
@dataclass(eq=False, repr=False)
class Rescaling(Layer):
    """``x * scale + offset``.

    Args:
        scale, offset: numbers, or one for each channel; they are fixed, not trained.

    Shapes: ``(batch, ...)`` to the same, as floats: integers, such as images of uint8, are converted to float32; no
    weights.

    LeCun, Bottou, Orr and Müller, *Efficient BackProp*, 1998, section 4.3.

    >>> import pellucid as pc
    >>> print(pc.layers.Rescaling(2 / 255, offset=-1)(pc.layers.Input((28, 28, 1), dtype="uint8")))
    'float32'(input) * 0.00784314 + -1
    """

    scale: Any
    offset: Any = 0.0

    def call(self, x: Expression) -> Expression:
        """Return the numbers in the other units."""
        x = floats(x)
        return x * constant(self.scale, x.dtype) + constant(self.offset, x.dtype)


__all__ = ["Rescaling"]
