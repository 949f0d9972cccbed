"""Dense layers: every output is a weighted sum of all inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import activations
from ..core.configuration import register
from ..core.errors import ShapeError
from ..core.expression import Expression
from ..core.settings import check_whole
from ..core.sizes import Shape, show_shape
from .arguments import shown
from .layer import Layer


@register
@dataclass(eq=False, repr=False)
class Dense(Layer):
    """``activation(x @ kernel + bias)``.

    Args:
        units: how many outputs.
        activation: a function or its name; none if not given.
        use_bias: whether a bias is added.

    Shapes: ``(batch, ..., inputs)`` to ``(batch, ..., units)``; weights ``kernel (inputs, units)``, ``bias (units,)``.

    Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((3,))
    >>> print(pc.layers.Dense(2, activation="relu")(x))
    relu(input @ dense/kernel + dense/bias)
    """

    units: int
    activation: Any = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None
    kernel_constraint: Any = None
    bias_constraint: Any = None

    def __post_init__(self) -> None:
        check_whole(self, "units", self.units)
        self.function = activations.get(self.activation)

    def build(self, shape: Shape) -> None:
        """Make the kernel and the bias."""
        if len(shape) < 2:
            raise ShapeError(f"{shown(self)} takes inputs (batch, ..., inputs), and was given {show_shape(shape)}")
        self.kernel = self.weight(
            "kernel",
            (shape[-1], self.units),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.weight(
                "bias",
                (self.units,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def call(self, x: Expression) -> Expression:
        """Return the outputs."""
        product = x.astype(self.dtype) @ self.kernel
        return self.function(product + self.bias if self.use_bias else product)  # type: ignore[no-any-return]


__all__ = ["Dense"]
