"""From canned results to the tables, the verdicts and the page; what disagrees or is missing is never compared."""

from __future__ import annotations

import builtins

import pytest
from benchmarks.tasks import FLOORS, TASKS

from benchmarks import __main__ as program
from benchmarks import agreement, page, rounds, summary, table

MOONS = next(task for task in TASKS if task.key == "moons-3")


def record(runner, number, micros, **more):
    return {
        "task": "moons-3",
        "runner": runner,
        "round": number,
        "seconds": micros * 1e-6,
        "early": [23.0],
        "final": [14.15],
        "comparable": True,
        **more,
    }


@pytest.fixture
def records():
    times = {"Pellucid": (1.0, 2.0, 0.9), "C loop": (0.8, 1.0, 0.6), "NumPy": (50.0, 60.0, 45.0)}
    found = [record(runner, k + 1, value) for runner, values in times.items() for k, value in enumerate(values)]
    found.append({"task": "moons-3", "runner": "PyTorch", "round": 1, "missing": "torch is not installed"})
    return found


def row(records, name):
    return next(row for row in summary.rows(records, [MOONS]) if row.runner == name)


def test_ratios_are_taken_within_a_round(records):
    assert row(records, "NumPy").time == pytest.approx((50.0, 45.0, 60.0))
    assert row(records, "NumPy").ratio == pytest.approx((50.0, 30.0, 50.0))
    assert row(records, "Pellucid").ratio == (1.0, 1.0, 1.0)


def test_a_missing_peer_is_said_to_be_missing(records):
    missing = row(records, "PyTorch")
    assert missing.time is None
    assert missing.note == "missing: torch is not installed"


def test_floor_against_the_c_loop(records):
    verdict = summary.verdicts(records, FLOORS)[0]
    assert verdict.measured == pytest.approx((1.5, 1.25, 2.0))
    assert verdict.met is True
    assert [other.met for other in summary.verdicts(records, FLOORS)[1:]] == [None] * (len(FLOORS) - 1)
    slow = [record("Pellucid", 1, 1.7), record("C loop", 1, 0.8)]
    assert summary.verdicts(slow, FLOORS)[0].met is False


def test_who_disagrees_is_not_compared(records):
    records += [record("JAX, whole loop", k, 1.0, early=[23.1]) for k in (1, 2)]
    records += [record("JAX, jit per step", k, 1.0, final=[float("nan")]) for k in (1, 2)]
    agreement.mark_disagreeing(records, MOONS, [23.0])
    assert row(records, "JAX, whole loop").time is None
    assert row(records, "JAX, whole loop").note == "disagrees, not compared: loss 23.1 instead of 23"
    assert "loss nan" in row(records, "JAX, jit per step").note
    assert row(records, "NumPy").time is not None


def test_one_network_of_many_may_end_on_the_other_side_of_a_cycle():
    right = [50.0, 14.0, 10.0, 8.0, 6.0]
    assert agreement.far([50.0, 14.1, 15.0, 8.0, 6.0], right, 0.05, 0.6) == ""
    assert agreement.far([50.0, 14.0, 17.0, 8.0, 6.0], right, 0.05, 0.6) == "loss 17 instead of 10"
    assert agreement.far([60.0, 16.0, 12.0, 8.0, 6.0], right, 0.05, 0.6) != ""
    assert agreement.far([50.0, 14.0, float("nan"), 8.0, 6.0], right, 0.05, 0.6) == "loss nan instead of 10"
    assert agreement.far([50.0], right, 0.05, 0.6) == "1 losses instead of 5"


def test_what_a_runner_says():
    assert rounds.outcome(0, 'a warning\n{"seconds": 1.0}\n', "") == {"seconds": 1.0}
    absent = "Traceback ...\nModuleNotFoundError: No module named 'torch'\n"
    assert rounds.outcome(1, "", absent) == {"missing": "torch is not installed"}
    broken = "Traceback ...\nModuleNotFoundError: No module named 'pellucid.operations'\n"
    assert "failed" in rounds.outcome(1, "", broken)
    assert rounds.outcome(-11, "", "") == {"failed": "exit code -11: no message"}


def test_plain_table(records, capsys, monkeypatch):
    importing = builtins.__import__

    def without_rich(name, *rest):
        if name.startswith("rich"):
            raise ModuleNotFoundError(name)
        return importing(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_rich)
    table.print_tables(summary.rows(records, [MOONS]), summary.verdicts(records, FLOORS))
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "Two moons, 2-3-2 (µs a pass)"
    assert out[2].split() == ["Pellucid", "1.00", "0.90", "to", "2.00", "1.00x", "1.00", "to", "1.00"]
    assert any(line.split() == ["NumPy", "50.0", "45.0", "to", "60.0", "50.0x", "30.0", "to", "50.0"] for line in out)
    assert any(line.startswith("two moons 2-3-2") and line.endswith("yes") for line in out)


def test_page(records):
    about = {
        "machine": {
            "processor": "A processor",
            "cores": 2,
            "vector width": "256 bits (AVX2)",
            "system": "Linux x86_64",
            "date": "2026-01-01",
            "versions": {"numpy": "2.0"},
        },
        "data": {"moons": "drawn here"},
        "length": {"rounds": 3},
    }
    found = summary.rows(records, [MOONS]), summary.verdicts(records, FLOORS)
    text = page.page(*found, about, "python -m benchmarks", "benchmarks.png")
    assert "| Pellucid | 1.00 | 0.90 to 2.00 | 1.00x | 1.00 to 1.00 |" in text
    assert "PyTorch: missing: torch is not installed" in text
    assert "| two moons 2-3-2: time beside the C loop | at most 2.00x | 1.50x | 1.25 to 2.00 | yes |" in text
    assert "A processor, 2 cores" in text
    assert "numpy 2.0" in text


def test_unknown_task_is_refused(capsys):
    with pytest.raises(SystemExit) as leaving:
        program.main(["--only", "moon"])
    assert leaving.value.code == 2
    assert "moons-3" in capsys.readouterr().err
