"""The rules. Each is written so that what is one number for all elements is computed once a step.

What is left for an element is a handful of multiplications and additions, and at most one root and one division.
The arguments of every rule go on with those of ``Optimizer``: weight_decay and the three ways of clipping.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.declarations import Pairs
from ..core.errors import InputError
from ..core.expression import Expression, Parameter
from ..core.settings import check_number
from ..operations.composed import square
from ..operations.exponential import sqrt
from ..operations.rounding import abs as absolute
from ..operations.rounding import maximum
from .optimizer import Optimizer, fitted
from .schedules import LearningRateSchedule

Decrease = tuple[Expression, Pairs]


def average(old: Parameter, new: Expression, decay: float) -> Expression:
    """Return a moving average after one more value; where a square has overflowed it is infinite, and not NaN."""
    return decay * old + (1 - decay) * new


@dataclass(frozen=True, eq=False, repr=False)
class SGD(Optimizer):
    """Stochastic gradient descent, plain, with momentum, or with Nesterov's.

    With momentum: velocity ← momentum * velocity + rate * gradient, which is taken from the parameter. Nesterov's takes
    what the velocity would be one step later: momentum * velocity + rate * gradient, once more.

    Robbins and Monro, *A stochastic approximation method*, 1951; Polyak, *Some methods of speeding up the convergence
    of iteration methods*, 1964; Sutskever, Martens, Dahl and Hinton, *On the importance of initialization and momentum
    in deep learning*, 2013, section 2.

    >>> import pellucid as pc
    >>> W = pc.parameter(1.0)
    >>> updates = pc.optimizers.SGD(0.1, momentum=0.9).updates(W * W / 2, [W])
    >>> pc.function([], W, updates=updates).repeat(3)().round(3)
    array([1.  , 0.9 , 0.72], dtype=float32)
    """

    learning_rate: float | Expression | LearningRateSchedule = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def check(self) -> None:
        """Check the momentum."""
        check_number(self, "momentum", self.momentum, "decay")
        if self.nesterov and not self.momentum:
            raise InputError("SGD: nesterov=True needs a momentum above 0, such as momentum=0.9")

    def decrease(self, parameter: Parameter, gradient: Expression, rate: Any) -> Decrease:
        """Return what a step takes away."""
        if not self.momentum:
            return rate * gradient, []
        velocity = self.slot(parameter, "momentum")
        new = self.momentum * velocity + rate * gradient
        return self.momentum * new + rate * gradient if self.nesterov else new, [(velocity, new)]


@dataclass(frozen=True, eq=False, repr=False)
class Adagrad(Optimizer):
    """A rate for each element, which falls with the sum of its squared gradients.

    accumulator ← accumulator + gradient²; the parameter loses rate * gradient / √(accumulator + epsilon).

    Duchi, Hazan and Singer, *Adaptive subgradient methods for online learning and stochastic optimization*, 2011,
    section 1.2.

    >>> import pellucid as pc
    >>> W = pc.parameter(1.0)
    >>> updates = pc.optimizers.Adagrad(0.5, initial_accumulator_value=0.0).updates(W * W / 2, [W])
    >>> pc.function([], W, updates=updates).repeat(2)()
    array([1. , 0.5], dtype=float32)
    """

    initial_accumulator_value: float = 0.1
    epsilon: float = 1e-7

    def check(self) -> None:
        """Check the accumulator's first value, and epsilon."""
        check_number(self, "initial_accumulator_value", self.initial_accumulator_value, "nonnegative")
        check_number(self, "epsilon", self.epsilon, "positive")

    def decrease(self, parameter: Parameter, gradient: Expression, rate: Any) -> Decrease:
        """Return what a step takes away."""
        accumulator = self.slot(parameter, "accumulator", self.initial_accumulator_value)
        new = accumulator + square(gradient)
        return rate * gradient / sqrt(new + self.epsilon), [(accumulator, new)]


@dataclass(frozen=True, eq=False, repr=False)
class Adadelta(Optimizer):
    """Steps in the parameter's own unit: as long as steps were of late, over what gradients were.

    With averages of squares that decay by ``rho``, the parameter loses rate * √(steps² + epsilon) / √(gradients² +
    epsilon) * gradient. Zeiler, *Adadelta: an adaptive learning rate method*, 2012, Algorithm 1, where the rate is 1.

    >>> import pellucid as pc
    >>> W = pc.parameter(1.0)
    >>> updates = pc.optimizers.Adadelta(1.0).updates(W * W / 2, [W])
    >>> bool(pc.function([], W, updates=updates).repeat(100)()[-1] < 0.96)
    True
    """

    rho: float = 0.95
    epsilon: float = 1e-7

    def check(self) -> None:
        """Check rho and epsilon."""
        check_number(self, "rho", self.rho, "decay")
        check_number(self, "epsilon", self.epsilon, "positive")

    def decrease(self, parameter: Parameter, gradient: Expression, rate: Any) -> Decrease:
        """Return what a step takes away."""
        gradients, steps = (self.slot(parameter, f"accumulated_{name}") for name in ("gradient", "change"))
        squares = average(gradients, square(gradient), self.rho)
        step = sqrt((steps + self.epsilon) / (squares + self.epsilon)) * gradient  # one root and one division
        return rate * step, [(gradients, squares), (steps, average(steps, square(step), self.rho))]


@dataclass(frozen=True, eq=False, repr=False)
class RMSprop(Optimizer):
    """Gradients divided by the root of a moving average of their squares.

    Args:
        rho: how much of the average is kept in a step.
        momentum: if above 0, what was moved before goes on, times this.
        epsilon: added under the root.
        centered: subtract the square of the average gradient, which leaves an estimate of the variance.

    Tieleman and Hinton, *Lecture 6.5, RMSprop: divide the gradient by a running average of its recent magnitude*,
    Neural networks for machine learning, 2012; centred: Graves, *Generating sequences with recurrent neural networks*,
    2013, equations 38 to 45.

    >>> import pellucid as pc
    >>> W = pc.parameter(1.0)
    >>> updates = pc.optimizers.RMSprop(0.1, rho=0.75).updates(W * W / 2, [W])
    >>> pc.function([], W, updates=updates).repeat(2)()
    array([1. , 0.8], dtype=float32)
    """

    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False

    def check(self) -> None:
        """Check rho, momentum and epsilon."""
        check_number(self, "rho", self.rho, "decay")
        check_number(self, "momentum", self.momentum, "decay")
        check_number(self, "epsilon", self.epsilon, "positive")

    def decrease(self, parameter: Parameter, gradient: Expression, rate: Any) -> Decrease:
        """Return what a step takes away."""
        velocity = self.slot(parameter, "velocity")
        spread = squares = average(velocity, square(gradient), self.rho)
        kept: Pairs = [(velocity, squares)]
        if self.centered:
            mean = self.slot(parameter, "average_gradient")
            new_mean = average(mean, gradient, self.rho)
            kept.append((mean, new_mean))
            spread = maximum(squares - square(new_mean), 0)  # which rounding may leave below 0
        decrease = rate * gradient / sqrt(spread + self.epsilon)
        if not self.momentum:
            return decrease, kept
        moved = self.slot(parameter, "momentum")
        decrease = self.momentum * moved + decrease
        return decrease, [*kept, (moved, decrease)]


@dataclass(frozen=True, eq=False, repr=False)
class _Moments(Optimizer):
    """What Adam and its relatives are told: how averages of gradients, and of their size, decay."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def check(self) -> None:
        """Check the decays and epsilon."""
        check_number(self, "beta_1", self.beta_1, "decay")
        check_number(self, "beta_2", self.beta_2, "decay")
        check_number(self, "epsilon", self.epsilon, "positive")

    def steps(self) -> Expression:
        """Return the number t of this step, from 1 up. In float64, in which 1 - betaᵗ keeps its digits.

        It is made of the old count, not read from the new one: nothing has to wait until that is stored.
        """
        return self.iterations().astype("float64") + 1


@dataclass(frozen=True, eq=False, repr=False)
class Adam(_Moments):
    """Moving averages of gradients and of their squares, corrected for their start at zero.

    The parameter loses rate * √(1 - beta_2ᵗ) / (1 - beta_1ᵗ) * m / (√v + epsilon), in which all but the last
    factor is one number a step.

    Args:
        beta_1: how much of the average gradient m is kept in a step.
        beta_2: how much of the average square v is kept.
        epsilon: added to the root; it is the paper's "epsilon hat".
        amsgrad: divide by the root of the largest v so far.

    Kingma and Ba, *Adam: a method for stochastic optimization*, 2015, Algorithm 1 in the order of the end of section 2;
    AMSGrad: Reddi, Kale and Kumar, *On the convergence of Adam and beyond*, 2018, Algorithm 2.

    >>> import pellucid as pc
    >>> W = pc.parameter(1.0)
    >>> updates = pc.optimizers.Adam(0.1).updates(W * W / 2, [W])
    >>> pc.function([], W, updates=updates).repeat(3)().round(3)
    array([1. , 0.9, 0.8], dtype=float32)
    """

    amsgrad: bool = False

    def correction(self) -> Expression:
        """Return what makes up for averages that start at 0."""
        t = self.steps()
        return sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)

    def decrease(self, parameter: Parameter, gradient: Expression, rate: Any) -> Decrease:
        """Return what a step takes away."""
        mean, squares = self.slot(parameter, "momentum"), self.slot(parameter, "velocity")
        new_mean = average(mean, gradient, self.beta_1)
        largest = new_squares = average(squares, square(gradient), self.beta_2)
        kept: Pairs = [(mean, new_mean), (squares, new_squares)]
        if self.amsgrad:
            before = self.slot(parameter, "velocity_hat")
            largest = maximum(before, new_squares)
            kept.append((before, largest))
        return rate * new_mean / (sqrt(largest) + self.epsilon), kept


@dataclass(frozen=True, eq=False, repr=False)
class AdamW(Adam):
    """Adam with weight decay, which the averages do not see.

    Loshchilov and Hutter, *Decoupled weight decay regularization*, 2019, Algorithm 2.

    >>> import pellucid as pc
    >>> W = pc.parameter(1.0)
    >>> updates = pc.optimizers.AdamW(0.1, weight_decay=0.5).updates(W * W / 2, [W])
    >>> pc.function([], W, updates=updates).repeat(2)().round(3)
    array([1.  , 0.85], dtype=float32)
    """

    weight_decay: float | None = 0.004


@dataclass(frozen=True, eq=False, repr=False)
class Adamax(_Moments):
    """Adam with the largest gradient, which decays, in place of the root of the average square.

    Kingma and Ba, *Adam: a method for stochastic optimization*, 2015, Algorithm 2.

    >>> import pellucid as pc
    >>> W = pc.parameter(1.0)
    >>> updates = pc.optimizers.Adamax(0.1).updates(W * W / 2, [W])
    >>> pc.function([], W, updates=updates).repeat(3)().round(3)
    array([1.   , 0.9  , 0.805], dtype=float32)
    """

    def correction(self) -> Expression:
        """Return what makes up for an average that starts at 0."""
        return 1 / (1 - self.beta_1 ** self.steps())

    def decrease(self, parameter: Parameter, gradient: Expression, rate: Any) -> Decrease:
        """Return what a step takes away."""
        mean, norm = self.slot(parameter, "m"), self.slot(parameter, "u")
        new_mean = average(mean, gradient, self.beta_1)
        new_norm = maximum(self.beta_2 * norm, absolute(gradient))
        return rate * new_mean / (new_norm + self.epsilon), [(mean, new_mean), (norm, new_norm)]


@dataclass(frozen=True, eq=False, repr=False)
class Nadam(_Moments):
    """Adam with Nesterov's momentum: the average gradient that the next step would use.

    Dozat, *Incorporating Nesterov momentum into Adam*, 2016, Algorithm 2, with Keras's warming schedule of the
    momentum, beta_1 * (1 - 0.5 * 0.96ᵗ).

    >>> import pellucid as pc
    >>> W = pc.parameter(1.0)
    >>> updates = pc.optimizers.Nadam(0.1).updates(W * W / 2, [W])
    >>> bool(pc.function([], W, updates=updates).repeat(100)()[-1] < 0.01)
    True
    """

    def correction(self) -> Expression:
        """Return what makes up for an average square that starts at 0."""
        return sqrt(1 - self.beta_2 ** self.steps())

    def decrease(self, parameter: Parameter, gradient: Expression, rate: Any) -> Decrease:
        """Return what a step takes away."""
        t, product = self.steps(), self.scalar("momentum_product", 1.0, "float64")
        now, then = (self.beta_1 * (1 - 0.5 * 0.96**k) for k in (t, t + 1))
        new_product = product * now
        of_mean = fitted(then / (1 - new_product * then), gradient.dtype)
        of_gradient = fitted((1 - now) / (1 - new_product), gradient.dtype)
        mean, squares = self.slot(parameter, "momentum"), self.slot(parameter, "velocity")
        new_mean = average(mean, gradient, self.beta_1)
        new_squares = average(squares, square(gradient), self.beta_2)
        ahead = rate * of_mean * new_mean + rate * of_gradient * gradient
        # the root is not divided by its correction: the rate is multiplied by it, and so is epsilon
        epsilon = fitted(self.epsilon * self.correction(), gradient.dtype)
        kept: Pairs = [(mean, new_mean), (squares, new_squares), (product, new_product)]
        return ahead / (sqrt(new_squares) + epsilon), kept
