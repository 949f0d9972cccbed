"""What an expression says where Python asks it for what it does not have."""

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
