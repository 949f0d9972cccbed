"""What an expression says where Python asks it for what it does not have."""

import numpy as np
import pytest

import pellucid as pc


def test_the_length_of_a_scalar_and_of_a_named_axis():
    scalar, batch = pc.variable("x", ()), pc.variable("x", ("batch", 2))
    for ask in (len, list):
        with pytest.raises(pc.ShapeError, match="x is a scalar, of shape \\(\\), and has neither a length"):
            ask(scalar)
        with pytest.raises(pc.ShapeError, match="is not known before the call"):
            ask(batch)
    assert [str(row) for row in pc.variable("x", (2, 3))] == ["x[0]", "x[1]"]


@pytest.mark.parametrize("value", [1.5, [1.0, float("nan")], [float("inf")], 3e9])
def test_integers_are_made_of_whole_numbers_that_fit(value):
    for make in (pc.parameter, pc.constant):
        with pytest.raises(pc.DtypeError, match=r"no whole number|do not fit int32"):
            make(value, dtype="int32")
    W = pc.parameter([7], dtype="int32")
    with pytest.raises(pc.DtypeError):
        W.value = np.atleast_1d(value)[-1:]
    assert W.value == [7]
    assert pc.parameter([2.0, -3.0], dtype="int32").value.tolist() == [2, -3]
