"""Stability: logarithms and exponentials meet before they overflow, cancel or lose digits.

What people write by hand, ``p = exp(z) / sum(exp(z))`` and ``-log(p)``, overflows from z = 89 on in float32. The
rules below turn it into the shifted form, ``log p = (z - m) - log(sum(exp(z - m)))`` with ``m = max(z)``, in which the
derivative is short too. m enters through ``stop_gradient``, as its own derivative cancels, and is guarded: an
infinite m is not subtracted, so that no inf - inf appears.

Blanchard, Higham and Higham, *Accurately computing the log-sum-exp and softmax functions*, IMA Journal of
Numerical Analysis 41 (2021); Mächler, *Accurately computing log(1 - exp(-|a|))*, 2012, for log1p and softplus.

One liberty: ``log(pick(p, labels))`` is -inf where a label names no column, and its stable form is finite there.
"""

from __future__ import annotations

from ..core.expression import Expression, node
from ..core.operation import apply
from ..operations.indexing import pick
from ..operations.movement import broadcast_to, reshape
from ..operations.reduction import sum as sum_over
from .movement import one_sized, padded
from .pattern import (
    Rule,
    Uses,
    exp,
    expm1,
    log,
    log1p,
    logaddexp,
    rule,
    sigmoid,
    softplus,
    structural,
    tanh,
    where,
)

POSITIVE = (0.2, 2.0)
PROBABLE = (0.05, 0.95)
MOVES = ("reshape", "broadcast_to", "permute")
SHIFTING = (*MOVES, "add", "subtract", "negative", "where", "isfinite", "stop_gradient")
MOST_LOOKED_AT = 24

ROWS: tuple[Rule, ...] = (
    rule("log(exp(x)) → x", lambda x: log(exp(x)), lambda x: x),
    rule("log(1 + exp(x)) → softplus(x)", lambda x: log(1 + exp(x)), lambda x: softplus(x)),
    rule("log1p(exp(x)) → softplus(x)", lambda x: log1p(exp(x)), lambda x: softplus(x)),
    rule("log(sigmoid(x)) → -softplus(-x)", lambda x: log(sigmoid(x)), lambda x: -softplus(-x)),
    rule("log(1 - sigmoid(x)) → -softplus(x)", lambda x: log(1 - sigmoid(x)), lambda x: -softplus(x)),
    rule("log(exp(x) + exp(y)) → logaddexp(x, y)", lambda x, y: log(exp(x) + exp(y)), lambda x, y: logaddexp(x, y)),
    rule("log(1 + x) → log1p(x)", lambda x: log(1 + x), lambda x: log1p(x), domain=PROBABLE),
    rule("log(1 - x) → log1p(-x)", lambda x: log(1 - x), lambda x: log1p(-x), domain=PROBABLE),
    rule("log1p(expm1(x)) → x", lambda x: log1p(expm1(x)), lambda x: x),
    rule("expm1(log1p(x)) → x", lambda x: expm1(log1p(x)), lambda x: x, domain=PROBABLE),
    rule("exp(x) - 1 → expm1(x)", lambda x: exp(x) - 1, lambda x: expm1(x), once=True),
    rule("1 - exp(x) → -expm1(x)", lambda x: 1 - exp(x), lambda x: -expm1(x), once=True),
    rule("log(1 / x) → -log(x)", lambda x: log(1 / x), lambda x: -log(x), domain=POSITIVE),
    rule("log(x * exp(y)) → log(x) + y", lambda x, y: log(x * exp(y)), lambda x, y: log(x) + y, domain=POSITIVE),
    rule("1 / (1 + exp(x)) → sigmoid(-x)", lambda x: 1 / (1 + exp(x)), lambda x: sigmoid(-x)),
    rule("exp(x) / (1 + exp(x)) → sigmoid(x)", lambda x: exp(x) / (1 + exp(x)), lambda x: sigmoid(x)),
    rule(
        "(exp(x) - exp(-x)) / (exp(x) + exp(-x)) → tanh(x)",
        lambda x: (exp(x) - exp(-x)) / (exp(x) + exp(-x)),
        lambda x: tanh(x),
    ),
    rule(
        "(exp(x) - 1) / (exp(x) + 1) → tanh(x / 2)",
        lambda x: (exp(x) - 1) / (exp(x) + 1),
        lambda x: tanh(x / 2),
    ),
    rule(
        "(1 - exp(x)) / (1 + exp(x)) → -tanh(x / 2)",
        lambda x: (1 - exp(x)) / (1 + exp(x)),
        lambda x: -tanh(x / 2),
    ),
)


def _still(x: Expression) -> Expression:
    """Return what lies under reshapes, broadcasts and permutations."""
    while x.operation.name in MOVES:
        (x,) = x.inputs
    return x


def _is_exponential(x: Expression) -> bool:
    return _still(x).operation.name == "exp"


def _meets(x: Expression) -> bool:
    """Whether the logarithm of x meets an exponential."""
    if x.operation.name == "divide":
        return _is_exponential(x.inputs[0])
    return x.operation.name in ("exp", "sigmoid")


def is_shifted(x: Expression, axes: tuple[int, ...]) -> bool:
    """Whether a largest value over the axes is subtracted from x already, in whatever order the signs stand."""
    left = tuple(n for k, n in enumerate(x.shape) if k not in axes)
    pending = [x]
    for current in pending:
        name = current.operation.name
        if name == "max" and one_sized(current.inputs[0].shape, x.shape) and one_sized(current.shape, left):
            return True
        if name in SHIFTING and len(pending) < MOST_LOOKED_AT:
            pending.extend(current.inputs)
    return False


def shift_of(x: Expression, axes: tuple[int, ...]) -> Expression:
    """Return the largest values over the axes, which stay with size 1: what is subtracted before exponentials."""
    largest = apply("max", x, axes, keepdims=True)
    guarded: Expression = apply("stop_gradient", where(apply("isfinite", largest), largest, 0))
    return guarded


@structural(
    "log(sum(exp(x))) → m + log(sum(exp(x - m))), m = max(x)",
    "log",
    "sum",
    example=lambda x: log(sum_over(exp(x), 1)) + log(sum_over(exp(x))),
)
def log_sum_exp(outer: Expression, uses: Uses) -> Expression | None:
    """The largest term becomes exp(0) = 1: nothing overflows, and not everything underflows."""
    (total,) = outer.inputs
    (powers,) = total.inputs
    axes: tuple[int, ...] = total.attribute("axes")
    if powers.operation.name != "exp":
        return None
    (x,) = powers.inputs
    if is_shifted(x, axes):
        return None
    shift = shift_of(x, axes)
    stable: Expression = log(sum_over(exp(x - shift), axes)) + reshape(shift, outer.shape)
    return stable


@structural(
    "exp(x) / sum(exp(x)) → exp(x - m) / sum(exp(x - m)), m = max(x)",
    "divide",
    "exp",
    example=lambda x: exp(x) / sum_over(exp(x), 1, keepdims=True) + exp(x) / sum_over(exp(x)),
)
def softmax(outer: Expression, uses: Uses) -> Expression | None:
    """The quotient stays the same, and no exponential overflows."""
    axes = normalised_over(outer)
    if axes is None or is_shifted(outer.inputs[0].inputs[0], axes):
        return None
    (x,) = outer.inputs[0].inputs
    shifted = exp(x - shift_of(x, axes))
    quotient: Expression = shifted / sum_over(shifted, axes, keepdims=True)
    return quotient


def normalised_over(quotient: Expression) -> tuple[int, ...] | None:
    """Return the axes of exp(x) / sum(exp(x)), or None where the quotient is another."""
    powers, below = quotient.inputs
    total = below.inputs[0] if below.operation is reshape else below
    if powers.operation.name != "exp" or total.operation is not sum_over or total.inputs[0] is not powers:
        return None
    axes: tuple[int, ...] = total.attribute("axes")
    kept = tuple(1 if k in axes else n for k, n in enumerate(powers.shape))
    return axes if padded(below, powers.ndim) == kept else None


# A shift by hand, exp(x - max(x)): its own derivative cancels, which nobody sees once the derivative is written out.


def shift_by_hand(x: Expression, axes: tuple[int, ...]) -> Expression | None:
    """Return k where x is y - k with k the largest values of y, the same along the axes; or None."""
    if x.operation.name != "subtract":
        return None
    y, k = x.inputs
    top = _still(k)
    same = all(padded(k, x.ndim)[a] == 1 for a in axes)
    return k if same and top.operation.name == "max" and top.inputs[0] is y else None


@structural(
    "exp(x - m) / sum(exp(x - m)), m = max(x) → the same, m without a derivative",
    "divide",
    "exp",
    example=lambda x: _by_hand(x) / sum_over(_by_hand(x), 1, keepdims=True),
)
def softmax_by_hand(outer: Expression, uses: Uses) -> Expression | None:
    """The quotient does not depend on m."""
    axes = normalised_over(outer)
    if axes is None or (k := shift_by_hand(outer.inputs[0].inputs[0], axes)) is None:
        return None
    powers = exp(outer.inputs[0].inputs[0].inputs[0] - apply("stop_gradient", k))
    quotient: Expression = powers / sum_over(powers, axes, keepdims=True)
    return quotient


@structural(
    "log(sum(exp(x - m))), m = max(x) → log(sum(exp(x - s))) + s - m, s = m without a derivative",
    "log",
    "sum",
    example=lambda x: log(sum_over(_by_hand(x), 1)),
)
def log_sum_exp_by_hand(outer: Expression, uses: Uses) -> Expression | None:
    """The logarithm depends on m as -m does."""
    (total,) = outer.inputs
    (powers,) = total.inputs
    axes: tuple[int, ...] = total.attribute("axes")
    if powers.operation.name != "exp" or (k := shift_by_hand(powers.inputs[0], axes)) is None:
        return None
    (x, _), stopped = powers.inputs[0].inputs, apply("stop_gradient", k)
    kept = tuple(1 if a in axes else n for a, n in enumerate(x.shape))
    rest = reshape(broadcast_to(stopped - k, kept), outer.shape)
    stable: Expression = log(sum_over(exp(x - stopped), axes)) + rest
    return stable


def _by_hand(x: Expression) -> Expression:
    shifted: Expression = exp(x - apply("max", x, 1, keepdims=True))
    return shifted


@structural(
    "log(x / y) → log(x) - log(y), x or y an exponential",
    "log",
    "divide",
    example=lambda x, y: log(exp(x) / sum_over(exp(x), 1, keepdims=True)) + log(y / exp(x)),
    domain=POSITIVE,
)
def log_quotient(outer: Expression, uses: Uses) -> Expression | None:
    """Only where it lets a logarithm meet an exponential: elsewhere it would cost a second logarithm."""
    (quotient,) = outer.inputs
    above, below = quotient.inputs
    if not _is_exponential(above) and not _is_exponential(below):
        return None
    return log(above) - log(below)  # type: ignore[no-any-return]


@structural(
    "log(pick(x / y, labels)) → pick(log(x), labels) - log(y), x an exponential",
    "log",
    "pick",
    example=lambda x: log(pick(exp(x) / sum_over(exp(x), 1, keepdims=True), [2, 0, 3])),
)
def log_pick(outer: Expression, uses: Uses) -> Expression | None:
    """The picked element of a quotient is that of its numerator, over the denominator of its row."""
    (picked,) = outer.inputs
    x, labels = picked.inputs
    if not _meets(x):
        return None
    if x.operation.name != "divide":
        return pick(log(x), labels)
    above, below = x.inputs
    if padded(below, x.ndim)[-1] != 1:
        return None
    row = broadcast_to(reshape(below, padded(below, x.ndim)[:-1]), labels.shape)
    stable: Expression = pick(broadcast_to(log(above), x.shape), labels) - log(row)
    return stable


@structural(
    "log(x[...]) → log(x)[...], x a quotient of exponentials",
    "log",
    ("slice_axes", "take"),
    example=lambda x: log((exp(x) / sum_over(exp(x), 1, keepdims=True))[:, 1:]),
)
def log_part(outer: Expression, uses: Uses) -> Expression | None:
    """The logarithm goes inside, to where it meets an exponential."""
    (part,) = outer.inputs
    x, *rest = part.inputs
    return node(part.operation, [log(x), *rest], **dict(part.attributes)) if _meets(x) else None


BY_HAND: tuple[Rule, ...] = (softmax_by_hand, log_sum_exp_by_hand)
STABILITY: tuple[Rule, ...] = (*ROWS, log_quotient, log_pick, log_part, log_sum_exp, softmax)
