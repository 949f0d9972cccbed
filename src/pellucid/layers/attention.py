"""Attention layers: each place of a sequence takes from other places what answers its question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.configuration import register
from ..core.dtypes import BOOL
from ..core.errors import InputError
from ..core.expression import Expression
from ..core.settings import check_number, check_whole
from ..core.sizes import Shape
from ..operations.attention import attention_weights, scaled_dot_product_attention
from ..operations.movement import permute, reshape
from ..operations.sequences import checked_mask
from .arguments import check_sequence, shown
from .dense import Dense
from .layer import Layer
from .noise import Dropout


class Attending(Layer):
    """A layer of sequences (batch, time, width), after which it may be given a mask of who may attend to what."""

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the layer's output.

        Args:
            inputs: a sequence, or a list of sequences; a mask may be the last of the list.
            training: as for every layer.
            mask: the mask, where it is not in the list: truth values ``(batch, query time, key time)``, or what
                broadcasts to that, true where a query may attend to a key.
        """
        if mask is not None:
            inputs = [*(inputs if isinstance(inputs, list | tuple) else [inputs]), checked_mask(mask)]
        return super().__call__(inputs, training)

    def _sequences(self, inputs: Any, most: int) -> tuple[list[Expression], Expression | None]:
        """Return the sequences, and the mask if there is one."""
        given = list(inputs) if isinstance(inputs, list) else [inputs]
        mask = given.pop() if len(given) > 1 and given[-1].dtype == BOOL else None
        if len(given) > most:
            raise InputError(
                f"{shown(self)} takes {'one sequence' if most == 1 else f'up to {most} sequences'} and then a mask of"
                f" truth values, and was given {len(given)} sequences"
            )
        for x in given:
            check_sequence(self, x.shape)
        return given, mask


@register
@dataclass(eq=False, repr=False)
class MultiHeadAttention(Attending):
    """Several heads, each of which attends in projections of its own of what it is given; their results are projected.

    It is called with one sequence (self-attention), with ``[query, value]``, or with ``[query, value, key]``, where
    the keys are made of the values unless they are given. A mask may follow in the list, or be given as ``mask=``.

    Args:
        num_heads: how many heads.
        key_dim: how wide the queries and keys of each head are.
        value_dim: how wide the values of each head are; ``key_dim`` unless given.
        dropout: which share of the attention weights training drops.
        use_bias: whether a bias is added in each projection.
        output_shape: how wide the outputs are; as wide as the queries given to the layer, if not given.
        causal: whether a query attends to nothing later than itself.

    Shapes: ``(batch, query time, width)``, ``(batch, key time, width of values)`` and ``(batch, key time, width of
    keys)`` to ``(batch, query time, outputs)``; a mask is truth values ``(batch, query time, key time)``, or what
    broadcasts to that (``mask[:, None, :]`` of one that says which places of a sequence are there), or has a further
    axis of heads after the batch's. Weights ``query``, ``key``, ``value`` and ``output``, each with a ``kernel``
    (inputs, heads x their width) and a ``bias``.

    Vaswani et al., *Attention is all you need*, 2017, section 3.2.2.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((10, 32))
    >>> layer = pc.layers.MultiHeadAttention(num_heads=4, key_dim=8, causal=True)
    >>> layer(x).shape
    (batch, 10, 32)
    >>> {path: weight.shape for path, weight in layer.parameters.items() if path.endswith("kernel")}
    {'query/kernel': (32, 32), 'key/kernel': (32, 32), 'value/kernel': (32, 32), 'output/kernel': (32, 32)}
    """

    num_heads: int
    key_dim: int
    value_dim: int | None = None
    dropout: float = 0.0
    use_bias: bool = True
    output_shape: int | None = None
    causal: bool = False
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None
    kernel_constraint: Any = None
    bias_constraint: Any = None

    def __post_init__(self) -> None:
        check_whole(self, "num_heads", self.num_heads)
        check_whole(self, "key_dim", self.key_dim)
        check_whole(self, "value_dim", self.value_dim, or_none=True)
        check_whole(self, "output_shape", self.output_shape, or_none=True)
        check_number(self, "dropout", self.dropout, "share")
        self.query = self._projection(self.num_heads * self.key_dim)
        self.key = self._projection(self.num_heads * self.key_dim)
        self.value = self._projection(self.num_heads * (self.value_dim or self.key_dim))
        self.dropped = Dropout(self.dropout)

    def _projection(self, units: int) -> Dense:
        return Dense(
            units,
            use_bias=self.use_bias,
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
        )

    def build(self, shape: Any) -> None:
        """Make the layer of the outputs, which are as wide as the queries."""
        query: Shape = shape[0] if isinstance(shape, list) else shape
        width = check_sequence(self, query)
        self.output = self._projection(self.output_shape or width)

    def call(self, inputs: Any) -> Expression:
        """Return what the heads found, projected."""
        given, mask = self._sequences(inputs, most=3)
        query, value = given[0], given[min(1, len(given) - 1)]
        key = given[2] if len(given) == 3 else value
        heads = [self._by_heads(p(x)) for p, x in ((self.query, query), (self.key, key), (self.value, value))]
        if mask is not None and mask.ndim == 3:
            mask = reshape(mask, (mask.shape[0], 1, *mask.shape[1:]))
        if self.dropout:
            attended = self.dropped(attention_weights(heads[0], heads[1], mask, self.causal)) @ heads[2]
        else:
            attended = scaled_dot_product_attention(heads[0], heads[1], heads[2], mask, self.causal)
        found = permute(attended, (0, 2, 1, 3))
        joined: Expression = self.output(reshape(found, (*found.shape[:2], -1)))
        return joined

    def _by_heads(self, x: Expression) -> Expression:
        """Return (batch, heads, time, width of one)."""
        return permute(reshape(x, (*x.shape[:2], self.num_heads, -1)), (0, 2, 1, 3))


__all__ = ["Attending", "MultiHeadAttention"]
