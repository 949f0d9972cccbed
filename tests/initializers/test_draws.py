"""Draws: the first numbers as they have to stay, the normal quantile against the standard library's, and keys."""

import statistics

import numpy as np
import pytest

from pellucid.initializers import draws
from pellucid.initializers.draws import centred, drawn, key_of, normal_quantile
from pellucid.operations.arrays import ArrayArithmetic
from pellucid.operations.random import threefry

NORMAL = statistics.NormalDist()


def test_the_quantile_is_that_of_the_standard_library():
    far = np.logspace(-16, np.log10(0.49), 300)
    distance = np.concatenate([far - 0.5, [-0.425, -1e-9, 1e-9, 0.425, np.nextafter(0.425, 1)], 0.5 - far])
    distance = distance[abs(distance) < 0.5]
    expected = [NORMAL.inv_cdf(0.5 + d) for d in distance if abs(d) < 0.49]
    found = normal_quantile(distance)
    np.testing.assert_allclose(found[abs(distance) < 0.49], expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(normal_quantile(-distance), -found)
    assert (np.diff(normal_quantile(np.linspace(-0.5 + 1e-15, 0.5 - 1e-15, 20_001))) > 0).all()


def test_the_extremes_are_finite_and_symmetric():
    ends = centred(np.array([0.0, 1 - 2.0**-53]))
    np.testing.assert_array_equal(ends, [-0.5 + 2.0**-54, 0.5 - 2.0**-54])
    low, high = normal_quantile(ends)
    assert high == -low
    assert high == pytest.approx(-NORMAL.inv_cdf(2.0**-54), rel=1e-12)


def test_elements_are_threefry_at_their_places(monkeypatch):
    """Whatever the pieces in which they are made."""
    key = (7, 2**32 - 1)
    whole = drawn((3, 5), "float64", key, lambda u: u)
    b = ArrayArithmetic(np)
    for place in (0, 1, 14):
        words = threefry(b, [np.array([k], "uint32") for k in key], [np.array([n], "uint32") for n in (0, place)])
        bits = (int(words[0][0]) >> 5 << 26) + (int(words[1][0]) >> 6)
        assert whole.reshape(-1)[place] == bits / 2**53
    monkeypatch.setattr(draws, "PIECE", 4)
    np.testing.assert_array_equal(drawn((3, 5), "float64", key, lambda u: u), whole)


def test_keys_are_those_of_always_and_differ():
    assert key_of(0, "dense/kernel") == (3188020122, 3262617767)
    assert key_of(1, "a") != key_of(0, "a") != key_of(0, "b")
    assert key_of(-1, "ü") != key_of(1, "ü")
    many = {key_of(seed, f"{n}/kernel") for seed in range(30) for n in range(100)}
    assert len(many) == 3000
    assert all(0 <= word < 2**32 for key in many for word in key)


def test_nothing_is_drawn_where_there_is_nothing():
    assert drawn((0, 3), "float32", (0, 0), lambda u: u).shape == (0, 3)
    assert drawn((), "float32", (0, 0), lambda u: u).shape == ()
