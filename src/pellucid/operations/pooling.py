"""Pooling: the largest or the mean of each window, channels last.

Padding counts for nothing: as -inf where the largest is taken, and not at all in a mean. The derivative of the
largest goes to the first element, row after row, that attains it. Both are made of windows and reductions when
they are scheduled.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.expression import Expression, node
from ..core.operation import Domain, Facts, Notation, Operation, Try, composed, reals, register
from ..core.origins import place
from ..core.sizes import Shape, show_shape
from .comparison import equal
from .elementwise import where, zero
from .logical import logical_or
from .movement import pad, reshape, slice_axes
from .reduction import max as max_over
from .reduction import min as min_over
from .reduction import sum as sum_over
from .rounding import isnan
from .source import arange, constant
from .spatial import Pairs, Sizes, as_floats, check_count, padding_pairs, spatial_sizes, whole_numbers, window_places
from .window import fold_windows, windows

# checks


def _options(
    name: str, x: Expression, window: Any, strides: Any, padding: Any, axes: int | None = None
) -> dict[str, Any]:
    number = len(spatial_sizes(name, x, axes))
    window = whole_numbers(name, "pool_size", window, number, x)
    strides = window if strides is None else whole_numbers(name, "strides", strides, number, x)
    pairs = padding_pairs(name, padding, x, window, strides)
    if any(max(pair) >= k for k, pair in zip(window, pairs, strict=True)):
        raise ShapeError(
            f"{name}: padding {pairs} around {x}, {show_shape(x.shape)}, is as wide as a window of {window}, and a"
            f" window of nothing but padding has no value{place(x)}; pad less"
        )
    places = window_places(name, x, window, strides, pairs)
    check_count(name, (x.shape[0], *places, *window, x.shape[-1]), x)
    return {"window": window, "strides": strides, "padding": pairs}


def _pooled_shape(x: Expression, *, window: Sizes, strides: Sizes, padding: Pairs) -> Shape:
    return (x.shape[0], *window_places("max_pool", x, window, strides, padding), x.shape[-1])


def _window_axes(window: Sizes) -> tuple[int, ...]:
    axes = len(window)
    return tuple(range(1 + axes, 1 + 2 * axes))


def _widths(padding: Pairs) -> tuple[tuple[int, int], ...]:
    return ((0, 0), *padding, (0, 0))


# max_pool


def _padded_windows(x: Expression, value: float, window: Sizes, strides: Sizes, padding: Pairs) -> Expression:
    return windows(pad(x, _widths(padding), value), window, strides)


def _array_windows(xp: Any, x: Any, window: Sizes, strides: Sizes, padding: Pairs) -> Any:
    """Return (batch, *places, elements of a window, channels)."""
    padded = xp.pad(x, _widths(padding), constant_values=-np.inf)
    found = windows.array(xp, padded, window=window, strides=strides, dilation=(1,) * len(window))
    return xp.reshape(found, (*found.shape[: 1 + len(window)], math.prod(window), x.shape[-1]))


def _make_max_pool(x: Any, window: Any, strides: Any = None, padding: Any = "valid") -> Expression:
    (x,) = as_floats("max_pool", x)
    return node(max_pool, [x], **_options("max_pool", x, window, strides, padding))


def _expand_max_pool(x: Expression, **options: Any) -> Expression:
    return max_over(_padded_windows(x, -math.inf, **options), _window_axes(options["window"]))


R = (reals(),)
max_pool: Operation = register(
    Operation(
        name="max_pool",
        kind="pooling",
        summary="The largest value of each window of (batch, *spatial, channels); NaN if there is one.",
        make=_make_max_pool,
        shape=_pooled_shape,
        dtype=lambda x, **_: x.dtype,
        array=lambda xp, x, **options: xp.max(_array_windows(xp, x, **options), axis=-2),
        gradient=lambda g, y, x, **options: (node(max_pool_gradient, [x, g], **options),),
        expand=_expand_max_pool,
        notation=Notation("{call}", r"\operatorname{{maxpool}}_{{{window}}}\left({0}\right)"),
        facts=Facts(cheap=False),
        tries=(
            Try(((2, 6, 3),), R, {"window": 2}),
            Try(((2, 5, 7, 3),), R, {"window": (3, 2), "strides": (2, 1)}),
            Try(((1, 5, 6, 17),), R, {"window": 3, "strides": 2, "padding": "same"}),
            Try(((1, 4, 3),), R, {"window": 3, "strides": 1, "padding": ((2, 1),)}),
            Try(((0, 4, 4, 2),), R, {"window": 2}),
        ),
        source="Boureau, Ponce and LeCun, A theoretical analysis of feature pooling in visual recognition, 2010",
    )
)

# its gradient


def _firsts(x: Expression, window: Sizes, strides: Sizes, padding: Pairs) -> Expression:
    """Return whether each element of each window is the first that is its largest (or its first NaN)."""
    options: dict[str, Any] = {"window": window, "strides": strides, "padding": padding}
    axes, size = _window_axes(window), math.prod(window)
    seen = _padded_windows(x, -math.inf, **options)
    best = logical_or(equal(seen, max_over(seen, axes, keepdims=True)), isnan(seen))
    positions = reshape(arange(size), (*window, 1))
    return equal(min_over(where(best, positions, size), axes, keepdims=True), positions)


def _over_windows(g: Expression, window: Sizes) -> Expression:
    """Return one value for each window, with the axes of the window of size 1."""
    axes = len(window)
    return reshape(g, (*g.shape[: 1 + axes], *(1,) * axes, g.shape[-1]))


def _gradient_shape(x: Expression, g: Expression, **options: Any) -> Shape:
    pooled = _pooled_shape(x, **options)
    if g.shape != pooled:
        raise ShapeError(
            f"max_pool_gradient: {g}, {show_shape(g.shape)}, is not what pooling {x}, {show_shape(x.shape)}, gives,"
            f" {show_shape(pooled)}{place(x, g)}"
        )
    return x.shape


def _make_max_pool_gradient(x: Any, g: Any, window: Any, strides: Any = None, padding: Any = "valid") -> Expression:
    x, g = as_floats("max_pool_gradient", x, g)
    return node(max_pool_gradient, [x, g], **_options("max_pool_gradient", x, window, strides, padding))


def _padded_sizes(x: Any, padding: Pairs) -> Sizes:
    return tuple(n + low + high for n, (low, high) in zip(x.shape[1:-1], padding, strict=True))


def _gradient_array(xp: Any, x: Any, g: Any, window: Sizes, strides: Sizes, padding: Pairs) -> Any:
    seen = _array_windows(xp, x, window, strides, padding)
    best = (seen == xp.max(seen, axis=-2, keepdims=True)) | xp.isnan(seen)
    first = xp.argmax(best, axis=-2)[..., None, :] == xp.arange(math.prod(window))[:, None]
    given = xp.where(first, g[..., None, :], xp.zeros_like(seen))
    given = xp.reshape(given, (*g.shape[:-1], *window, g.shape[-1]))
    sizes, ones = _padded_sizes(x, padding), (1,) * len(window)
    folded = fold_windows.array(xp, given, sizes=sizes, strides=strides, dilation=ones)
    inner = (slice(low, low + n) for n, (low, _) in zip(x.shape[1:-1], padding, strict=True))
    return folded[(slice(None), *inner)]


def _expand_gradient(x: Expression, g: Expression, window: Sizes, strides: Sizes, padding: Pairs) -> Expression:
    first = _firsts(x, window, strides, padding)
    folded = fold_windows(where(first, _over_windows(g, window), zero(g)), _padded_sizes(x, padding), strides)
    return slice_axes(folded, (0, *(low for low, _ in padding), 0), x.shape, (1,) * x.ndim)


def _gradient_of_gradient(
    h: Expression, y: Expression, x: Expression, g: Expression, window: Sizes, strides: Sizes, padding: Pairs
) -> tuple[None, Expression]:
    """Each window's g went to one element, so that element of h comes back; x only chose which."""
    picked = where(_firsts(x, window, strides, padding), _padded_windows(h, 0.0, window, strides, padding), zero(h))
    return None, sum_over(picked, _window_axes(window))


R2 = (reals(), Domain())
max_pool_gradient: Operation = register(
    Operation(
        name="max_pool_gradient",
        kind="pooling",
        summary=(
            "The derivative of max_pool for x: each window's g at the first element, row after row, that is its"
            " largest, summed where windows overlap."
        ),
        make=_make_max_pool_gradient,
        shape=_gradient_shape,
        dtype=lambda x, g, **_: g.dtype,
        array=_gradient_array,
        gradient=_gradient_of_gradient,
        expand=_expand_gradient,
        notation=Notation("{call}", r"\operatorname{{maxpool}}'_{{{window}}}\left({0}\right) {1}"),
        facts=Facts(cheap=False),
        tries=(
            Try(((2, 6, 3), (2, 3, 3)), R2, {"window": 2}),
            Try(((2, 5, 7, 3), (2, 2, 6, 3)), R2, {"window": (3, 2), "strides": (2, 1)}),
            Try(((1, 5, 6, 17), (1, 3, 3, 17)), R2, {"window": 3, "strides": 2, "padding": "same"}),
            Try(((0, 4, 4, 2), (0, 2, 2, 2)), R2, {"window": 2}),
        ),
    )
)

# public functions


@composed
def max_pool1d(x: Any, pool_size: Any = 2, strides: Any = None, padding: Any = "valid") -> Expression:
    """Return the largest value of each window along one spatial axis.

    Its derivative goes to the first element of a window that is the largest. NaN in a window makes its value NaN.

    Args:
        x: the input, ``(batch, length, channels)``, float32 or float64. Only the batch may be a named axis.
        pool_size: how many elements a window has.
        strides: how far apart windows start; ``pool_size``, if not given.
        padding: ``"valid"`` (none), ``"same"`` (as in Keras: ceil(length / strides) windows, the odd element of
            padding at the end), a whole number for both sides, or ``((low, high),)``. It is never the largest.

    Returns:
        ``(batch, windows, channels)``, of the dtype of x.

    Raises:
        ShapeError: for a window, strides or padding that are no such numbers, a padding as wide as a window, a named
            length, or an input shorter than a window.
        DtypeError: for an input that is no floats.
        AxisError: for another number of axes.

    >>> import pellucid as pc
    >>> pc.function([], pc.max_pool1d(pc.constant([[[1.0], [3.0], [2.0], [0.0]]])))().ravel()
    array([3., 2.], dtype=float32)
    """
    (x,) = as_floats("max_pool1d", x)
    return node(max_pool, [x], **_options("max_pool1d", x, pool_size, strides, padding, 1))


@composed
def max_pool2d(x: Any, pool_size: Any = 2, strides: Any = None, padding: Any = "valid") -> Expression:
    """Return the largest value of each window along two spatial axes.

    Args:
        x: the input, ``(batch, height, width, channels)``.
        pool_size, strides: a number for both axes, or one for each; see ``max_pool1d``.
        padding: ``"valid"``, ``"same"``, a number, or ``((top, bottom), (left, right))``; see ``max_pool1d``.

    Raises:
        ShapeError, DtypeError, AxisError: as ``max_pool1d`` does.

    >>> from pellucid.operations.source import variable
    >>> x = variable("x", ("batch", 28, 28, 8))
    >>> max_pool2d(x).shape, max_pool2d(x, 3, strides=2, padding="same").shape
    ((batch, 14, 14, 8), (batch, 14, 14, 8))
    """
    (x,) = as_floats("max_pool2d", x)
    return node(max_pool, [x], **_options("max_pool2d", x, pool_size, strides, padding, 2))


def _average(name: str, x: Any, pool_size: Any, strides: Any, padding: Any, axes: int) -> Expression:
    (x,) = as_floats(name, x)
    options = _options(name, x, pool_size, strides, padding, axes)
    total = sum_over(_padded_windows(x, 0.0, **options), _window_axes(options["window"]))
    number = np.ones(())
    for n, k, s, (low, high) in zip(spatial_sizes(name, x), *options.values(), strict=True):
        starts = np.arange(0, low + n + high - k + 1, s)
        number = number[..., None] * (np.minimum(starts + k, low + n) - np.maximum(starts, low))
    same = (number == number.flat[0]).all()
    return total / (float(number.flat[0]) if same else constant(number[..., None], x.dtype))


@composed
def average_pool1d(x: Any, pool_size: Any = 2, strides: Any = None, padding: Any = "valid") -> Expression:
    """Return the mean of each window along one spatial axis; padding is not counted, as in Keras.

    Args:
        x: the input, ``(batch, length, channels)``.
        pool_size, strides, padding: see ``max_pool1d``.

    Raises:
        ShapeError, DtypeError, AxisError: as ``max_pool1d`` does.

    >>> import pellucid as pc
    >>> pc.function([], pc.average_pool1d(pc.constant([[[1.0], [3.0], [7.0]]]), padding="same"))().ravel()
    array([2., 7.], dtype=float32)
    """
    return _average("average_pool1d", x, pool_size, strides, padding, 1)


@composed
def average_pool2d(x: Any, pool_size: Any = 2, strides: Any = None, padding: Any = "valid") -> Expression:
    """Return the mean of each window along two spatial axes; padding is not counted, as in Keras.

    Args:
        x: the input, ``(batch, height, width, channels)``.
        pool_size, strides, padding: see ``max_pool2d``.

    Raises:
        ShapeError, DtypeError, AxisError: as ``max_pool1d`` does.

    >>> from pellucid.operations.source import variable
    >>> average_pool2d(variable("x", ("batch", 8, 8, 3)), (4, 2)).shape
    (batch, 2, 4, 3)
    """
    return _average("average_pool2d", x, pool_size, strides, padding, 2)


__all__ = ["average_pool1d", "average_pool2d", "max_pool", "max_pool1d", "max_pool2d", "max_pool_gradient"]
