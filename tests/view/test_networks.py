"""Pictures of what is inside networks: filters, feature maps and states are those that the network has."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

import pellucid as pc
from pellucid.core.errors import PellucidError

DRAW = np.random.default_rng(0)


def drawn(axes):
    return np.asarray(axes.images[0].get_array())


def pictures(figure):
    return [drawn(axes) for axes in figure.axes if axes.images]


def convolutional(channels=1):
    layers = pc.layers
    return pc.Sequential(
        layers.Conv2D(4, 3, activation="relu"), layers.MaxPool2D(2), layers.Conv2D(10, 2), layers.Flatten(),
        layers.Dense(2),
    ).build((8, 8, channels))  # fmt: skip


def test_grey_filters_are_the_kernel_on_one_scale():
    network = convolutional()
    kernel = network.parameters["conv2d/kernel"].value
    figure = pc.plot.filters(network)
    images = [axes.images[0] for axes in figure.axes[:4]]
    assert figure.get_suptitle() == "4 filters of 3 x 3"
    for k, image in enumerate(images):
        assert (image.get_array() == kernel[:, :, 0, k]).all()
        assert image.get_clim() == (-np.abs(kernel).max(), np.abs(kernel).max())


def test_colour_filters_are_colours_on_one_scale_with_grey_for_zero():
    kernel = DRAW.normal(size=(3, 2, 3, 5))
    kernel[0, 0, :, 0] = 0
    found = pictures(pc.plot.filters(kernel))
    largest = np.abs(kernel).max()
    assert len(found) == 5
    assert (found[0][0, 0] == 0.5).all()
    for k, image in enumerate(found):
        assert np.allclose((image - 0.5) * 2 * largest, kernel[..., k])


@pytest.mark.parametrize(("shape", "first"), [((784,), False), ((8, 6, 3), True)])
def test_dense_layers_over_images_are_shown_as_images(shape, first):
    network = pc.Sequential(*([pc.layers.Flatten()] if first else []), pc.layers.Dense(70), pc.layers.Dense(2))
    network.build(shape)
    kernel = network.parameters["dense/kernel"].value
    figure = pc.plot.filters(network)
    found = [image for image in pictures(figure) if image.shape[-1] != 1][:64]
    assert figure.get_suptitle().startswith("64 of 70 units over images of ")
    values = found[3] if found[3].ndim == 2 else (found[3] - 0.5) * 2 * np.abs(kernel).max()
    assert np.allclose(values.ravel(), kernel[:, 3], atol=1e-6)


def test_the_weights_of_classes_bear_their_names():
    figure = pc.plot.weights(DRAW.normal(size=(64, 3)), classes=["a", "b", "c"])
    assert [axes.get_title() for axes in figure.axes[:3]] == ["a", "b", "c"]


def test_feature_maps_are_what_the_layers_return():
    network = convolutional()
    image = DRAW.random((8, 8, 1), dtype=np.float32)
    figure = pc.plot.feature_maps(network, image, title="An image", most=8)
    given, first, second = figure.subfigs
    assert figure.get_suptitle() == "An image"
    assert [part.get_suptitle() for part in figure.subfigs] == [
        "the image", "conv2d: 4 maps of 6 x 6", "conv2d_1: 8 of 10 maps of 2 x 2"
    ]  # fmt: skip
    assert (drawn(given.axes[0]) == image[..., 0]).all()
    x = network.inputs[0]
    values = pc.function([x], network["conv2d"](x))(image[None])
    for k in range(4):
        assert np.allclose(drawn(first.axes[k]), values[0, ..., k], atol=1e-6)
    assert len(pictures(second)) == 8


def test_feature_maps_of_named_layers_in_colours_and_bytes():
    network = convolutional(channels=3)
    image = DRAW.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    figure = pc.plot.feature_maps(network, image, layer="max_pooling2d")
    assert figure.subfigs[1].get_suptitle() == "max_pooling2d: 4 maps of 3 x 3"
    assert np.allclose(drawn(figure.axes[0]), image / 255)


def test_states_are_those_of_the_layer_for_the_bits_that_are_added():
    network = pc.Sequential(pc.layers.SimpleRNN(5, return_sequences=True), pc.layers.Dense(1)).build((8, 2))
    pair = pc.data.addition(bits=8, n=1)[0][0]
    figure = pc.plot.states(network, pc.plot.addition_labels(pair), example=pair)
    x = network.inputs[0]
    assert np.allclose(drawn(figure.axes[0]).T, pc.function([x], network["simple_rnn"](x))(pair[None])[0], atol=1e-6)
    labels = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert [label[:5] for label in labels] == [f"{int(a)} + {int(b)}" for a, b in pair]
    assert len(pc.plot.states(DRAW.normal(size=(90, 3)), most=10).axes[0].get_xticks()) == 10


def test_labels_of_many_steps_do_not_meet():
    figure = pc.plot.states(DRAW.normal(size=(64, 30)))
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].get_xticklabels()]
    assert len(boxes) > 20
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))


def test_what_is_carried_is_that_of_the_sum():
    labels = pc.plot.addition_labels([[1, 1], [0, 1], [1, 1], [0, 0]])
    assert [label[-1] for label in labels] == ["1", "1", "1", "0"]


def test_a_model_is_taken_for_its_network():
    model = pc.Model(convolutional(), "cross_entropy")
    assert pc.plot.png(pc.plot.filters(model)) == pc.plot.png(pc.plot.filters(model.network))


IMAGE = np.zeros((8, 8, 1), np.float32)
DENSE = pc.Sequential(pc.layers.Dense(2)).build((3,))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pc.plot.filters(np.zeros((5, 5, 2, 8))), r"\(5, 5, 2, 8\) cannot be shown"),
        (lambda: pc.plot.filters(np.zeros((60, 8))), "60 pixels are no square image"),
        (lambda: pc.plot.filters(pc.Sequential(pc.layers.Dense(2))), r"is not built; call network.build\(shape\)"),
        (lambda: pc.plot.filters("conv2d"), "'conv2d' is no network; expected a pc.Model"),
        (lambda: pc.plot.filters(pc.Sequential(pc.layers.LSTM(4)).build((8, 8))), "does not begin with a layer whose"),
        (lambda: pc.plot.feature_maps(DENSE, np.zeros(3)), "the network has no convolution over images"),
        (
            lambda: pc.plot.feature_maps(convolutional(), IMAGE, "conv"),
            "no layer .conv.; it has conv2d, max_p",
        ),
        (lambda: pc.plot.feature_maps(convolutional(), IMAGE, "flatten"), "flatten returns .*, which are no maps"),
        (lambda: pc.plot.feature_maps(convolutional(), IMAGE[1:]), r"an example has shape \(7, 8, 1\); the network's"),
        (lambda: pc.plot.states(DENSE), "give one: example="),
        (lambda: pc.plot.states(DENSE, example=np.zeros(3)), "has no recurrent layer that returns a sequence"),
        (lambda: pc.plot.states(np.zeros(3)), r"the states have shape \(3,\); expected \(time, units\)"),
        (lambda: pc.plot.states(np.zeros((3, 2)), ["a"]), "there are 1 labels for 3 steps"),
        (lambda: pc.plot.addition_labels(np.zeros((8, 3))), r"have shape \(8, 3\); expected \(bits, 2\)"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(PellucidError, match=message):
        call()


def test_drawing_needs_no_screen_and_keeps_no_state():
    code = "import pellucid as pc, sys; pc.plot.png(pc.plot.confusion([0, 1], [0, 1])); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "matplotlib.figure" in loaded
    assert "matplotlib.pyplot" not in loaded
