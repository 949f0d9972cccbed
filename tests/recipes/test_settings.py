"""Settings changed by their paths, as --set gives them."""

import pytest

from pellucid.core.errors import InputError
from pellucid.recipes import find, parse_settings, with_settings


def test_settings_are_placed_by_their_paths_and_the_document_stays_as_it_is():
    document = find("moons")
    before = repr(document.content)
    changed = with_settings(
        document, {"data.noise": 0.1, "layers.2.units": 3, "training.optimizer.epsilon": 1e-5, "training.steps": 7}
    )
    assert repr(document.content) == before
    assert changed.content["data"]["noise"] == 0.1
    assert changed.content["layers"][1]["units"] == 3
    assert changed.content["training"]["optimizer"] == {"kind": "Adam", "learning_rate": 0.02, "epsilon": 1e-5}
    assert "epochs" not in changed.content["training"] and changed.content["training"]["steps"] == 7


def test_what_is_none_is_left_alone_and_a_name_becomes_a_table():
    document = with_settings(find("moons"), {"training.optimizer": "SGD", "training.seed": None})
    changed = with_settings(document, {"training.optimizer.momentum": 0.9})
    assert changed.content["training"]["optimizer"] == {"kind": "SGD", "momentum": 0.9}
    assert "seed" not in changed.content["training"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("trainig.seed", "did you mean 'training'"),
        ("run.recipe", "is no setting"),
        ("training", "is no setting"),
        ("training..seed", "is no setting"),
        ("layers.3.units", "there are layers 1 to 2"),
        ("layers.0.units", "there are layers 1 to 2"),
        ("layers.1", "there are layers 1 to 2"),
        ("layers.one.units", "there are layers 1 to 2"),
        ("training.batch_size.more", "batch_size is 25, which has no settings of its own"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path, message):
    with pytest.raises(InputError, match=message):
        with_settings(find("moons"), {path: 1})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1), ("a=1e-4", 1e-4), ("a = true", True), ("a=[1, 2]", [1, 2]), ('a="x y"', "x y"), ("a=relu", "relu"),
        ("a={ kind = 'SGD' }", {"kind": "SGD"}), ("a=b=c", "b=c"),
    ],
)  # fmt: skip
def test_values_are_toml_or_texts(text, value):
    assert parse_settings([text]) == {"a": value}


@pytest.mark.parametrize("text", ["a", "=1", "a=", ""])
def test_a_setting_without_a_key_or_a_value_is_refused(text):
    with pytest.raises(InputError, match="expected KEY=VALUE"):
        parse_settings([text])
