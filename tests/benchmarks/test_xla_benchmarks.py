"""Steps on XLA beside those written by hand in JAX: their tasks, floors and section; and the program for a GPU."""

from __future__ import annotations

import pytest
from benchmarks.floors import FLOORS, XLA_FLOORS
from benchmarks.tasks import ON_CORES, ON_XLA, XLA_TASKS

from benchmarks import gpu, rounds, summary, xla_table

MOONS = next(task for task in XLA_TASKS if task.beside == "moons-3")


def record(runner, number, micros, **more):
    own = {"runner": runner, "round": number, "seconds": micros * 1e-6, "early": [23.0], "final": [14.15]}
    return {"task": MOONS.key, "comparable": True, **own, **more}


def section(records):
    return "\n".join(xla_table.parts(summary.rows(records, [MOONS]), summary.verdicts(records, FLOORS)))


def test_every_step_that_is_written_in_jax_is_measured_on_xla():
    steps = {task.key for task in ON_CORES for runner in task.runners if runner.module.startswith("jax_")}
    assert {task.beside for task in XLA_TASKS} == steps - {"addition-exact"}
    for task in XLA_TASKS:
        assert (task.runners[0].name, task.runners[0].backend) == (ON_XLA, "xla")
        assert all(runner.module.startswith("jax_") for runner in task.runners[1:])


def test_every_step_on_xla_has_the_floor():
    assert [floor.above.task for floor in XLA_FLOORS] == [task.key for task in XLA_TASKS]
    assert {(floor.bound, floor.at_most) for floor in XLA_FLOORS} == {(1.05, True)}
    assert set(XLA_FLOORS) <= set(FLOORS)


def test_the_ratio_is_to_the_faster_of_those_by_hand_in_each_round():
    times = {ON_XLA: (10.0, 12.0, 11.0), "JAX, whole loop": (10.0, 16.0, 10.0), "JAX, jit per step": (30.0, 12.0, 29.0)}
    records = [record(runner, k + 1, micros) for runner, each in times.items() for k, micros in enumerate(each)]
    assert "| Two moons, 2-3-2 | µs a pass | 11.0 | 10.0 | 1.00x | 1.00 to 1.10 | yes |" in section(records)
    slow = [record(ON_XLA, 1, 11.0), record("JAX, whole loop", 1, 10.0)]
    assert "| 1.10x | 1.10 to 1.10 | NO |" in section(slow)


def test_who_disagrees_is_not_compared():
    records = [record(ON_XLA, 1, 5.0), record("JAX, whole loop", 1, 10.0, disagrees="loss 30 instead of 23")]
    text = section(records)
    assert "| 5.00 | – | – |  | not measured |" in text
    assert "JAX, whole loop: disagrees, not compared: loss 30 instead of 23" in text


def test_the_backend_of_a_runner_is_told_to_its_process(tmp_path):
    ours, theirs = MOONS.runners[:2]
    assert rounds.environment(ours, tmp_path, 1)["PELLUCID_BACKEND"] == "xla"
    assert "PELLUCID_BACKEND" not in rounds.environment(theirs, tmp_path, 1)


def test_without_a_gpu_one_line_says_so(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(gpu, "device", lambda platform: None)
    assert gpu.main(["--out", str(tmp_path)]) == 2
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("task", gpu.HALF_TASKS["cuda"], ids=lambda task: task.key)
def test_every_runner_for_a_gpu_has_a_program(task, tmp_path):
    for runner in task.runners:
        words = rounds.command(task, runner, tmp_path, rounds.QUICK)
        assert (rounds.ROOT / "benchmarks" / "peers" / f"{runner.module}.py").is_file()
        assert ("bfloat16" in words) == (runner.name == ON_XLA)


def test_the_program_for_a_gpu_runs_on_a_cpu(monkeypatch, tmp_path):
    pytest.importorskip("jax")
    monkeypatch.setenv(rounds.PLATFORM, "cpu")  # so that what is set there is taken back
    assert gpu.main(["--platform", "cpu", "--task", MOONS.key, "--task", "half-cifar-cnn", "--out", str(tmp_path)]) == 0
    text = (tmp_path / gpu.PAGE).read_text(encoding="utf-8")
    assert "| Two moons, 2-3-2 | µs a pass |" in text
    assert "not compared" not in text
    assert "failed" not in text
    assert "| Pellucid on XLA |" in text.split("bfloat16 (ms a step)")[1]
