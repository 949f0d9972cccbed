"""Pictures: each is written, has the size it should, and shows something."""

import io
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from pellucid.core.errors import MissingExtraError, PellucidError, ShapeError
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
    assert [a.get_title() for a in figure.axes[:2]] == ["4", "9\nis 5"]


def test_the_confusion_counts_rows_of_truth():
    figure = confusion(np.array([1, 1, 2]), np.array([1, 2, 2]), classes=3)
    shown = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in figure.axes[0].texts}
    assert shown == {(1, 1): "1", (1, 2): "1", (2, 2): "1"}


def test_pixels_that_are_no_square_are_refused():
    with pytest.raises(ShapeError, match="60 pixels are no square image"):
        weights(np.zeros((60, 10)))


def test_several_classes_have_their_regions_and_names():
    def nearest(points):
        return np.eye(3)[np.abs(points[:, :1] - np.array([-1, 0, 1])).argmin(axis=1)]

    labels = nearest(POINTS).argmax(axis=1)
    figure = boundary(nearest, POINTS, labels, classes=["left", "middle", "right"])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["left", "middle", "right"]
    assert len(figure.axes) == 1, "no bar of probabilities: there is one for each class"
    pixels = imread(io.BytesIO(png(figure)))[..., :3]
    row = pixels[len(pixels) // 3]
    said = boundary(lambda p: nearest(p).argmax(axis=1), POINTS, labels, classes=["left", "middle", "right"])
    assert png(said) == png(figure), "classes are regions as probabilities are"
    for pale in ([0.75, 0.86, 0.93], [0.96, 0.84, 0.75], [0.75, 0.91, 0.86]):
        assert (np.abs(row - pale).max(axis=1) < 0.03).mean() > 0.1


def test_a_model_and_an_estimator_are_asked_for_probabilities():
    class Says:
        def predict_proba(self, points):
            return np.stack([1 - above(points), above(points)], axis=1)

        def predict(self, points):
            raise AssertionError

    assert png(boundary(Says(), POINTS, LABELS)) == png(boundary(above, POINTS, LABELS))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scatter(np.zeros((3, 3)), [0, 1, 0]), r"the points have shape \(3, 3\); expected \(n, 2\)"),
        (lambda: scatter(POINTS, LABELS[:3]), r"the labels have shape \(3,\); expected \(40,\)"),
        (lambda: scatter(POINTS, LABELS + 0.5), "not whole numbers from 0"),
        (lambda: scatter(POINTS, np.arange(40)), "there are 40 classes, and colours for 6"),
        (lambda: scatter(POINTS, LABELS, classes=["one"]), "there are 1 classes, and an example is of class 1"),
        (lambda: boundary(3, POINTS, LABELS), "3 says nothing of points"),
        (lambda: boundary(lambda points: points[:5, 0], POINTS, LABELS), r"returned the shape \(5,\)"),
    ],
)
def test_what_is_not_of_the_plane_is_refused(call, message):
    with pytest.raises(PellucidError, match=message):
        call()


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install pellucid\[learn\]"):
        scatter(POINTS, LABELS)


def test_the_same_figure_gives_the_same_file():
    assert png(scatter(POINTS, LABELS)) == png(scatter(POINTS, LABELS))
