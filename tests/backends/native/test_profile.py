"""Profiles: rows that add up, say where they came from, and leave everything as it was. No test depends on speed."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

import pellucid as pc
from pellucid.backends.native import profile as profiles
from pellucid.backends.native.peak import Measured, Peak
from pellucid.core.errors import EmptyBatchError, InputError
from pellucid.view import kernel_times, png, roofline

LINES = Path(__file__).read_text(encoding="utf-8").splitlines()
HERE = os.path.basename(__file__)
PHASES = {"forward", "backward", "update"}


@pytest.fixture(autouse=True)
def made_up_limits(monkeypatch):
    """Say what this machine reaches instead of measuring it for seconds."""
    rates = {1: Measured(100.0, 0.0), 2: Measured(200.0, 0.0)}
    levels = {
        "L1": {1: Measured(40.0, 0), 2: Measured(80.0, 0)},
        "memory": {1: Measured(10.0, 0), 2: Measured(20.0, 0)},
    }
    monkeypatch.setattr(profiles, "limits", lambda threads: Peak(2, {"float32": rates, "float64": rates}, levels))


def cnn(batch=8):
    """Return the step of a small convolutional network with dropout, its parameters, and an input."""
    random = np.random.default_rng(0)
    x, label = pc.variable("x", ("batch", 12, 12, 1)), pc.variable("label", ("batch",), "int32")
    kernel = pc.parameter(random.normal(size=(5, 5, 1, 16)), name="kernel")
    W = pc.parameter(random.normal(size=(36 * 16, 10)) / 20, name="W")
    h = pc.max_pool2d(pc.relu(pc.conv2d(x, kernel, padding="same")), 2)  # the convolution's line
    h = h.reshape(-1, 36 * 16)
    h = h * pc.bernoulli(0.5, h.shape, "float32")
    loss = -pc.log(pc.pick(pc.softmax(h @ W), label)).mean()  # the loss's line
    gradients = pc.gradient(loss, [kernel, W])
    updates = [(p, p - 0.01 * g) for p, g in zip([kernel, W], gradients, strict=True)]  # the update's line
    arrays = [random.random((batch, 12, 12, 1), "float32"), random.integers(0, 10, batch).astype("int32")]
    return pc.function([x, label], loss, updates=updates), [kernel, W], arrays


def line_of(comment):
    return next(k for k, line in enumerate(LINES, 1) if line.endswith("# " + comment))


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_add_up_and_nothing_changes(threads):
    step, parameters, arrays = cnn()
    before, state = [p.value.copy() for p in parameters], (step.state.step, step.state.epoch)
    found = step.profile(*arrays, steps=5, threads=threads)
    assert sum(row.seconds for row in found.rows) + found.rest == pytest.approx(found.seconds, rel=1e-9)
    assert sum(found.of_phase(phase) for phase in PHASES) == pytest.approx(sum(r.seconds for r in found.rows))
    assert all(row.seconds >= 0 and row.least >= 0 for row in found.rows)
    assert 0 < found.rest < found.seconds, "clocks of kernels run inside of the step's"
    assert found.untimed > 0
    assert (step.state.step, step.state.epoch) == state
    for p, old in zip(parameters, before, strict=True):
        np.testing.assert_array_equal(p.value, old)


def test_losses_after_a_profile_are_as_without_one():
    (one, _, arrays), (other, _, _) = cnn(), cnn()
    one.profile(*arrays, steps=2)
    np.testing.assert_array_equal(one.repeat(3)(*arrays), other.repeat(3)(*arrays))


def test_kernels_name_the_lines_they_came_from():
    step, _, arrays = cnn()
    found = step.profile(*arrays, steps=1)
    assert {row.phase for row in found.rows} <= PHASES
    lines = {phase: {o.line for r in found.rows if phase in r.phases for o in r.origins} for phase in PHASES}
    assert line_of("the convolution's line") in lines["forward"] & lines["backward"]
    assert line_of("the loss's line") in lines["forward"]
    assert line_of("the update's line") in lines["update"]
    files = {os.path.basename(o.file) for row in found.rows for o in row.origins}
    assert files == {HERE}


def test_a_product_alone():
    x, W = pc.variable("x", (96, 80)), pc.parameter(np.ones((80, 64)), name="W")
    found = pc.function([x], x @ W).profile(np.ones((96, 80)), steps=1, threads=1)
    (row,) = found.rows
    assert (row.name, row.phase) == ("matmul 96x64x80", "forward")
    assert row.operations == 2 * 96 * 64 * 80
    assert row.least == pytest.approx(max(row.operations / 100e9, row.bytes / (40e9 if row.level == "L1" else 10e9)))
    assert row.share == pytest.approx(row.least / row.seconds)


def test_the_rate_of_a_level_is_no_less_than_of_one_behind_it():
    slow = Peak(1, {}, {"L1": {1: Measured(5.0, 0)}, "memory": {1: Measured(7.0, 0)}})
    assert profiles.bandwidth(slow, "L1", 1) == 7
    assert profiles.bandwidth(slow, "memory", 1) == 7


def test_repeat_and_minibatches_have_profiles():
    step, _, arrays = cnn(20)
    repeated = step.repeat(3).profile(*arrays, steps=2)
    batches = step.minibatches(6).profile(*arrays, steps=2)
    assert len(repeated.rows) > 1
    assert sum(r.operations for r in batches.rows) < sum(r.operations for r in repeated.rows)
    assert step.minibatches(100).profile(*arrays, steps=1).rows, "one short batch"
    with pytest.raises(EmptyBatchError):
        step.minibatches(6).profile(arrays[0][:0], arrays[1][:0])


def test_a_step_that_takes_longer_than_a_profile_should_is_measured_all_the_same(monkeypatch):
    monkeypatch.setattr(profiles, "SECONDS", 0.0)
    x = pc.variable("x", ("batch",))
    assert pc.function([x], pc.exp(x)).profile(np.ones(100, np.float32)).seconds > 0


def test_what_is_done_once_a_call_is_apart():
    x, W = pc.variable("x", (50, 30)), pc.parameter(np.ones(30), name="W")
    found = pc.function([x], [], updates=[(W, W + pc.exp(x).sum(axis=0))]).profile(np.zeros((50, 30)), steps=3)
    assert found.once is not None
    assert (found.once.phase, found.once.operations > 0) == ("once", True)
    assert found.once not in found.rows


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"threads": 0}, {"steps": 1.5}, {"threads": 10**6}])
def test_wrong_numbers_are_refused(wrong):
    step, _, arrays = cnn()
    (name,) = wrong
    with pytest.raises(InputError, match=rf"how many {name}.*{wrong[name]}"):
        step.profile(*arrays, **wrong)


def test_the_table_and_the_pictures():
    step, _, arrays = cnn()
    found = step.profile(*arrays, steps=1, threads=2)
    text = str(found)
    assert max(map(len, text.splitlines())) <= 120
    assert re.search(rf"convolution 1152x16x25.* forward .*{re.escape(HERE)}:\d+", text)
    assert len(re.findall(r"^rest ", text, re.MULTILINE)) == 1
    assert len(png(kernel_times(found))) > 10_000
    assert len(png(roofline(found))) > 10_000


@pytest.mark.soak
def test_clocks_cost_little():
    """Rows add up to the time of a step without clocks, within 5%, on a machine that does nothing else."""
    step, _, arrays = cnn(256)
    found = step.profile(*arrays)
    assert sum(row.seconds for row in found.rows) == pytest.approx(found.untimed, rel=0.05)
