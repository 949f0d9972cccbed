"""What a model is trained on: arrays of examples, labels and weights, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.arguments import first_not_finite
from ..core.errors import DtypeError, EmptyBatchError, InputError, NotANumberError
from ..core.settings import check_number
from ..looping import row_numbers
from ..losses import Loss
from .splits import are_classes, split_rows

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Examples:
    """Inputs, labels and weights of the same number of rows, and which of the rows are meant.

    Attributes:
        inputs: an array for each input of the network.
        labels: one label for each row.
        weights: how much each row counts, float32; None where all count the same.
        rows: the numbers of the rows that are meant, in order; None for all of them.
    """

    inputs: tuple[Array, ...]
    labels: Array
    weights: Array | None = None
    rows: Array | None = None

    @property
    def count(self) -> int:
        """How many rows are meant."""
        return len(self.labels) if self.rows is None else len(self.rows)

    @property
    def arrays(self) -> list[Array]:
        """What a function of all these takes."""
        return [*self.inputs, self.labels, *([] if self.weights is None else [self.weights])]

    def split(self, share: float, seed: int) -> tuple[Examples, Examples]:
        """Return those to train on, and a share of them to be held out; see ``split_rows``."""
        chosen = np.arange(len(self.labels)) if self.rows is None else self.rows
        trained, held = split_rows(self.labels[chosen], share, seed)
        return replace(self, rows=chosen[trained]), replace(self, rows=chosen[held])


def checked(
    x: Any,
    y: Any,
    names: Sequence[str],
    loss: Loss,
    sample_weight: Any = None,
    class_weight: Mapping[Any, float] | None = None,
    *,
    rows: Any = None,
    are_all: bool = True,
    finite: bool = True,
) -> Examples:
    """Return what a user gave as examples for a network and a loss.

    Args:
        x, y, sample_weight, class_weight, rows: see ``Model.fit``.
        names: of the network's inputs.
        loss: which says what labels it takes.
        are_all: whether these are all examples, or one batch of many, in which classes may be missing.
        finite: whether NaN and infinities are looked for.

    Raises:
        InputError, DtypeError, NotANumberError, EmptyBatchError: what is wrong with them, and where.
    """
    inputs, labels = input_arrays(x, names), label_array(y)
    check_rows({"x": len(inputs[0]), "y": len(labels)})
    if loss.label_range != (-np.inf, np.inf):  # labels that are mapped to memory would all be read
        loss.check_labels(labels)
    weights = weight_array(sample_weight, class_weight, labels, are_all)
    numbers = None if rows is None else row_numbers(rows, len(labels))
    examples = Examples(inputs, labels, weights, numbers)
    if finite:
        check_finite(examples, names)
    return examples


def input_arrays(x: Any, names: Sequence[str]) -> tuple[Array, ...]:
    """Return one array for each input of a network.

    Args:
        x: an array (or what NumPy makes one of); where there are several inputs, a list of them or a dict by name.
        names: of the network's inputs.

    Raises:
        InputError: if there are not as many, or they differ in their number of rows.
        DtypeError: if they are not numbers.
    """
    if isinstance(x, Mapping):
        if set(x) != set(names):
            raise InputError(f"x has the inputs {', '.join(map(str, x))}, and the network takes {', '.join(names)}")
        given = [x[name] for name in names]
    elif len(names) == 1:
        given = [x]
    elif isinstance(x, list | tuple):
        given = list(x)
    else:
        raise InputError(f"the network takes {len(names)} inputs; give x as a dict or list of {', '.join(names)}")
    if len(given) != len(names):
        raise InputError(f"x has {len(given)} arrays, and the network takes {len(names)} inputs: {', '.join(names)}")
    arrays = tuple(_numbers(array, name) for array, name in zip(given, names, strict=True))
    check_rows({name: len(array) for name, array in zip(names, arrays, strict=True)})
    return arrays


def _numbers(value: Any, name: str) -> Array:
    try:
        array = np.asarray(value)
    except ValueError:
        raise InputError(
            f"{name} has rows that differ in length, and an array was expected; pad them to one length, and give"
            " recurrent layers a mask of what is there"
        ) from None
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"{name} is of {array.dtype}, which is not numbers; encode it as numbers first")
    if array.ndim == 0:
        raise InputError(f"{name} is one number, and an array with a row for each example was expected")
    return array


def check_rows(counts: Mapping[str, int]) -> None:
    """Check that arrays have the same number of rows, and at least one."""
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{name} has {count:,}" for name, count in counts.items())
        raise InputError(f"there is to be one row for each example in every array: {shown}")
    for name, count in counts.items():
        if count == 0:
            raise EmptyBatchError(f"{name} has no rows; there is nothing to learn from or to judge")


def check_finite(examples: Examples, names: Sequence[str]) -> None:
    """Check that inputs and labels hold no NaN and no infinity; an array mapped to memory is read once, in pieces.

    Raises:
        NotANumberError: which names the first row and column.
    """
    for name, array in zip([*names, "y"], [*examples.inputs, examples.labels], strict=True):
        if array.dtype.kind == "f" and (where := first_not_finite(array)) is not None:
            raise NotANumberError(
                f"{name} is NaN or infinite at {where}, which would spoil the weights; remove or replace it first"
            )


def label_array(y: Any) -> Array:
    """Return labels as an array."""
    if y is None:
        raise InputError("there are no labels: y is needed beside x")
    return _numbers(y, "y")


def weight_array(
    sample_weight: Any, class_weight: Mapping[Any, float] | None, labels: Array, are_all: bool = True
) -> Array | None:
    """Return how much each example counts, or None where all count the same.

    Args:
        sample_weight: a number for each example, 0 or more.
        class_weight: a number for each class by its label; a class that is not named counts 1.
        labels: what the classes are looked up in.
        are_all: whether these are all examples; in one batch of many, classes may be missing and weights be all 0.

    Raises:
        InputError: for weights that are negative, do not fit, or are all 0; for classes that do not occur.
    """
    if sample_weight is None and class_weight is None:
        return None
    weights = np.ones(len(labels), np.float32)
    if sample_weight is not None:
        given = _numbers(sample_weight, "sample_weight")
        if given.shape != (len(labels),):
            raise InputError(
                f"sample_weight has shape {given.shape}, and ({len(labels)},) was expected: one an example"
            )
        weights = given.astype(np.float32)
    if class_weight is not None:
        weights = weights * _class_weights(class_weight, labels, are_all)
    if (where := first_not_finite(weights)) is not None:
        raise NotANumberError(f"sample_weight is not finite at {where}")
    if (weights < 0).any():
        raise InputError(f"sample_weight is negative at row {int(np.argmax(weights < 0))}; weights are 0 or more")
    if are_all and not weights.any():
        raise InputError("all weights are 0, so that no example counts")
    return weights


def _class_weights(class_weight: Mapping[Any, float], labels: Array, are_all: bool) -> Array:
    if not are_classes(labels):
        raise InputError("class_weight needs labels that are whole numbers, one an example; use sample_weight")
    if not isinstance(class_weight, Mapping):
        raise InputError(
            f"class_weight is {class_weight!r}, and a number for each class by its label was expected, such as"
            " {1: 3.0}"
        )
    for label, weight in class_weight.items():
        check_number("class_weight", f"the weight of class {label!r}", weight, "nonnegative")
    present, inverse = np.unique(labels, return_inverse=True)
    missing = sorted(set(class_weight) - set(present.tolist()), key=str)
    if missing and are_all:
        raise InputError(
            f"class_weight names the class {missing[0]!r}, which is not among the labels; they are"
            f" {', '.join(map(str, present[:10].tolist()))}{', ...' if len(present) > 10 else ''}"
        )
    table = np.array([class_weight.get(label, 1.0) for label in present.tolist()], np.float32)
    chosen: Array = table[inverse]
    return chosen


__all__ = ["Examples", "check_finite", "checked", "input_arrays"]
