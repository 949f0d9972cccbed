"""Schedules against NumPy, at every step of a native loop and for step numbers that float32 does not hold."""

import math

import numpy as np
import pytest

import pellucid as pc
from pellucid.optimizers import (
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    LinearWarmup,
    PiecewiseConstantDecay,
    PolynomialDecay,
)


def cosine(step, highest=0.1, steps=20, alpha=0.0):
    return highest * ((1 - alpha) * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1))) + alpha)


def warm_cosine(step):
    return 0.01 + (0.2 - 0.01) * step / 8 if step < 8 else cosine(step - 8, 0.2, 20, 0.25)


def cycled(step):
    length = 7 * max(1, math.ceil(step / 7))
    return (0.5 - 0.1) * (1 - step / length) ** 2 + 0.1


CASES = {
    "exponential": (ExponentialDecay(0.1, 10, 0.5), lambda t: 0.1 * 0.5 ** (t / 10)),
    "exponential stairs": (ExponentialDecay(0.1, 7, 0.5, staircase=True), lambda t: 0.1 * 0.5 ** (t // 7)),
    "inverse": (InverseTimeDecay(0.1, 10, 0.5), lambda t: 0.1 / (1 + 0.5 * t / 10)),
    "inverse stairs": (InverseTimeDecay(0.1, 7, 0.5, staircase=True), lambda t: 0.1 / (1 + 0.5 * (t // 7))),
    "pieces": (
        PiecewiseConstantDecay([10, 20], [0.1, 0.01, 0.001]),
        lambda t: 0.1 if t <= 10 else 0.01 if t <= 20 else 0.001,
    ),
    "one piece": (PiecewiseConstantDecay([], [0.1]), lambda t: 0.1),
    "line": (PolynomialDecay(0.5, 20, 0.1), lambda t: 0.4 * (1 - min(t, 20) / 20) + 0.1),
    "square root": (PolynomialDecay(0.5, 20, power=0.5), lambda t: 0.4999 * (1 - min(t, 20) / 20) ** 0.5 + 0.0001),
    "cycles": (PolynomialDecay(0.5, 7, 0.1, power=2.0, cycle=True), cycled),
    "cosine": (CosineDecay(0.1, 20), cosine),
    "cosine, part": (CosineDecay(0.1, 20, alpha=0.25), lambda t: cosine(t, alpha=0.25)),
    "cosine, warm": (CosineDecay(0.01, 20, 0.25, warmup_target=0.2, warmup_steps=8), warm_cosine),
    "warm-up": (LinearWarmup(0.1, 10), lambda t: 0.1 * min(t / 10, 1)),
    "warm-up to": (
        LinearWarmup(ExponentialDecay(0.1, 10, 0.5), 10, 0.02),
        lambda t: 0.02 + 0.08 * t / 10 if t < 10 else 0.1 * 0.5 ** ((t - 10) / 10),
    ),
}


@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
@pytest.mark.parametrize("name", CASES)
def test_every_step_of_a_loop(name, backend):
    """The loss is W, so that SGD takes the rate away from it at every step."""
    schedule, rate = CASES[name]
    W = pc.parameter(0.0, name="W", dtype="float64")
    step = pc.function([], W, updates=pc.optimizers.SGD(schedule).updates(W * 1.0, [W]), backend=backend)
    found = -np.diff(np.append(step.repeat(40)(), W.value))
    np.testing.assert_allclose(found, [rate(t) for t in range(40)], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_a_number_for_the_step(name):
    schedule, rate = CASES[name]
    for step in (0, 13, np.int64(33)):
        value = schedule(step)
        assert (value.shape, value.dtype) == ((), "float64")
        assert float(pc.function([], value)()) == pytest.approx(rate(int(step)), rel=1e-9)


def test_stairs_are_exact_where_float32_is_not():
    step = pc.variable("step", (), "int64")
    rate = pc.function([step], ExponentialDecay(1.0, 2, 0.5, staircase=True)(step % 1000 + 2**25))
    line = pc.function([step], PiecewiseConstantDecay([2**25], [1.0, 0.0])(step))
    assert [float(line(np.int64(2**25 + k))) for k in (-1, 0, 1)] == [1, 1, 0]
    assert float(rate(np.int64(0))) == 0.0  # 0.5 to the power 2**24


def test_minibatches_count_every_step():
    W, x = pc.parameter(0.0, name="W", dtype="float64"), pc.variable("x", ("batch",), "float64")
    schedule = ExponentialDecay(1.0, 1, 0.5)
    step = pc.function([x], W, updates=pc.optimizers.SGD(schedule).updates(W * x.mean(), [W]))
    step.minibatches(4, epochs=2)(np.ones(10))  # 4, 4 and 2 rows, twice
    assert float(W.value) == pytest.approx(-sum(0.5**k for k in range(6)))


def test_a_schedule_of_ones_own():
    class Half(pc.optimizers.LearningRateSchedule):
        def __call__(self, step):
            return pc.where(step < 2, 1.0, 0.5)

    W = pc.parameter(0.0, name="W")
    step = pc.function([], [], updates=pc.optimizers.Adam(Half(), epsilon=1e-12).updates(W * 1.0, [W]))
    step.repeat(3)()
    assert float(W.value) == pytest.approx(-2.5, rel=1e-5)
    with pytest.raises(NotImplementedError):
        pc.optimizers.LearningRateSchedule()(0)
