"""Sheets of images and the table of confusions: what is drawn is what was given, with names that can be read."""

import itertools
import math

import numpy as np
import pytest

from pellucid import plot
from pellucid.core.errors import PellucidError
from pellucid.view.pixels import as_images, image_shape

DRAW = np.random.default_rng(0)
COLOURS = DRAW.random((4, 6, 5, 3), dtype=np.float32)
TWO = ["cat", "dog"]


def drawn(axes):
    return np.asarray(axes.images[0].get_array())


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.images]


def test_the_wrong_ones_are_shown_the_most_certain_first():
    labels = np.array([0, 1, 1, 0])
    predicted = np.array([[0.4, 0.6], [0.9, 0.1], [0.2, 0.8], [0.001, 0.999]])
    figure = plot.misclassified(COLOURS, labels, predicted, TWO)
    assert titles(figure) == ["dog (>99%)\nis cat", "cat (90%)\nis dog", "dog (60%)\nis cat"]
    for axes, row in zip(figure.axes, (3, 1, 0), strict=False):
        assert (drawn(axes) == COLOURS[row]).all()
    assert titles(plot.misclassified(COLOURS, labels, predicted, TWO, most=1)) == ["dog (>99%)\nis cat"]


def test_one_column_is_the_probability_of_the_second_class():
    figure = plot.misclassified(COLOURS, [0, 1, 0, 1], np.array([[0.1], [0.25], [0.75], [0.9]]), TWO)
    assert titles(figure) == ["cat (75%)\nis dog", "dog (75%)\nis cat"]


@pytest.mark.parametrize("shape", [(9, 7, 1), (9, 7), (49,), (8, 8, 3), (12,)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_any_image_is_drawn_as_it_is(shape, dtype):
    pixels = DRAW.random((2, *shape), dtype=np.float32)
    given = (255 * pixels).astype(np.uint8) if dtype == "uint8" else pixels
    figure = plot.predictions(given, [0, 1], [0, 1])
    expected = given / 255 if dtype == "uint8" else given
    found = drawn(figure.axes[1])
    assert found.shape == ((*found.shape[:2], 3) if math.prod(shape) % 3 == 0 and shape != (9, 7, 1) and shape != (9, 7)
                           else found.shape[:2])  # fmt: skip
    assert np.allclose(found.ravel(), expected[1].ravel(), atol=1e-6)


def test_numbers_beyond_one_are_stretched_over_all_images_alike():
    images = as_images(np.array([[-1.0, 0, 0, 0], [0, 0, 0, 3]]))
    assert (images.min(), images.max(), images[0, 0, 1, 0], images[1, 0, 1, 0]) == (0, 1, 0.25, 0.25)


def test_drawings_are_ink_on_white_and_photographs_are_not():
    ink, light = np.zeros((1, 8, 8)), np.full((1, 8, 8), 0.5)
    assert plot.predictions(ink, [0], [0]).axes[0].images[0].get_cmap().name == "gray_r"
    assert plot.predictions(light, [0], [0]).axes[0].images[0].get_cmap().name == "gray"


def test_long_names_do_not_meet_their_neighbours():
    long = ["a name that is longer than any cell", "another name of that length"]
    figure = plot.misclassified(COLOURS, [0, 1, 0, 1], [1, 0, 1, 0], long, "Title")
    figure.draw_without_rendering()
    boxes = [axes.title.get_window_extent() for axes in figure.axes if axes.images]
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes) if a.y0 == b.y0)
    assert boxes[0].x0 >= 0


@pytest.mark.parametrize("count", [2, 10, 30])
def test_the_confusion_is_readable_for_any_number_of_classes(count):
    labels = DRAW.integers(0, count, 2000)
    predicted = DRAW.integers(0, count, 2000)
    names = [f"class {k} of many" for k in range(count)]
    figure = plot.confusion(labels, predicted, names)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == names
    for written in (axes.get_xticklabels(), axes.get_yticklabels(), axes.texts):
        low, high = (
            np.array(ends) for ends in zip(*(text.get_window_extent().get_points() for text in written), strict=True)
        )
        meet = ((low[:, None] < high) & (low < high[:, None])).all(axis=2)  # each with each
        assert meet.sum() == len(meet), "each meets itself alone"
    for text in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        assert text.get_window_extent().x0 >= 0 and text.get_window_extent().y0 >= 0


def test_the_confusion_counts_probabilities_as_their_classes():
    figure = plot.confusion([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], TWO)
    shown = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in figure.axes[0].texts}
    assert shown == {(0, 0): "1", (1, 0): "1", (1, 1): "1"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.misclassified(COLOURS, [0, 1, 0, 1], [0, 1, 0, 1]), "every prediction is right"),
        (lambda: plot.misclassified(COLOURS, [0, 1], [0, 1, 0, 1]), r"the labels have shape \(2,\); expected \(4,\)"),
        (lambda: plot.misclassified(COLOURS, [0, 1, 0, 1], [0.5, 1, 0, 1]), "expected the classes, whole numbers"),
        (lambda: plot.misclassified(COLOURS[:2], [0, 1, 0, 1], [1, 0, 1, 0]), "there are 2 images for 4 predictions"),
        (lambda: plot.predictions(COLOURS[..., :2], [0] * 4, [0] * 4), r"shape \(6, 5, 2\) is no image"),
        (lambda: plot.predictions(COLOURS.reshape(4, -1), [0] * 4, [0] * 4), "90 pixels are no square image"),
        (lambda: plot.confusion([0, 5], [0, 1], 3), "there are 3 classes, and an example is of class 5"),
        (lambda: plot.confusion([0, -1], [0, 1]), "not whole numbers from 0"),
        (lambda: image_shape((12,), (2, 5)), r"shape \(12,\) is no image of \(2, 5\)"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(PellucidError, match=message):
        call()
