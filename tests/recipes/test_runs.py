"""Recipes as commands: the folder a run leaves, going on after SIGKILL, and what is refused, with one message."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid.cli.application import application
from pellucid.core.errors import InputError, PellucidError
from pellucid.recipes import begin, find, names, parse
from pellucid.recipes.plan import plan
from pellucid.recipes.sources import check
from pellucid.recipes.writing import as_toml
from pellucid.tensors import read_tensors

MODEL = """
[data]
kind = "moons"
n = 80
test = 0.25

[[layers]]
kind = "Dense"
units = 4
activation = "tanh"

[[layers]]
kind = "Dense"
units = 2

[training]
loss = "cross_entropy"
optimizer = { kind = "Adam", learning_rate = 0.02 }
metrics = ["accuracy"]
batch_size = 10
epochs = 3
"""
COMMAND = "from pellucid.cli.main import main; main()"


def invoke(*arguments, **options):
    return CliRunner().invoke(application, [str(a) for a in arguments], **options)


def weights(folder):
    return {k: v.tobytes() for k, v in read_tensors(folder / "model.safetensors")[0].items()}


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.toml"
    path.write_text(MODEL)
    return path


def test_a_run_leaves_its_files_and_answers(model, tmp_path):
    run = tmp_path / "run"
    result = invoke("train", model, "--out", run, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    files = {p.name for p in run.iterdir()}
    assert files == {
        "model.safetensors", "best.safetensors", "history.csv", "predictions.csv", "config.toml", "pictures",
        "report.html",
    }  # fmt: skip
    predictions = (run / "predictions.csv").read_text().splitlines()
    assert predictions[0] == "name,true,class,probability" and len(predictions) == 21
    assert {p.stem for p in (run / "pictures").iterdir()} == {"curves", "confusion", "boundary"}
    assert len((run / "history.csv").read_text().splitlines()) == 4
    judged = json.loads(invoke("evaluate", run, "--json").output)
    assert judged == {key: found[key] for key in ("test_loss", "test_accuracy")}
    rows = invoke("predict", run, "-", "--format", "jsonl", input="0.5,0.2\n1,-0.5\n").output.splitlines()
    assert [json.loads(row)["class"] in "01" for row in rows] == [True, True]
    assert "tanh" in invoke("show", run).output
    assert invoke("export", run).exit_code == 0
    assert "dense" in "".join(read_tensors(run / "weights.safetensors")[0])


def test_a_run_goes_on_only_where_more_is_asked_for(model, tmp_path):
    assert invoke("train", model, "--epochs", 2, "--out", tmp_path / "a").exit_code == 0
    refused = invoke("train", model, "--epochs", 2, "--out", tmp_path / "a")
    assert isinstance(refused.exception, InputError)
    assert "--epochs with more than 2" in str(refused.exception)
    assert invoke("train", model, "--epochs", 4, "--out", tmp_path / "a").exit_code == 0
    assert invoke("train", model, "--epochs", 4, "--out", tmp_path / "b").exit_code == 0
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    assert (tmp_path / "a" / "history.csv").read_text() == (tmp_path / "b" / "history.csv").read_text()


def test_steps_end_within_an_epoch_and_go_on(model, tmp_path):
    for steps in (8, 15):
        assert invoke("train", model, "--steps", steps, "--out", tmp_path / "a").exit_code == 0
    assert invoke("train", model, "--steps", 15, "--out", tmp_path / "b").exit_code == 0
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def test_a_killed_run_ends_with_the_same_bits(model, tmp_path):
    arguments = ["train", str(model), "--epochs", "200", "--out"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = subprocess.Popen([sys.executable, "-c", COMMAND, *arguments, str(killed)], env={**os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2] / "src")})  # fmt: skip
    while not (killed / "model.safetensors").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "report.html").exists(), "it ended before it was killed; give it more epochs"
    for folder in (killed, whole):
        assert invoke(*arguments, folder).exit_code == 0
    assert weights(killed) == weights(whole)


def test_another_configuration_and_other_data_are_refused(model, tmp_path):
    assert invoke("train", model, "--out", tmp_path / "run").exit_code == 0
    model.write_text(MODEL.replace("units = 4", "units = 5"))
    refused = invoke("train", model, "--epochs", 9, "--out", tmp_path / "run")
    assert "layers[0].units: 4 there, 5 here" in str(refused.exception)
    model.write_text(MODEL)
    configuration = tmp_path / "run" / "config.toml"
    configuration.write_text(configuration.read_text().replace('fingerprint = "', 'fingerprint = "0'))
    refused = invoke("train", model, "--epochs", 9, "--out", tmp_path / "run")
    assert "the data have changed" in str(refused.exception)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[data]", "[dada]", "m.toml, line 2: there is no section 'dada'; did you mean 'data'?"),
        ("n = 80", "m = 80", "m.toml, line 4: [data] has no key 'm'"),
        ("n = 80", 'n = "80"', "n is '80', and a whole number was expected"),
        ('"moons"', '"moon"', "m.toml, line 3: [data] has the kind 'moon'; did you mean 'moons'?"),
        ("units = 4", "unit = 4", "Dense has no argument 'unit'; did you mean 'units'?"),
        ('"Dense"', '"Dens"', "m.toml, line 7: there is no 'Dens'; did you mean 'Dense'?"),
        ("units = 4", "units = 0", "units is 0"),
        ('"Adam"', '"Adm"', "there is no 'Adm'; did you mean 'Adam'?"),
        ("epochs = 3", "epoch = 3", "[training] has no key 'epoch'; did you mean 'epochs'?"),
        ("epochs = 3", "epochs = 0", "epochs is 0"),
        ("epochs = 3", "", "how long?"),
        ("test = 0.25", "test = 1.5", "test is 1.5"),
        ("[training]", "[training", "is no TOML"),
        (
            'kind = "Dense"\nunits = 2',
            'kind = "Conv2D"\nfilters = 2\nkernel_size = 3',
            "layer 2, Conv2D, does not take",
        ),
    ],
)
def test_a_mistake_is_one_message_and_nothing_is_written(old, new, message, tmp_path):
    assert old in MODEL
    with pytest.raises(PellucidError) as caught:
        begin(parse(MODEL.replace(old, new, 1), "m.toml"), tmp_path / "run")
    assert message in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", names())
def test_every_recipe_is_valid_and_is_written_as_it_was_read(name):
    document = find(name)
    check(document)
    plan(document)
    assert parse(as_toml(document.content), name).content == document.content


def test_a_folder_that_holds_something_else_is_left_alone(model, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    refused = invoke("train", model, "--out", tmp_path / "mine")
    assert "is not empty, and holds no run" in str(refused.exception)


def test_rows_that_do_not_fit_are_refused(model, tmp_path):
    assert invoke("train", model, "--epochs", 1, "--out", tmp_path / "run").exit_code == 0
    rows = tmp_path / "rows.csv"
    np.savetxt(rows, np.zeros((2, 3)), delimiter=",")
    assert "a row has the shape (3,)" in str(invoke("predict", tmp_path / "run", rows).exception)
