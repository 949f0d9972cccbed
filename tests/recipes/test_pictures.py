"""The pictures of a run: those that apply, each of what the run is about, and none that fails it."""

import numpy as np
import pytest

from pellucid.recipes import begin, parse, pictures
from pellucid.recipes import train as train_run
from pellucid.recipes.pictures import illustrate, pictures_of
from pellucid.recipes.run import Run

HEAD = """
[training]
loss = "{loss}"
optimizer = "Adam"
batch_size = 20
epochs = 1
"""
CONVOLUTION = '[[layers]]\nkind = "Conv2D"\nfilters = 3\nkernel_size = 3\n[[layers]]\nkind = "Flatten"\n'
DENSE = '[[layers]]\nkind = "Dense"\nunits = {}\n'


def run_of(tmp_path, data, layers, loss="cross_entropy") -> Run:
    document = parse(f"[data]\n{data}\n{layers}{HEAD.format(loss=loss)}", "model.toml")
    run = begin(document, tmp_path / "run")
    train_run(run, verbose=0)
    return run


def images_of(tmp_path, inputs, classes=3):
    np.savez(tmp_path / "images.npz", inputs=inputs, labels=np.arange(len(inputs), dtype=np.int32) % classes)
    return f'kind = "arrays"\npath = "{tmp_path / "images.npz"}"'


def names_of(run):
    found = list(pictures_of(run))
    for name, _, image in found:
        assert isinstance(image, bytes), f"{name}: {image}"
        assert image.startswith(b"\x89PNG")
    return [name for name, _, _ in found]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_convolutional_network_over_images(channels, tmp_path):
    images = np.random.default_rng(0).random((30, 9, 7, channels), dtype=np.float32)
    run = run_of(tmp_path, images_of(tmp_path, images), CONVOLUTION + DENSE.format(3))
    assert names_of(run) == ["curves", "confusion", "wrong", "filters", "feature-maps"]


def test_a_dense_network_over_digits(tmp_path):
    run = run_of(tmp_path, 'kind = "digits"', DENSE.format(4) + DENSE.format(10))
    assert names_of(run) == ["curves", "confusion", "wrong", "filters"]


def test_pixels_of_a_table_are_no_image(tmp_path):
    rows = np.random.default_rng(0).random((40, 64))
    table = np.column_stack([rows, np.arange(40) % 2])
    header = ",".join([*(f"c{k}" for k in range(64)), "kind"])
    np.savetxt(tmp_path / "table.csv", table, delimiter=",", header=header, comments="", fmt="%g")
    run = run_of(tmp_path, f'kind = "csv"\npath = "{tmp_path / "table.csv"}"\ntarget = "kind"', DENSE.format(2),
                 "cross_entropy")  # fmt: skip
    assert names_of(run) == ["curves", "confusion"]


def test_a_recurrent_network_that_adds(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(pictures, "states", lambda *given, **kept: drawn.append((given, kept)))
    layers = '[[layers]]\nkind = "SimpleRNN"\nunits = 3\nreturn_sequences = true\n' + DENSE.format(1)
    run = run_of(tmp_path, 'kind = "addition"\nbits = 6\nn = 60', layers, "binary_cross_entropy")
    assert names_of(run) == ["curves"]
    ((_, labels, title), kept) = drawn[0]
    a, b = 2 ** np.arange(6) @ kept["example"].astype(int)
    assert title == f"What simple_rnn remembers while {a} and {b} are added"
    assert len(set(labels)) >= 5, "an example in which most kinds of places occur"


def test_a_network_without_pictures_of_its_own(tmp_path):
    values = np.random.default_rng(0).random((30, 5), dtype=np.float32)
    np.savez(tmp_path / "numbers.npz", inputs=values, labels=values[:, 0])
    data = f'kind = "arrays"\npath = "{tmp_path / "numbers.npz"}"'
    assert names_of(run_of(tmp_path, data, DENSE.format(1), "mse")) == ["curves"]


def test_the_model_is_asked_once(tmp_path, monkeypatch):
    images = np.random.default_rng(0).random((30, 8, 8, 1), dtype=np.float32)
    run = run_of(tmp_path, images_of(tmp_path, images), CONVOLUTION + DENSE.format(3))
    asked = []
    predict = run.model.predict
    monkeypatch.setattr(run.model, "predict", lambda x: asked.append(len(x)) or predict(x))
    names_of(run)
    assert asked == [30]


def test_a_picture_that_cannot_be_made_does_not_fail_the_run(tmp_path, monkeypatch):
    def broken(_):
        raise RuntimeError("no paint left")

    run = run_of(tmp_path, 'kind = "moons"\nn = 40', DENSE.format(2))
    monkeypatch.setattr(pictures, "PICTURES", [("broken", "It is broken.", broken), *pictures.PICTURES])
    illustrate(run, {"accuracy": 0.5})
    assert sorted(p.stem for p in (run.folder / "pictures").iterdir()) == ["boundary", "confusion", "curves"]
    page = (run.folder / "report.html").read_text()
    assert "The picture <code>broken</code> could not be made: no paint left" in page
    assert page.count("<figure>") == 3


def test_names_of_classes_are_those_of_the_data(tmp_path, monkeypatch):
    images = np.random.default_rng(0).random((30, 8, 8, 1), dtype=np.float32)
    np.savez(tmp_path / "images.npz", inputs=images, labels=np.arange(30, dtype=np.int32) % 2)
    run = run_of(tmp_path, f'kind = "arrays"\npath = "{tmp_path / "images.npz"}"', CONVOLUTION + DENSE.format(2))
    run = run._replace(parts=run.parts._replace(classes=("cat", "dog")))
    asked = []
    monkeypatch.setattr(pictures, "confusion", lambda *given: asked.append(given[2]))
    names_of(run)
    assert asked == [("cat", "dog")]
