"""Known data sets: found and checked, or one error that says where to get them; and `pellucid data`."""

import gzip
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid.cli.application import application
from pellucid.core.errors import DataFileError, InputError
from pellucid.data import find, known, mnist

CONTENT = b"to be, or not to be"
SMALL = known.KnownSet(
    "small",
    "a line of Shakespeare",
    ("small",),
    (known.KnownFile("small/line", len(CONTENT), hashlib.sha256(CONTENT).hexdigest()),),
    "https://example.org/line",
    "in the public domain",
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path / "given"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    monkeypatch.setattr(known.sys, "platform", "linux")
    monkeypatch.setitem(known.SETS, "small", SMALL)
    return tmp_path / "given"


def put(folder, content=CONTENT, name="line"):
    (folder / "small").mkdir(parents=True)
    (folder / "small" / name).write_bytes(content)
    return folder / "small"


def test_sets_are_looked_for_in_three_folders_in_order(folder, tmp_path):
    own = put(tmp_path / "own" / "pellucid" / "data")
    assert find("small") == own
    put(tmp_path / "data")
    assert find("small") == Path("data/small")
    put(folder)
    assert find("small") == folder / "small"


def test_gzip_makes_no_difference(folder):
    put(folder, gzip.compress(CONTENT), "line.gz")
    assert find("small") == folder / "small"


def test_a_set_that_is_nowhere_says_how_to_get_it(folder):
    with pytest.raises(DataFileError) as raised:
        find("small")
    for part in ("https://example.org/line", "small/line", "19 bytes", SMALL.files[0].sha256, str(folder), "own"):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (CONTENT[:-1], "line", "holds 18 bytes; expected 19"),
        (CONTENT * 100_000, "line", "holds more than 19 bytes"),
        (CONTENT.upper(), "line", "has the SHA-256 checksum"),
        (gzip.compress(CONTENT, mtime=0)[:-4], "line.gz", "cannot be read, or is damaged"),
        (CONTENT, "line.gz", "cannot be read, or is damaged"),
        (CONTENT, "other", "is not there"),
    ],
)
def test_a_file_that_is_another_is_named(folder, content, name, said):
    put(folder, content, name)
    with pytest.raises(DataFileError, match=said) as raised:
        find("small")
    assert "small" in str(raised.value)
    assert SMALL.source in str(raised.value)


def test_unknown_sets_suggest_the_nearest(folder):
    with pytest.raises(InputError, match="did you mean 'fashion-mnist'"):
        find("fashionmnist")


def test_every_set_says_where_it_is_to_be_had():
    for name, one in known.SETS.items():
        assert one.name == name
        assert one.source.startswith("https://")
        assert one.places
        for file in one.files:
            assert any(file.path == place or file.path.startswith(f"{place}/") for place in one.places)
            assert file.sha256 is None or len(bytes.fromhex(file.sha256)) == 32


def test_a_set_in_the_form_of_mnist_is_read_by_its_reader(tmp_path):
    def idx(array):
        return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()

    for file in known.SETS["fashion-mnist"].files:
        images = "images" in file.path
        path = tmp_path / file.path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(idx(np.full((3, 28, 28), 255, np.uint8) if images else np.arange(3, dtype=np.uint8)))
    assert mnist(tmp_path / "fashion-mnist").train_inputs.shape == (3, 784)


def shown(*options):
    result = CliRunner().invoke(application, ["data", *options])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_lists_the_sets(folder):
    put(folder)
    text = shown()
    assert str(folder / "small") in text
    assert known.SETS["mnist"].source in text


def test_the_command_writes_json(folder):
    put(folder, CONTENT.upper())
    sets = {one["name"]: one for one in json.loads(shown("--json"))["sets"]}
    assert sets["small"]["state"] == "damaged"
    assert "checksum" in sets["small"]["problem"]
    assert (sets["mnist"]["state"], sets["mnist"]["path"]) == ("not found", None)
    assert len(sets["mnist"]["files"]) == 4


REAL = Path(os.environ.get("PELLUCID_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.mark.parametrize("name", ["mnist", "tinyshakespeare"])
def test_the_real_sets_are_whole(monkeypatch, name):
    if not any((REAL / place).exists() for place in known.SETS[name].places):
        pytest.skip(f"no {name} in {REAL}; $PELLUCID_DATA names the folder that holds it")
    monkeypatch.setenv("PELLUCID_DATA", str(REAL))
    assert find(name).parent == REAL
