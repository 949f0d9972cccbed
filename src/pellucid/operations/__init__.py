"""What can be computed: one file for each family of operations, and plain functions composed of them."""

from . import (
    activation,
    comparison,
    composed,
    elementwise,
    exponential,
    indexing,
    logical,
    movement,
    product,
    reduction,
    rounding,
    selection,
    source,
    trigonometric,
)

__all__ = [
    "activation",
    "comparison",
    "composed",
    "elementwise",
    "exponential",
    "indexing",
    "logical",
    "movement",
    "product",
    "reduction",
    "rounding",
    "selection",
    "source",
    "trigonometric",
]
