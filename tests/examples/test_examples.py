"""The examples run, and say what their comments promise; the slow ones in a short form."""

import importlib.util
import os
import runpy
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


def test_the_character_transformer_learns_a_text_and_writes_it(tmp_path, capsys):
    (tmp_path / "cat.txt").write_text("the cat sat on the mat. " * 300)
    example = load("character_transformer")
    found = example.main(tmp_path / "cat.txt", 200, context=16, width=16, blocks=1, reports=2)
    shown = capsys.readouterr().out
    assert found < 0.5  # 2.2 is what guessing costs
    assert shown.count("nats a character") == 2
    assert "the cat sat on" in shown.split("held-out text")[-1]


def test_the_character_transformer_asks_for_a_text(tmp_path):
    example = load("character_transformer")
    with pytest.raises(SystemExit, match=r"no text .*none.txt; .* fetch tinyshakespeare .* from https://"):
        example.main(tmp_path / "none.txt")
    (tmp_path / "short.txt").write_text("too short")
    with pytest.raises(SystemExit, match=r"9 characters in .* are too few; 2560 or more"):
        example.main(tmp_path / "short.txt")


def test_the_character_lstm_learns_a_text_and_writes_it(tmp_path, capsys):
    (tmp_path / "cat.txt").write_text("the cat sat on the mat. " * 300)
    example = load("character_lstm")
    found = example.main(tmp_path / "cat.txt", 200, context=16, width=32, layers=1, batch_size=8, reports=2)
    shown = capsys.readouterr().out
    assert found < 0.5  # 2.2 is what guessing costs
    assert shown.count("nats a character") == 2
    assert "the cat sat on" in shown.split("held-out text")[-1]


def test_the_character_lstm_reads_each_text_on_from_where_it_was():
    example = load("character_lstm")
    begins = example.places(0, 1000, texts=4, context=16, steps=50)
    assert begins.shape == (50, 4)
    assert 0 <= begins.min() <= begins.max() <= 1000 - 16 - 1  # the last character's follower is there
    moved = np.diff(begins, axis=0)
    assert ((moved == 16) | (moved < 0)).all()
    assert (moved == 16).mean() > 0.9


def test_the_character_lstm_asks_for_a_text(tmp_path):
    example = load("character_lstm")
    with pytest.raises(SystemExit, match=r"no text .*none.txt; .* fetch tinyshakespeare .* from https://"):
        example.main(tmp_path / "none.txt")
    (tmp_path / "short.txt").write_text("too short")
    with pytest.raises(SystemExit, match=r"9 characters in .* are too few; 1280 or more"):
        example.main(tmp_path / "short.txt")


@pytest.mark.parametrize("seed", [0, 1])
def test_binary_addition_by_hand(seed, capsys):
    assert load("binary_addition").by_hand(seed=seed) == 1
    shown = capsys.readouterr().out
    assert shown.count("predicted") == shown.count("error") == 10


@pytest.mark.parametrize("seed", [0, 1])
def test_a_layer_adds_wider_numbers_than_it_learnt_from(seed):
    assert load("binary_addition").as_layer(wide=32, seed=seed) > 0.999


def test_a_cell_with_peepholes_keeps_time():
    assert load("peephole_lstm").main() > 0.99


def test_a_cell_with_peepholes_computes_its_papers_formula():
    cell = load("peephole_lstm").PeepholeLSTMCell(3)
    values = np.random.default_rng(0)
    x, h, c = (pc.variable(name, (5, size), "float64") for name, size in (("x", 2), ("h", 3), ("c", 3)))
    found = pc.function([x, h, c], cell([x, h, c]))
    for parameter in cell.parameters.values():
        parameter.value = values.standard_normal(parameter.shape)
    row, state, memory = (values.standard_normal((5, size)) for size in (2, 3, 3))
    product = row @ cell.kernel.value + state @ cell.recurrent_kernel.value + cell.bias.value
    i, f, g, o = np.split(product, 4, axis=1)
    to_i, to_f, to_o = cell.peepholes.value
    gate = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
    new = gate(f + to_f * memory) * memory + gate(i + to_i * memory) * np.tanh(g)
    output, *states = found(row, state, memory)
    for have, want in zip((output, *states), (gate(o + to_o * new) * np.tanh(new),) * 2 + (new,), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-9)


# What makes a script short; what is not here is short by itself.
SHORT = {
    "two_moons": ["--help"],
    "softmax_regression": ["--steps", "2"],
    "digits_network": ["--epochs", "1"],
    "optimizers": ["--epochs", "10"],
    "custom_layers": ["--epochs", "1"],
    "digits_cnn": ["--epochs", "1"],
    "training_loop": ["--epochs", "2"],
    "model_fit": ["--epochs", "2"],
    "character_transformer": [str(EXAMPLES.parent / "README.md"), "--steps", "2", "--blocks", "1"],
    "character_lstm": [str(EXAMPLES.parent / "README.md"), "--steps", "2", "--width", "8"],
    "binary_addition": ["--samples", "100", "--epochs", "2"],
    "peephole_lstm": ["--epochs", "2"],
}


@pytest.mark.parametrize("name", sorted(p.stem for p in EXAMPLES.glob("*.py")))
def test_every_example_is_a_script(name, monkeypatch, capsys):
    """Run as Python runs a script, but in this process, which has imported already what takes long to import."""
    script = str(EXAMPLES / f"{name}.py")
    monkeypatch.setattr(sys, "argv", [script, *SHORT.get(name, [])])
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ended:
        assert not ended.code, "only --help ends by itself"
    assert capsys.readouterr().out


@pytest.mark.parametrize("name", ["first_gradient", "softmax_regression"])
def test_an_example_is_a_process(name):
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *SHORT.get(name, [])],
        env={**os.environ, "PYTHONPATH": str(SOURCE) + os.pathsep + os.environ.get("PYTHONPATH", "")},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout
