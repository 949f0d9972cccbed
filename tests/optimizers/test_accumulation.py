"""Gradients accumulated over several steps: as one step by their average, with every rule, on both backends."""

import dataclasses

import numpy as np
import pytest

import pellucid as pc
from optimizers.oracles import ORACLES, run

STEPS = 4
CASES = [(name, arguments) for name, (_, several) in ORACLES.items() for arguments in several]
SHOWN = [f"{name}-{'-'.join(map(str, arguments)) or 'defaults'}" for name, arguments in CASES]
each_case = pytest.mark.parametrize(("name", "arguments"), CASES, ids=SHOWN)
on_backends = pytest.mark.parametrize("backend", ["native", "xla", "reference"])


def make(name, **arguments):
    return pc.optimizers.OPTIMIZERS[name](gradient_accumulation_steps=STEPS, **arguments)


def batches(count, dtype="float64"):
    draw = np.random.default_rng(5).standard_normal
    return [draw((6, 3)).astype(dtype) for _ in range(count)], draw(3)


def problem(start, dtype="float64"):
    """Return rows, a parameter, and the mean squared distance of rows from a third of its square."""
    x, w = pc.variable("x", ("rows", 3), dtype), pc.parameter(start, name="w", dtype=dtype)
    return x, w, ((x - w * w / 3) ** 2).sum(axis=1).mean()


def slope(w, rows):
    return (2 * (rows - w * w / 3) * (-2 * w / 3)).mean(axis=0)


@on_backends
@each_case
def test_every_rule_against_numpy(name, arguments, backend):
    rows, start = batches(3 * STEPS + 1)
    x, w, loss = problem(start)
    arguments = {"learning_rate": 0.05, **arguments}
    step = pc.function([x], [], updates=make(name, **arguments).updates(loss, [w]), backend=backend)
    found = []
    for batch in rows:
        step(batch)
        found.append(w.value)
    groups = iter([rows[k : k + STEPS] for k in range(0, 3 * STEPS, STEPS)])

    def gradient(at):
        return np.mean([slope(at, batch) for batch in next(groups)], axis=0)

    expected = run(ORACLES[name][0], start, gradient, 3, **arguments)
    for k, value in enumerate(found, start=1):
        whole = k // STEPS
        if k % STEPS:  # nothing changes, not by a bit
            assert value.tobytes() == (found[whole * STEPS - 1] if whole else start).tobytes()
        else:
            np.testing.assert_allclose(value, expected[whole - 1], rtol=1e-9, atol=1e-11)


@on_backends
@pytest.mark.parametrize("clipping", [{}, {"clipnorm": 0.1}, {"clipvalue": 0.05}, {"global_clipnorm": 0.1}], ids=str)
def test_batches_accumulated_are_one_large_batch(clipping, backend):
    rows, start = batches(2 * STEPS)
    arguments = {"learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.1, **clipping}
    x, w, loss = problem(start)
    step = pc.function([x], [], updates=make("sgd", **arguments).updates(loss, [w]), backend=backend)
    for batch in rows:
        step(batch)
    x, large, loss = problem(start)
    step = pc.function([x], [], updates=pc.optimizers.SGD(**arguments).updates(loss, [large]), backend=backend)
    for k in range(0, 2 * STEPS, STEPS):
        step(np.concatenate(rows[k : k + STEPS]))
    np.testing.assert_allclose(w.value, large.value, rtol=1e-12)
    assert (w.value != start).all()


@pytest.mark.parametrize("name", sorted(ORACLES))
def test_in_a_native_loop_as_step_by_step(name):
    rows, start = batches(1, "float32")
    found = []
    for loop in (True, False):
        x, w, loss = problem(start, "float32")
        optimizer = make(name, learning_rate=0.05)
        step = pc.function([x], loss, updates=optimizer.updates(loss, [w]))
        if loop:
            step.repeat(3 * STEPS - 1)(rows[0])
        else:
            for _ in range(3 * STEPS - 1):
                step(rows[0])
        found.append([w.value.tobytes(), *(kept.value.tobytes() for kept in optimizer.state.values())])
    assert found[0] == found[1]


def test_a_schedule_counts_steps_and_a_correction_changes():
    """As in Keras, whose schedules are asked for the number of batches."""
    rows, start = batches(2 * STEPS)
    x, w, loss = problem(start)
    halving = pc.optimizers.ExponentialDecay(0.5, decay_steps=1, decay_rate=0.5)
    step = pc.function([x], [], updates=make("sgd", learning_rate=halving).updates(loss, [w]))
    expected = start
    for k in range(0, 2 * STEPS, STEPS):
        for batch in rows[k : k + STEPS]:
            step(batch)
        gradient = np.mean([slope(expected, batch) for batch in rows[k : k + STEPS]], axis=0)
        expected = expected - 0.5 * 0.5 ** (k + STEPS - 1) * gradient
        np.testing.assert_allclose(w.value, expected, rtol=1e-12)


@on_backends
def test_a_step_that_is_not_chosen_spoils_nothing(backend):
    """The average of a part may be where a rule has no value: here it is the root of a negative number."""

    class Root(pc.optimizers.Optimizer):
        def decrease(self, parameter, gradient, rate):
            return rate * pc.sqrt(gradient), [(self.slot(parameter, "last"), pc.sqrt(gradient))]

    w, g = pc.parameter([1.0, 2.0], name="w"), pc.variable("g", (2,))
    optimizer = Root(1.0, gradient_accumulation_steps=2)
    step = pc.function([g], [], updates=optimizer.updates(None, [w], [g]), backend=backend)
    step([-1.0, -2.0])
    assert {name: kept.value.tolist() for name, kept in optimizer.state.items()} == {
        "iterations": 1, "w.gradient_accumulator": [-1.0, -2.0], "w.last": [0.0, 0.0],
    }  # fmt: skip
    assert w.value.tolist() == [1.0, 2.0]
    step([3.0, 10.0])
    assert w.value.tolist() == [0.0, 0.0]
    assert optimizer.state["w.gradient_accumulator"].value.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", sorted(ORACLES))
def test_restored_in_the_middle_of_accumulating(name):
    rows, start = batches(2 * STEPS)

    def begin(at):
        x, w, loss = problem(at)
        optimizer = make(name, learning_rate=0.05)
        return w, optimizer, pc.function([x], [], updates=optimizer.updates(loss, [w]))

    w, optimizer, step = begin(start)
    for batch in rows[: STEPS + 2]:
        step(batch)
    saved, value = {key: kept.value for key, kept in optimizer.state.items()}, w.value
    again, other, resumed = begin(value)
    other.restore(saved)
    for batch in rows[STEPS + 2 :]:
        step(batch)
        resumed(batch)
    assert again.value.tobytes() == w.value.tobytes()


STATE = {"iterations": np.int64(3), "w.momentum": np.ones(3), "w.velocity": np.ones(3)}


@pytest.mark.parametrize(("change", "said"), [
    ({"iterations": None}, "Adam.restore: lacks iterations; expected the state of Adam"),
    ({"w.u": np.ones(3)}, "does not know w.u"),
    ({"iterations": None, "w.u": np.ones(3)}, "lacks iterations and does not know w.u"),
    ({"w.momentum": np.ones(4)}, r"w.momentum is float64 \(4,\); expected float64 \(3,\)"),
    ({"w.velocity": np.ones(3, "float32")}, r"w.velocity is float32 \(3,\); expected float64 \(3,\)"),
    ({"iterations": 3.0}, r"iterations is float64 \(\); expected int64 \(\)"),
])  # fmt: skip
def test_state_that_does_not_fit_is_refused_and_changes_nothing(change, said):
    _, w, loss = problem(np.ones(3))
    optimizer = pc.optimizers.Adam()
    optimizer.updates(loss, [w])
    given = {key: value for key, value in (STATE | change).items() if value is not None}
    with pytest.raises(pc.InputError, match=said):
        optimizer.restore(given)
    assert not any(kept.value.any() for kept in optimizer.state.values())
    optimizer.restore(STATE)
    assert {key: kept.value.tolist() for key, kept in optimizer.state.items()} == {
        "iterations": 3, "w.momentum": [1.0] * 3, "w.velocity": [1.0] * 3,
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(ORACLES))
def test_fields_are_the_configuration(name):
    """What saving writes down: the same class with the same fields is the same rule."""
    optimizer = make(name, learning_rate=0.25, clipnorm=2.0)
    given = {f.name: getattr(optimizer, f.name) for f in dataclasses.fields(optimizer) if f.init}
    assert repr(type(optimizer)(**given)) == repr(optimizer)
    assert all(value is None or isinstance(value, bool | int | float) for value in given.values())
