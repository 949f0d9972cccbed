"""Convolutions and pooling as XLA has them."""

from __future__ import annotations

import functools
from typing import Any

from ...operations.spatial import Pairs, Sizes, window_positions
from .library import jax

LAYOUTS = {1: ("NHC", "HIO", "NHC"), 2: ("NHWC", "HWIO", "NHWC")}


def convolution(numpy: Any, x: Any, w: Any, **options: Any) -> Any:
    """Return the convolution of ``operations.convolution``."""
    return numpy.product(functools.partial(_convolve, **options), x, w)


def _convolve(x: Any, w: Any, strides: Sizes, padding: Pairs, dilation: Sizes, groups: int, precision: Any) -> Any:
    return jax().lax.conv_general_dilated(
        x,
        w,
        strides,
        padding,
        rhs_dilation=dilation,
        dimension_numbers=LAYOUTS[len(strides)],
        feature_group_count=groups,
        precision=precision,
    )


def convolution_weight_gradient(numpy: Any, x: Any, g: Any, kernel: Sizes, **options: Any) -> Any:
    """Return its derivative for the kernel, in which it is linear."""

    def multiply(x: Any, g: Any, precision: Any) -> Any:
        like = jax().ShapeDtypeStruct((*kernel, x.shape[-1] // options["groups"], g.shape[-1]), x.dtype)
        (found,) = jax().linear_transpose(lambda w: _convolve(x, w, **options, precision=precision), like)(g)
        return found

    return numpy.product(multiply, x, g)


def max_pool(numpy: Any, x: Any, window: Sizes, strides: Sizes, padding: Pairs) -> Any:
    """Return the largest of each window."""
    lax, low = jax().lax, numpy.asarray(-float("inf"), x.dtype)
    around = ((0, 0), *padding, (0, 0))
    return lax.reduce_window(x, low, lax.max, (1, *window, 1), (1, *strides, 1), around)


def are_tiles(x: Any, window: Sizes, strides: Sizes, padding: Pairs) -> bool:
    """Whether windows neither overlap nor leave anything between them."""
    fits = all(n % k == 0 for n, k in zip(x.shape[1:-1], window, strict=True))
    return strides == window and fits and not any(map(any, padding))


def max_pool_gradient_of_tiles(numpy: Any, x: Any, g: Any, window: Sizes, strides: Sizes, padding: Pairs) -> Any:
    """Return g at the first element of each tile that is its largest, row after row, or its first NaN."""
    parts = [x[key] for _, key in window_positions(window, g.shape[1:-1], strides, (1,) * len(window))]
    largest, taken, chosen = max_pool(numpy, x, window, strides, padding), False, []
    for part in parts:
        best = ((part == largest) | numpy.isnan(part)) & ~numpy.asarray(taken)
        chosen.append(numpy.where(best, g, numpy.zeros_like(g)))
        taken = taken | best
    stacked = numpy.stack(chosen).reshape(*window, *g.shape)
    axes = len(window)
    turned = [axes, *(k for axis in range(axes) for k in (axes + 1 + axis, axis)), 2 * axes + 1]
    return stacked.transpose(turned).reshape(x.shape)


__all__ = ["are_tiles", "convolution", "convolution_weight_gradient", "max_pool", "max_pool_gradient_of_tiles"]
