"""Two real processes that train together: alike, killed, and gone on with alone."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pellucid import load, recipes
from pellucid.distributed.relay import free_port
from pellucid.recipes import parse_settings, with_settings

SOURCE = Path(__file__).parents[2] / "src"
START = "from pellucid.cli.main import main; main()"
LONG = 100_000  # epochs, of which none is ever reached


@pytest.fixture
def document(tmp_path):
    """Return a small model's file without anything that ends its training early."""
    path = tmp_path / "two.toml"
    path.write_text(
        '[data]\nkind = "moons"\nn = 500\nnoise = 0.2\nvalidation = 0.2\n'
        '[[layers]]\nkind = "Dense"\nunits = 8\nactivation = "tanh"\n[[layers]]\nkind = "Dropout"\nrate = 0.1\n'
        '[[layers]]\nkind = "Dense"\nunits = "classes"\n'
        '[training]\nloss = "cross_entropy"\nmetrics = ["accuracy"]\noptimizer = "Adam"\nbatch_size = 100\nepochs = 4\n'
    )
    return path


@pytest.fixture
def started():
    """Return what starts the command, and ends it with the test whatever happens."""
    running = []

    def start(*arguments):
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "XLA_FLAGS": ""}  # one device each
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", START, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def curve(run, epochs=None):
    """Return what a run measured, a row an epoch."""
    with (run / "history.csv").open(newline="") as file:
        return np.array([[float(value) for value in row] for row in [*csv.reader(file)][1:]])[:epochs]


def alone(document, folder, epochs):
    """Train in this process by XLA, or go on with what is there, and return what was measured."""
    wanted = with_settings(recipes.find(str(document)), parse_settings([f"training.epochs={epochs}"]))
    recipes.train(recipes.begin(wanted, folder), verbose=0, backend="xla")
    return curve(folder)


def test_two_processes_give_the_curve_of_one(document, tmp_path, started):
    both = started("train", document, "--hosts", 2, "--out", tmp_path / "both", "--json")
    out, said = both.communicate(timeout=300)
    assert both.returncode == 0, said
    assert json.loads(out)["epochs"] == 4  # and nothing else comes from any of them
    assert said == ""
    np.testing.assert_allclose(curve(tmp_path / "both"), alone(document, tmp_path / "one", 4), rtol=1e-4)


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_other_and_one_goes_on(document, tmp_path, started, victim):
    at, folder = f"127.0.0.1:{free_port()}", tmp_path / "run"
    common = ("train", document, "--epochs", LONG, "--hosts", 2, "--coordinator", at)
    hosts = [started(*common, "--host", k, "--out", tmp_path / name) for k, name in ((0, "run"), (1, "unused"))]
    state = folder / "model.safetensors"
    while not state.exists() and all(host.poll() is None for host in hosts):
        time.sleep(0.05)
    hosts[victim].send_signal(signal.SIGKILL)
    _, said = hosts[1 - victim].communicate(timeout=60)
    assert hosts[1 - victim].returncode == 2, said
    assert said.startswith(f"pellucid: host {victim} (127.0.0.1) is gone: its connection was closed after step"), said
    assert said.count("\n") == 1, said
    assert not (tmp_path / "unused").exists()
    done = load(state).progress.epochs
    assert done > 0
    wanted = done + 2
    np.testing.assert_allclose(
        alone(document, folder, wanted)[:20], alone(document, tmp_path / "one", min(wanted, 20)), rtol=1e-3
    )
    assert len(curve(folder)) == wanted
