"""Attention as XLA has it best: its weights are written to memory, and computed once for the output and its derivative.

Native code computes the weights of a block of queries twice, and keeps them in the cache. XLA's loops each go over all
queries: what it computed it has written anyway, and another exponential for each weight costs more than reading it.
"""

from __future__ import annotations

from typing import Any

from ...core.expression import Expression
from ...operations.fused_attention import array_scores, attention_logsumexp


def weights(numpy: Any, query: Any, key: Any, mask: tuple[Any, ...], causal: bool) -> Any:
    """Return what share each query gives to each key; 0 where no key counts."""
    scores = array_scores(numpy, query, key, mask, causal)
    largest = numpy.max(scores, axis=-1, keepdims=True, initial=-float("inf"))
    powers = numpy.exp(scores - numpy.where(numpy.isfinite(largest), largest, 0))
    total = numpy.sum(powers, axis=-1, keepdims=True)
    return powers * (1 / numpy.where(total == 0, 1, total))


def attention(numpy: Any, query: Any, key: Any, value: Any, *mask: Any, causal: bool) -> Any:
    """Return the output of ``operations.fused_attention``."""
    return numpy.matmul(weights(numpy, query, key, mask, causal), value)


def is_of_its_own_softmax(gradient: Expression) -> bool:
    """Whether the logarithms of sums that a derivative is given are those of its own scores."""
    query, key, _, _, _, level, *mask = gradient.inputs
    is_level = level.operation is attention_logsumexp and level.inputs == (query, key, *mask)
    return is_level and level.attribute("causal") == gradient.attribute("causal")


def attention_gradient(
    numpy: Any, query: Any, key: Any, value: Any, g: Any, output: Any, level: Any, *mask: Any, causal: bool, of: str
) -> Any:
    """Return one of its derivatives, of its own softmax; XLA sees that the weights are those of the output."""
    shares = weights(numpy, query, key, mask, causal)
    if of == "value":
        return numpy.matmul(numpy.swapaxes(shares, -1, -2), g)
    slope = numpy.matmul(g, numpy.swapaxes(value, -1, -2)) - numpy.sum(g * output, axis=-1, keepdims=True)
    slope = shares * (slope * (1 / max(query.shape[-1], 1) ** 0.5))
    return numpy.matmul(slope, key) if of == "query" else numpy.matmul(numpy.swapaxes(slope, -1, -2), query)


__all__ = ["attention", "attention_gradient", "is_of_its_own_softmax"]
