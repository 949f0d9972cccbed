"""Activations: functions of expressions that give a unit its output, by Keras's names.

Each takes an expression of any shape and returns one of the same shape; float32 and float64 stay what they are, and
integers become float32. All act element by element, but for softmax and log_softmax, which act along an axis.

Those that are operations or composed functions already are the same objects here: linear is ``pc.positive``,
exponential is ``pc.exp``, and sigmoid, tanh, relu, leaky_relu, softplus, softmax and log_softmax have their own names.

    layer = pc.layers.Dense(10, activation="gelu")
    same = pc.layers.Dense(10, activation=pc.activations.gelu)

Where an activation is a product x f(x), x = -inf gives NaN, as -inf times 0 does, in JAX and PyTorch as well; so does
softsign at both infinities. At every finite x, however large, values and derivatives are finite (but for exponential).

>>> import pellucid as pc
>>> x = pc.constant([-2.0, 0.0, 2.0])
>>> def show(activation):
...     return pc.function([], activation(x))().round(3)
>>> show(linear)
array([-2.,  0.,  2.], dtype=float32)
>>> show(sigmoid)
array([0.119, 0.5  , 0.881], dtype=float32)
>>> show(tanh)
array([-0.964,  0.   ,  0.964], dtype=float32)
>>> show(relu)
array([0., 0., 2.], dtype=float32)
>>> show(leaky_relu)
array([-0.4,  0. ,  2. ], dtype=float32)
>>> show(softplus)
array([0.127, 0.693, 2.127], dtype=float32)
>>> show(exponential)
array([0.135, 1.   , 7.389], dtype=float32)
>>> show(softmax)
array([0.016, 0.117, 0.867], dtype=float32)
>>> show(log_softmax)
array([-4.143, -2.143, -0.143], dtype=float32)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from .core.configuration import register
from .core.expression import Expression
from .core.settings import by_name, check_number
from .operations.activation import gelu as exact_gelu
from .operations.activation import leaky_relu, relu, sigmoid, softplus
from .operations.composed import clip, floats, log_softmax, positive, softmax
from .operations.elementwise import where
from .operations.exponential import exp, expm1
from .operations.rounding import minimum
from .operations.trigonometric import tanh

Activation = Callable[[Any], Any]

linear, exponential = positive, exp

# The solution of two equations: mean 0 and variance 1 are a fixed point (Klambauer et al., 2017, equation 14).
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def elu(x: Expression, alpha: float = 1.0) -> Expression:
    """Return x above 0 and alpha (exp(x) - 1) below: a rectifier that levels off at -alpha.

    Args:
        x: of any shape.
        alpha: 0 or more.

    Raises:
        InputError: if ``alpha`` is something else.

    Clevert, Unterthiner and Hochreiter, *Fast and accurate deep network learning by exponential linear units*, 2016.

    >>> import pellucid as pc
    >>> pc.function([], elu(pc.constant([-1000.0, -1.0, 0.0, 2.0])))().round(3)
    array([-1.   , -0.632,  0.   ,  2.   ], dtype=float32)
    """
    check_number("elu", "alpha", alpha, "nonnegative")
    x = floats(x)
    below = expm1(where(x > 0, 0, x))  # where x is not below, its exponential might be infinite
    return where(x > 0, x, below if alpha == 1 else alpha * below)


def selu(x: Expression) -> Expression:
    """Return an elu whose scale and alpha keep the mean 0 and the variance 1 of what goes through many layers.

    It belongs with weights of variance 1 / (number of inputs), which is the initialiser ``LecunNormal``.

    Klambauer, Unterthiner, Mayr and Hochreiter, *Self-normalizing neural networks*, 2017.

    >>> import pellucid as pc
    >>> pc.function([], selu(pc.constant([-1000.0, 0.0, 2.0])))().round(3)
    array([-1.758,  0.   ,  2.101], dtype=float32)
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


def gelu(x: Expression, approximate: bool = False) -> Expression:
    """Return x times the probability that a standard normal number is below x.

    Args:
        x: of any shape.
        approximate: whether to use tanh(√(2/π) (x + 0.044715 x³)) for the error function erf(x/√2), as early
            implementations did, whose weights need it; the error is below 0.0005.

    Hendrycks and Gimpel, *Gaussian error linear units*, 2016, section 2.

    >>> import pellucid as pc
    >>> pc.function([], gelu(pc.constant([-2.0, 0.0, 2.0])))().round(4)
    array([-0.0455,  0.    ,  1.9545], dtype=float32)
    >>> pc.function([], gelu(pc.constant([-2.0, 0.0, 2.0]), approximate=True))().round(4)
    array([-0.0454,  0.    ,  1.9546], dtype=float32)
    """
    x = floats(x)
    if not approximate:
        return exact_gelu(x)
    near = clip(x, -10, 10)  # outside, tanh is 1 or -1 to the last digit, and a cube might be infinite
    return 0.5 * x * (1 + tanh(math.sqrt(2 / math.pi) * near * (1 + 0.044715 * (near * near))))


def silu(x: Expression) -> Expression:
    """Return x sigmoid(x), also called swish: a smooth rectifier that dips to -0.278 at -1.278.

    Elfwing, Uchibe and Doya, *Sigmoid-weighted linear units for neural network function approximation in
    reinforcement learning*, 2018; Ramachandran, Zoph and Le, *Searching for activation functions*, 2017.

    >>> import pellucid as pc
    >>> print(silu(pc.variable("x", ())))
    x * sigmoid(x)
    """
    x = floats(x)
    return x * sigmoid(x)


def mish(x: Expression) -> Expression:
    """Return x tanh(softplus(x)): like silu, a little deeper below zero.

    Misra, *Mish: a self regularized non-monotonic activation function*, 2020.

    >>> import pellucid as pc
    >>> print(mish(pc.variable("x", ())))
    x * tanh(softplus(x))
    """
    x = floats(x)
    return x * tanh(softplus(x))


def softsign(x: Expression) -> Expression:
    """Return x / (1 + |x|): like tanh, with tails that flatten more slowly.

    Bergstra, Desjardins, Lamblin and Bengio, *Quadratic polynomials learn better image features*, 2009.

    >>> import pellucid as pc
    >>> pc.function([], softsign(pc.constant([-3.0, 0.0, 1.0])))()
    array([-0.75,  0.  ,  0.5 ], dtype=float32)
    """
    x = floats(x)
    return x / (1 + abs(x))


def relu6(x: Expression) -> Expression:
    """Return x limited to 0 and 6, a rectifier that low precision can hold.

    Krizhevsky, *Convolutional deep belief networks on CIFAR-10*, 2010, section 2.1.

    >>> import pellucid as pc
    >>> pc.function([], relu6(pc.constant([-3.0, 3.0, 9.0])))()
    array([0., 3., 6.], dtype=float32)
    """
    return minimum(relu(x), 6)


def hard_sigmoid(x: Expression) -> Expression:
    """Return relu6(x + 3) / 6: three straight lines near the sigmoid, from 0 at -3 to 1 at 3 (as in Keras 3).

    Courbariaux, Bengio and David, *BinaryConnect*, 2015, section 2.3, with the slope that Howard et al. gave it in
    *Searching for MobileNetV3*, 2019, section 5.2.

    >>> import pellucid as pc
    >>> pc.function([], hard_sigmoid(pc.constant([-4.0, -1.5, 0.0, 4.0])))()
    array([0.  , 0.25, 0.5 , 1.  ], dtype=float32)
    """
    x = floats(x)
    return relu6(x + 3) / 6


def hard_silu(x: Expression) -> Expression:
    """Return x hard_sigmoid(x), also called hard swish: silu without an exponential.

    Howard et al., *Searching for MobileNetV3*, 2019, section 5.2.

    >>> import pellucid as pc
    >>> pc.function([], hard_silu(pc.constant([-4.0, -1.5, 0.0, 4.0])))()
    array([-0.   , -0.375,  0.   ,  4.   ], dtype=float32)
    """
    x = floats(x)
    return x * hard_sigmoid(x)


def gaussian(x: Expression) -> Expression:
    """Return exp(-x²), a radial unit: 1 at 0, falling to 0 on both sides.

    Broomhead and Lowe, *Multivariable functional interpolation and adaptive networks*, 1988; Goodfellow, Bengio and
    Courville, *Deep learning*, 2016, section 6.3.3.

    >>> import pellucid as pc
    >>> pc.function([], gaussian(pc.constant([-1.0, 0.0, 1.0])))().round(3)
    array([0.368, 1.   , 0.368], dtype=float32)
    """
    x = floats(x)
    return exp(-(x * x))


swish, hard_swish = silu, hard_silu

ACTIVATIONS: Mapping[str, Activation] = {
    "linear": linear,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "relu6": relu6,
    "elu": elu,
    "selu": selu,
    "gelu": gelu,
    "silu": silu,
    "swish": swish,
    "mish": mish,
    "softplus": softplus,
    "softsign": softsign,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "exponential": exponential,
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": hard_silu,
    "hard_swish": hard_swish,
    "gaussian": gaussian,
}
for _name, _activation in ACTIVATIONS.items():
    register(_activation, f"activations.{_name}")


def get(activation: Any) -> Activation:
    """Return an activation by its name, the function that was given, or linear for None.

    Raises:
        InputError: which lists the names, for anything else.

    >>> get("swish") is silu, get(None) is linear, get(gelu) is gelu
    (True, True, True)
    """
    if activation is None:
        return linear
    if callable(activation) and not isinstance(activation, type):
        return activation  # type: ignore[no-any-return]
    return by_name("an activation", activation, ACTIVATIONS, "pc.activations.relu")


__all__ = [
    "ACTIVATIONS",
    "elu",
    "exponential",
    "gaussian",
    "gelu",
    "get",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
]
