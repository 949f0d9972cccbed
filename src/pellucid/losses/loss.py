"""What every loss has: its options, one value per example, predictions, and the variable of its labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from ..core.arguments import position
from ..core.dtypes import FLOATS, check_dtype
from ..core.errors import DtypeError, InputError, ShapeError
from ..core.expression import Expression, is_expression
from ..core.origins import place
from ..core.sizes import Size, show_shape
from ..operations.source import variable


@dataclass(frozen=True)
class Loss:
    """A loss with its options: called with outputs and labels, it gives one value per example, not reduced.

    One of your own is a plain function of these two expressions, or a subclass whose ``function`` takes its fields
    as keywords.

    Attributes:
        function: ``function(outputs, labels, **options)``.
        takes_logits: whether the outputs are logits, of which ``predictions`` are the probabilities.
        label_range: the smallest and largest label there may be.

    >>> import pellucid as pc
    >>> outputs, labels = pc.variable("outputs", ("batch", 3)), pc.variable("labels", ("batch",), "int32")
    >>> loss = pc.losses.CrossEntropy(label_smoothing=0.1)
    >>> loss(outputs, labels).shape
    (batch,)
    """

    function: ClassVar[Callable[..., Expression]]
    takes_logits: ClassVar[bool] = False
    label_range: ClassVar[tuple[float, float]] = (-np.inf, np.inf)

    @property
    def name(self) -> str:
        """The name of the function, by which ``get`` finds the loss."""
        return str(getattr(self.function, "__name__", type(self).__name__))

    def __call__(self, outputs: Any, labels: Any) -> Expression:
        """Return one value per example, shape ``(batch,)``; further axes are averaged."""
        options = {f.name: getattr(self, f.name) for f in fields(self)}
        return type(self).function(outputs, labels, **options)

    def predictions(self, outputs: Expression) -> Expression:
        """Return what a model predicts with these outputs: here the outputs themselves."""
        return outputs

    def label_variable(self, outputs: Expression, labels: np.ndarray[Any, Any]) -> Expression:
        """Return the variable that takes labels like these, with the named axes of the outputs.

        Args:
            outputs: the network's outputs, (batch, ...).
            labels: the labels of some or all examples, an array of any number of rows.

        Raises:
            ShapeError, DtypeError: where such labels do not go with the outputs.

        >>> import pellucid as pc
        >>> outputs = pc.variable("outputs", ("batch", 10))
        >>> labels = pc.losses.CrossEntropy().label_variable(outputs, np.array([3, 1, 4]))
        >>> labels.dtype, labels.shape
        ('int32', (batch,))
        """
        if not labels.ndim:
            raise ShapeError(f"{self.name}: the labels are one number, and one for each example was expected")
        named = [n if isinstance(n, Size) else None for n in outputs.shape]
        named += [None] * (labels.ndim - len(named))
        shape = tuple(n or have for n, have in zip(named[1:], labels.shape[1:], strict=False))
        made = variable("labels", (outputs.shape[0], *shape), self._label_dtype(outputs, labels))
        self(outputs, made)
        return made

    def _label_dtype(self, outputs: Expression, labels: np.ndarray[Any, Any]) -> str:
        if labels.dtype.kind not in "fiub":
            raise DtypeError(
                f"{self.name}: the labels are {labels.dtype}, which is not numbers; number the classes from 0, as"
                " np.unique(labels, return_inverse=True) does"
            )
        if labels.dtype.kind == "f":
            return outputs.dtype if labels.dtype.name in FLOATS else check_dtype(labels.dtype)
        return "int32" if labels.dtype == "int64" else check_dtype(labels.dtype)

    def check_labels(self, labels: np.ndarray[Any, Any]) -> None:
        """Check that labels lie where this loss means something.

        The numbers of classes are checked by the compiled function, against how many classes there are.

        Raises:
            InputError: which names the first row that does not.
        """
        low, high = self.label_range
        outside = np.argwhere((labels < low) | (labels > high))
        if len(outside):
            first = tuple(outside[0])
            expected = f"{low:g} or more" if high == np.inf else f"from {low:g} to {high:g}"
            raise InputError(
                f"{self.name}: the label at {position(first)} is {labels[first]}, and labels {expected} were expected"
            )


@dataclass(frozen=True)
class LossFunction(Loss):
    """A loss made of a plain function of outputs and labels, both expressions, that gives one value per example.

    >>> import pellucid as pc
    >>> def cubic(outputs, labels):
    ...     return abs(outputs - labels) ** 3
    >>> outputs, labels = pc.variable("outputs", ("batch",)), pc.variable("labels", ("batch",))
    >>> print(pc.losses.get(cubic)(outputs, labels))
    abs(outputs - labels) ** 3
    """

    plain: Callable[[Expression, Expression], Expression]

    @property
    def name(self) -> str:
        """The function's own name."""
        return str(getattr(self.plain, "__name__", type(self.plain).__name__))

    def __call__(self, outputs: Any, labels: Any) -> Expression:
        """Return what the function gives.

        Raises:
            InputError, ShapeError: where that is not one value for each example.
        """
        values = self.plain(outputs, labels)
        if not is_expression(values):
            raise InputError(f"the loss {self.name} gave {values!r}, and an expression was expected")
        if values.shape != outputs.shape[:1]:
            raise ShapeError(
                f"the loss {self.name} has shape {show_shape(values.shape)}, and one value for each example,"
                f" {show_shape(outputs.shape[:1])}, was expected{place(values)}; take the mean over every axis but"
                " the first, and leave that to the model"
            )
        return values


__all__ = ["Loss", "LossFunction"]
