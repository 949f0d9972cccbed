"""Products of many matrices, made one product where they can be.

A step multiplies each matrix of a stack by the same one, which it has as a stack of copies, and sums the products of
two stacks: all weights of a recurrent layer are met so, once for each time. Native code makes loops of both. XLA would
write out the copies, and each of the products.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...core.expression import Expression
from ...operations.movement import broadcast_to
from ...operations.product import matmul
from ...operations.reduction import sum as sum_over
from .library import jax


def product(numpy: Any, current: Expression, done: Mapping[Expression, Any]) -> Any | None:
    """Return the value of a node that is such a product, or None.

    Args:
        numpy: see ``TracedNumpy``.
        current: the node.
        done: the values of what it depends on.
    """
    if current.operation is matmul and current.ndim == 2:
        return _contracted(numpy, current, done)
    if current.operation is matmul:
        return _by_one_matrix(numpy, current, done)
    if current.operation is sum_over and _is_sum_of_products(current):
        return _contracted(numpy, current.inputs[0], done)
    return None


def _by_one_matrix(numpy: Any, current: Expression, done: Mapping[Expression, Any]) -> Any | None:
    x, y = current.inputs
    for old in (y, x):
        if old.operation is broadcast_to and old.inputs[0].ndim == 2 and old.inputs[0].shape == old.shape[-2:]:
            operands = [done[i.inputs[0] if i is old else i] for i in (x, y)]
            return matmul.array(numpy, *operands, **dict(current.attributes))
    return None


def _is_sum_of_products(current: Expression) -> bool:
    (x,) = current.inputs
    return x.operation is matmul and x.ndim > 2 and set(current.attribute("axes")) == set(range(x.ndim - 2))


def _contracted(numpy: Any, products: Expression, done: Mapping[Expression, Any]) -> Any:
    """Return a product, or the sum of the products of a stack, as XLA's own operation without transposes before it."""
    x, y = (done[i] for i in products.inputs)
    stack = tuple(range(products.ndim - 2))
    shared = (products.attribute("transpose_left"), not products.attribute("transpose_right"))
    axes = tuple((*stack, products.ndim - (2 if first else 1)) for first in shared)
    shape: Any = products.shape
    rows, columns = shape[-2:]
    if rows > columns:  # XLA copies the first, so that what is summed over is its last axis
        return numpy.swapaxes(numpy.product(_contraction(axes[::-1]), y, x), 0, 1)
    return numpy.product(_contraction(axes), x, y)


def _contraction(axes: tuple[tuple[int, ...], ...]) -> Callable[..., Any]:
    def multiply(x: Any, y: Any, precision: Any) -> Any:
        return jax().lax.dot_general(x, y, (axes, ((), ())), precision=precision)

    return multiply


__all__ = ["product"]
