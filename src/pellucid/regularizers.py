"""Regularisers: what a parameter adds to the loss for being large, by Keras's names, arguments and defaults.

penalty = pc.regularizers.L2(1e-4)(W)  # a scalar expression, to be added to the loss
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .core.configuration import register
from .core.expression import Expression
from .core.settings import by_name, check_number
from .operations.composed import floats, square
from .operations.elementwise import zero
from .operations.reduction import sum as sum_over
from .operations.rounding import abs as absolute


@dataclass(frozen=True)
class L1:
    """``l1`` times the sum of sizes, l1 Σ|w|: it draws weights to exactly 0. The derivative of a size at 0 is 0.

    Tibshirani, *Regression shrinkage and selection via the lasso*, 1996.

    >>> import pellucid as pc
    >>> pc.function([], L1(0.5)(pc.parameter([[1.0, -3.0]])))()
    np.float32(2.0)
    """

    l1: float = 0.01

    def __post_init__(self) -> None:
        check_number(self, "l1", self.l1, "nonnegative")

    def __call__(self, parameter: Expression) -> Expression:
        """Return the penalty, a scalar of the parameter's dtype, for a parameter of any shape."""
        return self.l1 * sum_over(absolute(floats(parameter)))


@dataclass(frozen=True)
class L2:
    """``l2`` times the sum of squares, l2 Σw²: it draws weights towards 0 by a share of their size.

    Note that there is no factor of 1/2, as there is none in Keras.

    Krogh and Hertz, *A simple weight decay can improve generalization*, 1992.

    >>> import pellucid as pc
    >>> W = pc.parameter([[1.0, -3.0]], name="W")
    >>> print(L2(0.5)(W))
    0.5 * sum(W * W, axes=(0, 1))
    >>> print(pc.gradient(L2(0.5)(W), W))
    W
    """

    l2: float = 0.01

    def __post_init__(self) -> None:
        check_number(self, "l2", self.l2, "nonnegative")

    def __call__(self, parameter: Expression) -> Expression:
        """Return the penalty, a scalar of the parameter's dtype, for a parameter of any shape."""
        return self.l2 * sum_over(square(floats(parameter)))


@dataclass(frozen=True)
class L1L2:
    """The sum of both, l1 Σ|w| + l2 Σw², the elastic net; a part whose factor is 0 is left out.

    Zou and Hastie, *Regularization and variable selection via the elastic net*, 2005.

    >>> import pellucid as pc
    >>> pc.function([], L1L2(0.5, 0.1)(pc.parameter([1.0, -3.0])))()
    np.float32(3.0)
    """

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        check_number(self, "l1", self.l1, "nonnegative")
        check_number(self, "l2", self.l2, "nonnegative")

    def __call__(self, parameter: Expression) -> Expression:
        """Return the penalty, a scalar of the parameter's dtype, for a parameter of any shape."""
        if not self.l1:
            return L2(self.l2)(parameter) if self.l2 else zero(floats(parameter))
        return L1(self.l1)(parameter) + L2(self.l2)(parameter) if self.l2 else L1(self.l1)(parameter)


REGULARIZERS: Mapping[str, type[L1] | type[L2] | type[L1L2]] = {"l1": L1, "l2": L2, "l1_l2": L1L2}
for _class in REGULARIZERS.values():
    register(_class)


def get(regularizer: Any) -> Callable[[Expression], Expression] | None:
    """Return a regulariser by its name, with its defaults; the one, or the function, that was given; None for None.

    Raises:
        InputError: which lists the names, for anything else.

    >>> get("l2"), get(L1(0.1)), get(None)
    (L2(l2=0.01), L1(l1=0.1), None)
    """
    if regularizer is None or (callable(regularizer) and not isinstance(regularizer, type)):
        return regularizer
    return by_name("a regulariser", regularizer, REGULARIZERS, "pc.regularizers.L2(1e-4)")()


__all__ = ["L1", "L1L2", "L2", "REGULARIZERS", "get"]
