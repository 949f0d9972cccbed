"""Random loops with random steps, read in random ways: native code, and its gradient, against the unrolled graph."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid as pc
from recurrences import unrolled

WIDTH = 4
U, V = (np.random.default_rng(k).normal(size=(WIDTH, WIDTH)) * 0.5 for k in range(2))

# What is made of two values of a step, both of (batch, WIDTH).
WITHIN = {
    "sum": lambda a, b, w: pc.tanh(a + b),
    "product": lambda a, b, w: a @ w + b * 0.5,
    "gate": lambda a, b, w: pc.sigmoid(a) * b,
    "where": lambda a, b, w: pc.where(a > b, a * 0.5, b),
    "halves": lambda a, b, w: pc.concatenate([a[:, 2:], b[:, :2]], axis=1),
    "mean": lambda a, b, w: a - b.mean(axis=0, keepdims=True),
    "softmax": lambda a, b, w: pc.softmax(a) + b * 0.1,
    "columns": lambda a, b, w: pc.tanh((a @ w)[:, ::-1]) * b,
    "outer": lambda a, b, w: (a[:, :, None] * b[:, None, :]).mean(axis=2),
    "gram": lambda a, b, w: pc.tanh(a @ (a.T @ b) * 0.1),
    "padded": lambda a, b, w: pc.pad(a[:, 1:3], ((0, 0), (1, 1))) + b * 0.5,
    "stopped": lambda a, b, w: pc.stop_gradient(a) * 0.3 + b * 0.5,
}
# How what all steps returned, of (time, batch, WIDTH), is read.
AFTER = {
    "all": lambda ys: ys,
    "product": lambda ys: pc.tanh(ys @ pc.constant(V, dtype="float64")),
    "batch first": lambda ys: ys.transpose(1, 0, 2) * 2,
    "padded": lambda ys: pc.pad(ys, ((0, 1), (0, 0), (0, 0))) @ pc.constant(V, dtype="float64"),
    "padded in front": lambda ys: pc.pad(ys, ((2, 0), (0, 1), (0, 0))).transpose(1, 0, 2),
    "backwards": lambda ys: ys[::-1] * ys,
    "last": lambda ys: ys[-1],
    "shifted": lambda ys: pc.concatenate([ys[:1] * 0, ys[:-1]], axis=0) - ys,
    "sum over time": lambda ys: pc.exp(ys * 0.1).sum(axis=0),
    "largest": lambda ys: ys.max(axis=(1, 2)),
}


class Case(NamedTuple):
    """A loop over two carried values and a sequence.

    Attributes:
        steps: what a step computes: each with the numbers of the values that it is made of.
        carries: which of the computed values are carried on, counted from the last.
        returned: which values a step returns, and how they are read after the loop.
        inner: whether there is a loop in each step.
    """

    steps: list[tuple[str, int, int]]
    carries: tuple[int, int]
    returned: list[tuple[int, str]]
    reverse: bool
    recompute: bool
    inner: bool

    def outputs(self, loop: Any, x: Any, h: Any, w: Any) -> list[Any]:
        """Return what is computed, by ``pc.scan`` or as an unrolled graph."""
        options = {"reverse": self.reverse, "recompute": self.recompute}

        def step(carry, x):
            values = [*carry, x]
            for name, i, j in self.steps:
                values.append(WITHIN[name](values[i % len(values)], values[j % len(values)], w))
            if self.inner:
                rows = pc.stack(values[-2:])
                last, ys = loop(lambda k, z: (pc.tanh(k @ w + z), k * z), values[-1], rows, **options)
                values += [last, ys.sum(axis=0)]
            new = tuple(values[-1 - k % (len(values) - 3)] for k in self.carries)
            return new, [values[k % len(values)] for k, _ in self.returned]

        (a, b), ys = loop(step, (h, h * 0.5), x, **options)
        return [a, b, *(AFTER[how](y) for y, (_, how) in zip(ys, self.returned, strict=True))]


NUMBERS = st.integers(0, 9)
CASES = st.builds(
    Case,
    st.lists(st.tuples(st.sampled_from(sorted(WITHIN)), NUMBERS, NUMBERS), min_size=1, max_size=5),
    st.tuples(NUMBERS, NUMBERS),
    st.lists(st.tuples(NUMBERS, st.sampled_from(sorted(AFTER))), min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


def values(case: Case, derivatives: int, loop: Any, backend: str, time: int, batch: int) -> list[Any]:
    """Return a loop's outputs, or derivatives of a sum of powers of them."""
    random = np.random.default_rng(3)
    shapes = {"x": (time, batch, WIDTH), "h": (batch, WIDTH)}
    made = [pc.parameter(random.normal(size=s), name=n, dtype="float64") for n, s in shapes.items()]
    made.append(pc.parameter(U, name="w", dtype="float64"))
    outputs = case.outputs(loop, *made)
    for order in range(derivatives):
        loss = sum(((y + k) * y * y).sum() for k, y in enumerate(outputs))
        outputs = pc.gradient(loss * (0.1 if order else 1), made)
    return pc.function([], outputs, backend=backend)()


@pytest.mark.parametrize("derivatives", [0, 1, 2])
@given(case=CASES, time=st.integers(2, 4), batch=st.integers(1, 3))
@settings(max_examples=12)
def test_random_loops(derivatives, case, time, batch):
    found = values(case, derivatives, pc.scan, "native", time, batch)
    expected = values(case, derivatives, unrolled, "reference", time, batch)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9 * max(1.0, np.abs(b).max()))
