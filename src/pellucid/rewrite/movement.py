"""Movement: shapes and axes meet and cancel, and broadcasts leave arithmetic.

Repetition moves towards the root, because what stands below it is then computed once: ``f(broadcast_to(x))`` becomes
``broadcast_to(f(x))``. Reshapes and permutations of an elementwise operation's operands move after it, so that they
meet those that undo them; signs and constant factors move the other way, outwards, where algebra collects them.
Every rule holds for named sizes.
"""

from __future__ import annotations

import numpy as np

from ..core.dtypes import is_float
from ..core.expression import Expression, node
from ..core.sizes import Axis, Shape
from ..operations.movement import broadcast_to, concatenate, pad, permute, reshape, slice_axes
from .pattern import Rule, Uses, exp, greater, maximum, number, read_once, structural, tanh

MOST_TERMS = 16


def padded(x: Expression, ndim: int) -> Shape:
    """Return the shape of x with axes of size 1 in front."""
    return (1,) * (ndim - x.ndim) + x.shape


def _wide(shape: Shape) -> list[Axis]:
    return [n for n in shape if n != 1]


def one_sized(before: Shape, after: Shape) -> bool:
    """Whether a reshape only adds and removes axes of size 1."""
    return _wide(before) == _wide(after)


# Movements of movements


@structural(
    "permute(permute(x)) → permute(x)", "permute", "permute", example=lambda x: permute(permute(x, (1, 0)), (1, 0))
)
def permute_permute(outer: Expression, uses: Uses) -> Expression | None:
    """One permutation after another is one."""
    (inner,) = outer.inputs
    first = inner.attribute("axes")
    return permute(inner.inputs[0], [first[a] for a in outer.attribute("axes")])


@structural(
    "permute(x) → reshape(x), only axes of 1 moving",
    "permute",
    example=lambda x: permute(x, (2, 0, 1)),
    shapes=(((3, 4, 1),), ((1, 1, 1),), ((1, 5, 1),)),
)
def permute_ones(outer: Expression, uses: Uses) -> Expression | None:
    """A permutation that keeps the order of the axes larger than 1 moves no element."""
    (x,) = outer.inputs
    kept = [a for a in outer.attribute("axes") if x.shape[a] != 1]
    return reshape(x, outer.shape) if kept == sorted(kept) else None


@structural(
    "reshape(reshape(x)) → reshape(x)", "reshape", "reshape", example=lambda x: reshape(reshape(x, (12,)), (2, 6))
)
def reshape_reshape(outer: Expression, uses: Uses) -> Expression | None:
    """The last shape counts."""
    (inner,) = outer.inputs
    return reshape(inner.inputs[0], outer.shape)


@structural(
    "broadcast_to(broadcast_to(x)) → broadcast_to(x)",
    "broadcast_to",
    "broadcast_to",
    example=lambda x: broadcast_to(broadcast_to(x, (3, 4)), (2, 3, 4)),
    shapes=(((3, 1),), ((4,),), ((),)),
)
def broadcast_broadcast(outer: Expression, uses: Uses) -> Expression | None:
    """The last shape counts."""
    return broadcast_to(outer.inputs[0].inputs[0], outer.shape)


@structural(
    "broadcast_to(reshape(x)) → broadcast_to(x), leading axes of 1 added",
    "broadcast_to",
    "reshape",
    example=lambda x: broadcast_to(reshape(x, (1, 4)), (3, 4)),
    shapes=(((4,),),),
)
def broadcast_reshape(outer: Expression, uses: Uses) -> Expression | None:
    """A broadcast adds leading axes by itself."""
    (inner,) = outer.inputs
    (x,) = inner.inputs
    if x.ndim <= inner.ndim and padded(x, inner.ndim) == inner.shape:
        return broadcast_to(x, outer.shape)
    return None


@structural(
    "reshape(broadcast_to(x)) → broadcast_to(reshape(x)), axes of 1 added or removed",
    "reshape",
    "broadcast_to",
    example=lambda x: reshape(broadcast_to(x, (3, 1, 4)), (1, 3, 4)),
    shapes=(((1, 1),), ((4,),), ((3, 1, 1),), ((),)),
)
def reshape_broadcast(outer: Expression, uses: Uses) -> Expression | None:
    """The stretched axes stay stretched."""
    (inner,) = outer.inputs
    (x,) = inner.inputs
    if all(n == 1 for n in x.shape):
        return broadcast_to(reshape(x, ()), outer.shape)
    if not one_sized(inner.shape, outer.shape):
        return None
    own = iter([n for n, wide in zip(padded(x, inner.ndim), inner.shape, strict=True) if wide != 1])
    return broadcast_to(reshape(x, tuple(1 if n == 1 else next(own) for n in outer.shape)), outer.shape)


@structural(
    "permute(broadcast_to(x)) → broadcast_to(permute(x))",
    "permute",
    "broadcast_to",
    example=lambda x: permute(broadcast_to(x, (3, 4)), (1, 0)),
    shapes=(((3, 1),), ((4,),), ((),)),
)
def permute_broadcast(outer: Expression, uses: Uses) -> Expression | None:
    """The stretched axes move along."""
    (x,) = outer.inputs[0].inputs
    return broadcast_to(permute(reshape(x, padded(x, outer.ndim)), outer.attribute("axes")), outer.shape)


# Movements and elementwise operations


@structural(
    "f(broadcast_to(x), y) → broadcast_to(f(x, y))",
    "elementwise",
    "broadcast_to",
    example=lambda x, y: broadcast_to(x, (2, 3, 4)) * y,
    shapes=(((3, 1), (4,)), ((), (2, 3, 4)), ((4,), ())),
)
def elementwise_broadcast(outer: Expression, uses: Uses) -> Expression | None:
    """Elementwise operations stretch their operands themselves, and what is equal is computed once."""
    return node(outer.operation, [_unstretched(i) for i in outer.inputs], **dict(outer.attributes))


def _unstretched(x: Expression) -> Expression:
    while x.operation is broadcast_to:
        (x,) = x.inputs
    return x


def collected(x: Expression) -> bool:
    """Whether x is a sign, a constant factor or a reciprocal: what algebra collects outside of movements."""
    name = x.operation.name
    if name == "multiply":
        return any(i.ndim == 0 and number(i) is not None for i in x.inputs)
    return name == "negative" or (name == "divide" and any(i.ndim == 0 and number(i) is not None for i in x.inputs))


@structural(
    "f(reshape(x), c) → reshape(f(x, c))",
    "elementwise",
    "reshape",
    example=lambda x: exp(reshape(x, (2, 6))),
)
def elementwise_reshape(outer: Expression, uses: Uses) -> Expression | None:
    """Elementwise work does not mind the shape, so reshapes move on to where they cancel."""
    moved = _moved(outer, "reshape")
    return None if moved is None else reshape(moved, outer.shape)


@structural(
    "f(permute(x), c) → permute(f(x, c))",
    "elementwise",
    "permute",
    example=lambda x, y: tanh(permute(x, (1, 0))) + maximum(permute(x, (1, 0)), permute(y, (1, 0))),
)
def elementwise_permute(outer: Expression, uses: Uses) -> Expression | None:
    """Elementwise work does not mind the order of axes, so permutations move on to where they cancel."""
    moved = _moved(outer, "permute")
    axes = [i.attribute("axes") for i in outer.inputs if i.operation is permute]
    return None if moved is None else permute(moved, axes[0])


def _moved(outer: Expression, name: str) -> Expression | None:
    """Return f before the movement of its operands, if it is one movement (and numbers) and f stays inside."""
    moved = [i for i in outer.inputs if i.operation.name == name]
    alike = {(m.attributes, m.inputs[0].shape) for m in moved}
    if len(alike) != 1 or collected(outer) or any(i.ndim for i in outer.inputs if i.operation.name != name):
        return None
    operands = [i.inputs[0] if i.operation.name == name else i for i in outer.inputs]
    return node(outer.operation, operands, **dict(outer.attributes))


@structural(
    "x * reshape(1 / y) → x / reshape(y)",
    "multiply",
    "reshape",
    example=lambda x, y: x * reshape(1 / y, (3, 1)),
    shapes=(((3, 4), (3,)),),
    domain=(0.2, 2.0),
)
def multiply_reshape(outer: Expression, uses: Uses) -> Expression | None:
    """As without the reshape, which stands between a quotient and a denominator with its axes kept."""
    for x, moved in (outer.inputs, outer.inputs[::-1]):
        if moved.operation is not reshape or moved.inputs[0].operation.name != "divide":
            continue
        above, below = moved.inputs[0].inputs
        if number(above) == 1 and read_once(moved.inputs[0], uses):
            return x / reshape(below, moved.shape)
    return None


@structural(
    "movement(-x), movement(c * x) → -movement(x), c * movement(x)",
    ("reshape", "permute"),
    ("negative", "multiply", "divide"),
    example=lambda x: reshape(-x, (4, 3)) + permute(2 * x, (1, 0)) + reshape(1 / x, (4, 3)),
    domain=(0.2, 2.0),
)
def movement_factor(outer: Expression, uses: Uses) -> Expression | None:
    """Signs and constant factors move outwards, where they are collected."""
    (inner,) = outer.inputs
    if not collected(inner) or (inner.operation.name == "divide" and not read_once(inner, uses)):
        return None
    operands = [
        i if number(i) is not None else node(outer.operation, [i], **dict(outer.attributes)) for i in inner.inputs
    ]
    return node(inner.operation, operands)


# Slices


@structural(
    "slice(pad(x)) → x, the border cut off",
    "slice_axes",
    "pad",
    example=lambda x: slice_axes(pad(x, ((1, 2), (0, 3))), (1, 0), x.shape, (1, 1)),
)
def slice_pad(outer: Expression, uses: Uses) -> Expression | None:
    """A border that is cut off again was never needed."""
    (inner,) = outer.inputs
    (x,) = inner.inputs
    before = tuple(a for a, _ in inner.attribute("widths"))
    same = outer.attribute("starts") == before and outer.shape == x.shape and set(outer.attribute("steps")) <= {1}
    return x if same else None


@structural(
    "slice(slice(x)) → slice(x)",
    "slice_axes",
    "slice_axes",
    example=lambda x: x[1:, ::-1][::2, 1:],
    shapes=(((5, 4),), ((3, 7),)),
)
def slice_slice(outer: Expression, uses: Uses) -> Expression | None:
    """One selection of another is one."""
    (inner,) = outer.inputs
    first, then = inner.attribute("steps"), outer.attribute("steps")
    starts = [a + b * t for a, b, t in zip(inner.attribute("starts"), outer.attribute("starts"), first, strict=True)]
    return slice_axes(inner.inputs[0], starts, outer.shape, [s * t for s, t in zip(first, then, strict=True)])


@structural(
    "slice(concatenate(x, y)) → slice(x)",
    "slice_axes",
    "concatenate",
    example=lambda x, y: concatenate([x, y])[4:, :2],
    shapes=(((3, 4), (2, 4)), ((4, 3), (3, 3))),
)
def slice_concatenate(outer: Expression, uses: Uses) -> Expression | None:
    """A selection that lies in one part is of that part."""
    (inner,) = outer.inputs
    axis = inner.attribute("axis")
    start, length, step = outer.attribute("starts")[axis], outer.shape[axis], outer.attribute("steps")[axis]
    offset: Axis = 0
    for part in inner.inputs:
        size, shifted = part.shape[axis], start - offset
        if shifted == 0 and length == size and step == 1:
            inside = True
        elif isinstance(shifted, int) and isinstance(size, int) and isinstance(length, int) and length > 0:
            inside = 0 <= shifted < size and 0 <= shifted + (length - 1) * step < size
        else:
            inside = False
        if inside:
            starts = [shifted if k == axis else s for k, s in enumerate(outer.attribute("starts"))]
            return slice_axes(part, starts, outer.shape, outer.attribute("steps"))
        offset = offset + size
    return None


@structural(
    "astype(astype(x)) → astype(x), the first widening",
    "astype",
    "astype",
    example=lambda x: greater(x, 0).astype("float32").astype("float64"),
)
def astype_astype(outer: Expression, uses: Uses) -> Expression | None:
    """A conversion that keeps every value may be left out before another."""
    (inner,) = outer.inputs
    (x,) = inner.inputs
    if not np.can_cast(x.dtype, inner.dtype, "safe") or (x.dtype == "bool" and not is_float(inner.dtype)):
        return None
    return x.astype(outer.dtype)


@structural(
    "concatenate(concatenate(x, y), z) → concatenate(x, y, z)",
    "concatenate",
    "concatenate",
    example=lambda x, y, z: concatenate([z, concatenate([x, y], axis=1), z], axis=1),
    shapes=(((2, 3), (2, 2), (2, 1)),),
)
def concatenate_concatenate(outer: Expression, uses: Uses) -> Expression | None:
    """Pieces of a piece are pieces of the whole."""
    axis = outer.attribute("axis")
    nested = [x for x in outer.inputs if x.operation is concatenate and x.attribute("axis") == axis]
    if not any(read_once(x, uses) for x in nested):
        return None
    parts = [p for x in outer.inputs for p in (x.inputs if x in nested and read_once(x, uses) else (x,))]
    return concatenate(parts, axis=axis)


def _added(total: Expression, uses: Uses) -> list[Expression]:
    """Return what a sum adds up, left to right; of a long one the terms at its beginning stay together."""
    terms, whole = [total], 0
    while len(terms) > whole and len(terms) < MOST_TERMS:
        x = terms[-1 - whole]
        if x.operation.name == "add" and (x is total or read_once(x, uses)):
            terms[len(terms) - 1 - whole : len(terms) - whole] = x.inputs
        else:
            whole += 1
    return terms


def _widened(x: Expression) -> tuple[int, Axis, Axis] | None:
    """Return the axis along which zeros are put around something, where it begins and where it ends; or None."""
    if x.operation is not pad or x.attribute("value") != 0:
        return None
    axes = [k for k, w in enumerate(x.attribute("widths")) if w != (0, 0)]
    if len(axes) != 1:
        return None
    before = x.attribute("widths")[axes[0]][0]
    return axes[0], before, before + x.inputs[0].shape[axes[0]]


def _joined(one: Expression, other: Expression) -> Expression | None:
    """Return two pieces among zeros, of which the second begins where the first ends, as one."""
    first, second = _widened(one), _widened(other)
    if first is None or second is None or first[0] != second[0] or first[2] != second[1] or one.dtype != other.dtype:
        return None
    axis, both = first[0], concatenate([one.inputs[0], other.inputs[0]], axis=first[0])
    after = other.attribute("widths")[axis][1]
    return pad(both, [(first[1], after) if k == axis else (0, 0) for k in range(one.ndim)])


@structural(
    "pad(x) + pad(y) → pad(concatenate(x, y)), side by side",
    "add",
    ("pad", "add"),
    example=lambda x, y: pad(y, ((0, 0), (3, 0))) + pad(x, ((0, 0), (0, 2))),
    shapes=(((2, 3), (2, 2)), ((4, 3), (4, 2))),
)
def pads_side_by_side(outer: Expression, uses: Uses) -> Expression | None:
    """The pieces of an array, each among zeros, add up to the pieces side by side: what gradients of slices are."""
    terms = _added(outer, uses)
    pieces = [x for x in terms if x.operation is pad]
    if any(x.shape != outer.shape for x in terms):
        return None
    for one in pieces:
        for other in pieces:
            both = _joined(one, other)
            if both is not None:
                rest = [x for x in terms if x is not one and x is not other]
                return sum(rest, start=both)
    return None


MOVEMENT: tuple[Rule, ...] = (
    permute_permute,
    permute_ones,
    reshape_reshape,
    broadcast_broadcast,
    broadcast_reshape,
    reshape_broadcast,
    permute_broadcast,
    elementwise_broadcast,
    elementwise_reshape,
    elementwise_permute,
    multiply_reshape,
    movement_factor,
    slice_pad,
    slice_slice,
    slice_concatenate,
    concatenate_concatenate,
    pads_side_by_side,
    astype_astype,
)
