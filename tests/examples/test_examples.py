"""The examples run, and say what their comments promise; the slow ones in a short form."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pellucid as pc

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCE = Path(__file__).parents[2] / "src"
REAL = Path(os.environ.get("PELLUCID_DATA", Path(__file__).parents[3] / "shared" / "data")) / "mnist"


def load(name):
    specification = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_first_gradient(capsys):
    load("first_gradient").main()
    lines = [line.split("= ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert lines[0].startswith("sum(x * W")
    assert lines[1:] == ["0.9", "x"]


def test_two_moons_in_short(tmp_path, capsys):
    load("two_moons").main(passes=200, folder=tmp_path)
    shown = capsys.readouterr().out
    assert shown.count("passes: loss") == 20
    assert {p.name for p in tmp_path.iterdir()} == {"moons.png", "logistic.png", "network.png", "hidden-sizes.png"}
    assert "50 hidden" in shown


def test_softmax_regression_on_digits():
    assert load("softmax_regression").main(steps=200) > 0.9


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no MNIST in {REAL}; $PELLUCID_DATA names the folder that holds mnist/")
def test_softmax_regression_on_mnist():
    # PyTorch reaches 0.911 with the same batches, steps and rate
    assert load("softmax_regression").main(data=REAL) >= 0.905


@pytest.mark.parametrize("seed", [0, 1])
def test_the_digits_network(seed):
    assert load("digits_network").main(seed=seed) >= 0.96


def test_the_convolutional_network():
    assert load("digits_cnn").main(epochs=3) >= 0.95


def test_custom_layers_learn():
    assert load("custom_layers").main(epochs=10) >= 0.93


def test_custom_layers_compute_their_papers_formulas():
    example, values = load("custom_layers"), np.random.default_rng(0).standard_normal((5, 4)).astype("float32")
    x = pc.layers.Input((4,))
    maxout, highway = example.Maxout(3, pieces=2), example.Highway()
    found = pc.function([x], [maxout(x), highway(x)])(values)
    pieces = (values @ maxout.kernel.value).reshape(5, 3, 2)
    np.testing.assert_allclose(found[0], np.maximum(pieces[..., 0], pieces[..., 1]), rtol=1e-5, atol=1e-6)
    gate = 1 / (1 + np.exp(2 - values @ highway.gate.kernel.value))
    new = np.maximum(values @ highway.transform.kernel.value, 0)
    np.testing.assert_allclose(found[1], gate * new + (1 - gate) * values, rtol=1e-5, atol=1e-6)


def test_every_optimiser_trains_the_same_network(capsys):
    final = load("optimizers").main(epochs=10)
    assert max(final.values()) < 0.6  # 2.3 is what guessing costs
    assert capsys.readouterr().out.count("mean loss") == len(final) == 8


def test_a_training_loop_over_layers(capsys):
    assert load("training_loop").main(epochs=8) >= 0.95
    assert capsys.readouterr().out.count("read rightly") == 8


def test_fit_as_in_keras(capsys):
    assert load("model_fit").main(verbose=0) >= 0.95
    shown = capsys.readouterr().out
    assert "hidden" in shown
    assert "held out: loss 0." in shown


@pytest.mark.parametrize("name", sorted(p.stem for p in EXAMPLES.glob("*.py")))
def test_every_example_is_a_script(name):
    short = {"two_moons": ["--help"], "softmax_regression": ["--steps", "2"], "digits_network": ["--epochs", "1"]}
    short |= {"optimizers": ["--epochs", "1"], "custom_layers": ["--epochs", "1"], "digits_cnn": ["--epochs", "1"]}
    short |= {"training_loop": ["--epochs", "2"], "model_fit": ["--epochs", "2"]}
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *short.get(name, [])],
        env={**os.environ, "PYTHONPATH": str(SOURCE) + os.pathsep + os.environ.get("PYTHONPATH", "")},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout
