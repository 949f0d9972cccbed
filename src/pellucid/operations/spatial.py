"""Windows that slide over spatial axes: where they stand, and the checks of what says so.

Arrays are channels last, ``(batch, *spatial, channels)``. Along a spatial axis of n elements with ``low`` zeros before
and ``high`` after it, a window of k elements that lie d apart spans d(k - 1) + 1 of them, and stands at every s-th
place at which it fits: (n + low + high - span) // s + 1 places. Dumoulin and Visin, *A guide to convolution arithmetic
for deep learning*, 2016.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..core.dtypes import is_float, promote
from ..core.errors import AxisError, DtypeError, ShapeError
from ..core.expression import Expression, as_expressions
from ..core.origins import place
from ..core.sizes import Axis, show_shape

Sizes = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]

MOST_SPATIAL_AXES = 2
MOST_ELEMENTS = 2**63


def as_floats(name: str, *operands: Any) -> tuple[Expression, ...]:
    """Return operands as expressions of their common float dtype, or say which of them is not of floats."""
    expressions = as_expressions(*operands)
    for x in expressions:
        if not is_float(x.dtype):
            raise DtypeError(
                f"{name} computes in float32 or float64, and {x} is {x.dtype}{place(x)};"
                " convert it with .astype('float32')"
            )
    common = promote(*(x.dtype for x in expressions))
    return tuple(x.astype(common) for x in expressions)


def spatial_sizes(name: str, x: Expression, axes: int | None = None) -> Sizes:
    """Return the sizes of the axes between the batch and the channels, which must be whole numbers.

    Args:
        axes: how many there must be; None is 1 or 2.
    """
    between = x.ndim - 2
    if between not in ((axes,) if axes else range(1, MOST_SPATIAL_AXES + 1)):
        expected = {1: "(batch, length, channels)", 2: "(batch, height, width, channels)"}
        wanted = expected[axes] if axes else " or ".join(expected.values())
        raise AxisError(
            f"{name}: {x}, {show_shape(x.shape)}, has {x.ndim} axes, and {wanted} was expected{place(x)};"
            " x.reshape(...) adds an axis of size 1"
        )
    for size in x.shape[1:-1]:
        if not isinstance(size, int):
            raise ShapeError(
                f"{name}: the spatial axis {size} of {x}, {show_shape(x.shape)}, is a name, and where windows stand"
                f" depends on its size{place(x)}; give the size as a whole number (only the batch may be named)"
            )
    return tuple(operator.index(size) for size in x.shape[1:-1])  # type: ignore[arg-type]


def whole_numbers(name: str, what: str, given: Any, axes: int, x: Expression) -> Sizes:
    """Return a number for each spatial axis, from one or from several, all of them 1 or more."""
    several = given if isinstance(given, tuple | list) else (given,) * axes
    try:
        numbers = tuple(operator.index(n) for n in several)
    except TypeError:
        numbers = ()
    if len(numbers) != axes or any(n < 1 for n in numbers):
        count = f", or {axes} of them, one for each spatial axis" if axes > 1 else ""
        raise ShapeError(f"{name}: {what} is a whole number of 1 or more{count}, not {given!r}{place(x)}")
    return numbers


def padding_pairs(name: str, padding: Any, x: Expression, spans: Sizes, strides: Sizes) -> Pairs:
    """Return (low, high) for each spatial axis, from a word, a number for all of them, or such pairs.

    ``valid`` is none. ``same`` is as little as gives ceil(n / stride) places, the odd one at the end, as in
    TensorFlow and Keras.
    """
    sizes = spatial_sizes(name, x)
    if padding == "same":
        return tuple(_same(n, span, s) for n, span, s in zip(sizes, spans, strides, strict=True))
    given = 0 if isinstance(padding, str) and padding == "valid" else padding
    several = given if isinstance(given, tuple | list) else ((given, given),) * len(sizes)
    try:
        pairs = tuple((operator.index(low), operator.index(high)) for low, high in several)
    except (TypeError, ValueError):
        pairs = ()
    if len(pairs) != len(sizes) or any(n < 0 for pair in pairs for n in pair):
        raise ShapeError(
            f"{name}: padding is 'same', 'valid', a whole number of 0 or more, or a pair (low, high) of them for each"
            f" spatial axis, {len(sizes)} here, not {padding!r}{place(x)}"
        )
    return pairs


def _same(size: int, span: int, stride: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + span - size, 0)
    return total // 2, total - total // 2


def window_spans(window: Sizes, dilation: Sizes) -> Sizes:
    """Return how many elements a window spans along each axis, the gaps of a dilated one included."""
    return tuple(d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True))


def window_places(name: str, x: Expression, spans: Sizes, strides: Sizes, padding: Pairs) -> Sizes:
    """Return at how many places a window stands along each axis, at least one."""
    padded = [n + low + high for n, (low, high) in zip(spatial_sizes(name, x), padding, strict=True)]
    for axis, (n, span) in enumerate(zip(padded, spans, strict=True)):
        if n < span:
            raise ShapeError(
                f"{name}: a window that spans {span} elements does not fit into the {n} of spatial axis {axis} of {x},"
                f" {show_shape(x.shape)}, padding included, and convolutions whose output is empty are not taken"
                f"{place(x)}; pad more, or take a smaller window"
            )
    check_count(name, (x.shape[0], *padded, x.shape[-1]), x)
    return tuple((n - span) // s + 1 for n, span, s in zip(padded, spans, strides, strict=True))


def check_count(name: str, shape: Sequence[Axis], x: Expression) -> None:
    """Refuse a shape of more elements than an index can count (a named axis, or an empty one, counts once)."""
    if math.prod(n for n in shape if isinstance(n, int) and n) >= MOST_ELEMENTS:
        raise ShapeError(
            f"{name} of {x}, {show_shape(x.shape)}: an array of shape {show_shape(tuple(shape))} has more than 2**63"
            f" elements{place(x)}"
        )


def window_positions(window: Sizes, places: Sizes, strides: Sizes, dilation: Sizes) -> Iterator[tuple[Sizes, Any]]:
    """Yield each position in a window, row after row, with the key of what all windows have there.

    The key is of an array ``(batch, *spatial, channels)``, and selects ``(batch, *places, channels)``.
    """
    for position in np.ndindex(*window):
        starts = [p * d for p, d in zip(position, dilation, strict=True)]
        axes = zip(starts, places, strides, strict=True)
        yield position, (slice(None), *(slice(start, start + (n - 1) * s + 1, s) for start, n, s in axes))


__all__ = [
    "Pairs",
    "Sizes",
    "as_floats",
    "check_count",
    "padding_pairs",
    "spatial_sizes",
    "whole_numbers",
    "window_places",
    "window_positions",
    "window_spans",
]
