"""Passes of several registers of lanes: whatever is left over at the end, the results are the reference's."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pc
from backends.native.kernels import TARGETS, available

SIZES = (1, 7, 8, 9, 16, 31, 33, 57, 200)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("hidden", [3, 20])
def test_a_network_of_any_number_of_rows(hidden: int, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if available(monkeypatch, target) is None:
        pytest.skip(f"this machine has no {target}")
    draw = np.random.default_rng(hidden)
    x, label = pc.variable("x", ("batch", 2)), pc.variable("label", ("batch",), dtype="int32")
    W1 = pc.parameter(draw.standard_normal((2, hidden)), name="W1")
    W2 = pc.parameter(draw.standard_normal((hidden, 2)), name="W2")
    p = pc.softmax(pc.tanh(x @ W1) @ W2)
    loss = -pc.log(pc.pick(p, label)).sum()
    results = [p, loss, *pc.gradient(loss, [W1, W2])]
    native, reference = (pc.function([x, label], results, backend=name) for name in ("native", "reference"))
    for rows in SIZES:
        given = draw.standard_normal((rows, 2)), draw.integers(0, 2, rows)
        for found, expected in zip(native(*given), reference(*given), strict=True):
            np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)
