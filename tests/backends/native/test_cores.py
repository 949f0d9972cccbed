"""How many threads: the variable, the affinity, and the quotas of cgroups."""

import math
import os
import threading

import pytest

from pellucid.backends.native import cores
from pellucid.core.errors import PellucidError


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv("PELLUCID_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def test_the_variable_decides_and_is_read_at_each_call(monkeypatch):
    for given, count in (("3", 3), (" 12 ", 12), ("1", 1), ("1024", 1024)):
        monkeypatch.setenv("PELLUCID_THREADS", given)
        assert cores.thread_count() == count


@pytest.mark.parametrize("given", ["0", "-2", "two", "1.5", "1_000", "1025", "9" * 5000, "٣", " "])
def test_another_value_is_an_error_that_says_what_to_write(monkeypatch, given):
    monkeypatch.setenv("PELLUCID_THREADS", given)
    with pytest.raises(PellucidError, match=r"PELLUCID_THREADS is '.*whole number of threads from 1 to 1024.*unset"):
        cores.thread_count()


def test_what_other_libraries_may_have_is_the_most(monkeypatch):
    monkeypatch.setattr(cores, "cores", lambda: 6)
    monkeypatch.setattr(cores, "_share", lambda: 6)
    for given, count in (("2", 2), (" 3 ,1", 3), ("12", 6), ("0", 6), ("many", 6), ("", 6)):
        monkeypatch.setenv("OMP_NUM_THREADS", given)
        assert cores.thread_count() == count
    monkeypatch.setenv("PELLUCID_THREADS", "5")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert cores.thread_count() == 5


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not pin threads to cores")
def test_no_more_threads_than_the_affinity_allows(monkeypatch):
    monkeypatch.setattr(cores, "_share", lambda: cores.MOST_THREADS)
    allowed, counts = sorted(os.sched_getaffinity(0)), []

    def count():
        os.sched_setaffinity(0, allowed[-1:])  # of this thread alone
        counts.append(cores.thread_count())

    thread = threading.Thread(target=count)
    thread.start()
    thread.join()
    assert counts == [1] and cores.thread_count() == len(allowed)


@pytest.mark.parametrize(("share", "count"), [(0.25, 1), (1.0, 1), (1.5, 2), (math.inf, 6)])
def test_a_quota_is_rounded_up(monkeypatch, share, count):
    monkeypatch.setattr(cores, "quota", lambda: share)
    monkeypatch.setattr(cores, "cores", lambda: 6)
    cores._share.cache_clear()
    try:
        assert cores.thread_count() == count
    finally:
        cores._share.cache_clear()


V2, V1 = "0::/pod/box\n", "4:memory:/other\n3:cpu,cpuacct:/pod/box\n1:name=systemd:/\n"


@pytest.mark.parametrize(
    ("groups", "files", "share"),
    [
        ("", {}, math.inf),
        (V2, {}, math.inf),
        (V2, {"pod/box/cpu.max": "max 100000\n"}, math.inf),
        (V2, {"pod/box/cpu.max": "150000 100000\n"}, 1.5),
        (V2, {"pod/box/cpu.max": "400000 100000\n", "pod/cpu.max": "200000 100000\n"}, 2.0),
        (V2, {"pod/box/cpu.max": "max 100000\n", "cpu.max": "50000 100000\n"}, 0.5),
        (V2, {"unified/pod/cpu.max": "300000 100000\n"}, 3.0),
        ("0::/../../pod\n", {"pod/cpu.max": "100000 50000\n"}, 2.0),
        (V2, {"pod/box/cpu.max": "nonsense"}, math.inf),
        (V2, {"pod/box/cpu.max": "1000"}, math.inf),
        (V2, {"pod/box/cpu.max": "100000 0"}, math.inf),
        ("nonsense\n\n", {"cpu.max": "100000 100000"}, math.inf),
        (V1, {"cpu/pod/box/cpu.cfs_quota_us": "250000\n", "cpu/pod/box/cpu.cfs_period_us": "100000\n"}, 2.5),
        (V1, {"cpu,cpuacct/pod/cpu.cfs_quota_us": "70000", "cpu,cpuacct/pod/cpu.cfs_period_us": "10000"}, 7.0),
        (V1, {"cpu/pod/box/cpu.cfs_quota_us": "-1\n", "cpu/pod/box/cpu.cfs_period_us": "100000\n"}, math.inf),
        (V1, {"memory/other/cpu.cfs_quota_us": "100", "memory/other/cpu.cfs_period_us": "100"}, math.inf),
    ],
)
def test_the_least_quota_of_a_cgroup_and_those_around_it(tmp_path, groups, files, share):
    for name, content in {"proc/self/cgroup": groups, **{f"sys/fs/cgroup/{k}": v for k, v in files.items()}}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert cores.quota(tmp_path) == share
