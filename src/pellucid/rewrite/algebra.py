"""Algebra: neutral and absorbing elements, signs, collecting, powers, choices, and constants.

These are the usual liberties of algebra, as in every computer algebra system and compiler of tensors: a rule
holds wherever both sides are numbers. Some exceptions are taken knowingly, because gradients are full of zeros:
``x * 0``, ``0 / x`` and ``x - x`` become 0 although they are NaN for some infinite, zero or NaN x. In the same way
``sqrt(x) * sqrt(x)`` and ``exp(log(x))`` become x (and ``x ** 0.5`` a root) although the left sides are NaN, or
differ, where x is negative; terms that cancel do so although inf - inf is NaN; and the sign of a zero may change.
Sums are regrouped only around constants and equal terms.

No rule computes again what is computed anyway: those that take expensive parts apart fire only where nobody else
reads the parts (``once``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.dtypes import is_float
from ..core.expression import Expression
from ..core.operation import Operation
from ..core.origins import origin_of
from ..core.sizes import broadcast_shapes
from ..operations.source import constant, constant_value
from .pattern import (
    Rule,
    Uses,
    absolute,
    equal,
    exp,
    fitted,
    greater,
    less,
    log,
    logical_not,
    maximum,
    minimum,
    number,
    power,
    read_once,
    reciprocal,
    relu,
    rule,
    sigmoid,
    sqrt,
    structural,
    tanh,
    where,
)

MOST_FOLDED = 1024
MOST_TERMS = 12
POSITIVE = (0.2, 2.0)
SPANNING = (((), (2, 3), (3,)), ((), (3,), ()))


def _power_of_two(c: Expression) -> bool:
    """Whether 1 / c is exact: c is a power of two, and far from the ends of float32."""
    fraction, exponent = math.frexp(number(c) or 0)
    return abs(fraction) == 0.5 and abs(exponent) < 100


def _below_zero(c: Expression) -> bool:
    value = number(c)
    return value is not None and value < 0


def _spans(x: Expression, y: Expression) -> bool:
    """Whether x has the shape of ``x * y``, so that a factor of x may as well be a factor of the product."""
    return broadcast_shapes(x.shape, y.shape) == x.shape


NEUTRAL: tuple[Rule, ...] = (
    rule("x + 0 → x", lambda x: x + 0, lambda x: x, integers=True),
    rule("x - 0 → x", lambda x: x - 0, lambda x: x, integers=True),
    rule("0 - x → -x", lambda x: 0 - x, lambda x: -x, integers=True),
    rule("x * 1 → x", lambda x: x * 1, lambda x: x, integers=True),
    rule("x / 1 → x", lambda x: x / 1, lambda x: x),
    rule("x * 0 → 0", lambda x: x * 0, lambda: 0, integers=True),
    rule("0 / x → 0", lambda x: 0 / x, lambda: 0, domain=POSITIVE),
    rule("x - x → 0", lambda x: x - x, lambda: 0, integers=True),
)

SIGNS: tuple[Rule, ...] = (
    rule("-(-x) → x", lambda x: -(-x), lambda x: x, integers=True),
    rule("x * (-1) → -x", lambda x: x * -1, lambda x: -x),
    rule("x + (-y) → x - y", lambda x, y: x + -y, lambda x, y: x - y, integers=True),
    rule("x - (-y) → x + y", lambda x, y: x - -y, lambda x, y: x + y, integers=True),
    rule("-x - y → -(x + y)", lambda x, y: -x - y, lambda x, y: -(x + y), once=True),
    rule("-(x - y) → y - x", lambda x, y: -(x - y), lambda x, y: y - x, once=True, integers=True),
    rule("-x * y → -(x * y)", lambda x, y: -x * y, lambda x, y: -(x * y), integers=True),
    rule("-x / y → -(x / y)", lambda x, y: -x / y, lambda x, y: -(x / y), domain=POSITIVE),
    rule("x / -y → -(x / y)", lambda x, y: x / -y, lambda x, y: -(x / y), domain=POSITIVE),
    rule("-(c * x) → (-c) * x", lambda c, x: -(c * x), lambda c, x: -c * x, once=True),
    rule("-(x / c) → x / (-c)", lambda c, x: -(x / c), lambda c, x: x / -c, once=True),
    rule("-(x + c) → (-c) - x", lambda c, x: -(x + c), lambda c, x: -c - x, once=True),
    rule("x + (-c) → x - c", lambda c, x: x + c, lambda c, x: x - -c, _below_zero, constants=(-3.0,)),
    rule("x - (-c) → x + c", lambda c, x: x - c, lambda c, x: x + -c, _below_zero, constants=(-3.0,)),
)

COLLECTING: tuple[Rule, ...] = (
    rule("x + x → 2 * x", lambda x: x + x, lambda x: 2 * x, integers=True),
    rule("c * x + x → (c + 1) * x", lambda c, x: c * x + x, lambda c, x: (c + 1) * x),
    rule("x - c * x → (1 - c) * x", lambda c, x: x - c * x, lambda c, x: (1 - c) * x),
    rule("c * x - x → (c - 1) * x", lambda c, x: c * x - x, lambda c, x: (c - 1) * x),
    rule("c1 * x + c2 * x → (c1 + c2) * x", lambda c1, c2, x: c1 * x + c2 * x, lambda c1, c2, x: (c1 + c2) * x),
    rule("c1 * x - c2 * x → (c1 - c2) * x", lambda c1, c2, x: c1 * x - c2 * x, lambda c1, c2, x: (c1 - c2) * x),
    rule("c * x + c * y → c * (x + y)", lambda c, x, y: c * x + c * y, lambda c, x, y: c * (x + y), once=True),
    rule("c * x - c * y → c * (x - y)", lambda c, x, y: c * x - c * y, lambda c, x, y: c * (x - y), once=True),
    rule("c1 * (c2 * x) → (c1 * c2) * x", lambda c1, c2, x: c1 * (c2 * x), lambda c1, c2, x: c1 * c2 * x),
    rule("c1 * (x / c2) → (c1 / c2) * x", lambda c1, c2, x: c1 * (x / c2), lambda c1, c2, x: c1 / c2 * x),
    rule("c1 * (c2 / x) → (c1 * c2) / x", lambda c1, c2, x: c1 * (c2 / x), lambda c1, c2, x: c1 * c2 / x),
    rule("(c1 * x) / c2 → (c1 / c2) * x", lambda c1, c2, x: c1 * x / c2, lambda c1, c2, x: c1 / c2 * x),
    rule(
        "x / c → x * (1 / c), c a power of 2",
        lambda c, x: x / c,
        lambda c, x: x * (1 / c),
        _power_of_two,
        constants=(8.0,),
    ),
    rule("(x + c1) + c2 → x + (c1 + c2)", lambda c1, c2, x: (x + c1) + c2, lambda c1, c2, x: x + (c1 + c2)),
    rule("(x + c1) - c2 → x + (c1 - c2)", lambda c1, c2, x: (x + c1) - c2, lambda c1, c2, x: x + (c1 - c2)),
    rule("(x - c1) + c2 → x + (c2 - c1)", lambda c1, c2, x: (x - c1) + c2, lambda c1, c2, x: x + (c2 - c1)),
    rule("(x - c1) - c2 → x - (c1 + c2)", lambda c1, c2, x: (x - c1) - c2, lambda c1, c2, x: x - (c1 + c2)),
    rule("(c1 - x) + c2 → (c1 + c2) - x", lambda c1, c2, x: (c1 - x) + c2, lambda c1, c2, x: (c1 + c2) - x),
    rule("(c1 - x) - c2 → (c1 - c2) - x", lambda c1, c2, x: (c1 - x) - c2, lambda c1, c2, x: (c1 - c2) - x),
    rule("c1 - (x + c2) → (c1 - c2) - x", lambda c1, c2, x: c1 - (x + c2), lambda c1, c2, x: (c1 - c2) - x),
    rule("c1 - (x - c2) → (c1 + c2) - x", lambda c1, c2, x: c1 - (x - c2), lambda c1, c2, x: (c1 + c2) - x),
    rule("c1 - (c2 - x) → x + (c1 - c2)", lambda c1, c2, x: c1 - (c2 - x), lambda c1, c2, x: x + (c1 - c2)),
    rule(
        "(c * x) * y → c * (x * y)",
        lambda c, x, y: c * x * y,
        lambda c, x, y: c * (x * y),
        lambda x, y: _spans(x, y),
        once=True,
        shapes=SPANNING,
    ),
    rule(
        "(c * x) / y → c * (x / y)",
        lambda c, x, y: c * x / y,
        lambda c, x, y: c * (x / y),
        lambda x, y: _spans(x, y),
        once=True,
        shapes=SPANNING,
        domain=POSITIVE,
    ),
)

Term = tuple[float, Expression | None]


def _terms(total: Expression, uses: Uses) -> list[Term]:
    """Return the terms of a sum with their factors, left to right; the numbers are multiples of None."""
    found: list[Term] = []
    pending: list[tuple[float, Expression]] = [(1.0, total)]
    while pending:
        factor, x = pending.pop()
        name = x.operation.name
        if name in ("add", "subtract") and len(pending) < MOST_TERMS and (x is total or read_once(x, uses)):
            pending.append((-factor if name == "subtract" else factor, x.inputs[1]))
            pending.append((factor, x.inputs[0]))
        elif name == "negative":
            pending.append((-factor, x.inputs[0]))
        elif (value := number(x)) is not None:
            found.append((factor * value, None))
        elif name == "multiply" and (value := number(x.inputs[0])) is not None:
            found.append((factor * value, x.inputs[1]))
        elif name == "multiply" and (value := number(x.inputs[1])) is not None:
            found.append((factor * value, x.inputs[0]))
        else:
            found.append((factor, x))
    return found


def _sum_of(terms: list[Term]) -> Any:
    """Return the sum of terms, those that are added first; a common factor stands outside."""
    sizes = {abs(factor) for factor, _ in terms}
    if len(terms) > 1 and len(sizes) == 1 and sizes != {1.0}:
        return sizes.pop() * _sum_of([(math.copysign(1.0, factor), x) for factor, x in terms])
    total: Any = None
    for factor, x in sorted(terms, key=lambda t: t[0] < 0):
        size = abs(factor)
        term = size if x is None else x if size == 1 else size * x
        if total is None:
            total = term if factor > 0 else -term
        else:
            total = total + term if factor > 0 else total - term
    return 0 if total is None else total


@structural(
    "a * x + y + b * x → (a + b) * x + y",
    ("add", "subtract"),
    ("add", "subtract", "negative"),
    example=lambda x, y, z: ((2 * x + y) - z + 3 * x) - y,
    shapes=(((), (), ()), ((3,), (2, 1), ())),
)
def collect(outer: Expression, uses: Uses) -> Expression | None:
    """Equal terms of a longer sum are added as factors, and cancel where these do."""
    if not is_float(outer.dtype):
        return None
    terms = _terms(outer, uses)
    factors: dict[Expression | None, float] = {}
    for factor, x in terms:
        factors[x] = factors.get(x, 0.0) + factor
    if len(factors) == len(terms):
        return None
    return fitted(_sum_of([(factor, x) for x, factor in factors.items() if factor]), outer)


POWERS: tuple[Rule, ...] = (
    rule("x ** 0 → 1", lambda x: power(x, 0), lambda: 1, integers=True),
    rule("x ** 1 → x", lambda x: power(x, 1), lambda x: x, integers=True),
    rule("x ** 2 → x * x", lambda x: power(x, 2), lambda x: x * x, integers=True),
    rule("x ** 3 → x * x * x", lambda x: power(x, 3), lambda x: x * x * x, integers=True),
    rule("x ** 4 → (x * x) * (x * x)", lambda x: power(x, 4), lambda x: (x * x) * (x * x), integers=True),
    rule("x ** 0.5 → sqrt(x)", lambda x: power(x, 0.5), lambda x: sqrt(x), domain=POSITIVE),
    rule("x ** -0.5 → 1 / sqrt(x)", lambda x: power(x, -0.5), lambda x: 1 / sqrt(x), domain=POSITIVE),
    rule("x ** -1 → 1 / x", lambda x: power(x, -1), lambda x: 1 / x, domain=POSITIVE),
    rule("x ** -2 → 1 / (x * x)", lambda x: power(x, -2), lambda x: 1 / (x * x), domain=POSITIVE),
    rule("reciprocal(x) → 1 / x", lambda x: reciprocal(x), lambda x: 1 / x, domain=POSITIVE),
    rule("1 / (x / y) → y / x", lambda x, y: 1 / (x / y), lambda x, y: y / x, once=True, domain=POSITIVE),
    rule("x / (1 / y) → x * y", lambda x, y: x / (1 / y), lambda x, y: x * y, domain=POSITIVE),
    rule("x * (1 / y) → x / y", lambda x, y: x * (1 / y), lambda x, y: x / y, once=True, domain=POSITIVE),
    rule("sqrt(x) * sqrt(x) → x", lambda x: sqrt(x) * sqrt(x), lambda x: x, domain=POSITIVE),
    rule("sqrt(x * x) → abs(x)", lambda x: sqrt(x * x), lambda x: absolute(x)),
    rule("abs(x) * abs(x) → x * x", lambda x: absolute(x) * absolute(x), lambda x: x * x, integers=True),
)

EXPONENTIALS: tuple[Rule, ...] = (
    rule("exp(log(x)) → x", lambda x: exp(log(x)), lambda x: x, domain=POSITIVE),
    rule("exp(x) * exp(y) → exp(x + y)", lambda x, y: exp(x) * exp(y), lambda x, y: exp(x + y), once=True),
    rule("exp(x) / exp(y) → exp(x - y)", lambda x, y: exp(x) / exp(y), lambda x, y: exp(x - y), once=True),
    rule("1 / exp(x) → exp(-x)", lambda x: 1 / exp(x), lambda x: exp(-x), once=True),
    rule("1 - sigmoid(x) → sigmoid(-x)", lambda x: 1 - sigmoid(x), lambda x: sigmoid(-x), once=True),
    rule("2 * sigmoid(2 * x) - 1 → tanh(x)", lambda x: 2 * sigmoid(2 * x) - 1, lambda x: tanh(x), once=True),
)


@structural(
    "where(p, -c1, -c2) → -where(p, c1, c2)",
    "where",
    "constant",
    example=lambda p, c1, c2: where(p, c1, c2),
    constants=(-1.0, 0.0),
)
def where_negative(outer: Expression, uses: Uses) -> Expression | None:
    """Two numbers alone would be float32 beside a condition: they are given the dtype they had."""
    p, *chosen = outer.inputs
    numbers = [number(c) for c in chosen]
    if not is_float(outer.dtype) or any(n is None or n > 0 for n in numbers) or not any(numbers):
        return None
    first, second = (constant(0 - (n or 0), outer.dtype) for n in numbers)  # no -0
    return -where(p, first, second)  # type: ignore[no-any-return]


CHOICES: tuple[Rule, ...] = (
    rule("maximum(x, x) → x", lambda x: maximum(x, x), lambda x: x, integers=True),
    rule("minimum(x, x) → x", lambda x: minimum(x, x), lambda x: x, integers=True),
    rule(
        "maximum(maximum(x, c1), c2) → maximum(x, maximum(c1, c2))",
        lambda x, c1, c2: maximum(maximum(x, c1), c2),
        lambda x, c1, c2: maximum(x, maximum(c1, c2)),
        integers=True,
    ),
    rule(
        "minimum(minimum(x, c1), c2) → minimum(x, minimum(c1, c2))",
        lambda x, c1, c2: minimum(minimum(x, c1), c2),
        lambda x, c1, c2: minimum(x, minimum(c1, c2)),
        integers=True,
    ),
    rule("where(p, x, x) → x", lambda p, x: where(p, x, x), lambda x: x, integers=True),
    rule("where(True, x, y) → x", lambda x, y: where(True, x, y), lambda x: x, integers=True),
    rule("where(False, x, y) → y", lambda x, y: where(False, x, y), lambda y: y, integers=True),
    rule(
        "where(not p, x, y) → where(p, y, x)",
        lambda p, x, y: where(logical_not(p), x, y),
        lambda p, x, y: where(p, y, x),
        integers=True,
    ),
    rule(
        "where(p, where(p, x, y), z) → where(p, x, z)",
        lambda p, x, y, z: where(p, where(p, x, y), z),
        lambda p, x, z: where(p, x, z),
        integers=True,
    ),
    rule(
        "where(p, x, where(p, y, z)) → where(p, x, z)",
        lambda p, x, y, z: where(p, x, where(p, y, z)),
        lambda p, x, z: where(p, x, z),
        integers=True,
    ),
    where_negative,
    rule("x < x → False", lambda x: less(x, x), lambda: False, integers=True),
    rule("x > x → False", lambda x: greater(x, x), lambda: False, integers=True),
    rule("not not p → p", lambda x, y: logical_not(logical_not(equal(x, y))), lambda x, y: equal(x, y), integers=True),
)


def _of_negative(operation: Operation, inputs: tuple[Operation, ...]) -> bool:
    facts = operation.facts
    return len(inputs) == 1 and (facts.odd or facts.even) and inputs[0].name == "negative"


def _parity(node: Expression, uses: Uses) -> Expression | None:
    (negated,) = node.inputs
    if not is_float(node.dtype) or node.operation.name == "negative":
        return None
    with origin_of(node, negated):
        value = node.operation(negated.inputs[0], **dict(node.attributes))
        return fitted(-value if node.operation.facts.odd else value, node)


def _nonnegative(operation: Operation, inputs: tuple[Operation, ...]) -> bool:
    return operation.name in ("abs", "relu") and inputs[0].facts.range[0] >= 0


def _foldable(operation: Operation, inputs: tuple[Operation, ...]) -> bool:
    fixed = bool(inputs) and all(i.name == "constant" for i in inputs)
    return fixed and operation.kind not in ("source", "random") and operation.name != "broadcast_to"


def _fold(node: Expression, uses: Uses) -> Expression | None:
    sizes = [n for n in node.shape if isinstance(n, int)]
    if len(sizes) < node.ndim or math.prod(sizes) > MOST_FOLDED:
        return None
    with np.errstate(all="ignore"):
        value: Any = node.operation.array(np, *map(constant_value, node.inputs), **dict(node.attributes))
    with origin_of(node):
        return fitted(constant(np.asarray(value), node.dtype), node)


SHAPES = (((),), ((2, 3),))
FOLDING: tuple[Rule, ...] = (
    Rule("f(constants) → constant", _foldable, _fold, lambda c1, c2: c1 * c2 + exp(c1), (((), (3,)), ((2, 1), (3,)))),
)
FACTS: tuple[Rule, ...] = (
    Rule("f(-x) → -f(x), f odd; f(x), f even", _of_negative, _parity, lambda x: tanh(-x) + absolute(-x), SHAPES),
    Rule(
        "f(x) → x, f abs or relu and x ≥ 0",
        _nonnegative,
        lambda node, uses: node.inputs[0],
        lambda x: relu(exp(x)),
        SHAPES,
    ),
)

ALGEBRA: tuple[Rule, ...] = (
    *FOLDING,
    *NEUTRAL,
    *SIGNS,
    *COLLECTING,
    collect,
    *POWERS,
    *EXPONENTIALS,
    *CHOICES,
    *FACTS,
)
