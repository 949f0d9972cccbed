"""Regularisers against NumPy in float64, their gradients, and what is refused."""

import math

import numpy as np
import pytest

import pellucid as pc
from pellucid import regularizers as r

W = np.array([[1.5, -2.0, 0.0], [-0.25, 3.0, -1e-3]])
ROWS = [
    (r.L1(), 0.01, 0.0),
    (r.L1(0.3), 0.3, 0.0),
    (r.L2(), 0.0, 0.01),
    (r.L2(0.3), 0.0, 0.3),
    (r.L1L2(), 0.0, 0.0),
    (r.L1L2(0.2), 0.2, 0.0),
    (r.L1L2(l2=0.4), 0.0, 0.4),
    (r.L1L2(0.2, 0.4), 0.2, 0.4),
]


@pytest.mark.parametrize(("regularizer", "l1", "l2"), ROWS, ids=[repr(row[0]) for row in ROWS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
def test_penalty_and_gradient(regularizer, l1, l2, dtype, backend):
    parameter = pc.parameter(W, name="W", dtype=dtype)
    penalty = regularizer(parameter)
    assert (penalty.shape, penalty.dtype) == ((), dtype)
    value, slope = pc.function([], [penalty, pc.gradient(penalty, parameter)], backend=backend)()
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    assert float(value) == pytest.approx(l1 * np.abs(W).sum() + l2 * (W**2).sum(), rel=tolerance)
    np.testing.assert_allclose(slope, l1 * np.sign(W) + 2 * l2 * W, rtol=tolerance, atol=1e-12)


def test_get():
    assert r.get(None) is None
    assert (r.get("l1"), r.get("l2"), r.get("L1L2"), r.get("l1_l2")) == (r.L1(), r.L2(), r.L1L2(), r.L1L2())
    own = lambda w: (w**4).sum()  # noqa: E731
    assert r.get(own) is own


REFUSED = [
    (lambda: r.get("l3"), "'l3' is not a regulariser; .*l1, l2, l1_l2"),
    (lambda: r.get(0.01), "0.01 is not a regulariser"),
    (lambda: r.get(r.L2), "is not a regulariser"),
    (lambda: r.L1(-1), "L1: l1 is -1, and a number 0 or more was expected"),
    (lambda: r.L2(math.nan), "L2: l2 is nan"),
    (lambda: r.L1L2(l1="1"), "L1L2: l1 is '1'"),
    (lambda: r.L1L2(l2=math.inf), "L1L2: l2 is inf"),
]


@pytest.mark.parametrize(("use", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_is_refused(use, message):
    with pytest.raises(pc.InputError, match=message):
        use()
