"""Initialisers that draw each weight by itself, and Orthogonal, which makes of them a matrix that keeps lengths."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from ..core.settings import check_choice, check_number
from ..core.sizes import show_shape
from .draws import Array, Key, centred, drawn, normal_quantile
from .initializer import Initializer

WITHIN_TWO = math.erf(math.sqrt(2))  # the probability that a normal number is within two standard deviations
# the standard deviation of the normal distribution cut there, √(1 - 4 φ(2) / WITHIN_TWO)
CUT_DEVIATION = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / WITHIN_TWO)
MODES = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")


@dataclass(frozen=True)
class RandomUniform(Initializer):
    """Numbers spread evenly from ``minval`` to ``maxval``.

    >>> RandomUniform()((1000,)).std().round(3)
    np.float32(0.029)
    """

    minval: float = -0.05
    maxval: float = 0.05

    def __post_init__(self) -> None:
        check_number(self, "minval", self.minval, "finite")
        check_number(self, "maxval", self.maxval, "finite")
        if self.minval > self.maxval:
            raise InputError(
                f"RandomUniform: maxval is {self.maxval!r}, and a number of at least minval, {self.minval!r},"
                " was expected"
            )

    def values(self, shape: tuple[int, ...], dtype: str, key: Key) -> Array:
        """Return the draws."""
        low, width = float(self.minval), float(self.maxval) - float(self.minval)
        return drawn(shape, dtype, key, lambda u: low + width * u)


@dataclass(frozen=True)
class RandomNormal(Initializer):
    """Numbers of the normal distribution.

    >>> RandomNormal(stddev=2.0)((10000,)).std().round(1)
    np.float32(2.0)
    """

    mean: float = 0.0
    stddev: float = 0.05

    def __post_init__(self) -> None:
        check_number(self, "mean", self.mean, "finite")
        check_number(self, "stddev", self.stddev, "nonnegative")

    def values(self, shape: tuple[int, ...], dtype: str, key: Key) -> Array:
        """Return the draws."""
        mean, stddev = float(self.mean), float(self.stddev)
        return drawn(shape, dtype, key, lambda u: mean + stddev * normal_quantile(centred(u)))


@dataclass(frozen=True)
class TruncatedNormal(Initializer):
    """Numbers of the normal distribution, cut at two standard deviations from its mean.

    What is left has a standard deviation of 0.88 ``stddev``.

    >>> bool(abs(TruncatedNormal()((1000,))).max() <= 0.1)
    True
    """

    mean: float = 0.0
    stddev: float = 0.05

    def __post_init__(self) -> None:
        check_number(self, "mean", self.mean, "finite")
        check_number(self, "stddev", self.stddev, "nonnegative")

    def values(self, shape: tuple[int, ...], dtype: str, key: Key) -> Array:
        """Return the draws."""
        mean, stddev = float(self.mean), float(self.stddev)
        return drawn(shape, dtype, key, lambda u: mean + stddev * normal_quantile(WITHIN_TWO * centred(u)))


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how many inputs each output of a weight has, and how many outputs each input.

    The last two axes are inputs and outputs; those before are the places of a convolution's kernel, and count for both.

    >>> fans((784, 10)), fans((5, 5, 32, 64)), fans((10,))
    ((784, 10), (800, 1600), (10, 10))
    """
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    places = math.prod(shape[:-2])
    return places * shape[-2], places * shape[-1]


@dataclass(frozen=True)
class VarianceScaling(Initializer):
    """Numbers of mean 0 and variance ``scale`` / n, where n is a number of inputs or outputs.

    Args:
        scale: above 0.
        mode: what n is: "fan_in" inputs, "fan_out" outputs, "fan_avg" the mean of both.
        distribution: "truncated_normal" (cut at two standard deviations and widened to have that variance),
            "untruncated_normal" or "uniform".

    He, Zhang, Ren and Sun, *Delving deep into rectifiers*, 2015, section 2.2.

    >>> VarianceScaling(mode="fan_out")((10, 400)).std().round(3)
    np.float32(0.05)
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"

    def __post_init__(self) -> None:
        check_number(self, "scale", self.scale, "positive")
        check_choice(self, "mode", self.mode, MODES)
        check_choice(self, "distribution", self.distribution, DISTRIBUTIONS)

    def values(self, shape: tuple[int, ...], dtype: str, key: Key) -> Array:
        """Return the draws."""
        inputs, outputs = fans(shape)
        number = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}[self.mode]
        deviation = math.sqrt(self.scale / max(1, number))
        choice: Initializer
        if self.distribution == "uniform":
            choice = RandomUniform(-math.sqrt(3) * deviation, math.sqrt(3) * deviation)
        elif self.distribution == "untruncated_normal":
            choice = RandomNormal(stddev=deviation)
        else:
            choice = TruncatedNormal(stddev=deviation / CUT_DEVIATION)
        return choice.values(shape, dtype, key)


@dataclass(frozen=True)
class _Named(Initializer):
    """A choice of VarianceScaling's arguments that has a name."""

    def values(self, shape: tuple[int, ...], dtype: str, key: Key) -> Array:
        """Return the draws."""
        return NAMED[type(self)].values(shape, dtype, key)


class GlorotUniform(_Named):
    """Even draws of variance 2 / (inputs + outputs): forward and backward signals keep their size; Keras's default.

    Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010, equation 16.

    >>> abs(GlorotUniform()((300, 300))).max().round(2)  # √(6 / 600)
    np.float32(0.1)
    """


class GlorotNormal(_Named):
    """Truncated normal draws of variance 2 / (inputs + outputs).

    Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010, equation 12.

    >>> GlorotNormal()((100, 100)).std().round(2)
    np.float32(0.1)
    """


class HeUniform(_Named):
    """Even draws of variance 2 / inputs, for rectifiers, which let half of it through.

    He, Zhang, Ren and Sun, *Delving deep into rectifiers*, 2015, equation 10.

    >>> HeUniform()((200, 50)).std().round(2)
    np.float32(0.1)
    """


class HeNormal(_Named):
    """Truncated normal draws of variance 2 / inputs, for rectifiers, which let half of it through.

    He, Zhang, Ren and Sun, *Delving deep into rectifiers*, 2015, equation 10.

    >>> HeNormal()((200, 50)).std().round(2)
    np.float32(0.1)
    """


class LecunUniform(_Named):
    """Even draws of variance 1 / inputs.

    LeCun, Bottou, Orr and Müller, *Efficient backprop*, 1998, section 4.6.

    >>> LecunUniform()((100, 50)).std().round(2)
    np.float32(0.1)
    """


class LecunNormal(_Named):
    """Truncated normal draws of variance 1 / inputs, which the activation selu needs.

    LeCun, Bottou, Orr and Müller, *Efficient backprop*, 1998, section 4.6.

    >>> LecunNormal()((100, 50)).std().round(2)
    np.float32(0.1)
    """


NAMED: dict[type[_Named], VarianceScaling] = {
    GlorotUniform: VarianceScaling(1.0, "fan_avg", "uniform"),
    GlorotNormal: VarianceScaling(1.0, "fan_avg", "truncated_normal"),
    HeUniform: VarianceScaling(2.0, "fan_in", "uniform"),
    HeNormal: VarianceScaling(2.0, "fan_in", "truncated_normal"),
    LecunUniform: VarianceScaling(1.0, "fan_in", "uniform"),
    LecunNormal: VarianceScaling(1.0, "fan_in", "truncated_normal"),
}


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """A random matrix with orthogonal columns (or rows, if those are fewer) of length ``gain``.

    All axes but the last count as rows. Of the QR decomposition of a normal matrix, Q with the signs of R's diagonal
    is spread evenly over all such matrices (Mezzadri, *How to generate random matrices from the classical compact
    groups*, 2007). The decomposition is LAPACK's, in float64, so that the last bit may differ between machines.

    Saxe, McClelland and Ganguli, *Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks*, 2014.

    >>> W = Orthogonal()((3, 3), "float64")
    >>> bool(abs(W @ W.T - np.eye(3)).max() < 1e-15)
    True
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        check_number(self, "gain", self.gain, "finite")

    def values(self, shape: tuple[int, ...], dtype: str, key: Key) -> Array:
        """Return the matrix, in the weight's shape."""
        if len(shape) < 2:
            raise InputError(
                f"Orthogonal: the weight has shape {show_shape(shape)}, and two axes or more were expected, such as"
                " (inputs, outputs)"
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        q, r = np.linalg.qr(RandomNormal(stddev=1.0).values(tall, "float64", key))
        q = q * np.copysign(self.gain, self.gain * np.diagonal(r))
        return (q if rows >= columns else q.T).reshape(shape).astype(dtype)


__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "fans",
]
