"""Sweeps as recipes: the section [sweep], the table and the pictures of a run, and what is refused."""

import csv

import pytest
from typer.testing import CliRunner

from pellucid.cli.application import application
from pellucid.core.errors import InputError
from pellucid.recipes import find, parse
from pellucid.recipes.sweeping import choices_of
from pellucid.tensors import read_tensors

MODEL = """
[data]
kind = "moons"
n = 80
test = 0.25
validation = 0.2

[[layers]]
kind = "Dense"
units = 4
activation = "tanh"

[[layers]]
kind = "Dense"
units = 2

[training]
loss = "cross_entropy"
optimizer = "Adam"
metrics = ["accuracy"]
batch_size = 10
epochs = 3

[sweep]
"layers.1.units" = [1, 6]
"training.optimizer.learning_rate" = [0.01, 0.1]
"training.seed" = [0, 1]
"""


def invoke(*arguments):
    return CliRunner().invoke(application, [str(a) for a in arguments])


def rows_of(run):
    return list(csv.DictReader((run / "sweep.csv").read_text().splitlines()))


def test_every_network_is_a_line_and_the_best_becomes_the_model(tmp_path):
    model, run = tmp_path / "m.toml", tmp_path / "run"
    model.write_text(MODEL)
    result = invoke("train", model, "--out", run)
    assert result.exit_code == 0, result.output
    rows = rows_of(run)
    chosen = [(r["layers.1.units"], r["training.optimizer.learning_rate"], r["training.seed"]) for r in rows]
    assert len(set(chosen)) == 8
    best = min(rows, key=lambda row: float(row["val_loss"]))
    units = read_tensors(run / "model.safetensors")[0]["parameters/dense/kernel"].shape[1]
    assert units == int(best["layers.1.units"])
    assert f"test_loss      {float(best['test_loss']):.4f}" in result.output
    assert (run / "pictures" / "sweep.png").stat().st_size > 5_000
    assert "±" in result.output  # of the two seeds
    assert invoke("evaluate", run).exit_code == 0
    assert "has done its 3 epochs" in str(invoke("train", model, "--out", run).exception)


def test_the_same_sweep_gives_the_same_table(tmp_path):
    (tmp_path / "m.toml").write_text(MODEL)
    for run in ("a", "b"):
        assert invoke("train", tmp_path / "m.toml", "--out", tmp_path / run, "--epochs", 1).exit_code == 0
    assert (tmp_path / "a" / "sweep.csv").read_bytes() == (tmp_path / "b" / "sweep.csv").read_bytes()


def test_a_network_that_fails_leaves_its_message_and_the_others_go_on(tmp_path):
    text = MODEL.replace("[0.01, 0.1]", "[0.01, 1e38]").replace('"training.seed" = [0, 1]', "")
    (tmp_path / "m.toml").write_text(text.replace('"Adam"', '"SGD"'))
    result = invoke("train", tmp_path / "m.toml", "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    failed = [row for row in rows_of(tmp_path / "run") if row["error"]]
    assert failed and all(row["training.optimizer.learning_rate"] == "1e+38" for row in failed)
    assert "failed" in result.output


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[1, 6]", "6", "m.toml, line 25: layers.1.units is 6, and a list of values was expected"),
        ("[1, 6]", "[]", "a list of values was expected"),
        ('"layers.1.units"', '"layers.7.units"', "there are layers 1 to 2"),
        ('"layers.1.units"', '"data.noise"', "is the same for all networks of a sweep"),
        ('"layers.1.units"', '"training.epochs"', "is the same for all networks of a sweep"),
        ("epochs = 3", "steps = 3", "a sweep counts epochs, and has no steps"),
    ],
)
def test_what_cannot_be_varied_is_refused(old, new, message):
    with pytest.raises(InputError) as caught:
        choices_of(parse(MODEL.replace(old, new, 1), "m.toml"))
    assert message in str(caught.value)


def test_the_recipe_varies_the_seven_sizes_of_the_workshop():
    assert choices_of(find("sweep"))["layers.1.units"] == [1, 2, 3, 4, 5, 20, 50]
