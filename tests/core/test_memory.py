"""How much memory there is, as the system's files tell it, and amounts as people write them."""

import pytest

from pellucid.core import memory as module
from pellucid.core.errors import MemoryNeededError, PellucidError
from pellucid.core.memory import Memory, memory, parse_bytes, require_memory, show_bytes

GIB = 2**30
MEMINFO = "MemTotal: 16777216 kB\nMemFree: 1 kB\nMemAvailable: 8388608 kB\nSwapFree: 0 kB\n"


@pytest.fixture
def write(tmp_path):
    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    write("proc/meminfo", MEMINFO)
    return write


@pytest.mark.parametrize(("text", "amount"), [
    ("0", 0), ("4096", 4096), ("32K", 2**15), ("32k", 2**15), ("32KiB", 2**15), ("32 KB", 2**15), (" 1.5G ", 3 * 2**29),
    ("2T", 2**41), ("7B", 7),
])  # fmt: skip
def test_amounts_are_read(text, amount):
    assert parse_bytes(text) == amount


@pytest.mark.parametrize("text", ["", "K", "-1K", "1e3", "1KK", "1P", "0x10", "1,5K", "nan", "٣K"])
def test_what_is_no_amount_is_an_error(text):
    with pytest.raises(PellucidError, match="is not an amount of memory; expected a number and a unit"):
        parse_bytes(text)


@pytest.mark.parametrize("amount", [0, 1, 1023, 1024, 1536, 10 * 2**20, 999 * 2**30, 2**50])
def test_amounts_are_shown_as_they_are_read(amount):
    assert parse_bytes(show_bytes(amount)) == amount


def test_memory_of_the_machine(write, tmp_path):
    assert memory(tmp_path) == Memory(16 * GIB, 8 * GIB)


def test_free_swap_space_counts(write, tmp_path):
    write("proc/meminfo", MEMINFO.replace("SwapFree: 0", "SwapFree: 2097152"))
    assert memory(tmp_path).available == 10 * GIB


def test_a_control_group_of_version_2(write, tmp_path):
    write("proc/self/cgroup", "0::/a/b\n")
    write("sys/fs/cgroup/a/memory.max", str(4 * GIB))
    write("sys/fs/cgroup/a/memory.current", str(3 * GIB))
    write("sys/fs/cgroup/a/memory.stat", f"anon {GIB}\ninactive_file {GIB}\nactive_file {GIB // 2}\n")
    write("sys/fs/cgroup/a/b/memory.max", "max\n")
    write("sys/fs/cgroup/a/b/memory.current", str(3 * GIB))
    assert memory(tmp_path) == Memory(4 * GIB, 2 * GIB + GIB // 2)


def test_a_control_group_of_version_1(write, tmp_path):
    write("proc/self/cgroup", "7:blkio:/\n4:memory:/job\n0::/\n")
    write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712")
    write("sys/fs/cgroup/memory/memory.usage_in_bytes", str(9 * GIB))
    write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", str(GIB))
    write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", str(2 * GIB))
    assert memory(tmp_path) == Memory(GIB, 0)


def test_a_limit_of_the_process(write, tmp_path):
    write("proc/self/limits", "Limit  Soft  Hard  Units\nMax address space   1073741824   unlimited   bytes\n")
    write("proc/self/statm", "0 0 0 0 0 0 0\n")
    assert memory(tmp_path).available == GIB


@pytest.mark.parametrize("text", ["unlimited", "no number"])
def test_no_limit_of_the_process(write, tmp_path, text):
    write("proc/self/limits", f"Max address space   {text}   unlimited   bytes\n")
    assert memory(tmp_path).available == 8 * GIB


def test_a_system_that_tells_nothing_refuses_nothing_that_could_be(tmp_path, monkeypatch):
    monkeypatch.setattr(module.os, "sysconf", lambda name: (_ for _ in ()).throw(ValueError(name)))
    assert memory(tmp_path) == Memory(2**63, 2**63)


def test_what_is_needed_and_what_there_is_are_named(monkeypatch):
    monkeypatch.setattr(module, "memory", lambda: Memory(16 * GIB, GIB))
    require_memory(GIB, "a call")
    with pytest.raises(MemoryNeededError, match=r"^a call needs 1\.5 GiB of memory, and 1 GiB are available; take"):
        require_memory(3 * GIB // 2, "a call")
