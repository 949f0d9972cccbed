"""Points of circles, blobs and spirals: where they lie, and what cannot be drawn."""

import sys

import numpy as np
import pytest

from pellucid.core.errors import InputError, MissingExtraError
from pellucid.data import blobs, circles, spirals


@pytest.mark.parametrize("draw", [circles, blobs, spirals])
def test_points_are_drawn_by_their_seed(draw):
    points, labels = draw(60, seed=3)
    assert (points.dtype, labels.dtype, points.shape, labels.shape) == (np.float32, np.int32, (60, 2), (60,))
    assert np.array_equal(points, draw(60, seed=3)[0])
    assert not np.array_equal(points, draw(60, seed=4)[0])


def test_circles_have_their_radii():
    points, labels = circles(100, noise=0.0, factor=0.3)
    np.testing.assert_allclose(np.hypot(*points.T), np.where(labels == 1, 0.3, 1.0), rtol=1e-5)


def test_blobs_of_no_spread_are_their_centres():
    points, labels = blobs(40, classes=4, spread=0.0)
    assert len(np.unique(points, axis=0)) == 4
    assert np.bincount(labels).tolist() == [10] * 4


def test_spirals_follow_their_formula():
    points, labels = spirals(90, classes=3, noise=0.0, turns=2.0)
    radius, angle = np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0])
    away = (angle - 2 * np.pi * (2.0 * radius + labels / 3) + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(away * radius, 0, atol=1e-5)
    assert np.bincount(labels).tolist() == [30] * 3


@pytest.mark.parametrize(
    ("draw", "wrong"),
    [
        (circles, {"n": 1}), (circles, {"noise": -1.0}), (circles, {"factor": 1.0}),
        (blobs, {"classes": 1}), (blobs, {"n": 2, "classes": 3}), (blobs, {"spread": float("nan")}),
        (spirals, {"classes": 1}), (spirals, {"n": 1}), (spirals, {"turns": 0}), (spirals, {"noise": "much"}),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(draw, wrong):
    with pytest.raises(InputError, match=draw.__name__):
        draw(**wrong)


@pytest.mark.parametrize("draw", [circles, blobs])
def test_without_scikit_learn_the_extra_is_named(monkeypatch, draw):
    for name in ("sklearn", "sklearn.datasets"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"pip install pellucid\[learn\]"):
        draw()
