"""``pellucid train`` and what asks its runs: one message in place of a traceback, and nothing half-written."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pellucid.cli.application import application
from pellucid.cli.screen import Screen
from pellucid.cli.train import Changes
from pellucid.core.errors import InputError, PellucidError

SOURCE = Path(__file__).parents[2] / "src"
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
epochs = 2
"""
IMAGES = '[data]\nkind = "images"\nsize = 4\n' + LAYERS
MOONS = '[data]\nkind = "moons"\nn = 60\n[[layers]]\nkind = "Dense"\nunits = 2\n[training]\nloss = "cross_entropy"\n'
FALLING = '[training.optimizer]\nkind = "SGD"\nlearning_rate = { kind = "CosineDecay", initial_learning_rate = 0.1 }\n'


def command(*arguments, before=""):
    program = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); {before}from pellucid.cli.main import main; main()"
    return [sys.executable, "-c", program, *map(str, arguments)]


def run(*arguments, before=""):
    return subprocess.run(command(*arguments, before=before), capture_output=True, text=True, timeout=300, check=False)


def invoke(*arguments):
    return CliRunner().invoke(application, [str(a) for a in arguments])


def assert_one_message(result, said):
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert said in result.stderr


@pytest.fixture
def images(tmp_path):
    """Return a folder of six images of two classes, and one file that only looks like an image."""
    folder = tmp_path / "sky"
    for label, shade in (("day", 200), ("night", 20)):
        (folder / label).mkdir(parents=True)
        for k in range(3):
            Image.fromarray(np.full((5, 5, 3), shade + k, np.uint8)).save(folder / label / f"{k}.png")
    (folder / "day" / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    (tmp_path / "sky.toml").write_text(IMAGES)
    return folder


def test_a_damaged_image_is_a_warning_or_with_strict_the_end(images, tmp_path):
    arguments = "train", tmp_path / "sky.toml", "--data", images, "--out", tmp_path / "run"
    assert_one_message(run(*arguments, "--strict"), "broken.jpg")
    assert not (tmp_path / "run").exists()
    result = run(*arguments, "--json")
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("pellucid: warning: ") and result.stderr.count("\n") == 1
    assert "broken.jpg" in result.stderr
    assert json.loads(result.stdout)["epochs"] == 2


def test_a_full_disk_is_one_message(tmp_path):
    before = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
    result = run("train", "moons", "--epochs", 1, "--out", tmp_path / "run", before=before)
    *warned, said = result.stderr.splitlines()
    assert result.returncode == 2 and "safetensors: cannot be written: File too large" in said
    assert all(line.startswith("pellucid: warning: the cache of compiled functions") for line in warned)
    assert {p.name for p in (tmp_path / "run").iterdir()} <= {"config.toml", "history.csv"}


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder that nobody may write to")
def test_a_folder_that_may_not_be_written_to_is_one_message():
    assert_one_message(run("train", "moons", "--out", "/sys/kernel/run"), "/sys/kernel/run")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that cannot be read")
@pytest.mark.parametrize("kind", ["text", "images", "csv", "arrays", "mnist"])
def test_data_that_cannot_be_read_are_one_message(kind, tmp_path):
    target = 'target = "y"\n' if kind == "csv" else ""
    (tmp_path / "m.toml").write_text(f'[data]\nkind = "{kind}"\n{target}{LAYERS}')
    for path in ("/proc/self/mem", tmp_path / "nowhere"):
        arguments = "train", tmp_path / "m.toml", "--data", path, "--out", tmp_path / "run"
        failed = invoke(*arguments).exception
        assert isinstance(failed, PellucidError) and Path(path).name in str(failed) and "\n" not in str(failed)
    if kind == "text":  # as a process: every such error becomes a message in one place
        assert_one_message(run(*arguments), "nowhere")
    assert not (tmp_path / "run").exists()


def test_an_interrupt_says_how_to_go_on_and_that_goes_on(tmp_path):
    out = tmp_path / "my run"
    given = ["train", "moons", "--epochs", "200000", "--seed", "3", "--set", "data.noise=0.3"]
    process = subprocess.Popen(command(*given, "--out", out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (out / "model.safetensors").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert said.splitlines()[-1] == (
        f"pellucid: stopped; to go on: pellucid train moons --epochs 200000 --seed 3 --set data.noise=0.3 --out '{out}'"
    )
    assert len((out / "history.csv").read_text().splitlines()) > 1
    assert "200000 epochs" not in str(invoke(*given, "--epochs", 1, "--out", out).exception)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (Changes(epochs=1, steps=1), "two ways to say how long"),
        (Changes(strict=True), "--strict is for folders of images"),
        (Changes(data=Path()), "--data is for data in files, and moons makes its own"),
        (Changes(settings=["layers.1.unit=3"]), "Dense has no argument 'unit'; did you mean 'units'?"),
    ],
)
def test_options_that_do_not_fit_are_refused(changes, message, tmp_path):
    from pellucid.cli.train import train

    with pytest.raises(InputError) as caught:
        train(Screen(), "moons", changes, tmp_path / "run")
    assert message in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_learning_rate_that_has_reached_its_end_does_not_go_on(tmp_path):
    (tmp_path / "m.toml").write_text(MOONS + "epochs = 2\n" + FALLING)
    assert invoke("train", tmp_path / "m.toml", "--out", tmp_path / "run").exit_code == 0
    refused = invoke("train", tmp_path / "m.toml", "--epochs", 3, "--out", tmp_path / "run")
    assert "give --epochs 2 to train it to that end" in str(refused.exception)


def test_the_times_are_those_of_layers_and_the_names_of_a_kernel_have_one_order(tmp_path):
    result = invoke("time", "digits", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)["milliseconds"]
    names = [tuple(sorted(name.split(" + "))) for name in found]
    assert len(set(names)) == len(names)
    assert any("dense" in of for of in names) and any("dense_1" in of for of in names)
    assert sum(sum(times.values()) for times in found.values()) > 0
