"""What is written shorter than its parts: a part of an array, ``x[0, 1:3]``, and a vector's product with a matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.expression import Expression
from ..core.notation import ATOM, Written, written
from ..core.sizes import Axis

CALL = 9  # how strongly a call binds, and an index
Known = Callable[[Expression], Written]


def shortened(current: Expression, known: Known, style: str) -> Written | None:
    """Return how a node is written together with the one it is made of, or None where there is no shorter way.

    Args:
        current: the node.
        known: how each node that it is made of is written by itself.
        style: "text" or "latex".
    """
    if current.operation.name == "slice_axes":
        return _part(current, [False] * current.ndim, known, style)
    if current.operation.name != "reshape" or known(current.inputs[0])[1] == ATOM:
        return None  # what has a name is called so
    (inner,) = current.inputs
    if inner.operation.name == "slice_axes" and (dropped := _dropped(inner, current)) is not None:
        return _part(inner, dropped, known, style)
    return _vector_product(current, inner, known, style) if inner.operation.name == "matmul" else None


def _dropped(part: Expression, whole: Expression) -> list[bool] | None:
    """Return which axes of 1 a reshape drops, or None if it does something else."""
    left, dropped = list(whole.shape), []
    for n in part.shape:
        keep = bool(left) and left[0] == n
        if not keep and n != 1:
            return None
        dropped.append(not keep)
        left = left[keep:]
    return None if left else dropped


def _part(part: Expression, dropped: list[bool], known: Known, style: str) -> Written:
    """Return x[...], with a number for each axis that is dropped."""
    (x,) = part.inputs
    axes = zip(part.attribute("starts"), part.shape, part.attribute("steps"), x.shape, dropped, strict=True)
    keys = [str(s) if drop else _key(s, n, t, size) for s, n, t, size, drop in axes]
    while len(keys) > 1 and keys[-1] == ":":
        keys.pop()
    body, precedence = known(x)
    inside = ", ".join(keys)
    if style == "text":
        return (f"{body}[{inside}]" if precedence >= CALL else f"({body})[{inside}]"), CALL
    body = body if precedence >= CALL else rf"\left({body}\right)"
    return rf"{body}\left[{inside.replace(':', '{:}')}\right]", CALL


def _key(start: int, length: Axis, step: int, size: Axis) -> str:
    if step == 1:
        end: Any = start + length
        return f"{start or ''}:{'' if end == size else end}"
    assert isinstance(length, int)
    last = start + length * step
    return f"{start}:{last if last >= 0 else ''}:{step}"


def _vector_product(whole: Expression, product: Expression, known: Known, style: str) -> Written | None:
    """Return v @ W or W @ v, where a vector was made a matrix for the product, and its result a vector again."""
    operands = [_as_vector(x, known) for x in product.inputs]
    turned = [product.attribute(flag) for flag in ("transpose_left", "transpose_right")]
    vectors = [k for k, (x, o) in enumerate(zip(product.inputs, operands, strict=True)) if x is not o]
    if not vectors or any(turned[k] for k in vectors):
        return None
    shape = [*product.shape[:-2], *([] if 0 in vectors else [product.shape[-2]])]
    shape += [] if 1 in vectors else [product.shape[-1]]
    return written(product, [known(x) for x in operands], style) if list(whole.shape) == shape else None


def _as_vector(operand: Expression, known: Known) -> Expression:
    made = operand.operation.name == "reshape" and operand.inputs[0].ndim == 1 and 1 in operand.shape
    return operand.inputs[0] if made and operand.ndim == 2 and known(operand)[1] != ATOM else operand


__all__ = ["shortened"]
