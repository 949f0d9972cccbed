"""One clear error for each wrong argument, which names the class, the argument and what was expected."""

import dataclasses

import numpy as np
import pytest

import pellucid as pc
from pellucid import optimizers as o

W = pc.parameter([1.0, 2.0], name="W")

REFUSED = [
    (lambda: o.SGD(-0.1), "SGD: learning_rate is -0.1, and a number 0 or more was expected"),
    (lambda: o.SGD("fast"), "learning_rate is 'fast'"),
    (lambda: o.SGD(float("nan")), "learning_rate is nan"),
    (lambda: o.SGD(True), "learning_rate is True"),
    (lambda: o.SGD(None), "learning_rate is None"),
    (lambda: o.SGD(W), "the learning rate is float32 \\(2,\\).*a float scalar was expected"),
    (lambda: o.SGD(pc.parameter(1, dtype="int32")), "the learning rate is int32"),
    (lambda: o.SGD(momentum=1.0), "momentum is 1.0, and a number 0 or more and below 1"),
    (lambda: o.SGD(nesterov=True), "nesterov=True needs a momentum"),
    (lambda: o.SGD(clipnorm=1.0, clipvalue=1.0), "clipped in one way, not by clipvalue and clipnorm"),
    (lambda: o.SGD(clipnorm=0.0), "clipnorm is 0.0, and a number above 0 was expected, or None"),
    (lambda: o.SGD(weight_decay=-1), "weight_decay is -1"),
    (lambda: o.SGD(gradient_accumulation_steps=1), "gradient_accumulation_steps is 1, and a whole number of 2 or more"),
    (lambda: o.SGD(gradient_accumulation_steps=2.0), "gradient_accumulation_steps is 2.0"),
    (lambda: o.SGD(gradient_accumulation_steps=True), "gradient_accumulation_steps is True"),
    (lambda: o.Adagrad(initial_accumulator_value=-1.0), "initial_accumulator_value is -1.0"),
    (lambda: o.Adagrad(epsilon=0.0), "epsilon is 0.0"),
    (lambda: o.Adadelta(rho=1.5), "Adadelta: rho is 1.5"),
    (lambda: o.RMSprop(rho=-0.5), "rho is -0.5"),
    (lambda: o.RMSprop(momentum=2), "momentum is 2"),
    (lambda: o.Adam(beta_1=1.0), "Adam: beta_1 is 1.0"),
    (lambda: o.AdamW(beta_2=-0.1), "AdamW: beta_2 is -0.1"),
    (lambda: o.Adamax(epsilon=-1e-7), "epsilon is -1e-07"),
    (lambda: o.Nadam(beta_1=np.nan), "beta_1 is nan"),
    (lambda: o.get("adamm"), "'adamm' is not an optimiser; .*sgd, adagrad"),
    (lambda: o.get(o.Adam), "is not an optimiser; expected one such as pc.optimizers.Adam\\(\\)"),
    (lambda: o.ExponentialDecay(-1, 10, 0.5), "ExponentialDecay: initial_learning_rate is -1"),
    (lambda: o.ExponentialDecay(0.1, 0, 0.5), "decay_steps is 0, and a number above 0"),
    (lambda: o.ExponentialDecay(0.1, 10, 0.0), "decay_rate is 0.0"),
    (lambda: o.InverseTimeDecay(0.1, 10, -1), "decay_rate is -1"),
    (lambda: o.PiecewiseConstantDecay([1, 2], [0.1, 0.2]), "2 boundaries have 3 values"),
    (lambda: o.PiecewiseConstantDecay([2, 1], [0.1, 0.2, 0.3]), "boundaries are numbers that increase"),
    (lambda: o.PiecewiseConstantDecay([1], [0.1, -0.2]), "one of values is -0.2"),
    (lambda: o.PolynomialDecay(0.1, 10, power=0), "power is 0"),
    (lambda: o.PolynomialDecay(0.1, 10, end_learning_rate=-1), "end_learning_rate is -1"),
    (lambda: o.CosineDecay(0.1, 10, alpha=2.0), "alpha is 2.0, and a number from 0 to 1"),
    (lambda: o.CosineDecay(0.1, 10, warmup_target=0.2), "a warm-up needs both"),
    (lambda: o.CosineDecay(0.1, 10, warmup_steps=5), "a warm-up needs both"),
    (lambda: o.LinearWarmup(0.1, 0), "warmup_steps is 0"),
    (lambda: o.LinearWarmup("high", 5), "learning_rate is 'high'"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_arguments_out_of_range(make, message):
    with pytest.raises(pc.InputError, match=message):
        make()


loss = (W * W).sum()
fixed, whole = pc.parameter(1.0, name="fixed", trainable=False), pc.parameter(1, name="whole", dtype="int32")

NOT_UPDATED = [
    (lambda u: u(loss, []), pc.UpdateError, "no parameters"),
    (lambda u: u(loss, [W, fixed]), pc.UpdateError, "fixed, which is not trainable"),
    (lambda u: u(loss, [pc.variable("x", ())]), pc.UpdateError, "changes parameters, and x is a variable"),
    (lambda u: u(loss, [3.0]), pc.UpdateError, "changes parameters, and 3.0 is a float"),
    (lambda u: u(loss, 3.0), pc.UpdateError, "changes parameters, and 3.0 is a float"),
    (lambda u: u(loss, [W, W]), pc.UpdateError, "W twice"),
    (lambda u: u(W * W, [W]), pc.GradientError, "the gradient is of a scalar"),
    (lambda u: u(loss, [whole]), pc.GradientError, "int32, and only floats have a derivative"),
    (lambda u: u(None, [whole], [pc.constant(1)]), pc.DtypeError, "an optimiser changes floats"),
    (lambda u: u(None, [W]), pc.InputError, "given neither"),
    (lambda u: u(loss, [W], [W]), pc.InputError, "given both"),
    (lambda u: u(None, [W], []), pc.InputError, "1 parameters and 0 gradients"),
    (lambda u: u(None, [W], [pc.constant(1.0)]), pc.InputError, "a gradient for W that is float32 \\(\\)"),
    (lambda u: u(None, [W], [1.0]), pc.InputError, "a gradient for W that is 1.0"),
]


@pytest.mark.parametrize(("use", "error", "message"), NOT_UPDATED, ids=[message for *_, message in NOT_UPDATED])
def test_what_cannot_be_updated(use, error, message):
    optimizer = o.Adam()
    with pytest.raises(error, match=message):
        use(optimizer.updates)
    assert not optimizer.state  # what is refused leaves nothing behind


def test_one_parameter_may_stand_alone():
    assert o.SGD().updates(loss, W) == o.SGD().updates(loss, [W])


def test_an_optimiser_in_use_takes_no_new_parameters():
    """Its count would be wrong for them, and with it the correction of moments that start at 0."""
    first, second = pc.parameter(1.0, name="first"), pc.parameter(1.0, name="second")
    optimizer = o.Adam()
    step = pc.function([], [], updates=optimizer.updates(first * first, [first]))
    optimizer.updates(second * second, [second])  # before it has counted any
    step()
    assert optimizer.updates(first * first, [first])
    assert optimizer.updates(second * second, [second])
    third = pc.parameter(1.0, name="third")
    with pytest.raises(pc.UpdateError, match=r"Adam has counted 1 steps .*, and third is new to it"):
        optimizer.updates(third * third, [third])


def test_names_of_state_are_one_for_each_parameter():
    same = [pc.parameter(1.0, name="W"), pc.parameter(1.0, name="W"), pc.parameter(1.0), pc.parameter(1.0)]
    optimizer = o.SGD(momentum=0.9)
    optimizer.updates(sum(p * p for p in same), same)
    assert list(optimizer.state) == ["W.momentum", "W_2.momentum", "parameter.momentum", "parameter_2.momentum"]


def test_arguments_are_not_changed_afterwards():
    """It would have no effect on what is compiled; a rate that changes is a parameter."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        o.SGD().learning_rate = 0.5


def test_plain_descent_keeps_nothing():
    optimizer = o.SGD(0.5)
    assert optimizer.updates(loss, [W]) == [(W, W - 0.5 * pc.gradient(loss, W))]
    assert not optimizer.state


def test_a_rule_that_is_not_written_says_so():
    with pytest.raises(NotImplementedError, match="Optimizer has no decrease"):
        o.Optimizer().updates(loss, [W])
