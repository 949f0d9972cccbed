"""Positions: what is added to each place, and sequences that are too long."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pc

L: Any = pc.layers


def test_each_place_gets_its_row() -> None:
    layer, x = L.PositionEmbedding(9), pc.variable("x", ("batch", "time", 4))
    y = layer(x)
    f = pc.function([x], [y, pc.gradient(y.sum(), layer.embeddings)])
    for time in (1, 5, 9):
        values = np.random.default_rng(0).normal(size=(3, time, 4)).astype("float32")
        found, slope = f(values)
        np.testing.assert_allclose(found, values + layer.embeddings.value[:time], rtol=1e-6)
        np.testing.assert_array_equal(slope, np.repeat([[3.0], [0.0]], [time, 9 - time], axis=0) * np.ones(4))


def test_a_sequence_longer_than_the_positions_is_refused_with_its_length() -> None:
    with pytest.raises(pc.ShapeError, match=r"^40 positions.*made for 32; make it with sequence_length=40 or more"):
        L.PositionEmbedding(32)(L.Input((40, 8)))
    x = pc.variable("x", ("batch", "time", 8))
    f = pc.function([x], L.PositionEmbedding(32)(x))
    with pytest.raises(pc.ShapeError, match=r"40 elements.*outside an axis of 32 of position_embedding/embeddings"):
        f(np.ones((2, 40, 8)))
    assert f(np.ones((2, 32, 8))).shape == (2, 32, 8)


@pytest.mark.parametrize("width", [1, 6, 7])
def test_sines_and_cosines_are_those_of_the_paper(width: int) -> None:
    x = pc.variable("x", ("batch", "time", width), "float64")
    found = pc.function([x], L.SinePositionEncoding(100.0)(x))(np.zeros((1, 50, width)))
    for k in range(width):
        angle = np.arange(50) / 100 ** (2 * (k // 2) / width)
        np.testing.assert_allclose(found[0, :, k], np.cos(angle) if k % 2 else np.sin(angle), atol=1e-12)


def test_positions_take_sequences_only() -> None:
    for layer in (L.PositionEmbedding(5), L.SinePositionEncoding()):
        with pytest.raises(pc.ShapeError, match=r"sequences \(batch, time, width\)"):
            layer(L.Input((5,)))
    with pytest.raises(pc.InputError, match="max_wavelength is 0"):
        L.SinePositionEncoding(0)
