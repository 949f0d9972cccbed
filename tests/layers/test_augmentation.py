"""Augmentation: each image one of those it may become, each as likely, by its own draw; without training nothing."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from pellucid.core.errors import InputError, ShapeError

L = pc.layers
PADDED = {"constant": "constant", "nearest": "edge", "reflect": "symmetric", "wrap": "wrap"}  # np.pad's names
STEPS = {"horizontal": ((1,), (1, -1)), "vertical": ((1, -1), (1,)), "horizontal_and_vertical": ((1, -1), (1, -1))}
DTYPES = ("uint8", "int32", "float32", "float64")


def flips(image, mode):
    """Return what a flip may make of an image, by whether the rows and the columns are turned."""
    return [image[::a, ::b] for a, b in itertools.product(*STEPS[mode])]


def crops(image, height, width):
    """Return every part of an image."""
    tops, lefts = (range(n - m + 1) for n, m in zip(image.shape, (height, width), strict=False))
    return [image[i : i + height, j : j + width] for i, j in itertools.product(tops, lefts)]


def shifted(image, down, right, mode, value=0):
    """Return a shifted image: one with broad borders, cut."""
    height, width = image.shape[:2]
    filled = {"constant_values": value} if mode == "constant" else {}
    padded = np.pad(image, ((height, height), (width, width), (0, 0)), PADDED[mode], **filled)
    return padded[height - down : 2 * height - down, width - right : 2 * width - right]


def drawn(random, shape, dtype):
    return random.integers(0, 256, shape).astype(dtype)


def in_training(layer, shape, dtype="float32", seed=0, backend=None):
    x = L.Input(shape, dtype)
    return pc.function([x], layer(x, training=True), seed=seed, backend=backend)


def which(y, candidates):
    """Return the number of the first candidate that an image equals; there is to be one."""
    equal = [k for k, candidate in enumerate(candidates) if np.array_equal(y, candidate)]
    assert equal, f"{y} is none of the {len(candidates)} images that were possible"
    return equal[0]


@st.composite
def layers_and_possibilities(draw):
    """Return a layer, images, and for each image all that may become of it in training, and what does else."""
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    shape = (draw(st.integers(1, 4)), height, width, draw(st.integers(1, 4)))
    images = drawn(np.random.default_rng(draw(st.integers(0, 99))), shape, draw(st.sampled_from(DTYPES)))
    kind = draw(st.sampled_from(["flip", "crop", "shift"]))
    if kind == "flip":
        mode = draw(st.sampled_from(sorted(STEPS)))
        return L.RandomFlip(mode), images, [flips(image, mode) for image in images], images
    if kind == "crop":
        m, n = draw(st.integers(1, height)), draw(st.integers(1, width))
        top, left = (height - m) // 2, (width - n) // 2
        middle = images[:, top : top + m, left : left + n]
        return L.RandomCrop(m, n), images, [crops(image, m, n) for image in images], middle
    down, right = (draw(st.integers(0, n)) for n in (height, width))
    mode, value = draw(st.sampled_from(sorted(PADDED))), draw(st.sampled_from([0, 7, 255]))
    layer = L.RandomTranslation(down / height, right / width, mode, value)
    shifts = list(itertools.product(range(-down, down + 1), range(-right, right + 1)))
    return layer, images, [[shifted(image, *s, mode, value) for s in shifts] for image in images], images


@given(layers_and_possibilities(), st.integers(0, 2**31 - 1))
def test_each_image_is_one_that_it_may_become(case, seed):
    layer, images, possible, otherwise = case
    x = L.Input(images.shape[1:], images.dtype.name)
    outputs = [layer(x, training=True), layer(x)]
    found, untrained = pc.function([x], outputs, seed=seed)(images)
    assert found.dtype == untrained.dtype == images.dtype
    for y, candidates in zip(found, possible, strict=True):
        which(y, candidates)
    np.testing.assert_array_equal(untrained, otherwise)
    for have, want in zip(
        (found, untrained), pc.function([x], outputs, seed=seed, backend="reference")(images), strict=True
    ):
        np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize(
    ("layer", "candidates"),
    [
        (L.RandomFlip("horizontal"), lambda image: flips(image, "horizontal")),
        (L.RandomFlip("vertical"), lambda image: flips(image, "vertical")),
        (L.RandomFlip(), lambda image: flips(image, "horizontal_and_vertical")),
        (L.RandomCrop(3, 2), lambda image: crops(image, 3, 2)),
        (
            L.RandomTranslation(0.25, (-0.5, 0.25), "constant"),
            lambda image: [shifted(image, i, j, "constant") for i in (-1, 0, 1) for j in (-2, -1, 0, 1)],
        ),
    ],
)
def test_all_that_may_become_of_an_image_is_as_likely(layer, candidates):
    n, image = 6000, np.arange(16, dtype="uint8").reshape(4, 4, 1)
    possible = candidates(image)
    found = in_training(layer, (4, 4, 1), "uint8", seed=8)(np.tile(image, (n, 1, 1, 1)))
    counts = np.bincount([which(y, possible) for y in found], minlength=len(possible))
    share = 1 / len(possible)
    assert abs(counts - n * share).max() < 5 * np.sqrt(n * share * (1 - share))


def test_a_flip_is_drawn_as_dropout_draws():
    """By seed, number of the draw, step and example: what a function of the draws alone has with the same seed."""
    n, image = 50, np.array([[[1], [2]]], "uint8")
    f = in_training(L.RandomFlip("horizontal"), (1, 2, 1), "uint8", seed=11)
    alone = pc.function([], pc.bernoulli(0.5, (n,)), seed=11)
    for _ in range(3):
        np.testing.assert_array_equal(f(np.tile(image, (n, 1, 1, 1)))[:, 0, 0, 0] == 2, alone())


def test_positive_factors_are_down_and_to_the_right():
    image = np.arange(20, dtype="float32").reshape(1, 4, 5, 1)
    y = in_training(L.RandomTranslation((0.25, 0.25), (0.4, 0.4), "constant", -1), (4, 5, 1))(image)
    np.testing.assert_array_equal(y[0, 1:, 2:], image[0, :-1, :-2])
    assert (y[0, 0] == -1).all()
    assert (y[0, :, :2] == -1).all()


@pytest.mark.parametrize(
    ("factor", "least", "most"),
    [(0.125, -4, 4), (0.1, -3, 3), (0.02, -1, 1), ((-0.02, 0.1), -1, 3), ((0.25, 0.5), 8, 16), (1 / 3, -11, 11)],
)
def test_factors_are_rounded_to_whole_pixels(factor, least, most):
    image = np.arange(1, 33).reshape(1, 32, 1)
    found = in_training(L.RandomTranslation(0, factor, "constant"), (1, 32, 1), "int32")(np.tile(image, (600, 1, 1, 1)))
    shifts = [shifted(image, 0, right, "constant") for right in range(least, most + 1)]
    assert {which(y, shifts) for y in found} == set(range(len(shifts)))


@pytest.mark.parametrize(
    "layer", [L.RandomCrop(4, 5), L.RandomTranslation(0, 0), L.RandomTranslation((0, 0), 0.01, "constant")]
)
def test_where_there_is_nothing_to_draw_images_stay(layer):
    images = drawn(np.random.default_rng(0), (3, 4, 5, 3), "uint8")
    x = L.Input((4, 5, 3), "uint8")
    y = layer(x, training=True)
    assert "uniform" not in str(y)
    np.testing.assert_array_equal(pc.function([x], y)(images), images)


@pytest.mark.parametrize("mode", sorted(PADDED))
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_one_pixel(mode, channels):
    images = drawn(np.random.default_rng(0), (40, 1, 1, channels), "uint8")
    for layer in (L.RandomFlip(), L.RandomCrop(1, 1), L.RandomTranslation(0.4, 0.4, mode, 9)):
        np.testing.assert_array_equal(in_training(layer, (1, 1, channels), "uint8")(images), images)
    y = in_training(L.RandomTranslation(1.0, 0, mode, 9), (1, 1, channels), "uint8")(images)
    gone = (y == 9).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(y[~gone], images[~gone])
    assert gone.any() == (mode == "constant")


def test_no_images_are_none():
    for layer in (L.RandomFlip(), L.RandomCrop(2, 2), L.RandomTranslation(0.5, 0.5, "constant")):
        for backend in ("native", "reference"):
            f = in_training(layer, (3, 3, 2), "uint8", backend=backend)
            assert f(np.zeros((0, 3, 3, 2), "uint8")).shape[0] == 0


LAYERS = pytest.mark.parametrize("layer", [L.RandomFlip(), L.RandomCrop(12, 9), L.RandomTranslation(0.25, 0.5)])


@LAYERS
def test_examples_differ_and_each_step_and_seed_draws_others(layer):
    images = np.tile(drawn(np.random.default_rng(0), (1, 16, 16, 3), "uint8"), (20, 1, 1, 1))
    first, second = in_training(layer, (16, 16, 3), "uint8", seed=3).repeat(2)(images)
    again, other = (in_training(layer, (16, 16, 3), "uint8", seed=s)(images) for s in (3, 4))
    assert len({y.tobytes() for y in first}) > 2
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()
    assert (first != other).any()


@LAYERS
def test_the_same_bits_on_any_number_of_threads(layer, monkeypatch):
    images = drawn(np.random.default_rng(0), (64, 16, 16, 3), "uint8")
    found = set()
    for threads in (1, 2, 3):
        monkeypatch.setenv("PELLUCID_THREADS", str(threads))
        f = in_training(layer, (16, 16, 3), "uint8", seed=5)
        found.add((f(images).tobytes(), f(images).tobytes()))
    assert len(found) == 1


def test_each_image_keeps_its_label_in_shuffled_batches():
    images = drawn(np.random.default_rng(0), (30, 5, 4, 3), "uint8")
    x, label = L.Input((5, 4, 3), "uint8"), pc.variable("label", ("batch",), "int32")
    y = L.RandomTranslation(0.2, 0.25, "wrap")(L.RandomFlip()(x, training=True), training=True)
    shown, labels = pc.function([x, label], [y, label], seed=1).minibatches(8, epochs=2)(images, np.arange(30))
    assert sorted(labels) == sorted([*range(30), *range(30)])
    for image, k in zip(shown, labels, strict=True):
        flipped = flips(images[k], "horizontal_and_vertical")
        which(image, [shifted(f, i, j, "wrap") for f in flipped for i in (-1, 0, 1) for j in (-1, 0, 1)])


def test_two_calls_draw_their_own():
    x, layer = L.Input((4, 4, 1), "uint8"), L.RandomCrop(2, 2)
    images = np.tile(np.arange(16, dtype="uint8").reshape(4, 4, 1), (30, 1, 1, 1))
    a, b = pc.function([x], [layer(x, training=True), layer(x, training=True)])(images)
    assert (a != b).any()


@pytest.mark.parametrize(
    "layer", [L.RandomFlip(), L.RandomCrop(2, 3), L.RandomTranslation(0.5, 0.5), L.RandomTranslation(1, 1, "constant")]
)
def test_gradients_go_where_the_pixels_came_from(layer):
    """What is drawn is linear in the images, so that the slope times the images is what its outputs weigh."""
    random = np.random.default_rng(0)
    images = random.standard_normal((6, 4, 5, 2))
    x = L.Input((4, 5, 2), "float64")
    y = layer(x, training=True)
    g = pc.variable("g", y.shape, "float64")
    f = pc.function([x, g], [y, pc.gradient((y * g).sum(), x)], seed=2)
    for _ in range(3):
        weights = random.standard_normal((6, *y.shape[1:]))
        value, slope = f(images, weights)
        np.testing.assert_allclose((slope * images).sum(axis=(1, 2, 3)), (value * weights).sum(axis=(1, 2, 3)))
        assert slope.shape == images.shape


def test_bytes_are_read_where_they_lie_and_scaled_on_the_way():
    """Nothing is in memory beside the inputs and outputs but the numbers of rows and columns."""
    x = L.Input((32, 32, 3), "uint8")
    shifted_images = L.RandomTranslation(0.125, 0.125, "constant")(x, training=True)
    f = pc.function([x], L.Rescaling(1 / 255)(shifted_images))
    f(np.zeros((64, 32, 32, 3), "uint8"))
    assert 0 < f.memory()["arena"] <= 64 * (32 + 32) * 8 < 64 * 32 * 32 * 3


def fitted(threads="1", epochs=(4,), tmp_path=None):
    """Return the weights that training with augmentation leaves, in one run or in several."""
    random = np.random.default_rng(0)
    images, labels = drawn(random, (40, 8, 8, 3), "uint8"), random.integers(0, 2, 40).astype("int32")
    for count in epochs:
        network = pc.Sequential(
            L.RandomFlip("horizontal"), L.RandomTranslation(0.25, 0.25), L.RandomCrop(6, 6), L.Rescaling(1 / 255),
            L.Conv2D(4, 3, activation="relu"), L.Flatten(), L.Dense(2),
        )  # fmt: skip
        model = pc.Model(network, "cross_entropy", "adam", seed=6)
        callbacks = [pc.callbacks.BackupAndRestore(tmp_path / "backup")] if tmp_path else []
        model.fit(images, labels, count, 16, callbacks=callbacks, verbose=0)
    assert model.network.inputs[0].dtype == "uint8"
    np.testing.assert_array_equal(model.predict(images), model.predict(images))
    assert model.predict(images).shape == (40, 2)
    return {name: p.value.tobytes() for name, p in model.network.parameters.items()}


def test_a_model_learns_from_bytes_with_the_same_bits_each_time_and_on_any_number_of_threads(monkeypatch):
    monkeypatch.setenv("PELLUCID_THREADS", "1")
    first = fitted()
    assert fitted() == first
    monkeypatch.setenv("PELLUCID_THREADS", "2")
    assert fitted() == first


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(tmp_path):
    assert fitted(epochs=(2, 4), tmp_path=tmp_path) == fitted()


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: L.RandomFlip("diagonal"), InputError, "RandomFlip: mode is 'diagonal', and one of 'horizontal'"),
        (lambda: L.RandomCrop(0, 3), InputError, "RandomCrop: height is 0, and a whole number of 1 or more"),
        (lambda: L.RandomCrop(3, 2.5), InputError, "width is 2.5"),
        (lambda: L.RandomCrop(9, 8)(L.Input((8, 8, 3))), ShapeError, r"RandomCrop\(9, 8\) cuts .* \(batch, 8, 8, 3\);"),
        (lambda: L.RandomTranslation(1.5, 0), InputError, "height_factor is 1.5, and a share from 0 to 1"),
        (lambda: L.RandomTranslation(0, -0.1), InputError, "width_factor is -0.1"),
        (lambda: L.RandomTranslation((0.2, 0.1), 0), InputError, r"height_factor is \(0.2, 0.1\)"),
        (lambda: L.RandomTranslation((-1.1, 0), 0), InputError, r"height_factor is \(-1.1, 0\)"),
        (lambda: L.RandomTranslation((0, 0.1, 0.2), 0), InputError, "height_factor is"),
        (lambda: L.RandomTranslation(float("nan"), 0), InputError, "height_factor is nan"),
        (lambda: L.RandomTranslation("a", 0), InputError, "height_factor is 'a'"),
        (lambda: L.RandomTranslation(0, 0, "mirror"), InputError, "fill_mode is 'mirror', and one of 'constant'"),
        (lambda: L.RandomTranslation(0, 0, fill_value=float("inf")), InputError, "fill_value is inf"),
        (
            lambda: L.RandomTranslation(0, 0.1, "constant", 0.5)(L.Input((8, 8, 3), "uint8")),
            InputError,
            "are uint8, and have no 0.5",
        ),
        (
            lambda: L.RandomTranslation(0, 0, "constant", 2**31)(L.Input((8, 8, 3), "int32")),
            InputError,
            "no 2147483648",
        ),
        (lambda: L.RandomTranslation(0, 0.1, "constant", 256)(L.Input((8, 8, 3), "uint8")), InputError, "no 256"),
        (lambda: L.RandomTranslation(0, 0.1, "constant", -1)(L.Input((8, 8, 3), "uint8")), InputError, "no -1"),
        (lambda: L.RandomFlip()(L.Input((8, 8))), ShapeError, r"takes inputs \(batch, height, width, channels\)"),
        (lambda: L.RandomFlip()(L.Input(("h", 8, 3))), ShapeError, r"height and width are numbers.*\(batch, h, 8, 3\)"),
    ],
)
def test_errors(make, error, says):
    with pytest.raises(error, match=says):
        make()
