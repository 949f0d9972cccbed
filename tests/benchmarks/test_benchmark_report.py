"""From canned results to the tables, the verdicts and the page; what disagrees or is missing is never compared."""

from __future__ import annotations

import builtins

import pytest
from benchmarks.floors import FLOORS
from benchmarks.tasks import TASKS, Runner

from benchmarks import __main__ as program
from benchmarks import agreement, kernel_table, page, results, rounds, summary, table

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
    judged = [other.floor.text for other in summary.verdicts(records, FLOORS)[1:] if other.met is not None]
    assert judged == ["two moons 2-3-2: steps a second to the best of all peers"]
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


MACHINE = {
    "processor": "A processor",
    "cores": 2,
    "vector width": "256 bits (AVX2)",
    "system": "Linux x86_64",
    "date": "2026-01-01",
    "versions": {"numpy": "2.0"},
}
LENGTH = {"rounds": 3, "passes": 10, "epochs": 1, "enough": 0.1}


def taken(records, task, **machine):
    taking = results.taking({**MACHINE, **machine}, LENGTH, "drawn here")
    return {"command": "python -m benchmarks", "takings": {task: taking}, "records": records}


def written(found):
    tasks = [task for task in TASKS if task.key in found["takings"]]
    rows, judged = summary.rows(found["records"], tasks), summary.verdicts(found["records"], FLOORS)
    pictures = ["benchmarks.png", "roofline.png"]
    return page.page(rows, judged, kernel_table.kernels(found["records"]), found, pictures)


def verdict(records, text):
    return next(each for each in summary.verdicts(records, FLOORS) if each.floor.text == text)


def of_network(runner, number, seconds, memory, **more):
    own = {"runner": runner, "round": number, "seconds": seconds, "memory": memory * 2**20}
    return {"task": "mnist-cnn", "early": [2.0], "final": [], "comparable": True, **own, **more}


def of_kernel(name, share):
    return {
        "task": "kernels",
        "runner": name,
        "round": 1,
        "seconds": 0.010,
        "torch": 0.014,
        "share": share,
        "torch_share": 0.5,
        "limit": 200.0,
        "unit": "GFLOP/s",
        "operations": 2**31,
        "bytes": 12 * 2**20,
        "comparable": False,
    }


def test_page(records):
    text = written(taken(records, "moons-3"))
    assert "| Pellucid | 1.00 | 0.90 to 2.00 | 1.00x | 1.00 to 1.00 |" in text
    assert "PyTorch: missing: torch is not installed" in text
    assert "| two moons 2-3-2: time beside the C loop | at most 2.00x | 1.50x | 1.25 to 2.00 | yes |" in text
    assert "A processor, 2 cores" in text
    assert "numpy 2.0" in text
    assert "Single kernels" not in text


def test_memory_stands_beside_time_where_it_was_measured():
    records = [of_network("Pellucid", 1, 0.05, 120), of_network("PyTorch", 1, 0.07, 300, variant="fused")]
    text = written(taken(records, "mnist-cnn"))
    assert "| PyTorch | 70.0 | 70.0 to 70.0 | 1.40x | 1.40 to 1.40 | 300 | 2.50x |" in text
    assert "PyTorch: fused" in text
    assert verdict(records, "MNIST CNN: memory to PyTorch's").measured.median == pytest.approx(0.4)
    assert verdict(records, "MNIST CNN: memory to PyTorch's").met is True


def test_the_best_of_all_peers_is_the_fastest_of_each_round():
    text = "MNIST CNN: steps a second to the best of all peers"
    records = [of_network("Pellucid", k, 0.05, 1) for k in (1, 2, 3)]
    records += [of_network("PyTorch", k, 0.07, 1) for k in (1, 2, 3)]
    assert verdict(records, text).measured == pytest.approx((1.4, 1.4, 1.4))
    records += [of_network("Keras on TensorFlow", k, seconds, 1) for k, seconds in ((1, 0.04), (2, 0.045), (3, 0.2))]
    assert verdict(records, text).measured == pytest.approx((0.9, 0.8, 1.4))
    assert verdict(records, text).met is False
    for record in records[-3:]:
        record["disagrees"] = "loss 3 instead of 2"
    assert verdict(records, text).met is True


def test_where_epsilon_is_added_decides_what_is_expected():
    records = [of_network("Pellucid", 1, 0.05, 1), of_network("PyTorch", 1, 0.07, 1, early=[2.1], late_epsilon=True)]
    records.append(of_network("JAX", 1, 0.07, 1, early=[2.1]))
    agreement.mark_disagreeing(records, next(task for task in TASKS if task.key == "mnist-cnn"), [2.0], [2.1])
    assert ["disagrees" in record for record in records] == [False, False, True]


def test_a_kernel_is_judged_by_its_share_of_the_limit():
    name = "product 1024x1024x1024"
    text = f"{name}: share of the limit"
    assert verdict([of_kernel(name, 0.85)], text).met is True
    assert verdict([of_kernel(name, 0.75)], text).met is False
    busy = verdict([of_kernel(name, 1.3)], text)
    assert busy.met is None
    assert table.verdict_cells([busy])[0][1:3] == ("at least 80%", "130%")
    assert "busy machine" in table.verdict_cells([busy])[0][-1]


def test_kernels_on_the_page():
    records = [of_kernel("product 1024x1024x1024", 0.85)]
    records.append({"task": "kernels", "runner": "softmax rows, 8192 x 1024", "round": 1, "failed": "exit code 1"})
    text = written(taken(records, "kernels"))
    row = "| product 1024x1024x1024 | 10.0 | 14.0 | 1.40x | 1.40 to 1.40 | 170 of 200 GFLOP/s | 85% | 50% |"
    assert row in text
    assert "(roofline.png)" in text
    assert "softmax rows, 8192 x 1024: failed: exit code 1" in text
    assert "### Single kernels" not in text


def test_results_of_single_tasks_merge(records, tmp_path):
    older = results.merged(taken(records, "moons-3"), taken([of_kernel("product 1024x1024x1024", 0.5)], "kernels"))
    newer = taken([of_kernel("product 1024x1024x1024", 0.9)], "kernels", date="2026-02-02")
    results.write(results.merged(older, newer), tmp_path / "benchmarks.json")
    found = results.read(tmp_path / "benchmarks.json")
    assert [record["share"] for record in found["records"] if record["task"] == "kernels"] == [0.9]
    assert [record for record in found["records"] if record["task"] == "moons-3"] == records
    text = written(found)
    assert "2026-01-01, 3 rounds (2 cores used at most): moons-3" in text
    assert "2026-02-02, 3 rounds (2 cores used at most): kernels" in text


def test_results_taken_at_one_go_are_still_read(records, tmp_path):
    older = {"command": "x", "machine": MACHINE, "length": LENGTH, "data": {"moons": "drawn"}, "records": records}
    results.write(older, tmp_path / "benchmarks.json")
    found = results.read(tmp_path / "benchmarks.json")
    assert found["takings"] == {"moons-3": results.taking(MACHINE, LENGTH, "drawn")}
    assert results.read(tmp_path / "none.json")["records"] == []


def test_the_fastest_variant_runs_in_all_rounds(monkeypatch, tmp_path):
    asked = []

    def run_one(task, runner, folder, length, number, variant=""):
        asked.append((number, variant))
        seconds = {"first": 3.0, "second": 1.0, "third": 2.0}[variant]
        broken = {"failed": "exit code 1"} if variant == "third" else {"seconds": seconds}
        return {"task": task.key, "runner": runner.name, "round": number, "variant": variant, **broken}

    monkeypatch.setattr(rounds, "run_one", run_one)
    task = MOONS._replace(runners=(Runner("A", "a", variants=("first", "second", "third")),))
    found = rounds.run_rounds([task], tmp_path, rounds.QUICK, lambda line: None)
    assert asked == [(0, "first"), (0, "second"), (0, "third"), (1, "second"), (2, "second")]
    assert [record["round"] for record in found] == [1, 2]


def test_a_network_without_its_data_is_skipped_with_a_line(monkeypatch, tmp_path):
    from benchmarks import images

    monkeypatch.setattr(images, "folders", lambda: [tmp_path / "nowhere"])
    task = next(task for task in TASKS if task.key == "mnist-cnn")
    assert rounds.write_problems([task], tmp_path) == {}
    record = rounds.run_one(task, task.runners[0], tmp_path, rounds.QUICK, 1)
    assert record["missing"].startswith("no MNIST in ")
    assert agreement.yardstick(task, tmp_path) == []


def test_every_floor_names_figures_that_exist():
    runners = {task.key: {runner.name for runner in task.runners} for task in TASKS}
    for floor in FLOORS:
        for figure in filter(None, (floor.above, floor.below)):
            assert runners[figure.task] & set(figure.runners), floor.text


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.key)
def test_every_runner_has_a_program_and_a_command(task, tmp_path):
    for runner in task.runners:
        words = rounds.command(task, runner, tmp_path, rounds.QUICK)
        assert (rounds.ROOT / "benchmarks" / "peers" / f"{runner.module}.py").is_file()
        assert words[1:3] == ["-m", f"benchmarks.peers.{runner.module}"]
    assert len({runner.name for runner in task.runners}) == len(task.runners)


def test_what_is_drawn_is_named_on_the_page_and_has_a_yardstick(tmp_path):
    tasks = [task for task in TASKS if task.key in ("addition", "addition-exact")]
    assert set(rounds.write_problems(tasks, tmp_path)) == {"addition", "learning"}
    assert agreement.yardstick(tasks[0], tmp_path) == [pytest.approx(0.26144297)]
    assert agreement.yardstick(tasks[1], tmp_path) == []


def test_learning_is_judged_by_its_share_of_the_seeds():
    text = "binary addition: seeds that learn all sums, float32"
    own = {"task": "addition-exact", "runner": "Pellucid", "round": 1, "seconds": 1.0, "same": 1.0}
    assert verdict([{**own, "exact": 0.9}], text).met is True
    assert verdict([{**own, "exact": 0.85}], text).met is False
    assert verdict([own], "binary addition: sums given while learning that are NumPy's, float64").met is True


def test_unknown_task_is_refused(capsys):
    with pytest.raises(SystemExit) as leaving:
        program.main(["--task", "moon"])
    assert leaving.value.code == 2
    assert "moons-3" in capsys.readouterr().err
