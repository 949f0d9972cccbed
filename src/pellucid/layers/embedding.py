"""Embeddings: a vector of weights for each of many words, items or other whole numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.configuration import register
from ..core.dtypes import INTEGERS
from ..core.errors import DtypeError
from ..core.expression import Expression
from ..core.settings import check_whole
from ..core.sizes import Shape
from ..operations.indexing import take
from .arguments import shown
from .layer import Layer


@register
@dataclass(eq=False, repr=False)
class Embedding(Layer):
    """The row of a table of weights for each index.

    Args:
        input_dim: how many rows; indices are 0 to ``input_dim`` - 1. A call with others is refused where the indices
            are an input of the function; indices that are computed are taken as the nearest that there is.
        output_dim: how long the vectors are.

    Shapes: ``(batch, ...)`` integers to ``(batch, ..., output_dim)``; weights ``embeddings (input_dim, output_dim)``,
    float32.

    Raises:
        DtypeError: for inputs that are not integers.

    Bengio, Ducharme, Vincent and Jauvin, *A neural probabilistic language model*, 2003, section 2.

    >>> import pellucid as pc
    >>> words = pc.layers.Input((20,), dtype="int32")
    >>> pc.layers.Embedding(1000, 64)(words).shape
    (batch, 20, 64)
    """

    input_dim: int
    output_dim: int
    embeddings_initializer: Any = "uniform"
    embeddings_regularizer: Any = None
    embeddings_constraint: Any = None

    def __post_init__(self) -> None:
        check_whole(self, "input_dim", self.input_dim)
        check_whole(self, "output_dim", self.output_dim)

    def build(self, shape: Shape) -> None:
        """Make the table."""
        self.embeddings = self.weight(
            "embeddings",
            (self.input_dim, self.output_dim),
            self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )

    def call(self, x: Expression) -> Expression:
        """Return the rows."""
        if x.dtype not in INTEGERS:
            raise DtypeError(
                f"{shown(self)} takes indices, which are integers, and was given {x.dtype}; make"
                " its input with dtype='int32'"
            )
        return take(self.embeddings, x)


__all__ = ["Embedding"]
