"""`pellucid devices` and `pellucid cache`: what they show, and what a program that reads them gets."""

import json
import re
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from pellucid.backends.native import cache, peak
from pellucid.backends.native.machine import machine
from pellucid.backends.native.peak import Measured, Peak
from pellucid.backends.xla import placement as xla
from pellucid.cli import devices
from pellucid.cli.application import application
from pellucid.core.errors import PellucidError

FAKE = Peak(
    4,
    {"float32": {1: Measured(91.25, 0.01), 4: Measured(1360.5, 0.1)}, "float64": {1: Measured(45.0, 0.0)}},
    {"L1": {1: Measured(196.0, 0.0)}, "memory": {1: Measured(20.04, 0.05), 4: Measured(41.0, 0.1)}},
)


def invoke(*arguments):
    result = CliRunner().invoke(application, [str(a) for a in arguments])
    if isinstance(result.exception, PellucidError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def measured(monkeypatch, cache_folder):
    """A machine that was not measured yet, and how often it was since."""
    times = []
    monkeypatch.setattr(peak, "_known", {})
    monkeypatch.setattr(peak, "_measured", lambda *_: times.append(1) or FAKE)
    monkeypatch.setenv("PELLUCID_CACHE_SIZES", "48K,2M,0")
    return times


def test_the_machine_and_its_peaks_are_shown(measured):
    shown = invoke("devices")
    assert re.search(rf"model +{re.escape(machine().processor)}\n", shown)
    assert re.search(rf"cores for this process +{machine().cores}\n", shown)
    assert re.search(rf"vectors .* {machine().target.vector_bits} bits: \d+ float32 or \d+ float64\n", shown)
    assert re.search(r"caches +L1 48 KiB, L2 2 MiB\n", shown)
    assert re.search(r"memory +[\d.]+ .iB, of which [\d.]+ .iB are available\n", shown)
    assert re.search(r"GPUs +none that XLA sees\n", shown)
    assert re.search(r"GFLOP/s +1 thread +4 threads\nfloat32 +91\.2 +1,360\.5\n", shown)
    assert re.search(r"GB/s +1 thread +4 threads\nL1 +196\.0", shown)
    assert re.search(r"memory +20\.0 +41\.0", shown)
    assert "busy" not in shown
    assert not any(line != line.rstrip() for line in shown.split("Measured peak")[0].splitlines())


def test_gpus_are_counted_by_name_and_without_jax_not_looked_for(measured, monkeypatch):
    card = xla.Device(0, "gpu", "NVIDIA H200", 0, 139 * 2**30)
    monkeypatch.setattr(devices, "xla_devices", lambda: [card, replace(card, number=1)])
    assert re.search(r"GPUs +2 x NVIDIA H200 \(139 GiB\)\n", invoke("devices"))
    assert [d["number"] for d in json.loads(invoke("devices", "--json"))["xla"]] == [0, 1]
    monkeypatch.setattr(devices, "xla_is_there", lambda: False)
    assert re.search(r"GPUs +not looked for.*pip install 'pellucid\[xla\]'", invoke("devices"))
    assert json.loads(invoke("devices", "--json"))["xla"] is None


def test_it_is_measured_once_and_again_when_asked(measured):
    for arguments in ([], [], ["--json"], ["--refresh"]):
        invoke("devices", *arguments)
    assert len(measured) == 2


def test_json_of_devices(measured):
    found = json.loads(invoke("devices", "--json"))
    assert found["cores"] == machine().cores
    assert found["caches_bytes"] == {"l1": 48 * 2**10, "l2": 2 * 2**20, "l3": 0}
    assert found["memory_bytes"]["total"] == machine().memory.total
    assert found["peak"]["arithmetic"]["float32"]["4"] == {"best": 1360.5, "spread": 0.1}
    assert found["peak"]["unit"]["bandwidth"] == "GB/s"


def test_a_busy_machine_is_said_to_be(measured, monkeypatch):
    busy = FAKE._replace(bandwidth={"memory": {1: Measured(20.0, 0.45)}})
    monkeypatch.setattr(peak, "_measured", lambda *_: busy)
    shown = invoke("devices")
    assert "differed by up to 45%, so the machine was probably busy" in shown
    assert "pellucid devices --refresh" in shown


def test_bad_cache_sizes_are_a_named_error(measured, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE_SIZES", "much")
    with pytest.raises(PellucidError, match="PELLUCID_CACHE_SIZES is 'much'"):
        invoke("devices")


def test_the_cache_is_shown_and_cleared(cache_folder, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE_SIZE", "1M")
    empty = invoke("cache")
    assert re.search(r"programs +0\n", empty)
    assert "recent use" not in empty
    cache.write(cache.key("a"), bytes(3_000))
    cache.write(cache.MEASURED + cache.key("b"), bytes(10))
    shown = invoke("cache")
    assert re.search(rf"folder +{re.escape(str(cache_folder))}\n", shown)
    assert re.search(r"programs +1\n +measurements +1\n +size +[23][.\d]* KiB of at most 1 MiB\n", shown)
    assert re.search(r"least recent use +\d{4}-\d\d-\d\d \d\d:\d\d\n", shown)
    assert invoke("cache", "--clear") == f"2 files removed from {cache_folder}\n"
    assert list(cache_folder.iterdir()) == []


def test_json_of_the_cache(cache_folder):
    cache.write(cache.key("a"), bytes(100))
    found = json.loads(invoke("cache", "--json"))
    assert (found["folder"], found["programs"], found["removed"]) == (str(cache_folder), 1, 0)
    assert found["bytes"] > 100
    assert found["oldest"] == found["newest"] > 1e9
    assert json.loads(invoke("cache", "--clear", "--json"))["removed"] == 1


def test_a_cache_folder_that_is_a_file_is_a_named_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "file"))
    for arguments in ([], ["--clear"]):
        with pytest.raises(PellucidError, match="let PELLUCID_CACHE name another folder"):
            invoke("cache", *arguments)
    assert (tmp_path / "file").exists()
