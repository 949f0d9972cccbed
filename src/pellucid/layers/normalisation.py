"""Normalisation: outputs with mean 0 and variance 1 over a batch, an example, or groups of channels.

Variances are means of squared distances from the mean, not differences of mean squares, so that a large mean costs no
digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.configuration import register
from ..core.errors import InputError, ShapeError
from ..core.expression import Expression, Parameter
from ..core.settings import check_number, check_whole, is_whole
from ..core.sizes import Shape, show_shape
from ..operations.activation import stop_gradient
from ..operations.composed import mean, square
from ..operations.exponential import sqrt
from ..operations.movement import pad, reshape
from ..operations.reduction import normalise_axes
from . import calls
from .arguments import shown
from .layer import Layer


def moments(x: Expression, axes: tuple[int, ...]) -> tuple[Expression, Expression]:
    """Return mean and variance over some axes, which stay with size 1.

    The variance's derivative by the mean is a sum of distances from the mean, which is 0, so none is followed.
    """
    average = mean(x, axes, keepdims=True)
    return average, mean(square(x - stop_gradient(average)), axes, keepdims=True)


class _Scaled(Layer):
    """A layer that normalises, and then may scale and shift by weights."""

    epsilon: float
    center: bool
    scale: bool
    beta_initializer: Any
    gamma_initializer: Any
    beta_regularizer: Any
    gamma_regularizer: Any
    beta_constraint: Any
    gamma_constraint: Any

    def __post_init__(self) -> None:
        check_number(self, "epsilon", self.epsilon, "nonnegative")

    def _make_scale(self, axes: Shape) -> None:
        if self.scale:
            self.gamma = self.weight(
                "gamma",
                axes,
                self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
            )
        if self.center:
            self.beta = self.weight(
                "beta", axes, self.beta_initializer, regularizer=self.beta_regularizer, constraint=self.beta_constraint
            )

    def _normalised(self, x: Expression, average: Expression, variance: Expression, spread: Shape) -> Expression:
        """Return x normalised, scaled and shifted by weights that take the shape ``spread``.

        Where weights and moments have few elements, the factor is computed once for each of them.
        """
        factor = 1 / sqrt(variance + self.epsilon)
        if self.scale:
            factor = factor * reshape(self.gamma, spread)
        scaled = (x - average) * factor
        return scaled + reshape(self.beta, spread) if self.center else scaled


@register
@dataclass(eq=False, repr=False)
class BatchNormalization(_Scaled):
    """Normalise each channel over the batch in training; else by running means of what training met.

    In training, the moments are the batch's (the variance is the biased one, a mean of squares), and the running ones
    become ``momentum * running + (1 - momentum) * batch's``. A layer that is frozen (``trainable=False``, its own or of
    one it is part of) uses the running moments in training as well, and leaves them alone.

    Args:
        axis: of the channels.
        momentum: how much of the running moments a step keeps.
        epsilon: added to the variance.
        center, scale: whether there is a weight beta to add, and gamma to multiply by.

    Shapes: any, which stays; weights ``gamma``, ``beta``, ``moving_mean``, ``moving_variance``, all ``(channels,)``.

    Ioffe and Szegedy, *Batch normalization: accelerating deep network training by reducing internal covariate shift*,
    2015.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((2,))
    >>> layer = pc.layers.BatchNormalization(momentum=0.5)
    >>> y = layer(x, training=True)
    >>> step = pc.function([x], y, updates=pc.state_updates(y))
    >>> step([[1.0, -10.0], [3.0, 10.0]]).round(2)
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    >>> layer.moving_mean.value, layer.moving_variance.value
    (array([1., 0.], dtype=float32), array([ 1. , 50.5], dtype=float32))
    """

    axis: int = -1
    momentum: float = 0.99
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    beta_initializer: Any = "zeros"
    gamma_initializer: Any = "ones"
    moving_mean_initializer: Any = "zeros"
    moving_variance_initializer: Any = "ones"
    beta_regularizer: Any = None
    gamma_regularizer: Any = None
    beta_constraint: Any = None
    gamma_constraint: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "momentum", self.momentum, "share")

    def build(self, shape: Shape) -> None:
        """Make scale and shift, and the running moments."""
        channels = (shape[_channel_axis(self, self.axis, shape)],)
        self._make_scale(channels)
        self.moving_mean = self.weight("moving_mean", channels, self.moving_mean_initializer, trainable=False)
        self.moving_variance = self.weight(
            "moving_variance", channels, self.moving_variance_initializer, trainable=False
        )

    def call(self, x: Expression, training: bool = False) -> Expression:
        """Return the inputs normalised."""
        x = x.astype(self.dtype)
        axis = _channel_axis(self, self.axis, x.shape)
        spread = tuple(n if k == axis else 1 for k, n in enumerate(x.shape))
        if not training or calls.is_frozen():
            average, variance = reshape(self.moving_mean, spread), reshape(self.moving_variance, spread)
        else:
            average, variance = moments(x, tuple(k for k in range(x.ndim) if k != axis))
            self._follow(self.moving_mean, average)
            self._follow(self.moving_variance, variance)
        return self._normalised(x, average, variance, spread)

    def _follow(self, running: Parameter, found: Expression) -> None:
        found = reshape(found, running.shape)
        self.update(running, running * self.momentum + found * (1 - self.momentum))


@register
@dataclass(eq=False, repr=False)
class LayerNormalization(_Scaled):
    """Normalise each example over some of its axes, in training and else alike.

    Args:
        axis: one or several that the moments are taken over.
        epsilon: added to the variance.
        center, scale: whether there is a weight beta to add, and gamma to multiply by.

    Shapes: any, which stays; weights ``gamma`` and ``beta`` of the shape of those axes.

    Ba, Kiros and Hinton, *Layer normalization*, 2016.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((4,))
    >>> f = pc.function([x], pc.layers.LayerNormalization()(x))
    >>> f([[1.0, 1.0, 3.0, 3.0], [-5.0, 5.0, -5.0, 5.0]]).round(2)
    array([[-1., -1.,  1.,  1.],
           [-1.,  1., -1.,  1.]], dtype=float32)
    """

    axis: Any = -1
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    beta_initializer: Any = "zeros"
    gamma_initializer: Any = "ones"
    beta_regularizer: Any = None
    gamma_regularizer: Any = None
    beta_constraint: Any = None
    gamma_constraint: Any = None

    def build(self, shape: Shape) -> None:
        """Make scale and shift."""
        given = self.axis if isinstance(self.axis, tuple | list) else (self.axis,)
        axes = sorted(_channel_axis(self, axis, shape) for axis in given)
        if not axes or len(set(axes)) < len(axes):
            raise InputError(
                f"{shown(self)}: axis is {self.axis!r}, and one axis or several different ones were expected"
            )
        self._make_scale(tuple(shape[k] for k in axes))

    def call(self, x: Expression) -> Expression:
        """Return the inputs normalised."""
        x = x.astype(self.dtype)
        axes = normalise_axes(type(self).__name__, x, self.axis)
        spread = tuple(n if k in axes else 1 for k, n in enumerate(x.shape))
        return self._normalised(x, *moments(x, axes), spread)


@register
@dataclass(eq=False, repr=False)
class GroupNormalization(_Scaled):
    """Normalise each example's groups of channels, each over its channels and all places, in training and else alike.

    Args:
        groups: how many, a divisor of the number of channels; -1 for a group for each channel.
        axis: of the channels.
        epsilon: added to the variance.
        center, scale: whether there is a weight beta to add, and gamma to multiply by.

    Shapes: any with a leading batch axis, which stays; weights ``gamma`` and ``beta``, ``(channels,)``.

    Wu and He, *Group normalization*, 2018.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((4,))
    >>> f = pc.function([x], pc.layers.GroupNormalization(groups=2)(x))
    >>> f([[1.0, 3.0, -50.0, 50.0]]).round(2)
    array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    groups: int = 32
    axis: int = -1
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    beta_initializer: Any = "zeros"
    gamma_initializer: Any = "ones"
    beta_regularizer: Any = None
    gamma_regularizer: Any = None
    beta_constraint: Any = None
    gamma_constraint: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.groups != -1:
            check_whole(self, "groups", self.groups)

    def build(self, shape: Shape) -> None:
        """Make scale and shift."""
        self._make_scale((shape[_channel_axis(self, self.axis, shape)],))

    def call(self, x: Expression) -> Expression:
        """Return the inputs normalised."""
        x = x.astype(self.dtype)
        axis = _channel_axis(self, self.axis, x.shape)
        channels = x.shape[axis]
        groups = channels if self.groups == -1 else self.groups
        if not isinstance(channels, int) or not isinstance(groups, int) or channels % groups:
            raise ShapeError(
                f"{shown(self)}: the {channels} channels of {show_shape(x.shape)} do not form {groups} groups; choose a"
                " number of groups that divides them"
            )
        before, after = x.shape[:axis], x.shape[axis + 1 :]
        split = (groups, channels // groups)
        grouped = reshape(x, (*before, *split, *after))
        average, variance = moments(grouped, tuple(k for k in range(1, grouped.ndim) if k != axis))
        spread = (*(1,) * len(before), *split, *(1,) * len(after))
        return reshape(self._normalised(grouped, average, variance, spread), x.shape)


@register
@dataclass(eq=False, repr=False)
class LocalResponseNormalization(Layer):
    """Divide by a power of the squares of neighbouring channels: ``x / (k + alpha * sum(x**2 over n channels))**beta``.

    Neighbours are the ``n // 2`` channels on either side, as far as there are any.

    Args:
        alpha, k, beta: numbers of the formula. Alpha is not divided by n.
        n: how many channels are summed, an odd number.

    Shapes: ``(batch, ..., channels)``, which stays; no weights.

    Krizhevsky, Sutskever and Hinton, *ImageNet classification with deep convolutional neural networks*, 2012, section
    3.3. Names and defaults are Lasagne's.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((3,))
    >>> f = pc.function([x], pc.layers.LocalResponseNormalization(alpha=1.0, k=0.0, beta=1.0, n=3)(x))
    >>> f([[1.0, 1.0, 2.0]]).round(3)
    array([[0.5  , 0.167, 0.4  ]], dtype=float32)
    """

    alpha: float = 1e-4
    k: float = 2.0
    beta: float = 0.75
    n: int = 5

    def __post_init__(self) -> None:
        check_number(self, "alpha", self.alpha, "nonnegative")
        check_number(self, "k", self.k, "nonnegative")
        check_number(self, "beta", self.beta, "nonnegative")
        check_whole(self, "n", self.n)
        if self.n % 2 == 0:
            raise InputError(f"{type(self).__name__}: n is {self.n!r}, and an odd number was expected")

    def build(self, shape: Shape) -> None:
        """Check the inputs' axes; there are no weights."""
        if len(shape) < 2 or not isinstance(shape[-1], int):
            raise ShapeError(f"{shown(self)} takes inputs (batch, ..., channels), and was given {show_shape(shape)}")

    def call(self, x: Expression) -> Expression:
        """Return the inputs normalised."""
        x = x.astype(self.dtype)
        side, channels = self.n // 2, x.shape[-1]
        still = ((0, 0),) * (x.ndim - 1)
        padded = pad(square(x), (*still, (side, side)))
        total = padded[..., 0:channels]
        for first in range(1, self.n):
            total = total + padded[..., first : first + channels]
        return x * (self.k + self.alpha * total) ** -self.beta


def _channel_axis(layer: Layer, axis: Any, shape: Shape) -> int:
    """Return an axis, counted from 0, that is not the batch's."""
    if not is_whole(axis) or not -len(shape) <= axis < len(shape) or not axis % len(shape):
        raise ShapeError(
            f"{shown(layer)}: axis {axis!r} of inputs {show_shape(shape)} was asked for; expected 1 to"
            f" {len(shape) - 1}, or counted from the end; the first axis is the batch's"
        )
    return int(axis % len(shape))


__all__ = [
    "BatchNormalization",
    "GroupNormalization",
    "LayerNormalization",
    "LocalResponseNormalization",
]
