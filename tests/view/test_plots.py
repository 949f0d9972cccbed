"""Pictures: each is written, has the size it should, and shows something."""

import io
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from pellucid.core.errors import MissingExtraError, ShapeError
from pellucid.view import boundaries, boundary, confusion, filters, losses, png, predictions, save, scatter, weights

DRAW = np.random.default_rng(0)
POINTS = DRAW.normal(size=(40, 2)).astype(np.float32)
LABELS = (POINTS[:, 1] > 0).astype(np.int32)
IMAGES = DRAW.random((12, 64), dtype=np.float32)
DIGITS = np.arange(12) % 10


def above(points):
    assert points.dtype == np.float32
    return (points[:, 1] > 0).astype(float)


FIGURES = {
    "scatter": lambda: scatter(POINTS, LABELS, "Points"),
    "boundary": lambda: boundary(above, POINTS, LABELS, "A line"),
    "boundaries": lambda: boundaries([(f"{k} hidden", above) for k in range(7)], POINTS, LABELS),
    "one boundary": lambda: boundaries([("one", above)], POINTS, LABELS, columns=1),
    "losses": lambda: losses({"a": np.geomspace(100, 0.02, 50), "b": np.ones(50)}, "Loss"),
    "weights": lambda: weights(DRAW.normal(size=(64, 10)), "Weights"),
    "filters": lambda: filters(DRAW.normal(size=(5, 5, 1, 32)), "Filters"),
    "predictions": lambda: predictions(IMAGES, DIGITS, (DIGITS + (DIGITS == 3)) % 10, "Digits"),
    "confusion": lambda: confusion(DIGITS, DIGITS),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_is_written_and_not_blank(tmp_path, name):
    path = save(FIGURES[name](), tmp_path / "picture.png")
    image = imread(path)[..., :3]
    assert min(image.shape[:2]) > 150
    assert image.std() > 0.02
    assert np.allclose(image[0, 0], 1), "the background is white"


def test_the_boundary_is_where_the_prediction_changes():
    figure = boundary(above, POINTS, LABELS)
    axes = figure.axes[0]
    line = max((path.vertices for c in axes.collections for path in c.get_paths() if c.get_edgecolor().any()), key=len)
    assert axes.get_ylim()[0] < 0 < axes.get_ylim()[1]
    assert line.shape[1] == 2
    image = imread(io.BytesIO(png(figure)))
    assert len(np.unique((image[..., :3] * 255).round().reshape(-1, 3), axis=0)) > 10


def test_every_panel_has_its_title():
    figure = boundaries([("1 hidden: 0.850", above), ("2 hidden: 0.900", above)], POINTS, LABELS)
    assert [a.get_title(loc="left") for a in figure.axes][:2] == ["1 hidden: 0.850", "2 hidden: 0.900"]


def test_a_mistake_says_what_the_digit_is():
    figure = predictions(IMAGES[:2], np.array([4, 5]), np.array([4, 9]))
    assert [a.get_title() for a in figure.axes[:2]] == ["4", "9, is 5"]


def test_the_confusion_counts_rows_of_truth():
    figure = confusion(np.array([1, 1, 2]), np.array([1, 2, 2]), classes=3)
    shown = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in figure.axes[0].texts}
    assert shown == {(1, 1): "1", (1, 2): "1", (2, 2): "1"}


def test_pixels_that_are_no_square_are_refused():
    with pytest.raises(ShapeError, match="60 pixels are no square image"):
        weights(np.zeros((60, 10)))


def test_filters_of_several_channels_are_refused():
    with pytest.raises(ShapeError, match=r"\(5, 5, 3, 8\) cannot be shown"):
        filters(np.zeros((5, 5, 3, 8)))


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install pellucid\[learn\]"):
        scatter(POINTS, LABELS)


def test_the_same_figure_gives_the_same_file():
    assert png(scatter(POINTS, LABELS)) == png(scatter(POINTS, LABELS))
