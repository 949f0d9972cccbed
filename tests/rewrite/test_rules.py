"""One proof for every rule: it fires at its example, and both sides agree in float64."""

import itertools
import math

import numpy as np
import pytest

import pellucid as pc
from pellucid.backends.reference import evaluate
from pellucid.core.wellformed import check
from pellucid.operations.source import constant, variable
from pellucid.rewrite.engine import Log, rewrite
from pellucid.rewrite.pattern import Rule, names_of
from pellucid.rewrite.rules import ALL, STABILISE
from pellucid.rewrite.stability import BY_HAND, STABILITY

EVERY = tuple(dict.fromkeys((*ALL, *STABILISE)))
DRAWS = 3
EDGES = (0.0, -0.0, 1.0, -1.0, 1e3, -1e3, 1e-300, math.inf, -math.inf, math.nan)

# Where the two sides differ, knowingly, when an operand or the left side is infinite or NaN (see algebra's docstring).
LIBERTIES = {
    "x * 0 → 0",
    "0 / x → 0",
    "x - x → 0",
    "sqrt(x) * sqrt(x) → x",
    "x ** 0.5 → sqrt(x)",
    "x ** -0.5 → 1 / sqrt(x)",
    "exp(log(x)) → x",
    "x - c * x → (1 - c) * x",
    "c * x - x → (c - 1) * x",
    "c1 * x + c2 * x → (c1 + c2) * x",
    "a * x + y + b * x → (a + b) * x + y",
    "exp(x) * exp(y) → exp(x + y)",
    "exp(x) / exp(y) → exp(x - y)",
}


def instance(rule: Rule, shapes):
    """The rule's example over variables (or constants) of the given shapes."""
    fixed = iter(itertools.cycle(rule.constants))
    operands, free = [], []
    for name, shape in zip(names_of(rule.example), shapes, strict=False):
        if name.startswith("c"):
            operands.append(constant(next(fixed), "float64"))
        else:
            free.append(variable(name, shape, "bool" if name == "p" else "float64"))
            operands.append(free[-1])
    return rule.example(*operands), free


def values(rule: Rule, free, seed):
    random = np.random.default_rng(seed)
    drawn = {}
    for v in free:
        numbers = random.uniform(*rule.domain, v.shape)
        drawn[v] = numbers > np.mean(rule.domain) if v.dtype == "bool" else numbers
    return drawn


def fired(rule: Rule, before):
    log = Log()
    (after,) = rewrite([before], [rule], log)
    assert rule.name in [entry.rule for entry in log], f"{rule.name} did not fire at {before}"
    check([after], rule.name)
    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    return after


@pytest.mark.parametrize("rule", EVERY, ids=lambda r: r.name)
def test_both_sides_agree(rule):
    for shapes in rule.shapes:
        before, free = instance(rule, shapes)
        after = fired(rule, before)
        for seed in range(DRAWS):
            left, right = evaluate([before, after], values(rule, free, seed))
            np.testing.assert_allclose(right, left, rtol=1e-10, atol=1e-12, err_msg=f"{before}\n→ {after}")


@pytest.mark.parametrize("rule", EVERY, ids=lambda r: r.name)
def test_edge_values(rule):
    """What is a number stays that number; what is NaN stays NaN, and infinite stays infinite, but for the liberties."""
    shapes = rule.shapes[0]
    before, free = instance(rule, shapes)
    after = fired(rule, before)
    for edges in itertools.islice(itertools.product(EDGES, repeat=len(free)), 200):
        filled = {v: np.full(v.shape, edge) for v, edge in zip(free, edges, strict=True)}
        given = {v: array > 0 if v.dtype == "bool" else array for v, array in filled.items()}
        left, right = (np.ravel(side) for side in evaluate([before, after], given))
        number = np.isfinite(left)
        if rule.name in LIBERTIES and not all(map(math.isfinite, edges)):
            continue
        message = f"{before} → {after} at {edges}"
        np.testing.assert_allclose(right[number], left[number], rtol=1e-6, atol=1e-9, err_msg=message)
        if rule in (*STABILITY, *BY_HAND) and not any(map(math.isnan, edges)):
            continue  # the left side overflows, and the right side is there because it does not
        if rule.name not in LIBERTIES:
            np.testing.assert_array_equal(right[~number], left[~number], err_msg=message)


def test_names_are_formulas_and_unique():
    names = [rule.name for rule in EVERY]
    assert len(set(names)) == len(names)
    assert all("→" in name for name in names)


@pytest.mark.parametrize("rule", EVERY, ids=lambda r: r.name)
def test_integers_are_left_alone_or_agree(rule):
    """A rule that fires on int32 keeps the value there too, wrap-around included."""
    operands, free = [], []
    for name, shape in zip(names_of(rule.example), rule.shapes[0], strict=False):
        if name.startswith("c"):
            operands.append(constant(3, "int32"))
        else:
            free.append(variable(name, shape, "bool" if name == "p" else "int32"))
            operands.append(free[-1])
    before = rule.example(*operands)
    if before.dtype != "int32":
        return
    (after,) = rewrite([before], [rule], Log())
    for number in (0, 1, -1, 7, 2**31 - 1, -(2**31)):
        given = {v: np.full(v.shape, number, v.dtype) for v in free}
        left, right = evaluate([before, after], given)
        np.testing.assert_array_equal(right, left)


def test_chosen_numbers_keep_their_digits():
    """A number beside a condition alone would be float32."""
    W, labels = pc.parameter(np.ones((2, 3)), dtype="float64"), pc.constant([0, 2])
    slope = pc.gradient((0.1 * -pc.pick(W, labels)).sum(), W)
    np.testing.assert_array_equal(pc.function([], slope)(), [[-0.1, 0, 0], [0, 0, -0.1]])
