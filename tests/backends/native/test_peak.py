"""Measured limits: what they count, what keeps them honest, and how results are kept. Nothing here asserts a speed."""

import json
import threading

import numpy as np
import pytest

from pellucid.backends.native import cache, engine, limits, peak
from pellucid.backends.native.limits import LEVELS, Limit, alternate, arithmetic_limit, copy_limit, levels
from pellucid.backends.native.machine import Caches, machine
from pellucid.backends.native.peak import Measured, Peak
from pellucid.backends.native.target import Target, host
from pellucid.core.errors import PellucidError

TARGETS = [
    host(),
    Target("x86_64-unknown-linux-gnu", "x86-64-v4", "", 512, True),
    Target("x86_64-unknown-linux-gnu", "x86-64-v3", "", 256, True),
    Target("x86_64-unknown-linux-gnu", "x86-64", "", 128, False),
]
FAKE = Peak(2, {"float32": {1: Measured(90.0, 0.1), 2: Measured(180.0, 0.0)}}, {"memory": {1: Measured(20.0, 0.2)}})


@pytest.fixture
def quick(monkeypatch, cache_folder):
    """Measure briefly, into a cache of this test's own."""
    monkeypatch.setattr(limits, "RUN_SECONDS", 1e-5)
    monkeypatch.setattr(limits, "SMALLEST_COPY", 2**16)
    monkeypatch.setattr(peak, "REPEATS", 3)
    monkeypatch.setattr(peak, "MOST_REPEATS", 3)
    monkeypatch.setattr(peak, "_known", {})
    monkeypatch.setenv("PELLUCID_CACHE_SIZES", "16K,64K,256K")
    return cache_folder


def of_size(*sizes):
    return machine()._replace(caches=Caches(*sizes))


@pytest.mark.parametrize("dtype", limits.DTYPES)
def test_every_chain_of_arithmetic_is_carried_on(dtype):
    """Were a chain dropped or merged with another, the peak would be counted too high."""
    target = host()
    chains, lanes, times = limits._chains(target), target.lanes(dtype), 3
    start = np.random.default_rng(0).normal(size=(chains + 2, lanes)).astype(dtype)
    numbers, gate = start.copy(), np.zeros(1, np.int64)
    limits._arithmetic(target, dtype)(gate.ctypes.data, 1, numbers.ctypes.data, times)
    expected = start[2:].astype("float64")
    for _ in range(times * limits.UNROLLED):
        if target.has_fma:
            expected = expected * start[0] + start[1]
        else:
            expected[1::2] *= start[0]
            expected[::2] += start[1]
    np.testing.assert_array_equal(numbers[:2], start[:2])
    np.testing.assert_allclose(numbers[2:], expected, rtol=1e-3 if dtype == "float32" else 1e-9, atol=1e-5)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.cpu)
@pytest.mark.parametrize("dtype", limits.DTYPES)
def test_the_code_holds_every_operation_and_keeps_it_in_registers(target, dtype):
    code = engine.assembly(limits._arithmetic_text(target, dtype), target)
    operations = sum(line.strip().startswith(("vfmadd", "mulp", "addp")) for line in code.splitlines())
    assert operations == limits._chains(target) * limits.UNROLLED
    assert "(%rsp)" not in code, "a chain was spilt to the stack"


@pytest.mark.parametrize("streaming", [False, True])
def test_everything_is_copied_and_nothing_else_is_touched(streaming):
    arrays = limits._Arrays(8_192)
    arrays.memory[:] = np.random.default_rng(0).integers(1, 255, arrays.memory.size)
    before = arrays.memory.copy()
    source, target = (a - arrays.memory.ctypes.data for a in (arrays.source, arrays.target))
    gate = np.zeros(1, np.int64)
    arrays.copy(limits._copy(host(), streaming), gate.ctypes.data, threads=1, times=2)
    before[target : target + 8_192] = before[source : source + 8_192]
    np.testing.assert_array_equal(arrays.memory, before)


@pytest.mark.parametrize("size", [128, 4_096, 6_144, 2**16 + 128])
def test_source_and_target_of_a_copy_do_not_overlap(size):
    arrays = limits._Arrays(size)
    end = arrays.memory.ctypes.data + arrays.memory.size
    assert arrays.memory.ctypes.data <= arrays.source < arrays.source + size <= arrays.target <= end - size
    assert arrays.source % 64 == arrays.target % 64 == 0


def test_streaming_copies_go_past_the_caches():
    if not host().triple.startswith("x86_64"):
        pytest.skip("the instruction's name is that of x86-64")
    assert "movnt" in engine.assembly(limits._copy_text(host(), True), host())
    assert "movnt" not in engine.assembly(limits._copy_text(host(), False), host())


def test_copies_fit_the_level_they_measure_and_not_the_one_above():
    of = of_size(2**15, 2**19, 2**25)
    one = {level: 2 * limits._copy_bytes(level, 1, of) for level in LEVELS}
    assert one["L1"] <= of.caches.l1 < one["L2"] <= of.caches.l2 < one["L3"] <= of.caches.l3 < one["memory"]
    all_of_four = 4 * 2 * limits._copy_bytes("memory", 4, of)
    assert 0.9 * one["memory"] <= all_of_four <= one["memory"]


@pytest.mark.parametrize("sizes", [(1024, 2048, 4096), (1024, 0, 0), (2**15, 2**31, 2**40)])
def test_faked_caches_ask_for_no_impossible_arrays(sizes):
    of = of_size(*sizes)._replace(memory=machine().memory._replace(available=2**20))
    assert levels(of) == (*(name for name, size in zip(LEVELS, sizes, strict=False) if size), "memory")
    assert 0 < limits._copy_bytes("memory", 3, of) < 2**20
    assert limits._copy_bytes("L1", 1, of) % (host().vector_bits // 8) == 0


def test_work_is_repeated_until_a_run_is_long_enough(monkeypatch):
    monkeypatch.setattr(limits, "RUN_SECONDS", 1.0)
    asked = []

    class Slow(Limit):
        def _seconds(self, parts, times):
            asked.append((len(parts), times))
            return times / 100

    limit = Slow("counting", "GFLOP/s", [None, None], 3e9)
    assert limit.once() == pytest.approx(300.0)
    assert asked == [(1, 1), (1, 16), (1, 100), (2, 100)]
    assert limit.once() == pytest.approx(300.0)
    assert asked[4:] == [(2, 100)], "the second time it knows"


def test_all_threads_work_at_once_and_wait_at_the_gate():
    together, gates = threading.Barrier(3), []

    def work(gate, threads, times):
        gates.append((gate, threads, times))
        together.wait(timeout=30)

    assert Limit("meeting", "GB/s", [], 1e9)._seconds([work] * 3, 5) > 0
    assert gates == [(gates[0][0], 3, 5)] * 3


@pytest.mark.parametrize("make", [
    lambda: arithmetic_limit("float32", 2), lambda: copy_limit("L1", 2),
], ids=["arithmetic", "copy"])  # fmt: skip
def test_nobody_passes_the_gate_before_all_are_there(make):
    first, second = make()._work
    gate = np.zeros(1, np.int64)
    ended = threading.Event()
    thread = threading.Thread(target=lambda: (first(gate.ctypes.data, 2, 1), ended.set()), daemon=True)
    thread.start()
    while gate[0] == 0:
        pass
    assert not ended.wait(0.05)
    second(gate.ctypes.data, 2, 1)
    assert ended.wait(30)
    thread.join()


@pytest.mark.parametrize("threads", [1, 2])
def test_limits_are_rates(quick, threads):
    assert all(arithmetic_limit(dtype, threads).once() > 0 for dtype in limits.DTYPES)
    assert all(copy_limit(level, threads).once() > 0 for level in LEVELS)


def test_what_cannot_be_measured_is_an_error():
    with pytest.raises(PellucidError, match="float32 and float64, not in int32"):
        arithmetic_limit("int32", 1)
    with pytest.raises(PellucidError, match="no level 'L3' of memory to copy in; there are L1, L2, memory"):
        copy_limit("L3", 1, of_size(2**15, 2**19, 0))


def test_a_kernel_and_its_limit_are_measured_in_turns():
    met = []

    class Recording(Limit):
        def once(self):
            met.append("limit")
            return 7.0

    pairs = alternate(lambda: met.append("kernel"), Recording("", "", [], 0), rounds=2)
    assert met == ["kernel", "limit", "kernel", "limit", "kernel"]
    assert [pair.rate for pair in pairs] == [7.0, 7.0]
    assert all(pair.seconds >= 0 for pair in pairs)


class Given(Limit):
    """A limit whose runs give these rates."""

    def __init__(self, *rates):
        super().__init__("given", "GB/s", [], 0)
        self.rates = iter(rates)

    def once(self):
        return next(self.rates)


def test_the_best_of_the_repeats_and_how_far_the_median_is_below(monkeypatch):
    monkeypatch.setattr(peak, "REPEATS", 5)
    best, spread = peak.measure(Given(99.0, 5.0, 10.0, 8.0, 9.9, 9.8 - 0.05, 7.0, 11.0))
    assert best == 10.0, "the first run does not count, nor one after the best agree"
    assert spread == pytest.approx(1 - 9.75 / 10)


def test_runs_that_do_not_agree_are_repeated_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(peak, "REPEATS", 3)
    monkeypatch.setattr(peak, "MOST_REPEATS", 6)
    assert peak.measure(Given(1.0, 5.0, 7.0, 8.0, 8.0, 7.9, 20.0)).best == 8.0, "three within 5% end it"
    assert peak.measure(Given(1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 100.0)).best == 6.0


def test_a_peak_has_every_dtype_and_level_on_one_thread_and_on_all(quick):
    told = []
    found = peak.peak(threads=2, report=lambda done, total: told.append((done, total)))
    assert found.threads == 2
    assert [*found.arithmetic] == [*limits.DTYPES]
    assert [*found.bandwidth] == [*LEVELS]
    for rates in [*found.arithmetic.values(), *found.bandwidth.values()]:
        assert [*rates] == [1, 2]
        assert all(m.best > 0 and 0 <= m.spread < 1 for m in rates.values())
    assert told == [(k, 12) for k in range(1, 13)]
    assert 0 <= found.spread < 1


def test_one_core_is_measured_once(quick):
    assert [*peak.peak(threads=1).arithmetic["float32"]] == [1]


def test_a_peak_is_measured_once_and_kept_on_disk(quick, monkeypatch):
    monkeypatch.setattr(peak, "_measured", lambda *_: FAKE)
    assert peak.peak(threads=2) == FAKE
    monkeypatch.setattr(peak, "_measured", lambda *_: pytest.fail("it was measured again"))
    assert peak.peak(threads=2) == FAKE
    peak._known.clear()
    assert peak.peak(threads=2) == FAKE, "another process finds it on disk"
    assert cache.kept().measurements == 1
    another = FAKE._replace(bandwidth={})
    monkeypatch.setattr(peak, "_measured", lambda *_: another)
    assert peak.peak(refresh=True, threads=2) == another
    peak._known.clear()
    assert peak.peak(threads=2) == another


def test_another_number_of_threads_or_target_is_measured_for_itself(quick, monkeypatch):
    measured = []
    monkeypatch.setattr(peak, "_measured", lambda of, threads, report: measured.append(threads) or FAKE)
    peak.peak(threads=2)
    peak.peak(threads=3)
    monkeypatch.setenv("PELLUCID_TARGET", "generic")
    peak.peak(threads=2)
    assert measured == [2, 3, 2]


def test_a_damaged_result_is_measured_again(quick, monkeypatch):
    monkeypatch.setattr(cache._Report, "given", False)
    monkeypatch.setattr(peak, "_measured", lambda *_: FAKE)
    peak.peak(threads=2)
    (kept,) = quick.glob("measured-*")
    kept.write_bytes(kept.read_bytes()[:-3])
    peak._known.clear()
    with pytest.warns(UserWarning, match="is damaged, and was removed"):
        assert peak.peak(threads=2) == FAKE


def test_what_is_encoded_is_json_and_comes_back():
    assert peak._decoded(json.loads(json.dumps(peak.encoded(FAKE)))) == FAKE
