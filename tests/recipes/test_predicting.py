"""What runs say of rows that they have not seen: tables, sums, texts, and what is left in the run folder."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid.cli.application import application

DENSE = '[[layers]]\nkind = "Dense"\nunits = "classes"\n'
TRAINING = '[training]\nloss = "cross_entropy"\noptimizer = { kind = "Adam", learning_rate = 0.1 }\nepochs = 30\n'
TEXT = """
[data]
kind = "text"
length = 4
[[layers]]
kind = "Embedding"
input_dim = "classes"
output_dim = 8
[[layers]]
kind = "SimpleRNN"
units = 16
return_sequences = true
[[layers]]
kind = "Dense"
units = "classes"
"""
ADDITION = """
[data]
kind = "addition"
bits = 3
n = 64
[[layers]]
kind = "SimpleRNN"
units = 8
return_sequences = true
[[layers]]
kind = "Dense"
units = 1
[training]
loss = "binary_cross_entropy"
optimizer = { kind = "Adam", learning_rate = 0.03 }
metrics = ["exact_match"]
batch_size = 16
epochs = 200
"""


def invoke(*arguments, **options):
    result = CliRunner().invoke(application, [str(a) for a in arguments], **options)
    return result if result.exception is None else pytest.fail(f"{result.output}{result.exception}")


def refused(*arguments, **options):
    return str(CliRunner().invoke(application, [str(a) for a in arguments], **options).exception)


@pytest.fixture
def table(tmp_path):
    random = np.random.default_rng(0)
    heights = random.normal(170, 10, 60)
    lines = [f"{h:.3f},{'red' if h > 170 else 'blue'},{'tall' if h > 170 else 'short'}" for h in heights]
    (tmp_path / "people.csv").write_text("\n".join(["height,colour,size", *lines]))
    (tmp_path / "m.toml").write_text(
        f'[data]\nkind = "csv"\ntarget = "size"\nstandardize = true\ntest = 0.25\n{DENSE}{TRAINING}'
    )
    invoke("train", tmp_path / "m.toml", "--data", tmp_path / "people.csv", "--out", tmp_path / "run")
    return tmp_path


def test_a_table_is_encoded_and_scaled_as_the_one_that_was_learnt_from(table):
    (table / "new.csv").write_text("colour,height\nred,200\nblue,140\n")  # in another order, without the target
    rows = [json.loads(line) for line in invoke("predict", table / "run", table / "new.csv", "--format", "jsonl")
            .output.splitlines()]  # fmt: skip
    assert [row["class"] for row in rows] == ["tall", "short"]
    assert all(row["probability"] > 0.9 for row in rows)
    piped = invoke("predict", table / "run", "-", "--format", "csv", input="colour,height\nred,200\nblue,140\n")
    assert [row["class"] for row in csv.DictReader(piped.output.splitlines())] == ["tall", "short"]
    assert "height" in refused("predict", table / "run", "-", input="colour\nred\n")


def test_a_sample_of_predictions_is_left_with_what_is_true(table):
    rows = list(csv.DictReader((table / "run" / "predictions.csv").read_text().splitlines()))
    assert len(rows) == 15
    assert {row["true"] for row in rows} == {"tall", "short"}
    assert sum(row["true"] == row["class"] for row in rows) >= 14


def test_sums_are_said_bit_by_bit(tmp_path):
    (tmp_path / "m.toml").write_text(ADDITION)
    invoke("train", tmp_path / "m.toml", "--out", tmp_path / "run")
    said = invoke("predict", tmp_path / "run", "-", "--format", "jsonl", input="1,1,1,0,0,0\n")  # 3 + 1, lowest first
    assert json.loads(said.output)["class"] == "0 0 1"
    assert json.loads(said.output)["probability"] > 0.5
    rows = list(csv.DictReader((tmp_path / "run" / "predictions.csv").read_text().splitlines()))
    assert all(row["true"] == row["class"] for row in rows) and len(rows) == 16


def test_texts_are_gone_on_with(tmp_path):
    (tmp_path / "text.txt").write_text("abcd" * 400)
    (tmp_path / "m.toml").write_text(TEXT + TRAINING)
    run = tmp_path / "run"
    invoke("train", tmp_path / "m.toml", "--data", tmp_path / "text.txt", "--out", run)
    assert "abcdabcdabcd" in (run / "sample.txt").read_text()
    (tmp_path / "begun.txt").write_text("cdab\n")
    said = json.loads(invoke("predict", run, tmp_path / "begun.txt", "--format", "jsonl").output)
    assert said["class"] == "c" and said["probability"] > 0.9
    assert invoke("predict", run, tmp_path / "begun.txt", "--length", 6).output == "cdabcdabcd\n"
    assert "has 2 characters, and the network reads 4 at once" in refused("predict", run, "-", input="ab")
    assert "'z'" in refused("predict", run, "-", input="abcz")


def test_only_texts_are_gone_on_with(table):
    assert "--length is for texts" in refused("predict", table / "run", table / "people.csv", "--length", 3)
