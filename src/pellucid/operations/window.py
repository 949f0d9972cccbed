"""Windows as axes of their own, without a copy, and their adjoint: overlapping windows summed back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.dtypes import BOOL
from ..core.errors import ShapeError
from ..core.expression import Expression, as_expressions, node
from ..core.operation import Domain, Notation, Operation, Try, register
from ..core.origins import place
from ..core.sizes import Shape, show_shape
from .movement import Indices
from .spatial import Sizes, check_count, spatial_sizes, whole_numbers, window_places, window_positions, window_spans

R = (Domain(),)


def _spread(indices: Indices, strides: Sizes, dilation: Sizes) -> Indices:
    """Return where in the input an element of the windows is: batch, place · stride + position · dilation, channel."""
    axes = len(strides)
    places, positions = indices[1 : 1 + axes], indices[1 + axes : -1]
    steps = zip(places, strides, positions, dilation, strict=True)
    return (indices[0], *(p * s + q * d for p, s, q, d in steps), indices[-1])


# windows


def _make_windows(x: Any, window: Any, strides: Any = 1, dilation: Any = 1) -> Expression:
    (x,) = as_expressions(x)
    axes = len(spatial_sizes("windows", x))
    window = whole_numbers("windows", "window", window, axes, x)
    strides = whole_numbers("windows", "strides", strides, axes, x)
    dilation = whole_numbers("windows", "dilation", dilation, axes, x)
    return node(windows, [x], window=window, strides=strides, dilation=dilation)


def _windows_shape(x: Expression, *, window: Sizes, strides: Sizes, dilation: Sizes) -> Shape:
    spans = window_spans(window, dilation)
    places = window_places("windows", x, spans, strides, ((0, 0),) * len(window))
    shape = (x.shape[0], *places, *window, x.shape[-1])
    check_count("windows", shape, x)
    return shape


def _windows_array(xp: Any, x: Any, window: Sizes, strides: Sizes, dilation: Sizes) -> Any:
    spans = window_spans(window, dilation)
    places = tuple((n - span) // s + 1 for n, span, s in zip(x.shape[1:-1], spans, strides, strict=True))
    parts = [x[key] for _, key in window_positions(window, places, strides, dilation)]
    return xp.reshape(xp.stack(parts, axis=-2), (x.shape[0], *places, *window, x.shape[-1]))


windows: Operation = register(
    Operation(
        name="windows",
        kind="movement",
        summary=(
            "The windows of (batch, *spatial, channels) at every stride-th place, as axes after the places:"
            " (batch, *places, *window, channels)."
        ),
        make=_make_windows,
        shape=_windows_shape,
        dtype=lambda x, **_: x.dtype,
        array=_windows_array,
        gradient=lambda g, y, x, window, strides, dilation: (fold_windows(g, x.shape[1:-1], strides, dilation),),
        read=lambda indices, x, window, strides, dilation: _spread(indices, strides, dilation),
        notation=Notation("{call}", r"\operatorname{{windows}}_{{{window}}}\left({0}\right)"),
        tries=(
            Try(((2, 5, 3),), R, {"window": 3}),
            Try(((2, 6, 5, 2),), R, {"window": (3, 2), "strides": 2}),
            Try(((1, 7, 7, 1),), R, {"window": 2, "strides": (1, 3), "dilation": (3, 2)}),
            Try(((0, 4, 3),), R, {"window": 2}),
        ),
    )
)

# fold_windows


def _make_fold(x: Any, sizes: Any, strides: Any = 1, dilation: Any = 1) -> Expression:
    (x,) = as_expressions(x)
    if x.ndim not in (4, 6):
        raise ShapeError(
            f"fold_windows: {x}, {show_shape(x.shape)}, is not (batch, *places, *window, channels) of 1 or 2 spatial"
            f" axes{place(x)}"
        )
    x = x.astype("int32") if x.dtype == BOOL else x  # they are added, as numbers
    axes = (x.ndim - 2) // 2
    sizes = whole_numbers("fold_windows", "sizes", sizes, axes, x)
    strides = whole_numbers("fold_windows", "strides", strides, axes, x)
    dilation = whole_numbers("fold_windows", "dilation", dilation, axes, x)
    return node(fold_windows, [x], sizes=sizes, strides=strides, dilation=dilation)


def _split(shape: Any) -> tuple[Any, Any]:
    """Return the places and the window of a shape (batch, *places, *window, channels)."""
    axes = (len(shape) - 2) // 2
    return shape[1 : 1 + axes], shape[1 + axes : -1]


def _fold_shape(x: Expression, *, sizes: Sizes, strides: Sizes, dilation: Sizes) -> Shape:
    places, window = _split(x.shape)
    fits = all(isinstance(n, int) for n in (*places, *window)) and places == tuple(
        (n - span) // s + 1 for n, span, s in zip(sizes, window_spans(window, dilation), strides, strict=True)
    )
    if not fits:
        raise ShapeError(
            f"fold_windows: {x}, {show_shape(x.shape)}, is not what the windows of spatial sizes {show_shape(sizes)} at"
            f" strides {strides} and dilation {dilation} are{place(x)}"
        )
    return (x.shape[0], *sizes, x.shape[-1])


def _fold_array(xp: Any, x: Any, sizes: Sizes, strides: Sizes, dilation: Sizes) -> Any:
    places, window = _split(x.shape)
    result = xp.zeros((x.shape[0], *sizes, x.shape[-1]), x.dtype)
    for position, key in window_positions(window, places, strides, dilation):
        part = x[(slice(None),) * (1 + len(places)) + position]
        if xp is not np:
            result = result.at[key].add(part)
        else:
            result[key] += part
    return result


def overlap(x: Expression, *, sizes: Sizes, strides: Sizes, dilation: Sizes) -> bool:
    """Whether two windows have an element in common, where what both hold is summed."""
    places, window = _split(x.shape)
    for n, k, s, d in zip(places, window, strides, dilation, strict=True):
        step = math.gcd(s, d)  # windows d / step places apart meet at positions that are s / step apart
        if d // step < n and s // step < k:
            return True
    return False


fold_windows: Operation = register(
    Operation(
        name="fold_windows",
        kind="movement",
        summary=(
            "Windows put back where they were cut, overlapping ones summed, in zeros of the given spatial sizes: the"
            " adjoint of windows."
        ),
        make=_make_fold,
        shape=_fold_shape,
        dtype=lambda x, **_: x.dtype,
        array=_fold_array,
        gradient=lambda g, y, x, sizes, strides, dilation: (windows(g, _split(x.shape)[1], strides, dilation),),
        write=lambda indices, x, sizes, strides, dilation: (_spread(indices, strides, dilation),),
        accumulates=overlap,
        notation=Notation("{call}", r"\operatorname{{fold}}_{{{sizes}}}\left({0}\right)"),
        tries=(
            Try(((2, 3, 3, 2),), R, {"sizes": 5}),
            Try(((2, 2, 2, 3, 2, 2),), R, {"sizes": (6, 5), "strides": 2}),
            Try(((1, 4, 2, 2, 2, 1),), R, {"sizes": (7, 6), "strides": (1, 3), "dilation": (3, 2)}),
            Try(((2, 3, 2, 2),), R, {"sizes": 6, "strides": 2}),
            Try(((0, 3, 2, 3),), R, {"sizes": 4}),
        ),
    )
)

__all__ = ["fold_windows", "overlap", "windows"]
