"""Products that contract an axis: the matrix product, batched."""

from __future__ import annotations

from typing import Any

from ..core.dtypes import BOOL, promote
from ..core.errors import ShapeError
from ..core.expression import Expression, as_expressions, node
from ..core.operation import Facts, Notation, Operation, Try, reals, register
from ..core.origins import place
from ..core.sizes import Shape, broadcast_shapes, show_shape
from .movement import broadcast_to, reshape


def _shown(operand: Expression) -> str:
    text = str(operand)
    return text if len(text) < 40 and "\n" not in text else "the operand"


def _title(x: Expression, y: Expression) -> str:
    return f"{_shown(x)} @ {_shown(y)}"


def _make_matmul(x: Any, y: Any, transpose_left: bool = False, transpose_right: bool = False) -> Expression:
    x, y = as_expressions(x, y)
    if not x.ndim or not y.ndim:
        raise ShapeError(
            f"{_title(x, y)}: a product needs axes on both sides; write * to scale by a number{place(x, y)}"
        )
    common = promote(x.dtype, y.dtype)
    x, y = (o.astype("int32" if common == BOOL else common) for o in (x, y))
    left = reshape(x, (1, x.shape[0])) if x.ndim == 1 else x
    right = reshape(y, (y.shape[0], 1)) if y.ndim == 1 else y
    columns, rows = left.shape[-2 if transpose_left else -1], right.shape[-1 if transpose_right else -2]
    if columns != rows:
        raise ShapeError(
            f"{_title(x, y)}: the {columns} columns of {_shown(x)}, {show_shape(x.shape)}, meet the {rows} rows of"
            f" {_shown(y)}, {show_shape(y.shape)}; the two must be equal (is one to be transposed?){place(x, y)}"
        )
    try:
        batch = broadcast_shapes(left.shape[:-2], right.shape[:-2])
    except ShapeError as error:
        raise ShapeError(f"{_title(x, y)}: the batch axes do not fit: {error}{place(x, y)}") from None
    left, right = broadcast_to(left, batch + left.shape[-2:]), broadcast_to(right, batch + right.shape[-2:])
    product = node(matmul, [left, right], transpose_left=transpose_left, transpose_right=transpose_right)
    shape = product.shape
    if y.ndim == 1:
        shape = shape[:-1]
    if x.ndim == 1:
        shape = shape[:-2] + shape[-1:] if y.ndim > 1 else shape[:-1]
    return reshape(product, shape)


def _shape(x: Expression, y: Expression, *, transpose_left: bool, transpose_right: bool) -> Shape:
    m, k = reversed(x.shape[-2:]) if transpose_left else x.shape[-2:]
    l, n = reversed(y.shape[-2:]) if transpose_right else y.shape[-2:]
    if k != l or x.shape[:-2] != y.shape[:-2]:
        raise ShapeError(f"matmul: {show_shape(x.shape)} does not fit {show_shape(y.shape)}{place(x, y)}")
    return (*x.shape[:-2], m, n)


def _array(xp: Any, x: Any, y: Any, transpose_left: bool, transpose_right: bool) -> Any:
    left = xp.swapaxes(x, -1, -2) if transpose_left else x
    return xp.matmul(left, xp.swapaxes(y, -1, -2) if transpose_right else y)


def _gradient(
    g: Expression, z: Expression, x: Expression, y: Expression, transpose_left: bool, transpose_right: bool
) -> tuple[Expression, Expression]:
    if transpose_left:
        dx = matmul(y, g, transpose_left=transpose_right, transpose_right=True)
    else:
        dx = matmul(g, y, transpose_right=not transpose_right)
    if transpose_right:
        dy = matmul(g, x, transpose_left=True, transpose_right=transpose_left)
    else:
        dy = matmul(x, g, transpose_left=not transpose_left)
    return dx, dy


R2 = (reals(), reals())
matmul: Operation = register(
    Operation(
        name="matmul",
        kind="product",
        summary="The matrix product of the last two axes, over broadcast batch axes; x @ y.",
        make=_make_matmul,
        shape=_shape,
        dtype=lambda x, y, **_: x.dtype,
        array=_array,
        gradient=_gradient,
        notation=Notation(
            "{0}{transpose_left} @ {1}{transpose_right}", r"{0}{transpose_left} \, {1}{transpose_right}", 5, (1,)
        ),
        facts=Facts(cheap=False),
        tries=(
            Try(((2, 3), (3, 4)), R2),
            Try(((3,), (3,)), R2),
            Try(((4, 2, 3), (3, 5)), R2),
            Try(((3, 2), (4, 3)), R2, {"transpose_left": True, "transpose_right": True}),
            Try(((17, 33), (33, 19)), R2),
            Try(((2, 0), (0, 3)), R2),
        ),
    )
)

__all__ = ["matmul"]
