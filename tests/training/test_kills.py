"""A run that is killed at random moments, and started again until it is done, ends with the bits of one that is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("killed.py")
SOURCE = Path(__file__).parents[2] / "src"


def kill(folder, kills, seed):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, str(SCRIPT), str(folder), str(kills), str(seed)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "result.json").read_text())


def check(result, kills):
    """The script itself loads every file after every kill."""
    assert result["kills"] == kills
    assert result["files"] > 0
    assert set(result["digests"]) == {result["whole"]}


def test_ten_kills_change_no_bit(tmp_path):
    check(kill(tmp_path, 10, seed=1), 10)


@pytest.mark.soak
def test_a_thousand_kills_change_no_bit(tmp_path):
    result = kill(tmp_path, 1000, seed=2)
    check(result, 1000)
    assert len(result["digests"]) > 10
    assert result["unfinished"], "no kill met a file that was being written"
