"""What holds of every optimiser there is, and of one that is added tomorrow: the list is the registry."""

import dataclasses
import inspect

import numpy as np
import pytest

import pellucid as pc
from pellucid.optimizers import rules
from pellucid.schedule.loops import Loop
from pellucid.schedule.text import program_text

NAMES = sorted(pc.optimizers.OPTIMIZERS)
each = pytest.mark.parametrize("name", NAMES)


def make(name, **arguments):
    return pc.optimizers.OPTIMIZERS[name](**arguments)


def problem(dtype="float32"):
    """Return two parameters and a loss with its minimum at 0."""
    draw = np.random.default_rng(1).standard_normal
    W = pc.parameter(draw((5, 3)), name="W", dtype=dtype)
    b = pc.parameter(draw(3), name="b", dtype=dtype)
    return [W, b], (W * W).sum() + 2 * (b * b).sum()


def test_the_registry_is_complete():
    public = {c for _, c in inspect.getmembers(rules, inspect.isclass) if issubclass(c, pc.optimizers.Optimizer)}
    public = {c for c in public if not c.__name__.startswith("_")} - {pc.optimizers.Optimizer}
    assert public == set(pc.optimizers.OPTIMIZERS.values())
    assert all(name == c.__name__.lower() for name, c in pc.optimizers.OPTIMIZERS.items())


@each
def test_is_documented_with_an_example_and_a_source(name):
    text = inspect.getdoc(pc.optimizers.OPTIMIZERS[name])
    assert ">>>" in text
    assert ", 20" in text or ", 19" in text


@each
def test_is_found_by_name_and_shown(name):
    found = pc.optimizers.get(name)
    assert type(found) is pc.optimizers.OPTIMIZERS[name]
    assert pc.optimizers.get(found) is found
    assert repr(found) == f"{type(found).__name__}()"
    assert repr(make(name, clipnorm=2.0)) == f"{type(found).__name__}(clipnorm=2.0)"


@each
@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
def test_makes_a_loss_smaller(name, backend):
    parameters, loss = problem()
    step = pc.function([], loss, updates=make(name, learning_rate=0.01).updates(loss, parameters), backend=backend)
    losses = step.repeat(50)()
    assert losses[-1] < losses[0]
    assert (np.diff(losses) < 0).all()


@each
def test_backends_agree(name):
    found = []
    for backend in ("native", "reference"):
        parameters, loss = problem()
        updates = make(name, learning_rate=0.05).updates(loss, parameters)
        pc.function([], [], updates=updates, backend=backend).repeat(25)()
        found.append(np.concatenate([p.value.ravel() for p in parameters]))
    np.testing.assert_allclose(found[0], found[1], rtol=2e-5, atol=2e-6)


@each
def test_state_has_the_shape_and_dtype_of_its_parameter(name):
    draw = np.random.default_rng(1).standard_normal
    W, b = pc.parameter(draw((5, 3)), name="W"), pc.parameter(draw(3), name="b", dtype="float64")
    optimizer = make(name)
    updates = optimizer.updates((W * W).sum().astype("float64") + (b * b).sum(), [W, b])
    for key, state in optimizer.state.items():
        owner = {"W": W, "b": b}.get(key.split(".")[0])
        assert not state.trainable
        assert (state.name, state.shape) == (key, owner.shape if owner is not None else ())
        assert owner is None or state.dtype == owner.dtype
    assert {target for target, _ in updates} == {W, b, *optimizer.state.values()}
    pc.function([], [], updates=updates).repeat(3)()
    assert np.isfinite(W.value).all()
    assert np.isfinite(b.value).all()


@each
def test_updates_asked_again_share_their_state(name):
    """Half the steps by one function and half by another are all of them by one."""
    found = []
    for functions in (1, 2):
        parameters, loss = problem()
        optimizer = make(name, learning_rate=0.05)
        steps = [pc.function([], [], updates=optimizer.updates(loss, parameters)) for _ in range(functions)]
        for step in steps:
            step.repeat(10 // functions)()
        found.append([p.value.tobytes() for p in (*parameters, *optimizer.state.values())])
    assert found[0] == found[1]


@each
def test_state_saved_and_restored_goes_on_as_if_nothing_had_happened(name):
    def start():
        parameters, loss = problem()
        optimizer = make(name, learning_rate=0.05)
        return parameters, optimizer, pc.function([], [], updates=optimizer.updates(loss, parameters))

    parameters, optimizer, step = start()
    step.repeat(5)()
    saved = {key: state.value for key, state in optimizer.state.items()}
    values = [p.value for p in parameters]
    step.repeat(5)()

    again, other, resumed = start()
    assert list(other.state) == list(saved)
    other.restore(saved)
    for parameter, value in zip(again, values, strict=True):
        parameter.value = value
    resumed.repeat(5)()
    assert [p.value.tobytes() for p in again] == [p.value.tobytes() for p in parameters]


@each
def test_gradients_given_are_those_of_the_loss(name):
    found = []
    for given in (False, True):
        parameters, loss = problem()
        optimizer = make(name, learning_rate=0.05)
        gradients = pc.gradient(loss, parameters) if given else None
        updates = optimizer.updates(None if given else loss, parameters, gradients)
        pc.function([], [], updates=updates).repeat(5)()
        found.append([p.value.tobytes() for p in parameters])
    assert found[0] == found[1]


@each
def test_weight_decay_takes_a_share_away_before_the_step(name):
    found = []
    for decay in (0.0, 0.5):
        parameters, loss = problem("float64")
        updates = make(name, learning_rate=0.1, weight_decay=decay).updates(loss, parameters)
        pc.function([], [], updates=updates)()
        found.append([p.value for p in parameters])
    for plain, decayed, before in zip(*found, [p.value for p in problem("float64")[0]], strict=True):
        np.testing.assert_allclose(decayed, plain - 0.1 * 0.5 * before, rtol=1e-12)


@each
def test_the_rate_may_be_a_parameter_that_is_changed_between_calls(name):
    rate = pc.parameter(0.0, name="rate", trainable=False)
    parameters, loss = problem()
    step = pc.function([], [], updates=make(name, learning_rate=rate).updates(loss, parameters))
    before = [p.value for p in parameters]
    step()
    assert all((p.value == b).all() for p, b in zip(parameters, before, strict=True))
    rate.value = 0.01
    step()
    assert all((p.value != b).all() for p, b in zip(parameters, before, strict=True))
    assert len(step.compilations) == 1


@each
def test_the_rate_may_be_an_input_or_a_schedule(name):
    """Each as the numbers it gives: here they are the same ones."""
    rate, found = pc.variable("rate", ()), []
    halving = pc.optimizers.ExponentialDecay(0.125, decay_steps=1, decay_rate=0.5)
    for given in (rate, halving):
        parameters, loss = problem()
        updates = make(name, learning_rate=given).updates(loss, parameters)
        step = pc.function([rate] if given is rate else [], [], updates=updates)
        for k in range(4):
            step(*([0.125 * 0.5**k] if given is rate else []))
        found.append(np.concatenate([p.value.ravel() for p in parameters]))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


# over memory; this one stores something, which the rest of the update then waits for
PASSES = {"adadelta": 2}


@each
def test_what_is_one_number_is_computed_once(name):
    """No power, and no number of float64, inside the loop over a parameter's elements."""
    W, V = pc.parameter(np.ones((64, 64)), name="W"), pc.parameter(np.ones((64, 64)), name="V")
    schedule = pc.optimizers.ExponentialDecay(0.1, 10, 0.5)
    updates = make(name, learning_rate=schedule, weight_decay=0.1).updates((W * pc.tanh(V)).sum(), [W])
    step = pc.function([], [], updates=updates)
    step()
    program = step.compiled().executable.program
    loops = [s for s in program.each if isinstance(s, Loop)]
    text = program_text(dataclasses.replace(program, each=loops))
    assert "W[" in text
    assert " ** " not in text
    assert "float64" not in text
    assert len(loops) == PASSES.get(name, 1)
