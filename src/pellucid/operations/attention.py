"""Attention: means of values, weighted by how well keys answer queries. Plain functions of other operations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.expression import Expression
from ..core.operation import composed
from ..core.sizes import Axis
from .composed import floats, softmax
from .elementwise import where
from .fused_attention import attention
from .logical import logical_and
from .movement import reshape
from .product import matmul
from .sequences import check_sequences, fitting_mask
from .source import arange


@composed
def attention_weights(query: Any, key: Any, mask: Any = None, causal: bool = False) -> Expression:
    """Return how much each query attends to each key: softmax(query @ keyᵀ / √width), which sums to 1 over the keys.

    Args:
        query: (..., query time, width); integers are taken as float32.
        key: (..., key time, width), with the same leading axes or others that broadcast with them.
        mask: truth values that broadcast to (..., query time, key time), true where a query may attend to a key. The
            weights of a query that may attend to none are all 0.
        causal: whether query k attends to keys 0 to k only, so that nothing depends on what comes after it.

    Returns:
        (..., query time, key time).

    Raises:
        ShapeError: the shapes do not fit together.
        DtypeError: the mask is not of truth values.

    Vaswani et al., *Attention is all you need*, 2017, section 3.2.1.

    >>> import pellucid as pc
    >>> time = pc.constant([[0.0], [0.0], [0.0]])
    >>> pc.function([], pc.attention_weights(time, time, causal=True))().round(2)
    array([[1.  , 0.  , 0.  ],
           [0.5 , 0.5 , 0.  ],
           [0.33, 0.33, 0.33]], dtype=float32)
    """
    query, key = floats(query), floats(key)
    check_sequences(query, key)
    scores = matmul(query / math.sqrt(query.shape[-1]), key, transpose_right=True)
    allowed = None if mask is None else fitting_mask(mask, scores.shape)
    earlier = _no_later(scores.shape[-2], scores.shape[-1]) if causal else None
    kept = earlier if allowed is None else allowed if earlier is None else logical_and(allowed, earlier)
    if kept is None:
        return softmax(scores)
    # The lowest number and not -inf, of which a row of nothing else would make NaN.
    weights = softmax(where(kept, scores, float(np.finfo(scores.dtype).min)))
    return weights if allowed is None else where(kept, weights, 0)


@composed
def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, mask: Any = None, causal: bool = False
) -> Expression:
    """Return for each query the mean of the values, weighted by how well their keys answer it.

    It is ``attention_weights(query, key, mask, causal) @ value``. Batch and time may both be named axes; further axes
    before the time, such as one of heads, are each attended in by themselves.

    Args:
        query: (..., query time, width).
        key: (..., key time, width).
        value: (..., key time, values).
        mask: truth values that broadcast to (..., query time, key time), true where a query may attend to a key; the
            result is 0 for a query that may attend to none.
        causal: whether query k attends to keys 0 to k only.

    Returns:
        (..., query time, values).

    Raises:
        ShapeError: the shapes do not fit together.
        DtypeError: the mask is not of truth values.

    Vaswani et al., *Attention is all you need*, 2017, section 3.2.1.

    >>> import pellucid as pc
    >>> query, key = pc.constant([[9.0, 0.0]]), pc.constant([[9.0, 0.0], [0.0, 9.0]])
    >>> pc.function([], pc.scaled_dot_product_attention(query, key, pc.constant([[1.0], [2.0]])))()
    array([[1.]], dtype=float32)
    """
    return attention(query, key, value, mask, causal)


def _no_later(queries: Axis, keys: Axis) -> Expression:
    """Return (queries, keys), true where the key is no later than the query."""
    return reshape(arange(queries), (queries, 1)) >= arange(keys)


__all__ = ["attention_weights", "scaled_dot_product_attention"]
