"""Reductions: many elements to one, over some axes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dtypes import BOOL, is_float
from ..core.errors import AxisError, ShapeError
from ..core.expression import Expression, as_expressions, node
from ..core.operation import Domain, Notation, Operation, Try, apply, numbers, reals, register
from ..core.origins import place
from ..core.sizes import Shape, show_shape


def normalise_axes(name: str, x: Expression, axis: Any) -> tuple[int, ...]:
    """Return the axes a user named, as sorted numbers from 0; None is all of them."""
    if axis is None:
        return tuple(range(x.ndim))
    try:
        asked = [operator.index(a) for a in (axis if isinstance(axis, tuple | list) else (axis,))]
    except TypeError:
        raise AxisError(f"{name}: an axis is a whole number (or a tuple of them), not {axis!r}{place(x)}") from None
    for a in asked:
        if not -x.ndim <= a < x.ndim:
            allowed = f"axes are 0 to {x.ndim - 1}, or -{x.ndim} to -1" if x.ndim else "a scalar has none"
            raise AxisError(f"{name}: axis {a} is not an axis of {x}, {show_shape(x.shape)}; {allowed}{place(x)}")
    axes = [a % x.ndim for a in asked]
    if len(set(axes)) != len(axes):
        raise AxisError(f"{name}: axis {axis} names one axis of {x}, {show_shape(x.shape)}, twice{place(x)}")
    return tuple(sorted(axes))


def with_kept_axes(x: Expression, axes: tuple[int, ...], shape: Shape) -> Expression:
    """Return a reduced expression with its reduced axes back, of size 1, ready to broadcast against ``shape``."""
    return apply("reshape", x, tuple(1 if k in axes else n for k, n in enumerate(shape)))  # type: ignore[no-any-return]


def spread(g: Expression, axes: tuple[int, ...], shape: Shape) -> Expression:
    """Return a reduced expression repeated over its reduced axes, in the given shape."""
    return apply("broadcast_to", with_kept_axes(g, axes, shape), shape)  # type: ignore[no-any-return]


def reduction(
    name: str,
    summary: str,
    *,
    array: Callable[..., Any],
    scalar: Callable[..., Any],
    identity: Callable[[str], float] | None,
    gradient: Callable[..., tuple[Expression | None, ...]] | None,
    nonempty: bool = False,
    tries: Domain,
    latex: str,
) -> Operation:
    """Make and register a reduction; see ``Operation`` for the arguments.

    Args:
        nonempty: it has no value over no elements, and a shape with none is refused.
    """

    def make(x: Any, axis: Any = None, keepdims: bool = False) -> Expression:
        (x,) = as_expressions(x)
        if x.dtype == BOOL:
            x = x.astype("int32")
        axes = normalise_axes(name, x, axis)
        reduced = node(operation, [x], axes=axes) if axes else x
        return with_kept_axes(reduced, axes, x.shape) if keepdims else reduced

    def shape(x: Expression, *, axes: tuple[int, ...]) -> Shape:
        if nonempty and any(x.shape[a] == 0 for a in axes):
            raise ShapeError(
                f"{name} of {x}, {show_shape(x.shape)}: there are no elements over axis {axes}, and"
                f" the {name} of nothing is not defined{place(x)}"
            )
        return tuple(n for k, n in enumerate(x.shape) if k not in axes)

    examples = [((3, 4), None), ((3, 4), 0), ((2, 3, 4), (0, 2)), ((1,), 0), ((2, 17), 1)]
    if not nonempty:
        examples += [((0, 3), 0), ((2, 0), 1)]
    operation = Operation(
        name=name,
        kind="reduction",
        summary=summary,
        make=make,
        shape=shape,
        dtype=lambda x, **_: x.dtype,
        array=array,
        scalar=scalar,
        identity=identity,
        gradient=gradient,
        notation=Notation("{call}", latex),
        tries=tuple(Try((s,), (tries,), {"axis": a}) for s, a in examples),
    )
    return register(operation)


def _share(g: Expression, y: Expression, x: Expression, axes: tuple[int, ...]) -> tuple[Expression]:
    """The gradient of max and min: shared equally among the elements that attain it."""
    attained = apply("equal", x, with_kept_axes(y, axes, x.shape)).astype(x.dtype)
    number = attained.sum(axis=axes, keepdims=True)
    return (attained / number * with_kept_axes(g, axes, x.shape),)


def _prod_gradient(g: Expression, y: Expression, x: Expression, axes: tuple[int, ...]) -> tuple[Expression]:
    """The product of the other elements: right with one zero and with several."""
    is_zero = apply("equal", x, 0)
    zeros = is_zero.astype(x.dtype).sum(axis=axes, keepdims=True)
    filled = apply("where", is_zero, 1, x)
    others = filled.prod(axis=axes, keepdims=True)
    no_zero = apply("where", apply("equal", zeros, 0), others / filled, 0)
    one_zero = apply("where", apply("logical_and", is_zero, apply("equal", zeros, 1)), others, 0)
    return (with_kept_axes(g, axes, x.shape) * (no_zero + one_zero),)


def lowest(dtype: str) -> float:
    """The smallest value of a dtype."""
    return float("-inf") if is_float(dtype) else int(np.iinfo(dtype).min)


def highest(dtype: str) -> float:
    """The largest value of a dtype."""
    return float("inf") if is_float(dtype) else int(np.iinfo(dtype).max)


sum = reduction(
    "sum",
    "The sum over some axes (all, if none is given); zero over no elements.",
    array=lambda xp, x, axes: xp.sum(x, axis=axes, dtype=x.dtype),
    scalar=lambda b, a, x: b.add(a, x),
    identity=lambda dtype: 0.0,
    gradient=lambda g, y, x, axes: (spread(g, axes, x.shape),),
    tries=numbers(),
    latex=r"\sum_{{{axes}}} {0}",
)
prod = reduction(
    "prod",
    "The product over some axes (all, if none is given); one over no elements.",
    array=lambda xp, x, axes: xp.prod(x, axis=axes, dtype=x.dtype),
    scalar=lambda b, a, x: b.multiply(a, x),
    identity=lambda dtype: 1.0,
    gradient=_prod_gradient,
    tries=reals(-2, 2),
    latex=r"\prod_{{{axes}}} {0}",
)
max = reduction(
    "max",
    "The largest value over some axes (all, if none is given); NaN if there is one.",
    array=lambda xp, x, axes: xp.max(x, axis=axes),
    scalar=lambda b, a, x: b.maximum(a, x),
    identity=lowest,
    gradient=_share,
    nonempty=True,
    tries=numbers(),
    latex=r"\max_{{{axes}}} {0}",
)
min = reduction(
    "min",
    "The smallest value over some axes (all, if none is given); NaN if there is one.",
    array=lambda xp, x, axes: xp.min(x, axis=axes),
    scalar=lambda b, a, x: b.minimum(a, x),
    identity=highest,
    gradient=_share,
    nonempty=True,
    tries=numbers(),
    latex=r"\min_{{{axes}}} {0}",
)

__all__ = ["max", "min", "normalise_axes", "prod", "reduction", "spread", "sum", "with_kept_axes"]
