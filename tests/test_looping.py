"""Loops over minibatches: any steps of them, on any rows, give the bits of a whole run; one native call has many."""

import itertools
import signal
import sys

import numpy as np
import pytest

import pellucid as pc
from pellucid import looping
from pellucid.core.snapshot import snapshot
from pellucid.step import Batches

BACKENDS = ["native", "xla", "reference"]
ROWS = 60
SIZES = {"divides": 15, "short last batch": 13, "whole": 60, "larger": 100, "one row left": 59}


def training(backend="native", seed=3, hidden=24):
    """A network with dropout whose step returns its loss and a number for each row, and its parameters."""
    draw = np.random.default_rng(1)
    x, label = pc.variable("x", ("batch", 40)), pc.variable("label", ("batch",), "int32")
    W = pc.parameter(draw.normal(size=(40, hidden)) * 0.2, name="W")
    V = pc.parameter(draw.normal(size=(hidden, 3)) * 0.2, name="V")
    h = pc.maximum(x @ W, 0) * (pc.uniform(("batch", hidden)) < 0.7)
    loss = -pc.pick(pc.log_softmax(h @ V), label).mean()
    updates = [(p, p - 0.3 * g) for p, g in zip([W, V], pc.gradient(loss, [W, V]), strict=True)]
    return pc.function([x, label], [loss, h.sum(axis=1)], updates, seed, backend), [W, V]


def arrays(rows=ROWS):
    draw = np.random.default_rng(2)
    return draw.normal(size=(rows, 40)).astype("float32"), draw.integers(0, 3, rows).astype("int32")


def result(outputs, parameters):
    return [o.tobytes() for o in outputs] + [p.value.tobytes() for p in parameters]


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize(
    ("backend", "threads"), [("native", "1"), ("native", "2"), ("native", "3"), ("reference", "1")]
)
def test_steps_from_the_middle_have_the_bits_of_a_whole_run(backend, size, threads, monkeypatch):
    step, parameters = training(backend, hidden=1024)
    whole = step.minibatches(size, epochs=3, seed=5)(*arrays())
    expected = result(whole, parameters)
    monkeypatch.setenv("PELLUCID_THREADS", threads)
    step, parameters = training(backend, hidden=1024)
    prepared = step.minibatches(size, seed=5).on(*arrays())
    per = prepared.steps_per_epoch
    cuts = sorted({0, 1, per - 1, per, per + 2, 2 * per, 2 * per, 3 * per} & set(range(3 * per + 1)))
    pieces = [prepared.run(a, b - a) for a, b in itertools.pairwise(cuts)]
    assert len(pieces) > 1
    assert result([np.concatenate(parts) for parts in zip(*pieces, strict=True)], parameters) == expected


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_replay_gives_the_same_bits_and_leaves_the_counters(backend):
    step, parameters = training(backend)
    prepared = step.minibatches(13, seed=5).on(*arrays())
    prepared.run(0, 4)
    before = snapshot(parameters)
    once = result(prepared.run(4, 9), parameters)
    before.restore()
    assert result(prepared.run(4, 9), parameters) == once
    assert (step.state.step, step.state.epoch) == (0, 0)


@pytest.mark.parametrize("size", [15, 13])
def test_calls_continue_the_epochs_and_the_draws_of_the_function(size):
    step, parameters = training()
    loop = step.minibatches(size, epochs=2, seed=5)
    first, second = loop(*arrays()), loop(*arrays())
    expected = result([np.concatenate(pair) for pair in zip(first, second, strict=True)], parameters)
    step, parameters = training()
    assert result(step.minibatches(size, epochs=4, seed=5)(*arrays()), parameters) == expected
    assert (step.state.step, step.state.epoch) == (4 * -(-ROWS // size), 4)


@pytest.mark.parametrize("size", [5, 4])
@pytest.mark.parametrize("backend", BACKENDS)
def test_draws_are_counted_by_all_steps_of_a_function(backend, size):
    x = pc.variable("x", ("batch",))
    step = pc.function([x], x * 0 + pc.uniform(("batch",)), backend=backend)
    loop = step.minibatches(size, epochs=2)
    per = loop.on(np.ones(10)).steps_per_epoch
    for _ in range(per):
        step(np.ones(size))
    drawn = loop(np.ones(10))
    assert len(set(drawn)) == 20
    np.testing.assert_array_equal(drawn, loop.on(np.ones(10)).run(per, 2 * per))


def rows_seen(backend, size, **arguments):
    x = pc.variable("x", ("batch",), "int32")
    return pc.function([x], x * 1, backend=backend).minibatches(size, **arguments)


@pytest.mark.parametrize("size", [10, 7])
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_epoch_takes_every_row_once_in_another_order(backend, size):
    epochs = rows_seen(backend, size, epochs=5, seed=1)(np.arange(30)).reshape(5, 30)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(30), (5, 1)))
    assert len({epoch.tobytes() for epoch in epochs}) == 5
    np.testing.assert_array_equal(epochs, rows_seen("reference", size, epochs=5, seed=1)(np.arange(30)).reshape(5, 30))


def test_steps_far_beyond_32_bits_agree_with_the_reference():
    first = 3 * 2**40 + 2
    native, *others = (rows_seen(b, 10, seed=1).on(np.arange(30)).run(first, 7) for b in BACKENDS)
    for other in others:
        np.testing.assert_array_equal(native, other)
    np.testing.assert_array_equal(np.sort(native[10:40]), np.arange(30))


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_batch_of_all_rows_has_them_as_they_were_given_and_is_the_plain_step(shuffle):
    step, parameters = training()
    repeated = step.repeat(6)(*arrays())
    expected = result([repeated[0], repeated[1].reshape(-1)], parameters)
    step, parameters = training()
    assert result(step.minibatches(ROWS, epochs=6, shuffle=shuffle)(*arrays()), parameters) == expected
    step.repeat(1)(*arrays())
    assert len(step.compilations) == 1, "nothing else was compiled for it"


@pytest.mark.parametrize("size", [15, 13, 100], ids=["divides", "short", "whole"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_chosen_rows_are_a_copy_of_them_in_all_but_the_copying(backend, size):
    x, label = arrays(90)
    rows = np.random.default_rng(7).permutation(90)[:ROWS]
    step, parameters = training(backend)
    expected = result(step.minibatches(size, epochs=2, seed=5)(x[rows], label[rows]), parameters)
    step, parameters = training(backend)
    prepared = step.minibatches(size, seed=5).on(x, label, rows=rows)
    assert prepared.steps_per_epoch == -(-ROWS // size)
    assert result(prepared.run(0, 2 * prepared.steps_per_epoch), parameters) == expected


def test_a_mapped_array_is_read_where_it_lies(tmp_path):
    x, label = arrays(90)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    step, _ = training()
    prepared = step.minibatches(13).on(mapped, label, rows=np.arange(5, 80))
    assert np.shares_memory(prepared.inputs[0], mapped)
    again = training()[0].minibatches(13).on(x, label, rows=np.arange(5, 80))
    assert prepared.run(0, 9)[1].tobytes() == again.run(0, 9)[1].tobytes()


def test_later_changes_of_the_row_numbers_do_not_matter():
    rows = np.array([4, 2, 0], dtype=np.int32)
    prepared = rows_seen("native", 2, shuffle=False).on(np.arange(5), rows=rows)
    rows[:] = 99
    np.testing.assert_array_equal(prepared.run(0, 4), [4, 2, 0, 4, 2, 0])


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([0, 5], "number 5, and the arrays have 5 rows: 0 to 4"),
        ([-1], "number -1"),
        ([], "one or more rows"),
        ([0.5], "whole numbers, not float64"),
        ([[0]], r"shape \(1, 1\)"),
        ([True, False, True, True, True], "not bool"),
    ],
)
def test_rows_that_there_are_not_are_refused(rows, says):
    with pytest.raises(pc.InputError, match=says):
        rows_seen("native", 2).on(np.arange(5), rows=rows)


@pytest.mark.parametrize(("first", "steps"), [(-1, 2), (0, -1), (0.5, 1), (0, None), (0, True)])
def test_steps_that_there_are_not_are_refused(first, steps):
    with pytest.raises(pc.InputError, match="whole numbers of 0 or more"):
        rows_seen("native", 2).on(np.arange(5)).run(first, steps)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_no_steps_return_empty_outputs(size):
    x = pc.variable("x", ("batch", 2))
    loop = pc.function([x], [x.sum(), x * 2]).minibatches(size).on(np.ones((5, 2)))
    total, doubled = loop.run(3, 0)
    assert (total.shape, doubled.shape) == ((0,), (0, 2))


def test_inputs_are_checked_once(monkeypatch):
    step, _ = training()
    x, label = arrays()
    checked = []
    monkeypatch.setattr(sys.modules["pellucid.compiled"], "first_nan", lambda array: checked.append(array.shape))
    prepared = step.minibatches(13).on(x, label)
    for first in range(5):
        prepared.run(first, 1)
    assert checked == [x.shape]


@pytest.mark.parametrize(("size", "most"), [(10, 6), (30, 6), (13, 2 * 1000 + 10)])
def test_a_native_call_goes_on_from_epoch_to_epoch(size, most, monkeypatch):
    calls = []
    run = looping.Part.run
    monkeypatch.setattr(looping.time, "perf_counter", lambda: 0.0)  # steps that take no time
    monkeypatch.setattr(looping.Part, "run", lambda self, *rest: (calls.append(rest[1:]), run(self, *rest)))
    x = pc.variable("x", ("batch",))
    pc.function([x], x.sum()).minibatches(size, epochs=1000)(np.ones(30))
    assert sum(count for _, count in calls) == 1000 * -(-30 // size)
    assert len(calls) <= most


@pytest.mark.parametrize("size", [10, 7, 30])
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_interrupt_stops_between_steps_and_a_run_goes_on_from_there(backend, size):
    x = pc.variable("x", ("batch",))
    count, total = pc.parameter(0.0, name="count"), pc.parameter(0.0, name="total", dtype="float64")
    updates = [(count, count + 1), (total, total + x.sum().astype("float64"))]
    step = pc.function([x], x * 1, updates=updates, backend=backend)
    loop = step.minibatches(size, epochs=40, seed=2)
    whole = loop(np.arange(30.0))
    count.value, total.value = 0, 0

    def interrupt(done, steps):
        if done >= 3:
            signal.raise_signal(signal.SIGINT)

    prepared = loop.on(np.arange(30.0))
    steps = 40 * prepared.steps_per_epoch
    with pytest.raises(pc.Interrupted) as stopped:
        prepared.run(0, steps, progress=interrupt)
    done = stopped.value.steps
    assert 3 <= done == count.value
    np.testing.assert_array_equal(stopped.value.outputs, whole[: len(stopped.value.outputs)])
    rest = prepared.run(done, steps - done)
    np.testing.assert_array_equal(np.concatenate([stopped.value.outputs, rest]), whole)
    assert (count.value, total.value) == (steps, 40 * np.arange(30).sum())


def test_an_interrupted_call_has_counted_its_steps_and_whole_epochs():
    x = pc.variable("x", ("batch",))
    step = pc.function([x], x.sum())

    def interrupt(done, steps):
        if done >= 9:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(pc.Interrupted) as stopped:
        step.minibatches(7, epochs=40)(np.ones(30), progress=interrupt)
    assert step.state.step == stopped.value.steps
    assert step.state.epoch == stopped.value.steps // 5


@pytest.mark.parametrize(
    "batches", [Batches(), Batches(5, 4, 0, 0, 5), Batches(2, 1, 20, 4, 5), Batches(5, 4, 0, 0, 4)]
)
def test_batches_and_steps_are_counted_alike(batches):
    for step in range(23):
        batch = batches.before(step)
        if batches.left(step):
            assert batches.step(batch) == step
            assert batches.before(step + batches.left(step)) == batch + batches.left(step)
        else:
            assert batches.before(step + 1) == batch
            assert batches.step(batch) > step


def test_progress_of_one_step_is_told_as_that_of_many_is():
    x, told = pc.variable("x", ("batch",)), []
    once = pc.function([x], x.sum())
    for function in (once, once.repeat(1), once.minibatches(3)):
        function(np.ones(3), progress=lambda *numbers: told.append(numbers))
    assert told == [(1, 1)] * 3
