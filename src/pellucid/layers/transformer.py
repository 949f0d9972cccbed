"""The block that transformers are made of: attention, and a small network for each place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import activations
from ..core.configuration import register
from ..core.errors import ShapeError
from ..core.expression import Expression
from ..core.settings import check_number, check_whole
from ..core.sizes import show_shape
from .arguments import check_sequence, shown
from .attention import Attending, MultiHeadAttention
from .dense import Dense
from .noise import Dropout
from .normalisation import LayerNormalization


@register
@dataclass(eq=False, repr=False)
class TransformerBlock(Attending):
    """``y = x + attention(norm(x))``, then ``y + feedforward(norm(y))``: self-attention, and two dense layers.

    What is normalised are the inputs of both parts and not the sums, so that what came in reaches every block above as
    it is, and gradients reach every block below. In training, shares of what the two parts add are dropped.

    Args:
        num_heads: how many heads attend, a divisor of the inputs' width.
        intermediate_dim: how wide the first dense layer is; four times the inputs' width unless given.
        dropout: which share of what each part adds training drops.
        activation: of the first dense layer, a function or its name.
        epsilon: added to the variances of the normalisations.
        causal: whether a place attends to nothing later than itself, as a model does that writes one after the other.
        use_bias: whether the products have biases.

    Shapes: ``(batch, time, width)``, which stays; a mask, after it in a list or as ``mask=``, is truth values ``(batch,
    time, time)``, or what broadcasts to that. Weights ``attention_norm``, ``attention``, ``feedforward_norm``,
    ``intermediate`` and ``output``, each with those of its layer.

    Raises:
        ShapeError: the heads do not divide the width.

    Vaswani et al., *Attention is all you need*, 2017, section 3.1; the order of the normalisations is that of Xiong et
    al., *On layer normalization in the transformer architecture*, 2020.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((10, 32))
    >>> pc.layers.TransformerBlock(4)(x).shape
    (batch, 10, 32)
    """

    num_heads: int
    intermediate_dim: int | None = None
    dropout: float = 0.0
    activation: Any = "gelu"
    epsilon: float = 1e-5
    causal: bool = True
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"

    def __post_init__(self) -> None:
        check_whole(self, "num_heads", self.num_heads)
        check_whole(self, "intermediate_dim", self.intermediate_dim, or_none=True)
        check_number(self, "dropout", self.dropout, "share")
        activations.get(self.activation)
        self.attention_norm, self.feedforward_norm = (LayerNormalization(epsilon=self.epsilon) for _ in range(2))
        self.dropped = Dropout(self.dropout)

    def build(self, shape: Any) -> None:
        """Make the layers whose sizes follow from the inputs' width."""
        sequence = shape[0] if isinstance(shape, list) else shape
        width = check_sequence(self, sequence)
        if width % self.num_heads:
            raise ShapeError(
                f"{shown(self)}: {self.num_heads} heads do not share out the width {width} of {show_shape(sequence)};"
                " choose a number of heads that divides it"
            )
        given = {
            "use_bias": self.use_bias,
            "kernel_initializer": self.kernel_initializer,
            "bias_initializer": self.bias_initializer,
        }
        self.attention = MultiHeadAttention(self.num_heads, width // self.num_heads, causal=self.causal, **given)
        self.intermediate = Dense(self.intermediate_dim or 4 * width, self.activation, **given)
        self.output = Dense(width, **given)

    def call(self, inputs: Any) -> Expression:
        """Return the inputs with what the two parts add."""
        (x,), mask = self._sequences(inputs, most=1)
        x = x.astype(self.dtype) + self.dropped(self.attention(self.attention_norm(x), mask=mask))
        added = self.output(self.intermediate(self.feedforward_norm(x)))
        result: Expression = x + self.dropped(added)
        return result


__all__ = ["TransformerBlock"]
