"""What a model is trained on: arrays of examples, labels and weights, checked and split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.arguments import first_not_finite
from ..core.errors import DtypeError, EmptyBatchError, InputError, NotANumberError

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
        raise InputError(f"{name} has rows that differ in length, and an array was expected") from None
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
    if labels.dtype.kind == "f" or labels.ndim > 1:
        raise InputError("class_weight needs labels that are whole numbers, one an example; use sample_weight")
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


def split_rows(labels: Array, share: float, seed: int) -> tuple[Array, Array]:
    """Return the row numbers for training and those for validation, both in rising order.

    The split is a seeded draw; labels that are whole numbers keep their proportions in both parts (stratified).

    Raises:
        InputError: if the share is not between 0 and 1, or a part or a class in a part would be empty.

    >>> train, validation = split_rows(np.array([0, 0, 0, 0, 1, 1, 1, 1]), 0.25, seed=0)
    >>> len(train), len(validation)
    (6, 2)
    """
    if not 0 < share < 1:
        raise InputError(f"validation_split is {share!r}, and a share between 0 and 1 was expected")
    random = np.random.default_rng([seed & 0xFFFFFFFF, 0x76616C])
    count = len(labels)
    if labels.dtype.kind == "f" or labels.ndim > 1:
        chosen = random.permutation(count)[: round(share * count)]
    else:
        chosen = _stratified(labels, share, random)
    held = np.zeros(count, bool)
    held[chosen] = True
    if held.all() or not held.any():
        raise InputError(
            f"validation_split={share} of {count} rows leaves one part empty; give validation_data instead"
        )
    return np.flatnonzero(~held).astype(np.int32), np.flatnonzero(held).astype(np.int32)


def _stratified(labels: Array, share: float, random: np.random.Generator) -> Array:
    present, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    wanted = share * counts
    taken = np.floor(wanted).astype(int)
    rest = round(float(wanted.sum())) - int(taken.sum())  # by largest remainder, so that the whole share is exact
    taken[np.argsort(taken - wanted, kind="stable")[:rest]] += 1
    for label, count, held in zip(present.tolist(), counts.tolist(), taken.tolist(), strict=True):
        if held == 0 or held == count:
            part = "validation" if held == 0 else "training"
            raise InputError(
                f"validation_split={share} leaves class {label!r}, which has {count} rows, without any in {part}; take"
                " a larger or smaller share, or give validation_data"
            )
    parts = [random.permutation(np.flatnonzero(inverse == k))[:held] for k, held in enumerate(taken)]
    return np.concatenate(parts)


__all__ = ["Examples", "check_finite", "check_rows", "input_arrays", "label_array", "split_rows", "weight_array"]
