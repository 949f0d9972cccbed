"""Minibatches as expressions: the row numbers of a batch, which a step picks its rows with.

A compiled loop over minibatches is the step with every input replaced by ``take(whole array, batch_indices)``, so that
gathering rows is scheduled and fused like everything else.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.expression import Expression, fresh_token, node
from ..core.operation import Facts, Notation, Operation, register
from .random import permuted, permuted_scalar

ORDER_DRAW = 0x6F726472  # any fixed number no draw of a step reaches


def _make(rows: int, size: int, shuffle: bool) -> Expression:
    return node(batch_indices, (), token=fresh_token(), shape=(size,), rows=rows, shuffle=shuffle)


def _array(xp: Any, *, rows: int, shape: Any, shuffle: bool, seed: int, step: int, start: int, **_: Any) -> Any:
    position = start + np.arange(shape[0], dtype=np.int64)
    if not shuffle:
        return xp.asarray(position.astype(np.int32))
    return xp.asarray(permuted(np, position.astype(np.uint32), rows, seed, ORDER_DRAW, step).astype(np.int32))


def _scalar(b: Any, seed: Any, draw: Any, step: Any, element: Any, *, rows: int, shuffle: bool, **_: Any) -> Any:
    if not shuffle:
        return b.convert(element, "int32")
    order = b.constant_of(ORDER_DRAW, "uint32")
    return b.convert(permuted_scalar(b, element, rows, seed, order, step), "int32")


batch_indices = register(
    Operation(
        name="batch_indices",
        kind="random",
        summary="The row numbers of one minibatch: consecutive places of the epoch's order, shuffled or not.",
        make=_make,
        shape=lambda *, shape, **_: shape,
        dtype=lambda **_: "int32",
        array=_array,
        scalar=_scalar,
        notation=Notation("batch", r"\mathrm{{batch}}"),
        facts=Facts(cheap=False),
    )
)

__all__ = ["ORDER_DRAW", "batch_indices"]
