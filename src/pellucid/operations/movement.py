"""Movement: the same elements elsewhere. Nothing here computes; the schedule folds it into indices.

A movement either *reads* (each output element comes from one input element: permute, broadcast, slice) or
*writes* (each input is placed into the output: pad, concatenate); a reshape of a stored array is a view.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.dtypes import promote
from ..core.errors import AxisError, ShapeError
from ..core.expression import Expression, as_expressions, node
from ..core.indices import Index
from ..core.operation import Notation, Operation, Try, composed, reals, register
from ..core.origins import place
from ..core.sizes import Axis, Shape, Size, as_axis, as_shape, broadcast_shapes, count, show_shape
from .reduction import normalise_axes

Indices = tuple[Index, ...]
R = (reals(),)


def _same_dtype(x: Expression, *_: Expression, **__: Any) -> str:
    return x.dtype


# permute


def _make_permute(x: Any, axes: Sequence[int] | None = None) -> Expression:
    (x,) = as_expressions(x)
    order = tuple(reversed(range(x.ndim))) if axes is None else tuple(operator.index(a) for a in axes)
    if sorted(a % x.ndim if x.ndim else a for a in order) != list(range(x.ndim)):
        raise AxisError(f"permute: {order} does not name each axis of {x}, {show_shape(x.shape)}, once{place(x)}")
    order = tuple(a % x.ndim for a in order)
    return x if order == tuple(range(x.ndim)) else node(permute, [x], axes=order)


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axes.index(k) for k in range(len(axes)))


permute: Operation = register(
    Operation(
        name="permute",
        kind="movement",
        summary="The axes in another order (reversed, if none is given).",
        make=_make_permute,
        shape=lambda x, *, axes: tuple(x.shape[a] for a in axes),
        dtype=_same_dtype,
        array=lambda xp, x, axes: xp.transpose(x, axes),
        gradient=lambda g, y, x, axes: (permute(g, _inverse(axes)),),
        read=lambda indices, x, axes: tuple(indices[k] for k in _inverse(axes)),
        stacked=lambda n, axes: {"axes": (0, *(a + 1 for a in axes))},
        notation=Notation("permute({0}, {axes})", r"{{{0}}}^{{\top {axes}}}", 8),
        tries=(Try(((2, 3),), R), Try(((2, 3, 4),), R, {"axes": (2, 0, 1)}), Try(((0, 3),), R)),
    )
)

# reshape


def _make_reshape(x: Any, shape: Any) -> Expression:
    (x,) = as_expressions(x)
    asked = (shape,) if isinstance(shape, str | Size) or hasattr(shape, "__index__") else tuple(shape)
    free = [k for k, a in enumerate(asked) if not isinstance(a, str | Size) and a == -1]
    axes: list[Axis] = [1 if k in free else as_axis(a) for k, a in enumerate(asked)]
    have, want = count(x.shape), count(axes)
    if len(free) > 1:
        raise ShapeError(f"reshape to {_show_asked(asked)}: only one axis may be -1{place(x)}")
    if free:
        axes[free[0]] = _exact_quotient(x, have, want, axes, asked)
    elif have != want:
        raise ShapeError(f"{_misfit(x, asked)}, which has {want}{place(x)}")
    wanted = as_shape(tuple(axes))
    return x if wanted == x.shape else node(reshape, [x], shape=wanted)


def _show_asked(asked: tuple[Any, ...]) -> str:
    return "(" + ", ".join(str(a) for a in asked) + ")"


def _misfit(x: Expression, asked: tuple[Any, ...]) -> str:
    return f"{x}, {show_shape(x.shape)}, has {count(x.shape)} elements and cannot take the shape {_show_asked(asked)}"


def _exact_quotient(x: Expression, have: Axis, want: Axis, axes: list[Axis], asked: tuple[Any, ...]) -> Axis:
    if isinstance(have, int) and isinstance(want, int):
        if want == 0 or have % want:
            raise ShapeError(f"{_misfit(x, asked)}{place(x)}")
        return have // want
    remaining = list(x.shape)
    for axis in axes:  # a named size divides only if it is one of the axes itself
        if isinstance(axis, Size):
            if axis not in remaining:
                raise ShapeError(f"{_misfit(x, asked)}: the size {axis} is not among its axes{place(x)}")
            remaining.remove(axis)
    have, want = count(remaining), count(a for a in axes if isinstance(a, int))
    assert isinstance(want, int)
    terms = have.terms if isinstance(have, Size) else (((), have),)
    if want == 0 or any(c % want for _, c in terms):
        raise ShapeError(f"{_misfit(x, asked)}{place(x)}")
    return Size(tuple((n, c // want) for n, c in terms)) if isinstance(have, Size) else have // want


def _reshape_shape(x: Expression, *, shape: Shape) -> Shape:
    if count(x.shape) != count(shape):
        raise ShapeError(f"{x}, {show_shape(x.shape)}, cannot take the shape {show_shape(shape)}{place(x)}")
    return shape


reshape: Operation = register(
    Operation(
        name="reshape",
        kind="movement",
        summary="The same elements, in the same order, in another shape; one axis may be -1.",
        make=_make_reshape,
        shape=_reshape_shape,
        dtype=_same_dtype,
        array=lambda xp, x, shape: xp.reshape(x, shape),
        gradient=lambda g, y, x, shape: (reshape(g, x.shape),),
        stacked=lambda n, shape: {"shape": (n, *shape)},
        notation=Notation("reshape({0}, {shape})", r"\operatorname{{reshape}}\left({0}, {shape}\right)"),
        tries=(
            Try(((2, 6),), R, {"shape": (3, 4)}),
            Try(((2, 3, 4),), R, {"shape": (6, -1)}),
            Try(((),), R, {"shape": (1, 1)}),
            Try(((0, 3),), R, {"shape": (3, 0)}),
        ),
    )
)

# broadcast


def _broadcast_shape(x: Expression, *, shape: Shape) -> Shape:
    if len(shape) < x.ndim or broadcast_shapes(x.shape, shape) != shape:
        raise ShapeError(f"{x}, {show_shape(x.shape)}, does not stretch to {show_shape(shape)}{place(x)}")
    return shape


def _make_broadcast(x: Any, shape: Any) -> Expression:
    (x,) = as_expressions(x)
    wanted = as_shape(shape)
    return x if wanted == x.shape else node(broadcast_to, [x], shape=wanted)


def unbroadcast(g: Expression, shape: Shape) -> Expression:
    """Return ``g`` summed back to a shape that was stretched to its own."""
    lead = g.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(k + lead for k, n in enumerate(shape) if n == 1 and g.shape[k + lead] != 1)
    return reshape(g.sum(axis=axes), shape) if axes else g


def _read_broadcast(indices: Indices, x: Expression, **_: Any) -> Indices:
    tail = indices[len(indices) - x.ndim :]
    return tuple(Index() if n == 1 else i for n, i in zip(x.shape, tail, strict=True))


broadcast_to: Operation = register(
    Operation(
        name="broadcast_to",
        kind="movement",
        summary="The elements repeated to fill a larger shape, by NumPy's rule.",
        make=_make_broadcast,
        shape=_broadcast_shape,
        dtype=_same_dtype,
        array=lambda xp, x, shape: xp.broadcast_to(x, shape),
        gradient=lambda g, y, x, shape: (unbroadcast(g, x.shape),),
        read=_read_broadcast,
        stacked=lambda n, shape: {"shape": (n, *shape)},
        notation=Notation("broadcast_to({0}, {shape})", r"\mathbf{{1}}_{{{shape}}} \, {0}", 9),
        tries=(
            Try(((3,),), R, {"shape": (2, 3)}),
            Try(((2, 1),), R, {"shape": (4, 2, 3)}),
            Try(((),), R, {"shape": (2, 0)}),
        ),
    )
)

# slice (also flip: a step of -1)


def _make_slice(x: Any, starts: Sequence[int], lengths: Sequence[Axis], steps: Sequence[int]) -> Expression:
    (x,) = as_expressions(x)
    same = all(s == 0 and t == 1 for s, t in zip(starts, steps, strict=True)) and tuple(lengths) == x.shape
    return x if same else node(slice_axes, [x], starts=tuple(starts), shape=tuple(lengths), steps=tuple(steps))


def _slice_shape(x: Expression, *, starts: tuple[Axis, ...], shape: Shape, steps: tuple[int, ...]) -> Shape:
    for n, start, length, step in zip(x.shape, starts, shape, steps, strict=True):
        if not all(isinstance(v, int) for v in (n, start, length)) or length == 0:
            continue
        last = start + (length - 1) * step
        if not (0 <= start < n and 0 <= last < n):  # type: ignore[operator]
            raise ShapeError(
                f"a slice of {length} elements, {start} to {last}, is outside an axis of {n} of {x}{place(x)}"
            )
    return shape


def _key(starts: Any, shape: Any, steps: Any) -> tuple[slice, ...]:
    stops = [s + n * t for s, n, t in zip(starts, shape, steps, strict=True)]
    return tuple(slice(s, e if e >= 0 else None, t) for s, e, t in zip(starts, stops, steps, strict=True))


def _slice_gradient(g: Expression, y: Expression, x: Expression, starts: Any, shape: Any, steps: Any) -> tuple[Any]:
    if all(abs(t) == 1 for t in steps):
        flipped = tuple(k for k, t in enumerate(steps) if t == -1)
        g = flip(g, flipped) if flipped else g
        first = [s if t == 1 else s - n + 1 for s, n, t in zip(starts, shape, steps, strict=True)]
        after = [n - f - m for n, f, m in zip(x.shape, first, shape, strict=True)]
        return (pad(g, list(zip(first, after, strict=True))),)
    return (node(place_slice, [g], starts=starts, shape=x.shape, steps=steps),)


slice_axes: Operation = register(
    Operation(
        name="slice_axes",
        kind="movement",
        summary="A regular selection along each axis: a start, a length and a step; x[...] makes it.",
        make=_make_slice,
        shape=_slice_shape,
        dtype=_same_dtype,
        array=lambda xp, x, starts, shape, steps: x[_key(starts, shape, steps)],
        gradient=_slice_gradient,
        read=lambda indices, x, starts, shape, steps: tuple(
            i * t + s for i, s, t in zip(indices, starts, steps, strict=True)
        ),
        stacked=lambda n, starts, shape, steps: {"starts": (0, *starts), "shape": (n, *shape), "steps": (1, *steps)},
        notation=Notation(
            "slice({0}, {starts}, {shape}, {steps})", r"\operatorname{{slice}}_{{{starts}, {steps}}}\left({0}\right)"
        ),
        tries=(
            Try(((4, 5),), R, call=lambda x: x[1:3, ::2]),
            Try(((4, 5),), R, call=lambda x: x[::-1, -1]),
            Try(((5,),), R, call=lambda x: x[4:0:-2]),
            Try(((5,),), R, call=lambda x: x[2:2]),
        ),
    )
)


def _array_place(xp: Any, x: Any, starts: Any, shape: Any, steps: Any) -> Any:
    key = _key(starts, x.shape, steps)
    if xp is not np:
        return xp.zeros(shape, x.dtype).at[key].set(x)
    result = np.zeros(shape, x.dtype)
    result[key] = x
    return result


place_slice: Operation = register(
    Operation(
        name="place_slice",
        kind="movement",
        summary="Zeros of a shape with the input placed at a regular selection: what a strided slice's gradient is.",
        make=lambda x, starts, shape, steps: node(
            place_slice, as_expressions(x), starts=tuple(starts), shape=tuple(shape), steps=tuple(steps)
        ),
        shape=lambda x, *, shape, **_: shape,
        dtype=_same_dtype,
        array=_array_place,
        gradient=lambda g, y, x, starts, shape, steps: (slice_axes(g, starts, x.shape, steps),),
        stacked=lambda n, starts, shape, steps: {"starts": (0, *starts), "shape": (n, *shape), "steps": (1, *steps)},
        write=lambda indices, x, starts, shape, steps: (
            tuple(i * t + s for i, s, t in zip(indices, starts, steps, strict=True)),
        ),
        notation=Notation("{call}", r"\operatorname{{place}}_{{{starts}, {steps}}}\left({0}\right)"),
        tries=(Try(((2, 3),), R, {"starts": (1, 0), "shape": (4, 5), "steps": (1, 2)}),),
    )
)


@composed
def flip(x: Any, axis: Any = None) -> Expression:
    """Return the elements in reverse order along some axes (all, if none is given).

    >>> import pellucid as pc
    >>> pc.function([], pc.flip(pc.constant([1, 2, 3])))()
    array([3, 2, 1], dtype=int32)
    """
    operand: Expression = as_expressions(x)[0]
    axes = normalise_axes("flip", operand, axis)
    starts: list[Any] = [n - 1 if k in axes else 0 for k, n in enumerate(operand.shape)]
    if any(operand.shape[k] == 0 for k in axes):
        return operand
    return slice_axes(operand, starts, operand.shape, [-1 if k in axes else 1 for k in range(operand.ndim)])


# pad


def _make_pad(operand: Any, widths: Any, value: float = 0.0) -> Expression:
    x: Expression = as_expressions(operand)[0]
    given = [(widths, widths)] * x.ndim if isinstance(widths, int) else [tuple(w) for w in widths]
    if len(given) != x.ndim or any(len(w) != 2 or any(isinstance(n, int) and n < 0 for n in w) for w in given):
        raise ShapeError(
            f"pad: {x}, {show_shape(x.shape)}, needs a pair (before, after) of sizes of 0 or more for each of its"
            f" {x.ndim} axes, not {widths}{place(x)}"
        )
    if all(w == (0, 0) for w in given):
        return x
    return node(pad, [x], widths=tuple(given), value=float(value))


pad: Operation = register(
    Operation(
        name="pad",
        kind="movement",
        summary="A border of one value around the elements: a pair (before, after) for each axis.",
        make=_make_pad,
        shape=lambda x, *, widths, value: tuple(n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)),
        dtype=_same_dtype,
        array=lambda xp, x, widths, value: xp.pad(x, widths, constant_values=x.dtype.type(value)),
        gradient=lambda g, y, x, widths, value: (slice_axes(g, [a for a, _ in widths], x.shape, [1] * x.ndim),),
        stacked=lambda n, widths, value: {"widths": ((0, 0), *widths), "value": value},
        write=lambda indices, x, widths, value: (tuple(i + a for i, (a, _) in zip(indices, widths, strict=True)),),
        notation=Notation("pad({0}, {widths})", r"\operatorname{{pad}}_{{{widths}}}\left({0}\right)"),
        tries=(
            Try(((2, 3),), R, {"widths": ((1, 0), (2, 3))}),
            Try(((3,),), R, {"widths": ((1, 1),), "value": -2.0}),
            Try(((0,),), R, {"widths": ((1, 1),)}),
        ),
    )
)

# concatenate


def _make_concatenate(parts: Sequence[Any], axis: int = 0) -> Expression:
    operands = as_expressions(*parts)
    if not operands:
        raise ShapeError("concatenate: there is nothing to concatenate; give at least one array")
    (axis,) = normalise_axes("concatenate", operands[0], axis)
    for other in operands[1:]:
        left = operands[0].shape[:axis] + operands[0].shape[axis + 1 :]
        if other.ndim != operands[0].ndim or other.shape[:axis] + other.shape[axis + 1 :] != left:
            raise ShapeError(
                f"concatenate along axis {axis}: {operands[0]} {show_shape(operands[0].shape)} and {other}"
                f" {show_shape(other.shape)} differ on another axis{place(*operands)}"
            )
    common = promote(*(o.dtype for o in operands))
    return operands[0] if len(operands) == 1 else node(concatenate, [o.astype(common) for o in operands], axis=axis)


def _offsets(parts: Sequence[Expression], axis: int) -> list[Axis]:
    result: list[Axis] = [0]
    for part in parts:
        result.append(result[-1] + part.shape[axis])
    return result


def _concatenated_shape(*parts: Expression, axis: int) -> Shape:
    return (*parts[0].shape[:axis], _offsets(parts, axis)[-1], *parts[0].shape[axis + 1 :])


def _split(g: Expression, y: Expression, *parts: Expression, axis: int) -> tuple[Expression, ...]:
    return tuple(
        slice_axes(g, [start if k == axis else 0 for k in range(g.ndim)], part.shape, [1] * g.ndim)
        for part, start in zip(parts, _offsets(parts, axis), strict=False)
    )


def _write_parts(indices: Indices, *parts: Expression, axis: int) -> tuple[Indices, ...]:
    return tuple(
        tuple(i + start if k == axis else i for k, i in enumerate(indices))  # type: ignore[operator]
        for start in _offsets(parts, axis)[:-1]
    )


concatenate: Operation = register(
    Operation(
        name="concatenate",
        kind="movement",
        summary="Arrays one after another along an axis.",
        make=_make_concatenate,
        shape=_concatenated_shape,
        dtype=_same_dtype,
        array=lambda xp, *parts, axis: xp.concatenate(parts, axis=axis),
        gradient=_split,
        stacked=lambda n, axis: {"axis": axis + 1},
        write=_write_parts,
        notation=Notation("{call}", r"\operatorname{{concatenate}}_{{{axis}}}\left({0}, \dots\right)"),
        tries=(
            Try(((2, 3), (1, 3)), (reals(), reals()), call=lambda x, y: concatenate([x, y])),
            Try(((2, 3), (2, 0), (2, 2)), (reals(),) * 3, call=lambda *p: concatenate(p, axis=1)),
        ),
    )
)


@composed
def stack(parts: Sequence[Any], axis: int = 0) -> Expression:
    """Return arrays of one shape joined along a new axis.

    >>> stack([[1, 2], [3, 4], [5, 6]], axis=1).shape
    (2, 3)
    """
    operands = as_expressions(*parts)
    if not operands:
        raise ShapeError("stack: there is nothing to stack; give at least one array")
    position = operator.index(axis)
    ndim = operands[0].ndim + 1
    if not -ndim <= position < ndim:
        raise AxisError(f"stack: axis {axis} is not an axis of the result, which has {ndim}{place(*operands)}")
    position %= ndim
    return concatenate([reshape(o, (*o.shape[:position], 1, *o.shape[position:])) for o in operands], axis=position)


__all__ = [
    "broadcast_to",
    "concatenate",
    "flip",
    "pad",
    "permute",
    "place_slice",
    "reshape",
    "slice_axes",
    "stack",
    "unbroadcast",
]
