"""The recipes' twin in PyTorch: as many weights, the same shapes and rates; and the table of what was measured."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import pellucid as pc
from benchmarks import recipes as program
from pellucid.recipes.objects import network as network_of
from pellucid.recipes.objects import optimizer as optimizer_of

CHARACTERS = 65
SHAPES = {
    "mnist-softmax": ((784,), "float32"),
    "mnist-cnn": ((28, 28, 1), "float32"),
    "cifar-cnn": ((32, 32, 3), "uint8"),
    "cats-and-dogs": ((32, 32, 3), "uint8"),
    "binary-addition": ((8, 2), "float32"),
    "char-lm": ((64,), "int32"),
    "char-transformer": ((128,), "int32"),
    "moons": ((2,), "float32"),
    "sweep": ((2,), "float32"),
    "digits": ((64,), "float32"),
}


def layers_of(document, classes):
    return [{k: classes if v == "classes" else v for k, v in table.items()} for table in document.content["layers"]]


def spread_of(array):
    """Standard deviation of all weights of a network: of as many draws, of the same distributions, nearly the same."""
    return float(np.concatenate([np.ravel(part) for part in array]).std())


@pytest.mark.torch
@pytest.mark.parametrize("name", sorted(pc.recipes.names()))
def test_the_twin_has_the_weights_of_the_recipe(name):
    torch = pytest.importorskip("torch")
    from benchmarks.peers import torch_layers

    document, (shape, dtype) = pc.recipes.find(name), SHAPES[name]
    ours = network_of(document, shape, dtype, 0, CHARACTERS)
    example = torch.from_numpy(np.zeros((2, *shape), {"int32": "int64"}.get(dtype, dtype)))
    torch.manual_seed(0)
    theirs = torch_layers.network(layers_of(document, CHARACTERS), example).eval()
    learning = [weight.detach().numpy() for weight in theirs.parameters() if weight.requires_grad]
    mine = [weight.value for weight in ours.trainable_parameters]
    assert sum(weight.size for weight in learning) == sum(weight.size for weight in mine)
    assert spread_of(learning) == pytest.approx(spread_of(mine), rel=0.25 if name in ("moons", "sweep") else 0.03)
    x = pc.variable("x", ("batch", *shape), dtype)
    expected = pc.function([x], ours(x))(np.zeros((2, *shape), dtype)).shape
    assert tuple(theirs(example).shape) == expected


@pytest.mark.torch
@pytest.mark.parametrize("name", ["mnist-cnn", "char-lm", "moons"])
def test_rates_are_those_of_the_recipe(name):
    pytest.importorskip("torch")
    from benchmarks.peers import torch_recipe

    table = pc.recipes.find(name).content["training"]["optimizer"]
    rule = optimizer_of(table, name, 1000)
    for step in (0, 40, 79, 80, 500, 1000):
        given = rule.learning_rate
        expected = given if isinstance(given, float) else float(pc.function([], given(step))())
        assert torch_recipe.rate(table["learning_rate"], step, 1000) == pytest.approx(expected, abs=1e-9)


@pytest.mark.torch
def test_the_twin_learns_and_takes_each_row_once_an_epoch():
    torch = pytest.importorskip("torch")
    from benchmarks.peers import torch_recipe

    taken = [rows.tolist() for rows in torch_recipe.batches(10, 4, 5)]
    assert [len(rows) for rows in taken] == [4, 4, 2, 4, 4]
    assert sorted(row for rows in taken[:3] for row in rows) == list(range(10))

    X, y = pc.data.moons(200, seed=0)
    inputs, labels = torch.from_numpy(X.astype("float32")), torch.from_numpy(y.astype("int64"))
    torch.manual_seed(0)
    document = pc.recipes.with_settings(pc.recipes.find("moons"), {"training.epochs": 30})
    sections = {"layers": layers_of(document, 2), "training": document.content["training"]}
    made = torch_recipe.train(sections, inputs, labels)
    assert torch_recipe.judged(made, "cross_entropy", inputs, labels)["accuracy"] > 0.9


@pytest.mark.torch
def test_a_row_is_exact_only_where_all_of_it_is_right():
    torch = pytest.importorskip("torch")
    from benchmarks.peers import torch_recipe

    scores, labels = torch.tensor([[[2.0], [-3.0]], [[2.0], [3.0]]]), torch.tensor([[[1.0], [0.0]], [[1.0], [0.0]]])
    found = torch_recipe.judged(torch.nn.Identity(), "binary_cross_entropy", scores, labels)
    assert (found["accuracy"], found["exact_match"]) == (0.75, 0.5)
    expected = np.mean([math.log1p(math.exp(-abs(s))) + (3.0 if k == 3 else 0.0) for k, s in enumerate((2, -3, 2, 3))])
    assert found["loss"] == pytest.approx(expected, abs=1e-6)


def runs(*accuracies):
    return {str(k): {"accuracy": a, "loss": 1 - a, "seconds": 2.0 + k} for k, a in enumerate(accuracies)}


def test_a_floor_is_missed_by_itself_or_by_the_distance_to_the_peer():
    judged = program.Judged("mnist-softmax", floor=0.9)
    assert program.met(judged, runs(0.92, 0.90), runs(0.915, 0.915)) == "accuracy ≥ 0.9: met; points ≥ -1: met"
    assert program.met(judged, runs(0.92, 0.90), runs(0.93, 0.93)) == "accuracy ≥ 0.9: met; points ≥ -1: missed"
    assert program.met(judged, runs(0.88, 0.90), {}) == "accuracy ≥ 0.9: missed"
    loss = program.Judged("char-lm", "loss", 0.15)
    assert program.met(loss, runs(0.86), {}) == "loss ≤ 0.15: met"
    assert program.met(loss, runs(0.84), {}) == "loss ≤ 0.15: missed"


def test_results_are_kept_extended_and_shown_between_the_marks(tmp_path, monkeypatch, capsys):
    page = tmp_path / "recipes.md"
    page.write_text(f"before\n\n{program.BEGIN}\nold\n{program.END}\nafter\n", encoding="utf-8")
    asked = []

    def measured(name, library, seed, folder):
        asked.append((library, seed))
        return {"accuracy": 0.9 + 0.01 * seed, "loss": 0.1, "seconds": 3.0}

    monkeypatch.setattr(program, "measured", measured)
    program.main(["moons", "--seeds", "0", "--out", str(tmp_path)])
    program.main(["moons", "--seeds", "0", "1", "--out", str(tmp_path)])
    assert asked == [("pellucid", 0), ("torch", 0), ("pellucid", 1), ("torch", 1)]
    kept = json.loads((tmp_path / "recipes.json").read_text(encoding="utf-8"))
    assert set(kept["moons"]["pellucid"]) == {"0", "1"}
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n\n") and text.endswith(f"{program.END}\nafter\n") and "old" not in text
    assert "0.9050 ± 0.0071 (2)" in text

    kept["moons"]["fingerprint"] = "of what the recipe was before"
    (tmp_path / "recipes.json").write_text(json.dumps(kept), encoding="utf-8")
    assert program.read(tmp_path / "recipes.json") == {}
