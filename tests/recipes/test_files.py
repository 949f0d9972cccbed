"""Runs on files of the user's own: a folder of images, a CSV file, arrays."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pellucid.cli.application import application
from pellucid.tensors import read_tensors

LAYERS = """
[[layers]]
kind = "Flatten"

[[layers]]
kind = "Rescaling"
scale = 0.00392156862745098

[[layers]]
kind = "Dense"
units = "classes"

[training]
loss = "cross_entropy"
optimizer = { kind = "Adam", learning_rate = 0.05 }
metrics = ["accuracy"]
batch_size = 10
epochs = 20
"""
IMAGES = '[data]\nkind = "images"\nsize = [6, 6]\n' + LAYERS


def invoke(*arguments, **options):
    return CliRunner().invoke(application, [str(a) for a in arguments], **options)


def draw(folder, label, number, shade):
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 60, (9, 12, 3))
    path = folder / f"{label}.{number}.png"
    Image.fromarray((shade + noise).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Return a folder of dark nights and bright days, to learn from and to test with."""
    for part, numbers in (("train", range(20)), ("test", range(20, 30))):
        for k in numbers:
            draw(tmp_path / "sky" / part / "day", "day", k, 180)
            draw(tmp_path / "sky" / part / "night", "night", k, 10)
    return tmp_path / "sky"


def test_a_folder_of_images_is_learnt_and_new_ones_are_told_apart(folder, tmp_path):
    model, run = tmp_path / "sky.toml", tmp_path / "run"
    model.write_text(IMAGES)
    result = invoke("train", model, "--data", folder, "--out", run, "--json")
    assert result.exit_code == 0, result.output
    new = [draw(tmp_path / "new", "x", 91, 190), draw(tmp_path / "new", "y", 92, 5)]
    result = invoke("predict", run, *new, "--format", "jsonl")
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert [row["class"] for row in rows] == ["day", "night"]
    assert all(row["probability"] > 0.9 for row in rows)
    result = invoke("evaluate", run, "--json")
    assert json.loads(result.output)["test_accuracy"] == 1.0
    (tmp_path / "new" / "z.png").write_bytes(b"not an image")
    result = invoke("predict", run, tmp_path / "new" / "z.png")
    assert result.exit_code != 0 and "z.png: is no image" in str(result.exception)


def test_parts_with_other_classes_are_refused(folder, tmp_path):
    draw(folder / "test" / "dawn", "dawn", 1, 90)
    (tmp_path / "sky.toml").write_text(IMAGES)
    result = invoke("train", tmp_path / "sky.toml", "--data", folder, "--out", tmp_path / "run")
    assert "do not have the same classes: dawn" in str(result.exception)
    assert not (tmp_path / "run").exists()


def test_a_csv_file_and_arrays(tmp_path):
    random = np.random.default_rng(0)
    points = random.normal(size=(60, 2)).astype(np.float32)
    inside = (points**2).sum(axis=1) < 1
    lines = [f"{x},{y},{'in' if i else 'out'}" for (x, y), i in zip(points, inside, strict=True)]
    (tmp_path / "points.csv").write_text("\n".join(["x,y,place", *lines]))
    np.savez(tmp_path / "points.npz", x=points, y=inside.astype(int))
    for kind, name in (("csv", "points.csv"), ("arrays", "points.npz")):
        target = 'target = "place"\n' if kind == "csv" else ""
        model, run = tmp_path / f"{kind}.toml", tmp_path / f"run-{kind}"
        model.write_text(f'[data]\nkind = "{kind}"\ntest = 0.25\n{target}{LAYERS}')
        result = invoke("train", model, "--data", tmp_path / name, "--out", run)
        assert result.exit_code == 0, result.output
        assert (run / "report.html").exists()


AUGMENTED = (
    '[data]\nkind = "images"\nsize = [6, 6]\n'
    '[[layers]]\nkind = "RandomFlip"\nmode = "horizontal"\n'
    '[[layers]]\nkind = "RandomTranslation"\nheight_factor = 0.2\nwidth_factor = [-0.2, 0.4]\nfill_mode = "constant"\n'
    '[[layers]]\nkind = "RandomCrop"\nheight = 5\nwidth = 4\n'
    '[[layers]]\nkind = "Rescaling"\nscale = 0.00392156862745098\n' + LAYERS
)


def test_images_are_augmented_by_layers_of_the_file_and_a_run_goes_on_as_if_it_never_stopped(folder, tmp_path):
    model = tmp_path / "sky.toml"
    model.write_text(AUGMENTED)
    for run, epochs in (("a", 2), ("a", 4), ("b", 4)):
        result = invoke("train", model, "--data", folder, "--out", tmp_path / run, "--epochs", epochs, "--json")
        assert result.exit_code == 0, result.output
    a, b = (read_tensors(tmp_path / run / "model.safetensors")[0] for run in ("a", "b"))
    assert {k: v.tobytes() for k, v in a.items()} == {k: v.tobytes() for k, v in b.items()}
    assert json.loads(invoke("evaluate", tmp_path / "a", "--json").output) == json.loads(
        invoke("evaluate", tmp_path / "b", "--json").output
    )


def test_augmentation_that_does_not_fit_is_refused_with_its_line(folder, tmp_path):
    (tmp_path / "sky.toml").write_text(AUGMENTED.replace("height = 5", "height = 7"))
    result = invoke("train", tmp_path / "sky.toml", "--data", folder, "--out", tmp_path / "run")
    assert "sky.toml, line 12: layer 3, RandomCrop, does not take" in str(result.exception)
    assert "given smaller ones, (batch, 6, 6, 3)" in str(result.exception)
