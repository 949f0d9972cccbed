"""Damaged model files and run folders: each is one named error or is read; nothing else, and nothing without end."""

import random
import re
import shutil

import pytest
from typer.testing import CliRunner

from pellucid.cli.application import application
from pellucid.core.errors import PellucidError
from pellucid.recipes import find, open_run, parse, prepared

SHORT, PART, LONG = 150, 1_000, 10_000
WORDS = (
    "0", "-1", "1", "3", "7", "1000000000000", "9223372036854775808", "1e308", "-0.5", "0.5", "nan", "inf", "true",
    '""', '"x"', '"moons"', '"spirals"', '"Dense"', '"Conv2D"', '"LSTM"', '"Sequential"', '"Input"', '"Bidirectional"',
    '"softmax"', '"classes"', '"mean_squared_error"', "[]", "[[]]", "[1, 2, 3]", "{}", "{ kind = 1 }",
    '{ kind = "CosineDecay" }', "1979-05-27", '"/proc/self/mem"', '"../../etc/passwd"',
)  # fmt: skip
MOONS = """
[data]
kind = "moons"
n = 40
noise = 0.1
test = 0.25
seed = 1

[[layers]]
kind = "Dense"
units = 3
activation = "tanh"
kernel_regularizer = { kind = "L2", l2 = 0.1 }

[[layers]]
kind = "Dense"
units = "classes"

[training]
loss = { kind = "CrossEntropy", label_smoothing = 0.1 }
optimizer = { kind = "Adam", learning_rate = 0.02, clipnorm = 1.0 }
metrics = ["accuracy", "auc"]
batch_size = 10
epochs = 3
early_stopping = { monitor = "loss", patience = 2 }
reduce_on_plateau = { monitor = "loss" }
"""
SWEEP = MOONS.partition("early_stopping")[0] + '[sweep]\n"layers.1.units" = [1, 2]\n"training.seed" = [0, 1]\n'


def damaged(text: str, draw: random.Random) -> str:
    """Return a text with some of its values, lines or characters changed."""
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        lines = text.splitlines()
        k = draw.randrange(len(lines))
        how = draw.randrange(6)
        if how < 3:
            values = list(re.finditer(r"(?<=[=\[,] )[^\s,\[\]{}]+|(?<=[=] )[\[{].*", text))
            one = draw.choice(values) if values else None
            text = text if one is None else text[: one.start()] + draw.choice(WORDS) + text[one.end() :]
        elif how == 3:
            text = "\n".join(lines[:k] + lines[k + draw.choice((1, 1, 4)) :]) or text
        elif how == 4:
            text = "\n".join([*lines[:k], draw.choice(lines), *lines[k:]])
        else:
            at = draw.randrange(len(text))
            text = (
                text[:at] + chr(draw.choice((0, 10, 34, 91, 93, 61, 0x1F600, draw.randrange(32, 127)))) + text[at + 1 :]
            )
    return text


def check_documents(seeds: range) -> int:
    """Return how many damaged files are refused."""
    refused = 0
    for seed in seeds:
        draw = random.Random(seed)
        text = damaged(draw.choice((MOONS, SWEEP)), draw)
        try:
            prepared(parse(text, "m.toml"))
        except PellucidError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}:\n{text}") from error
    return refused


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged") / "run"
    model = folder.parent / "m.toml"
    model.write_text(MOONS)
    result = CliRunner().invoke(application, ["train", str(model), "--out", str(folder)])
    assert result.exit_code == 0, result.output
    return folder


def check_runs(run, folder, seeds: range) -> int:
    """Return how many damaged run folders are refused."""
    refused = 0
    for seed in seeds:
        draw = random.Random(seed)
        shutil.copytree(run, folder, ignore=shutil.ignore_patterns("pictures"))
        path = folder / draw.choice(("config.toml", "model.safetensors"))
        content = path.read_bytes()
        if path.suffix == ".toml":
            content = damaged(content.decode(), draw).encode()
        else:
            at = draw.randrange(min(len(content), 4_000))  # where the header is
            content = (
                content[:at] + draw.randbytes(draw.choice((0, 1, 8))) + content[at + draw.choice((0, 1, 8, 10**6)) :]
            )
        path.write_bytes(content)
        try:
            open_run(folder)
        except PellucidError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}: {path.name}") from error
        shutil.rmtree(folder)
    return refused


def test_the_files_are_whole_before_they_are_damaged():
    for text in (MOONS, SWEEP):
        assert prepared(parse(text, "m.toml")).parts.learnt == 30


def test_damaged_files():
    assert SHORT / 4 < check_documents(range(SHORT)) < SHORT


def test_damaged_run_folders(run, tmp_path):
    assert SHORT / 4 < check_runs(run, tmp_path / "run", range(SHORT)) < SHORT


@pytest.mark.soak
@pytest.mark.parametrize("part", range(LONG // PART))
def test_damaged_files_at_length(part):
    assert check_documents(range(SHORT + part * PART, SHORT + (part + 1) * PART)) > 0


@pytest.mark.soak
@pytest.mark.parametrize("part", range(LONG // PART))
def test_damaged_run_folders_at_length(run, tmp_path, part):
    assert check_runs(run, tmp_path / "run", range(SHORT + part * PART, SHORT + (part + 1) * PART)) > 0


def test_a_recipe_survives_no_damage_to_its_kind():
    text = find("moons").text.replace('kind = "moons"', 'kind = "mouns"')
    with pytest.raises(PellucidError, match="did you mean 'moons'"):
        prepared(parse(text, "m.toml"))
