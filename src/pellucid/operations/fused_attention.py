"""Scaled dot-product attention as one operation, whose scores are never kept.

What each query gives is softmax(query keyᵀ / √d) value. The scores are as many as queries times keys, and writing them
to memory and reading them again would take longer than computing them twice. So the derivative gets just one number for
each query, the logarithm of its sum of exponentials, and makes the probabilities anew:

    P = exp(S - logsumexp(S)),  dV = Pᵀ dO,  dS = P (dO Vᵀ - rowsum(dO · O)),  dQ = dS K / √d,  dK = dSᵀ Q / √d

Dao, Fu, Ermon, Rudra and Ré, *FlashAttention*, 2022, section 3.1. For scheduling all three operations become products,
exponentials and sums over the heads; the schedule makes one loop over heads of these, and what one pass of it makes and
uses up stays in the cache. For this many queries are cut into blocks. Where attention is causal, each block meets only
the keys up to its end, so that most of what a mask would drop is never computed.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..core.dtypes import is_float, promote
from ..core.expression import Expression, as_expressions, node
from ..core.operation import Facts, Notation, Operation, Try, booleans, reals, register
from ..core.sizes import Axis
from .comparison import equal, greater_equal
from .elementwise import where
from .exponential import exp, log, sqrt
from .movement import broadcast_to, concatenate, reshape, slice_axes
from .product import matmul
from .reduction import max as max_over
from .reduction import sum as sum_over
from .rounding import isfinite
from .sequences import check_sequences, common_batch, fitting_mask
from .source import arange, axis_size, constant

BLOCK = 64  # queries of a block, at least
MOST_BLOCKS = 3  # each is code of its own
ROUND = 12  # that a block's queries are a multiple of, so that products have tiles of one height


class Block(NamedTuple):
    """Some queries: their first one, how many, and how many keys they meet."""

    first: int
    queries: int
    keys: int


def blocks(queries: int, keys: int, causal: bool) -> list[Block]:
    """Return the blocks in which queries meet keys.

    >>> for block in blocks(200, 200, causal=True):
    ...     print(*block)
    0 72 72
    72 72 144
    144 56 200
    """
    number = max(1, min(MOST_BLOCKS, queries // BLOCK))
    size = max(1, queries) if number == 1 else -(-queries // (number * ROUND)) * ROUND
    ends = [min(first + size, queries) for first in range(0, max(1, queries), size)]
    starts = [0, *ends[:-1]]
    return [Block(a, b - a, min(b, keys) if causal else keys) for a, b in zip(starts, ends, strict=True)]


def _part(x: Expression, axis: int, first: int, length: Any) -> Expression:
    """Return a part of an axis, as an expression of its own even if it is the whole."""
    k = x.ndim + axis
    starts, shape = tuple(first if j == k else 0 for j in range(x.ndim)), (*x.shape[:k], length, *x.shape[k + 1 :])
    return node(slice_axes, [x], starts=starts, shape=shape, steps=(1,) * x.ndim)


def _queries(x: Expression, block: Block) -> Expression:
    return _part(x, -2, block.first, block.queries)


def _keys(x: Expression, block: Block) -> Expression:
    return _part(x, -2, 0, block.keys)


# what all three are made of


def _scores(block: Block, query: Expression, key: Expression, mask: tuple[Expression, ...], causal: bool) -> Expression:
    """Return what softmax is taken of, for the queries of a block: -inf where a key does not count."""
    rows, columns = _queries(query, block), _keys(key, block)
    scores = matmul(rows, columns, transpose_right=True) * _scale(query)
    if causal:
        position = reshape(arange(block.queries), (block.queries, 1)) + block.first
        scores = where(greater_equal(position, arange(block.keys)), scores, -math.inf)
    for counts in mask:
        counts = counts if counts.shape[-2] == 1 else _queries(counts, block)
        counts = counts if counts.shape[-1] == 1 else _part(counts, -1, 0, block.keys)
        scores = where(counts, scores, -math.inf)
    return scores


def _scale(query: Expression) -> float:
    return 1 / math.sqrt(max(_whole(query.shape[-1]), 1))


def _whole(size: Axis) -> int:
    assert isinstance(size, int)
    return size


def _blocks(query: Expression, key: Expression, causal: bool) -> list[Block]:
    return blocks(_whole(query.shape[-2]), _whole(key.shape[-2]), causal)


def _powers(scores: Expression) -> tuple[Expression, Expression, Expression]:
    """Return exponentials, their sums (1 where no key counts), and what was taken off before."""
    largest = max_over(scores, -1, keepdims=True)
    shift = where(isfinite(largest), largest, 0)
    powers = exp(scores - shift)
    total = sum_over(powers, -1, keepdims=True)
    return powers, where(equal(total, 0), 1, total), shift


def _joined(parts: list[Expression]) -> Expression:
    return parts[0] if len(parts) == 1 else concatenate(parts, axis=-2)


def _expand(query: Expression, key: Expression, value: Expression, *mask: Expression, causal: bool) -> Expression:
    parts = []
    for block in _blocks(query, key, causal):
        powers, total, _ = _powers(_scores(block, query, key, mask, causal))
        parts.append(matmul(powers, _keys(value, block)) / total)
    return _joined(parts)


def _expand_logsumexp(query: Expression, key: Expression, *mask: Expression, causal: bool) -> Expression:
    parts = []
    for block in _blocks(query, key, causal):
        _, total, shift = _powers(_scores(block, query, key, mask, causal))
        parts.append(log(total) + shift)
    joined = _joined(parts)
    return reshape(joined, joined.shape[:-1])


def _expand_gradient(
    query: Expression,
    key: Expression,
    value: Expression,
    g: Expression,
    output: Expression,
    logsumexp: Expression,
    *mask: Expression,
    causal: bool,
    of: str,
) -> Expression:
    anew = _part(query, -2, 0, query.shape[-2])  # so that scores are not those of the output, which would be kept
    level, product = reshape(logsumexp, (*logsumexp.shape, 1)), sum_over(g * output, -1, keepdims=True)
    made, parts = _blocks(query, key, causal), []
    for block in made:
        powers = exp(_scores(block, anew, key, mask, causal) - _queries(level, block))
        rows = _queries(g, block)
        if of == "value":
            parts.append(matmul(powers, rows, transpose_left=True))
            continue
        slope = matmul(rows, _keys(value, block), transpose_right=True)
        slope = powers * ((slope - _queries(product, block)) * _scale(query))
        if of == "query":
            parts.append(matmul(slope, _keys(key, block)))
        else:
            parts.append(matmul(slope, _queries(query, block), transpose_left=True))
    return _joined(parts) if of == "query" else _added(parts, made, (key if of == "key" else value).shape[-2])


def _added(parts: list[Expression], made: list[Block], size: Axis) -> Expression:
    """Return the sum of parts of which each has the first keys alone, as many as its block meets."""
    if len(parts) == 1 and parts[0].shape[-2] == size:
        return parts[0]
    pieces, first = list[Expression](), 0
    for last in dict.fromkeys(block.keys for block in made):
        reaching = [_part(p, -2, first, last - first) for p, b in zip(parts, made, strict=True) if b.keys >= last]
        pieces.append(sum(reaching[1:], reaching[0]))
        first = last
    rest = _whole(size) - first
    if rest:
        pieces.append(broadcast_to(constant(0, parts[0].dtype), (*parts[0].shape[:-2], rest, parts[0].shape[-1])))
    return _joined(pieces)


# the operations


def _make(query: Any, key: Any, value: Any, mask: Any = None, causal: bool = False) -> Expression:
    query, key, value = as_expressions(query, key, value)
    check_sequences(query, key, value)
    common = promote(promote(query.dtype, key.dtype), value.dtype)
    common = common if is_float(common) else "float32"
    query, key, value = (x.astype(common) for x in (query, key, value))
    batch = common_batch(query, key, value)
    query, key, value = (broadcast_to(x, (*batch, *x.shape[-2:])) for x in (query, key, value))
    return node(attention, [query, key, value, *_mask(mask, query, key)], causal=bool(causal))


def _mask(mask: Any, query: Expression, key: Expression) -> list[Expression]:
    return [] if mask is None else [fitting_mask(mask, (*query.shape[:-1], key.shape[-2]))]


def array_scores(xp: Any, query: Any, key: Any, mask: tuple[Any, ...], causal: bool) -> Any:
    """Return what softmax is taken of, as an array."""
    number = query.dtype.type
    scores = xp.matmul(query, xp.swapaxes(key, -1, -2)) * number(1 / math.sqrt(max(query.shape[-1], 1)))
    if causal:
        mask = (*mask, xp.tril(xp.ones(scores.shape[-2:], bool)))
    for counts in mask:
        scores = xp.where(counts, scores, number(-math.inf))
    return scores


def _array_level(xp: Any, scores: Any) -> Any:
    """Return the logarithm of the sum of exponentials of each row; 0 where no key counts."""
    largest = xp.max(scores, axis=-1, keepdims=True, initial=-math.inf)
    shift = xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))
    total = xp.sum(xp.exp(scores - shift), axis=-1, keepdims=True)
    return xp.log(xp.where(total == 0, xp.ones_like(total), total)) + shift


def _array(xp: Any, query: Any, key: Any, value: Any, *mask: Any, causal: bool) -> Any:
    scores = array_scores(xp, query, key, mask, causal)
    return xp.matmul(xp.exp(scores - _array_level(xp, scores)), value)


def _array_gradient(
    xp: Any, query: Any, key: Any, value: Any, g: Any, output: Any, level: Any, *mask: Any, causal: bool, of: str
) -> Any:
    powers = xp.exp(array_scores(xp, query, key, mask, causal) - level[..., None])
    if of == "value":
        return xp.matmul(xp.swapaxes(powers, -1, -2), g)
    product = xp.sum(g * output, axis=-1, keepdims=True)
    scale = query.dtype.type(1 / math.sqrt(max(query.shape[-1], 1)))
    slope = powers * ((xp.matmul(g, xp.swapaxes(value, -1, -2)) - product) * scale)
    return xp.matmul(slope, key) if of == "query" else xp.matmul(xp.swapaxes(slope, -1, -2), query)


def _gradient(
    g: Expression, y: Expression, query: Expression, key: Expression, value: Expression, *mask: Expression, causal: bool
) -> tuple[Expression | None, ...]:
    level = node(attention_logsumexp, [query, key, *mask], causal=causal)
    operands = [query, key, value, g, y, level, *mask]
    parts = [node(attention_gradient, operands, causal=causal, of=of) for of in ("query", "key", "value")]
    return (*parts, *(None for _ in mask))


# derivatives of the derivative, as plain expressions


def _powers_of(
    query: Expression, key: Expression, level: Expression, mask: tuple[Expression, ...], causal: bool
) -> Expression:
    """Return what share each query gives to each key."""
    scores = matmul(query, key, transpose_right=True) / _root(query)
    if causal:
        position = reshape(arange(query.shape[-2]), (query.shape[-2], 1))
        scores = where(greater_equal(position, arange(key.shape[-2])), scores, -math.inf)
    for counts in mask:
        scores = where(counts, scores, -math.inf)
    return exp(scores - _column(level))


def _root(query: Expression) -> Expression:
    return sqrt(axis_size(query.shape[-1], query.dtype))


def _column(x: Expression) -> Expression:
    return reshape(x, (*x.shape, 1))


def _through_scores(slope: Expression, query: Expression, key: Expression) -> tuple[Expression, Expression]:
    """Return the derivatives of queries and keys, from those of what softmax is taken of."""
    slope = slope / _root(query)
    return matmul(slope, key), matmul(slope, query, transpose_left=True)


def _logsumexp_gradient(
    g: Expression, y: Expression, query: Expression, key: Expression, *mask: Expression, causal: bool
) -> tuple[Expression | None, ...]:
    slope = _column(g) * _powers_of(query, key, y, mask, causal)
    return (*_through_scores(slope, query, key), *(None for _ in mask))


def _gradient_gradient(
    u: Expression,
    y: Expression,
    query: Expression,
    key: Expression,
    value: Expression,
    g: Expression,
    output: Expression,
    level: Expression,
    *mask: Expression,
    causal: bool,
    of: str,
) -> tuple[Expression | None, ...]:
    powers, none = _powers_of(query, key, level, mask, causal), tuple(None for _ in mask)
    if of == "value":
        slope = powers * matmul(g, u, transpose_right=True)
        dq, dk = _through_scores(slope, query, key)
        return dq, dk, None, matmul(powers, u), None, -sum_over(slope, -1), *none
    rise = matmul(g, value, transpose_right=True) - sum_over(g * output, -1, keepdims=True)
    seen = matmul(u, key, transpose_right=True) if of == "query" else matmul(query, u, transpose_right=True)
    shares = powers * (seen / _root(query))
    slope, total = shares * rise, sum_over(shares, -1, keepdims=True)
    dq, dk = _through_scores(slope, query, key)
    direct = powers * rise / _root(query)
    if of == "query":
        dk = dk + matmul(direct, u, transpose_left=True)
    else:
        dq = dq + matmul(direct, u)
    dg, dv = matmul(shares, value) - total * output, matmul(shares, g, transpose_left=True)
    return dq, dk, dv, dg, -total * g, -sum_over(slope, -1), *none


R3 = (reals(-2, 2),) * 3
attention: Operation = register(
    Operation(
        name="attention",
        kind="attention",
        summary="For each query the mean of the values, weighted by the softmax of its products with the keys / √size.",
        make=_make,
        shape=lambda query, key, value, *_, **__: (*query.shape[:-1], value.shape[-1]),
        dtype=lambda query, *_, **__: query.dtype,
        array=_array,
        gradient=_gradient,
        expand=_expand,
        notation=Notation("{call}", r"\operatorname{{attention}}\left({0}, {1}, {2}\right)"),
        facts=Facts(cheap=False),
        tries=(
            Try(((2, 3, 4), (2, 5, 4), (2, 5, 3)), R3),
            Try(((2, 2, 5, 3),) * 3, R3, {"causal": True}),
            Try(((2, 3, 4), (2, 5, 4), (2, 5, 3), (3, 5)), (*R3, booleans())),
            Try(((2, 2, 3, 4), (2, 2, 5, 4), (2, 2, 5, 4), (2, 1, 1, 5)), (*R3, booleans()), {"causal": True}),
            Try(((1, 4), (1, 4), (1, 4)), R3),
            Try(((130, 8), (130, 8), (130, 8)), R3, {"causal": True}),
            Try(((0, 2, 3), (0, 2, 3), (0, 2, 3)), R3),
        ),
        source="Vaswani et al., Attention is all you need, 2017; Dao et al., FlashAttention, 2022",
    )
)
attention_logsumexp: Operation = register(
    Operation(
        name="attention_logsumexp",
        kind="attention",
        summary="For each query the logarithm of the sum of the exponentials of its scores; 0 where no key counts.",
        make=lambda query, key, mask=None, causal=False: node(
            attention_logsumexp, [*as_expressions(query, key), *_mask(mask, query, key)], causal=bool(causal)
        ),
        shape=lambda query, *_, **__: query.shape[:-1],
        dtype=lambda query, *_, **__: query.dtype,
        array=lambda xp, query, key, *mask, causal: _array_level(xp, array_scores(xp, query, key, mask, causal))[
            ..., 0
        ],
        gradient=_logsumexp_gradient,
        expand=_expand_logsumexp,
        notation=Notation("{call}", r"\operatorname{{logsumexp}}\left({0} {1}^{{\top}}\right)"),
        facts=Facts(cheap=False),
        tries=(
            Try(((2, 3, 4), (2, 5, 4)), R3[:2]),
            Try(((5, 3), (5, 3)), R3[:2], {"causal": True}),
            Try(((2, 3, 4), (2, 5, 4), (3, 5)), (*R3[:2], booleans())),
        ),
    )
)
R6 = (reals(-2, 2),) * 6


def _gradient_try(of: str, *mask: tuple[int, ...], causal: bool = False) -> Try:
    shapes = ((2, 3, 4), (2, 5, 4), (2, 5, 3), (2, 3, 3), (2, 3, 3), (2, 3), *mask)
    return Try(shapes, (*R6, *(booleans() for _ in mask)), {"of": of, "causal": causal})


attention_gradient: Operation = register(
    Operation(
        name="attention_gradient",
        kind="attention",
        summary="The derivative of attention for its queries, keys or values; the shares are computed anew.",
        make=lambda *operands, of, causal=False: node(
            attention_gradient, as_expressions(*operands), causal=bool(causal), of=of
        ),
        shape=lambda query, key, value, *_, of, **__: {"query": query, "key": key, "value": value}[of].shape,
        dtype=lambda query, *_, **__: query.dtype,
        array=_array_gradient,
        gradient=_gradient_gradient,
        expand=_expand_gradient,
        notation=Notation("{call}", r"\nabla\operatorname{{attention}}\left({0}, {1}, {2}\right)"),
        facts=Facts(cheap=False),
        tries=(
            _gradient_try("query"),
            _gradient_try("key", causal=True),
            _gradient_try("value", (3, 5)),
            _gradient_try("query", (2, 1, 5), causal=True),
        ),
        source="Dao et al., FlashAttention, 2022, section 3.1",
    )
)

__all__ = ["attention", "attention_gradient", "attention_logsumexp"]
