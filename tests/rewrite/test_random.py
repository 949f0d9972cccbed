"""Random expressions keep their value through the whole table, and cost no more."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pellucid.backends.reference import evaluate
from pellucid.core.errors import ShapeError
from pellucid.core.operation import functions as f
from pellucid.core.traversal import topological
from pellucid.core.wellformed import check
from pellucid.operations.source import constant, variable
from pellucid.rewrite.algebra import ALGEBRA
from pellucid.rewrite.engine import FIRINGS_A_NODE, Log, rewrite
from pellucid.rewrite.movement import MOVEMENT
from pellucid.rewrite.reduction import REDUCTION
from pellucid.rewrite.rules import ALL

SHAPES = ((), (3,), (2, 3), (2, 1), (1, 3), (2, 2, 3))
UNARY = ("negative", "tanh", "exp", "sigmoid", "square", "abs", "relu", "log1p", "softplus", "sin", "stop_gradient")
BINARY = ("add", "subtract", "multiply", "maximum", "minimum")
NUMBERS = (0.0, 1.0, -1.0, 2.0, -0.5, 3.0)

steps = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 11), st.integers(0, 40), st.integers(0, 40)), min_size=4, max_size=24
)


def bounded(x):
    """Keep exponentials and powers in a range in which float64 can be compared."""
    return f["minimum"](f["maximum"](x, -3.0), 3.0)


def grow(pool, kind, which, first, second):
    x, y = pool[-1 - first % len(pool)], pool[-1 - second % len(pool)]
    number = NUMBERS[which % len(NUMBERS)]
    axis = which % x.ndim if x.ndim else None
    return {
        0: lambda: f[UNARY[which % len(UNARY)]](f["abs"](x) if which % len(UNARY) == 7 else bounded(x)),
        1: lambda: f[BINARY[which % len(BINARY)]](x, y),
        2: lambda: f[BINARY[which % len(BINARY)]](x, x),
        3: lambda: f[BINARY[which % 3]](x, number) if which % 2 else f[BINARY[which % 3]](number, x),
        4: lambda: x / (number or 4.0) if which % 2 else x / f["exp"](bounded(y)),
        5: lambda: f[("sum", "max", "mean", "sum")[which % 4]](x, axis=axis, keepdims=bool(which % 3)),
        6: lambda: f["permute"](x, None) if which % 2 else f["reshape"](x, (-1, 1) if which % 3 else (-1,)),
        7: lambda: f["broadcast_to"](x, (2, *x.shape) if x.ndim < 3 else x.shape),
        8: lambda: f["where"](f["greater"](x, number), x, y if which % 2 else 0.0),
        9: lambda: (
            f["exp"](bounded(x)) / f["sum"](f["exp"](bounded(x)), axis=axis, keepdims=axis is not None)
            if which % 2
            else f["log"](f["exp"](bounded(x)) if which % 3 else 1 + f["exp"](bounded(y)))
        ),
    }[kind]()


def graph(drawn, dtype):
    free = [variable(f"x{k}", shape, dtype) for k, shape in enumerate(SHAPES)]
    pool = [*free, constant(np.linspace(-1, 1, 3), dtype)]
    for kind, which, first, second in drawn:
        try:
            made = grow(pool, kind, which, first, second)
        except ShapeError:
            continue
        if np.prod(made.shape) <= 200:
            pool.append(made)
    return free, pool[-4:]


@given(steps, st.integers(0, 2**32 - 1))
def test_values_are_kept(drawn, seed):
    free, roots = graph(drawn, "float64")
    log = Log()
    after = rewrite(roots, ALL, log)
    check(after, "rewrite")
    assert [(r.shape, r.dtype) for r in after] == [(r.shape, r.dtype) for r in roots]
    assert len(log) < FIRINGS_A_NODE * len(topological(roots))
    random = np.random.default_rng(seed)
    values = {v: random.uniform(-2, 2, v.shape) for v in free}
    for left, right in zip(evaluate(roots, values), evaluate(after, values), strict=True):
        finite = np.isfinite(left)
        np.testing.assert_allclose(right[finite], left[finite], rtol=1e-7, atol=1e-7, err_msg=str(log))


@given(steps)
def test_the_result_is_a_fixpoint_and_replays(drawn):
    _, roots = graph(drawn, "float32")
    log = Log()
    after = rewrite(roots, ALL, log)
    assert rewrite(after, ALL, Log()) == after
    *_, last = [roots, *log.replay(roots)]
    assert last == after


@given(steps)
def test_algebra_makes_no_expensive_work(drawn):
    _, roots = graph(drawn, "float32")
    after = rewrite(roots, (*ALGEBRA, *MOVEMENT, *REDUCTION), Log())
    assert expensive(after) <= expensive(roots)


def expensive(roots):
    return sum(int(np.prod(n.shape)) for n in topological(roots) if n.inputs and not n.operation.facts.cheap)
