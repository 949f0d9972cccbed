"""The commands: their options, the folder they leave, and what they say."""

import io
import re

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pellucid.cli.application import application
from pellucid.cli.demo import demo
from pellucid.cli.screen import Screen
from pellucid.cli.tour import convolution, moons
from pellucid.cli.tour.guide import Guide
from pellucid.core.errors import DataFileError, OutputFolderError

PICTURES = {
    "moons", "moons-logistic", "moons-loss", "moons-network", "moons-hidden-sizes",
    "softmax-loss", "softmax-weights", "softmax-examples", "softmax-confusion",
    "digits-loss", "digits-examples", "digits-confusion",
    "convolution-loss", "convolution-filters", "convolution-examples", "convolution-confusion",
    "addition-loss", "addition-states",
}  # fmt: skip


def invoke(*arguments):
    return CliRunner().invoke(application, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tour") / "out"
    result = invoke("demo", "--short", "--out", folder)
    assert result.exit_code == 0, result.output
    return folder, result.output


def test_the_demo_leaves_every_picture_and_the_report(taken):
    folder, _ = taken
    assert {p.stem for p in (folder / "pictures").iterdir()} == PICTURES
    assert all(p.stat().st_size > 5_000 for p in (folder / "pictures").iterdir())
    assert {p.name for p in folder.iterdir()} == {"pictures", "report.html"}


def test_the_report_has_every_part_and_asks_nothing_of_a_network(taken):
    text = (taken[0] / "report.html").read_text(encoding="utf-8")
    for title in (
        "An expression and its gradient",
        "Two moons",
        "Softmax regression",
        "A network for digits",
        "A convolutional network",
        "Memory: a recurrent network learns to add",
        "Timings",
    ):
        assert f"<h2>{title}</h2>" in text
    assert text.count("data:image/png;base64,") == len(PICTURES)
    assert set(re.findall(r"https?://[^\"' )<]+", text)) <= {"http://www.w3.org/1998/Math/MathML"}
    assert text.count("<math") > 15
    assert "What was rewritten" in text


def test_what_a_pipe_gets_is_plain_and_ends_with_the_folder(taken):
    folder, output = taken
    assert "\x1b" not in output
    assert "y([1, 1]) = 0.9" in output
    assert "dy/dW = x" in output
    assert re.search(r"^hidden units\s+training\s+held out$", output, re.MULTILINE)
    assert f"pictures and the report are in {folder}" in output


def test_the_default_folder_is_the_next_free_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "demo-1").mkdir(parents=True)
    monkeypatch.setattr("pellucid.cli.demo.first_gradient", lambda guide: None)
    for part in ("two_moons", "softmax_regression", "digits_network", "convolutional_network", "binary_addition"):
        monkeypatch.setattr(f"pellucid.cli.demo.{part}", lambda *_: None)
    assert str(demo(Screen())) == "runs/demo-2"


def test_a_terminal_gets_colours_and_bars(tmp_path):
    screen = Screen(Console(force_terminal=True, width=90, record=True))
    screen.heading("Title")
    screen.table(["hidden units", "training"], [["3", "0.970"]])
    with screen.progress(["[2-3-2]"], 1_000, "passes") as (report,):
        report(500, 1_000)
    shown = screen.console.export_text(styles=True)
    assert "\x1b[1m" in shown
    assert "0.970" in shown
    assert "[2-3-2]" in shown


def test_the_same_seed_takes_the_same_tour(tmp_path, monkeypatch):
    monkeypatch.setattr(moons, "SIZES", (1, 2))

    def shown():
        screen = Screen(Console(record=True, file=io.StringIO()))
        moons.two_moons(Guide(screen, tmp_path, seed=3), passes=40)
        return screen.console.export_text()

    assert shown() == shown()


def test_the_convolutional_network_learns_and_drops_units_only_while_it_does(tmp_path):
    screen = Screen(Console(record=True, file=io.StringIO()))
    convolution.convolutional_network(Guide(screen, tmp_path), steps=80)
    held_out = re.search(r"^test\s+450\s+(\d\.\d+)", screen.console.export_text(), re.MULTILINE)
    assert float(held_out[1]) > 0.93


def test_bad_folders_are_named_errors(tmp_path):
    (tmp_path / "file").write_text("")
    assert isinstance(invoke("demo", "--out", tmp_path / "file").exception, OutputFolderError)
    assert isinstance(invoke("demo", "--out", tmp_path / "file" / "x").exception, OutputFolderError)


def test_damaged_mnist_stops_the_demo_before_it_trains(tmp_path):
    result = invoke("demo", "--short", "--data", tmp_path, "--out", tmp_path / "out")
    assert isinstance(result.exception, DataFileError)
    assert "train-images-idx3-ubyte" in str(result.exception)
    assert not (tmp_path / "out" / "pictures").exists()


@pytest.mark.parametrize(
    "arguments", [["demo", "--colour"], ["nothing"], ["demo", "--seed", "x"], ["demo", "--seed", "-1"]]
)
def test_unknown_options_and_values_exit_2(arguments):
    assert invoke(*arguments).exit_code == 2


def test_the_version_is_shown():
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.output.startswith("pellucid")
