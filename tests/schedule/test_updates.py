"""New values of parameters whose old ones others read: they are copied at the end, each in a loop of its own."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import pellucid as pc

ORDERS = list(itertools.permutations(("decay", "velocity", "weight")))


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest.mark.parametrize("sizes", [(4, 8, 3), (8, 4, 3), (1, 8, 1)], ids=str)
def test_parameters_of_different_sizes_whose_old_values_are_read(
    sizes: tuple[int, int, int], order: tuple[str, ...]
) -> None:
    n, k, m = sizes
    random = np.random.default_rng(0)
    decay, velocity, weight = (random.random(s).astype("float32") for s in ((n, m), (k, m), (k, m)))
    rows = random.random((n, k)).astype("float32")
    x = pc.variable("x", (n, k))
    d, v, w = pc.parameter(decay), pc.parameter(velocity), pc.parameter(weight)
    new = {"decay": (d, d * 0.5), "velocity": (v, v * 0.9 + x.T @ d), "weight": (w, w - v * 0.01)}
    pc.function([x], [], updates=[new[name] for name in order])(rows)
    np.testing.assert_allclose(d.value, decay * 0.5, rtol=1e-6)
    np.testing.assert_allclose(v.value, velocity * 0.9 + rows.T @ decay, rtol=1e-5)
    np.testing.assert_allclose(w.value, weight - velocity * 0.01, rtol=1e-5)
