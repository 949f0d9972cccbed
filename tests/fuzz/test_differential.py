"""Random graphs, run by every engine: native, XLA, reference and JAX agree, and gradients with finite differences."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pc
from fuzz.graphs import random_graph
from pellucid.backends.reference import evaluate
from pellucid.core.traversal import topological
from pellucid.schedule.contraction import BLOCKED_WORK

LARGE = (22, 156, 173, 192, 194)  # graphs with products that run in blocks
SHORT, LONG, PARTS = sorted({*range(100), *LARGE}), 20_000, 8
EACH_ON_XLA = 10  # one graph of so many is compiled by XLA as a step as well


def agree(found, expected, rtol, atol):
    """Close, relative to the largest element, which is what cancels in sums."""
    scale = float(np.max(np.abs(expected), initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol * (1 + scale))


def check(seed: int, with_jax: bool) -> None:
    graph = random_graph(seed)
    roots = [graph.scalar, graph.array]
    wrt = [*graph.variables, *graph.parameters]
    gradients = pc.gradient(graph.scalar, wrt)
    used = list(graph.variables)
    native = pc.function(used, [*roots, *gradients], backend="native")(*graph.arrays)
    plain = pc.function(used, [*roots, *gradients], backend="reference")(*graph.arrays)
    values = dict(zip(graph.variables, graph.arrays, strict=True)) | {p: p.value for p in graph.parameters}
    precise = evaluate([*roots, *gradients], values, precise=True)
    if seed % EACH_ON_XLA == 0:
        compiled = pc.function(used, [*roots, *gradients], backend="xla")(*graph.arrays)
        for one, oracle in zip(compiled, precise, strict=True):
            agree(one, oracle, 2e-4, 2e-5)
    for one, other, oracle in zip(native, plain, precise, strict=True):
        agree(one, oracle, 2e-4, 2e-5)
        agree(other, oracle, 2e-4, 2e-5)
    if with_jax:
        _check_jax(roots, values, precise)
    _check_slopes(graph, precise[2:])


def _check_jax(roots, values, precise):
    jax = pytest.importorskip("jax", reason="JAX is not installed: it is an oracle of the dev extra")
    with jax.enable_x64(True):
        keys = list(values)
        # compiled as a whole, which is faster than step by step
        whole = jax.jit(lambda *given: evaluate(roots, dict(zip(keys, given, strict=True)), xp=jax.numpy))
        found = whole(*values.values())
    for one, oracle in zip(found, precise, strict=False):
        agree(np.asarray(one), oracle, 2e-4, 2e-5)


def _check_slopes(graph, gradients):
    """The derivative along a random direction against a central difference in float64, unless a kink is near."""
    rng = np.random.default_rng(0)
    wrt = [*graph.variables, *graph.parameters]
    values = [np.asarray(a, "float64") for a in [*graph.arrays, *(p.value for p in graph.parameters)]]
    directions = [rng.standard_normal(v.shape) for v in values]
    exact = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True))

    def slope(h):
        ends = []
        for sign in (1, -1):
            moved = {w: v + sign * h * d for w, v, d in zip(wrt, values, directions, strict=True)}
            ends.append(float(evaluate([graph.scalar], moved, precise=True)[0]))
        return (ends[0] - ends[1]) / (2 * h)

    slopes = [slope(h) for h in (1e-4, 1e-5, 1e-6)]
    if max(slopes) - min(slopes) > 1e-3 * (1 + abs(exact)):
        return  # a kink lies between: the difference itself is not settled
    assert abs(slopes[1] - exact) < 5e-3 * (1 + abs(exact)), (slopes, exact)


@pytest.mark.parametrize("part", range(PARTS))
def test_engines_agree(part):
    for k, seed in enumerate(SHORT[part::PARTS]):
        try:
            check(seed, with_jax=k % 4 == 0)  # XLA's compiler takes longer than all the rest
        except Exception as error:
            raise AssertionError(f"graph of seed {seed}") from error


@pytest.mark.soak
@pytest.mark.parametrize("part", range(LONG // 500))
def test_engines_agree_at_length(part):
    for seed in range(10_000 + part * 500, 10_000 + (part + 1) * 500):
        try:
            check(seed, with_jax=True)
        except Exception as error:
            raise AssertionError(f"graph of seed {seed}") from error


def test_graphs_are_not_trivial():
    """The generator reaches every family, or agreement would mean little."""
    seen = {n.operation.kind for seed in range(40) for n in topological([random_graph(seed).array])}
    assert seen >= {"elementwise", "reduction", "movement", "product", "indexing", "source", "convolution"}


def test_some_products_and_convolutions_run_in_blocks():
    """And so the code for large ones is part of what agrees."""
    for seed in LARGE:
        large = []
        for n in topological([random_graph(seed).array, random_graph(seed).scalar]):
            if n.operation.kind == "product":
                work = np.prod(n.shape) * (n.inputs[0].shape[-2 if n.attribute("transpose_left") else -1])
                large += [work] if work >= BLOCKED_WORK else []
        assert large, seed
