"""What a training run shows: a line that is rewritten in a terminal, plain lines, a notebook's cell, or nothing."""

from __future__ import annotations

import io
import itertools
import sys
import types

import numpy as np
import pytest

import pellucid as pc
from pellucid.training import display as module
from training.models import classifier, data


class Screen(io.StringIO):
    """A terminal that is written to."""

    def isatty(self):
        return True


@pytest.fixture
def screen(monkeypatch):
    """Return a terminal of 80 columns in place of standard error."""
    made = Screen()
    monkeypatch.setattr(module, "sys", types.SimpleNamespace(stderr=made, modules={}))
    monkeypatch.setenv("COLUMNS", "80")
    return made


def clocked(monkeypatch, seconds):
    """Let the display's clock go on by some seconds each time it is looked at."""
    ticks = itertools.count()
    clock = types.SimpleNamespace(perf_counter=lambda: next(ticks) * seconds)
    monkeypatch.setattr(module, "time", clock)


def test_a_terminal_shows_the_way_through_an_epoch(screen, monkeypatch):
    clocked(monkeypatch, 0.25)
    x, y = data(rows=400)
    model = classifier(metrics=["accuracy"])
    model.fit(x, y, 2, 10, validation_data=(x, y))
    lines = screen.getvalue().split("\n")
    assert len(lines) == 3
    assert lines[-1] == ""
    for number, line in enumerate(lines[:-1], 1):
        *moving, kept = line.split("\r")
        assert all(len(m) < 80 for m in moving)
        assert any(f"epoch {number}/2  [" in m and "/40  " in m for m in moving)
        assert any("samples/s" in m or "/s" in m for m in moving)
        assert kept.startswith(f"epoch {number}/2  loss ")
        assert all(f"{key} " in kept for key in ("accuracy", "val_loss", "val_accuracy"))
    assert any("left" in m for m in lines[1].split("\r"))


def test_thousands_of_short_epochs_are_a_few_lines(screen):
    x, y = data()
    classifier().fit(x, y, 5000, 103)
    text = screen.getvalue()
    assert "epoch 5,000/5,000  loss" in text
    assert text.count("\n") < 100
    assert len(text) < 50_000
    kept = [int(line.split("\r")[-1].split("/")[0][6:].replace(",", "")) for line in text.split("\n")[:-1]]
    assert kept == sorted(kept)


def test_the_line_of_a_stopped_run_is_left(screen, monkeypatch):
    clocked(monkeypatch, 0.25)
    x, y = data(rows=400)
    stop = pc.callbacks.LambdaCallback(on_steps=lambda *_: sys.exit(1), every=33)
    with pytest.raises(SystemExit):
        classifier().fit(x, y, 2, 10, callbacks=[stop])
    assert screen.getvalue().endswith("\n")
    assert "33/40" in screen.getvalue()


def test_a_stream_shows_steps_without_a_bar(screen, monkeypatch):
    clocked(monkeypatch, 0.25)
    x, y = data()
    monkeypatch.setattr("pellucid.training.stream_fitting.SHOW_SECONDS", 0.0)
    classifier().fit(lambda: ((x[k : k + 10], y[k : k + 10]) for k in range(0, 100, 10)), epochs=2)
    text = screen.getvalue()
    assert "epoch 1/2  3  loss 1." in text
    assert "[" not in text
    assert text.count("\n") == 2


def test_nothing_in_a_pipe(capsys):
    x, y = data()
    classifier().fit(x, y, 2)
    classifier().fit(x, y, 2, verbose=0)
    assert capsys.readouterr() == ("", "")


def test_a_line_an_epoch_anywhere(capsys):
    x, y = data()
    classifier(metrics=["accuracy"]).fit(x, y, 3, verbose=2)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all("loss " in line and "accuracy 0." in line for line in lines)


def test_a_notebook_shows_a_bar_and_the_last_lines(monkeypatch):
    shown = []

    class Handle:
        def update(self, bundle, raw):
            assert raw
            shown.append(bundle)

    def display(bundle, raw, display_id):
        assert raw and display_id
        shown.append(bundle)
        return Handle()

    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    clocked(monkeypatch, 0.25)
    x, y = data(rows=400)
    classifier().fit(x, y, 20, 10)
    assert all(bundle.keys() == {"text/plain", "text/html"} for bundle in shown)
    assert '<progress value="' in shown[3]["text/html"]
    last = shown[-1]["text/plain"].splitlines()
    assert last[-1].startswith("epoch 20/20  loss")
    assert len(last) <= module.REMEMBERED


def test_a_narrow_terminal_keeps_to_its_width(screen, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    clocked(monkeypatch, 0.25)
    x, y = data(rows=400)
    classifier(metrics=["accuracy"]).fit(x, y, 1, 10)
    moving = screen.getvalue().split("\n")[0].split("\r")[1:-1]
    assert moving
    assert all(len(line) < 30 for line in moving)


def test_an_array_among_the_figures_is_not_shown():
    assert module.figures({"loss": 0.5, "confusion": np.eye(2)}) == "loss 0.5000"
