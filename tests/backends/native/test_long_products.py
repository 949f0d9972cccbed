"""Products whose shared axis is cut into blocks, and what follows them, which must wait for the last block."""

import numpy as np
import pytest

import pellucid as pc


@pytest.mark.parametrize("rows", [1, 8, 50, 300])
@pytest.mark.parametrize("shared", [784, 3136, 5000])
def test_a_bias_is_added_once_the_sum_is_whole(rows, shared):
    draw = np.random.default_rng(0).standard_normal
    left, right, bias = draw((rows, shared)), draw((shared, 64)) / np.sqrt(shared), draw(64)
    W, b = pc.parameter(right, name="W"), pc.parameter(bias, name="b")
    x = pc.variable("x", ("batch", shared))
    found = pc.function([x], pc.relu(x @ W + b))(left.astype("float32"))
    np.testing.assert_allclose(found, np.maximum(left @ right + bias, 0), atol=1e-4)
