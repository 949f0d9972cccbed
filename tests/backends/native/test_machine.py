"""What this machine is, as the system's files tell it, and cache sizes chosen in their place."""

import pytest

from pellucid.backends.native import machine as module
from pellucid.backends.native.machine import USUAL, Caches, cache_sizes, instruction_set, machine, processor
from pellucid.backends.native.target import Target, host
from pellucid.core.errors import PellucidError


def described(folder, *caches):
    """Write what Linux would of some caches: pairs of level, type and size."""
    for k, (level, kind, size) in enumerate(caches):
        index = folder / f"index{k}"
        index.mkdir()
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (index / name).write_text(f"{text}\n")
    return folder


def test_the_machine_is_one_that_can_run_this(monkeypatch):
    for name in ("PELLUCID_CACHE_SIZES", "PELLUCID_TARGET"):
        monkeypatch.delenv(name, raising=False)
    found = machine()
    assert found.processor
    assert found.cores >= 1
    assert found.target == host()
    assert found.caches.l1 >= 1024
    assert found.memory.available > 0
    assert found.memory.total > 2**20


def test_what_measurements_depend_on(monkeypatch):
    keys = [machine().key]
    monkeypatch.setenv("PELLUCID_CACHE_SIZES", "48K,2M,0")
    keys.append(machine().key)
    monkeypatch.setenv("PELLUCID_TARGET", "generic")
    keys.append(machine().key)
    monkeypatch.setattr(module, "cores", lambda: 99)
    keys.append(machine().key)
    assert len(set(keys)) == 4


def test_caches_as_the_system_describes_them(tmp_path):
    folder = described(
        tmp_path, (1, "Data", "48K"), (1, "Instruction", "64K"), (2, "Unified", "2048K"), (3, "Unified", "32768K")
    )
    assert cache_sizes("", folder) == Caches(48 * 2**10, 2 * 2**20, 32 * 2**20)


def test_a_level_that_is_not_there_is_0(tmp_path):
    assert cache_sizes("", described(tmp_path, (1, "Data", "64K"), (2, "Unified", "1M"))).l3 == 0


@pytest.mark.parametrize("caches", [
    [], [(1, "Instruction", "32K")], [(1, "Data", "")], [("?", "Data", "32K")], [(2, "Unified", "1M")],
])  # fmt: skip
def test_where_the_system_does_not_say(tmp_path, caches):
    assert cache_sizes("", described(tmp_path, *caches)) == USUAL
    assert cache_sizes("", tmp_path / "nothing") == USUAL


def test_chosen_sizes_come_before_the_system(monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE_SIZES", "16K, 256K, 4M")
    assert cache_sizes() == Caches(2**14, 2**18, 2**22)
    assert cache_sizes("32K,0,0") == Caches(2**15, 0, 0)


@pytest.mark.parametrize("text", [
    "32K", "32K,512K", "32K,512K,1M,2M", "32K,512K,many", "0,512K,32M", "512K,32K,32M", "32K,0,32M", "-32K,1M,2M", ",,",
])  # fmt: skip
def test_bad_sizes_are_one_clear_error(text):
    with pytest.raises(PellucidError, match=r"PELLUCID_CACHE_SIZES is .* expected the sizes of the first, second"):
        cache_sizes(text)


def test_the_processors_name(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nmodel name\t: An  Example 9000\nmodel name\t: another\n")
    assert processor(path) == "An Example 9000"
    path.write_text("processor\t: 0\nModel\t: Board 5\n")
    assert processor(path) == "Board 5"
    assert processor(tmp_path / "nothing")


@pytest.mark.parametrize(("target", "name"), [
    (Target("x86_64-unknown-linux-gnu", "znver4", "+avx2,+avx512f,+fma", 512, True), "AVX-512 with FMA"),
    (Target("x86_64-unknown-linux-gnu", "znver3", "+avx2,-avx512f,+fma", 256, True), "AVX2 with FMA"),
    (Target("x86_64-unknown-linux-gnu", "x86-64-v3", "", 256, True), "AVX2 with FMA"),
    (Target("x86_64-unknown-linux-gnu", "sandybridge", "+avx,-avx2", 256, False), "AVX"),
    (Target("x86_64-unknown-linux-gnu", "x86-64", "", 128, False), "SSE2"),
    (Target("aarch64-unknown-linux-gnu", "generic", "", 128, True), "NEON with FMA"),
    (Target("riscv64-unknown-linux-gnu", "generic", "", 128, False), "riscv64"),
])  # fmt: skip
def test_instruction_sets_have_their_names(target, name):
    assert instruction_set(target) == name
