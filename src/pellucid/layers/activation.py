"""Activations as layers of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import activations
from ..core.configuration import register
from ..core.errors import ShapeError
from ..core.expression import Expression
from ..core.settings import check_number
from ..core.sizes import Shape, show_shape
from ..operations.activation import leaky_relu, relu
from ..operations.composed import floats, softmax
from ..operations.elementwise import where
from ..operations.rounding import minimum
from .arguments import shown
from .layer import Layer


@register
@dataclass(eq=False, repr=False)
class Activation(Layer):
    """A function of ``pc.activations``, or one of your own, as a layer.

    Args:
        activation: a function or its name.

    Shapes: any, which stays; no weights.

    >>> import pellucid as pc
    >>> print(pc.layers.Activation("tanh")(pc.layers.Input((3,))))
    tanh(input)
    """

    activation: Any

    def __post_init__(self) -> None:
        self.function = activations.get(self.activation)

    def call(self, x: Expression) -> Expression:
        """Return what the activation returns."""
        return self.function(x)  # type: ignore[no-any-return]


@register
@dataclass(eq=False, repr=False)
class ReLU(Layer):
    """The rectifier ``max(x, 0)``; with limit, slope or threshold if they are given.

    Args:
        max_value: the most it returns; no limit if not given.
        negative_slope: what ``x - threshold`` is multiplied by below the threshold.
        threshold: where it begins to return x.

    Shapes: any, which stays; no weights.

    Nair and Hinton, *Rectified linear units improve restricted Boltzmann machines*, 2010.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((3,))
    >>> pc.function([x], pc.layers.ReLU(max_value=6.0)(x))([[-1.0, 2.0, 7.0]])
    array([[0., 2., 6.]], dtype=float32)
    """

    max_value: float | None = None
    negative_slope: float = 0.0
    threshold: float = 0.0

    def __post_init__(self) -> None:
        check_number(self, "max_value", self.max_value, "nonnegative", or_none=True)
        check_number(self, "negative_slope", self.negative_slope, "nonnegative")
        check_number(self, "threshold", self.threshold, "nonnegative")

    def call(self, x: Expression) -> Expression:
        """Return the inputs rectified."""
        x = floats(x)
        if self.threshold:
            y = where(x >= self.threshold, x, self.negative_slope * (x - self.threshold) if self.negative_slope else 0)
        else:
            y = leaky_relu(x, negative_slope=self.negative_slope) if self.negative_slope else relu(x)
        return y if self.max_value is None else minimum(y, self.max_value)


@register
@dataclass(eq=False, repr=False)
class LeakyReLU(Layer):
    """The rectifier that keeps a slope below zero.

    Args:
        negative_slope: what inputs below 0 are multiplied by. The default is that of Keras's layer, 0.3; that of the
            activation "leaky_relu" is 0.2, as Keras has it.

    Shapes: any, which stays; no weights.

    Maas, Hannun and Ng, *Rectifier nonlinearities improve neural network acoustic models*, 2013.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((2,))
    >>> pc.function([x], pc.layers.LeakyReLU()(x))([[-1.0, 2.0]])
    array([[-0.3,  2. ]], dtype=float32)
    """

    negative_slope: float = 0.3

    def __post_init__(self) -> None:
        check_number(self, "negative_slope", self.negative_slope, "nonnegative")

    def call(self, x: Expression) -> Expression:
        """Return the inputs rectified."""
        return leaky_relu(x, negative_slope=self.negative_slope)


@register
@dataclass(eq=False, repr=False)
class ELU(Layer):
    """x above 0 and ``alpha * (exp(x) - 1)`` below: a rectifier that levels off.

    Args:
        alpha: minus what it levels off at.

    Shapes: any, which stays; no weights.

    Clevert, Unterthiner and Hochreiter, *Fast and accurate deep network learning by exponential linear units*, 2016.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((2,))
    >>> pc.function([x], pc.layers.ELU(alpha=2.0)(x))([[-1000.0, 2.0]])
    array([[-2.,  2.]], dtype=float32)
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_number(self, "alpha", self.alpha, "nonnegative")

    def call(self, x: Expression) -> Expression:
        """Return the inputs rectified."""
        return activations.elu(x, self.alpha)


@register
@dataclass(eq=False, repr=False)
class PReLU(Layer):
    """The rectifier whose slope below zero is learnt.

    Args:
        alpha_initializer: how the slopes begin.
        shared_axes: the axes, counted from 1 after the batch's, along which there is one slope; for images (1, 2) gives
            each channel one.

    Shapes: any, which stays; weight ``alpha``, of the shape of an example, with 1 for shared axes.

    He, Zhang, Ren and Sun, *Delving deep into rectifiers*, 2015.

    >>> import pellucid as pc
    >>> layer = pc.layers.PReLU("ones", shared_axes=(1, 2))
    >>> print(layer(pc.layers.Input((8, 8, 3))), layer.alpha.shape)
    where(input > 0, input, input * pre_lu/alpha) (1, 1, 3)
    """

    alpha_initializer: Any = "zeros"
    alpha_regularizer: Any = None
    alpha_constraint: Any = None
    shared_axes: Any = None

    def build(self, shape: Shape) -> None:
        """Make the slopes."""
        given = self.shared_axes
        shared = () if given is None else tuple(given) if isinstance(given, tuple | list) else (given,)
        if any(axis not in range(1, len(shape)) for axis in shared):
            raise ShapeError(
                f"{shown(self)}: shared_axes of inputs {show_shape(shape)} are among 1 to {len(shape) - 1}; the"
                " first axis is the batch's"
            )
        self.alpha = self.weight(
            "alpha",
            tuple(1 if k in shared else n for k, n in enumerate(shape) if k),
            self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )

    def call(self, x: Expression) -> Expression:
        """Return the inputs rectified."""
        x = x.astype(self.dtype)
        return where(x > 0, x, x * self.alpha)


@register
@dataclass(eq=False, repr=False)
class Softmax(Layer):
    """Exponentials that sum to 1 along an axis: probabilities.

    Losses of classes take logits, so a network that is trained needs none at its end.

    Args:
        axis: along which they sum to 1.

    Shapes: any, which stays; no weights.

    Bridle, *Probabilistic interpretation of feedforward classification network outputs*, 1990.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((2,))
    >>> pc.function([x], pc.layers.Softmax()(x))([[1000.0, 1000.0]])
    array([[0.5, 0.5]], dtype=float32)
    """

    axis: int = -1

    def call(self, x: Expression) -> Expression:
        """Return the probabilities."""
        return softmax(x, self.axis)


__all__ = ["ELU", "Activation", "LeakyReLU", "PReLU", "ReLU", "Softmax"]
