"""What is done to data between reading and training: scaling, one-hot labels, and splits in three."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import InputError, ShapeError
from ..core.settings import check_number, check_whole, is_number
from .checks import check_finite
from .labelled import Labelled

Array = np.ndarray[Any, Any]


def one_hot(labels: Any, classes: int | None = None) -> Array:
    """Return a row of zeros for each label, with a one at its place.

    Args:
        labels: whole numbers from 0, shape (n,).
        classes: how many there are; one more than the largest label unless told otherwise.

    Returns:
        float32 of shape (n, classes).

    Raises:
        ShapeError: if the labels have another number of axes.
        InputError: if one is not a whole number from 0 to ``classes`` less 1; it is named.

    >>> one_hot([2, 0], classes=3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    given = np.asarray(labels)
    check_whole("one_hot", "classes", classes, or_none=True)
    if given.ndim != 1:
        raise ShapeError(f"one_hot: the labels have shape {given.shape}; expected one axis, a label for each row")
    if given.dtype.kind not in "iu" or not given.size:
        raise InputError(f"one_hot: the labels are {len(given)} of {given.dtype}; expected integers, and at least one")
    count = int(given.max()) + 1 if classes is None else classes
    wrong = (given < 0) | (given >= count)
    if wrong.any():
        place = int(wrong.argmax())
        raise InputError(f"one_hot: label {given[place]} of row {place} is not from 0 to {count - 1}")
    encoded = np.zeros((len(given), count), np.float32)
    encoded[np.arange(len(given)), given] = 1
    return encoded


@dataclass(frozen=True)
class Scaling:
    """Columns shifted to mean 0 and scaled to standard deviation 1, as they were in the data it was fitted on.

    Fit it on the training data alone, and apply it to all: what is held out must not tell its mean.

    Attributes:
        mean: of each column.
        scale: what each is divided by: its standard deviation, or 1 for a column of one value.

    >>> scaling = Scaling.fit([[1.0, 5.0], [3.0, 5.0]])
    >>> scaling
    Scaling(mean=(2.0, 5.0), scale=(1.0, 1.0))
    >>> scaling.apply([[4.0, 6.0]])
    array([[2., 1.]], dtype=float32)
    >>> Scaling.from_json(scaling.to_json()) == scaling
    True
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def fit(cls, inputs: Any) -> Scaling:
        """Return the scaling of some rows, of shape (n, columns), computed in float64.

        Raises:
            ShapeError: if they have another number of axes, or there are none.
            NotANumberError: if one of their numbers is not finite.
        """
        values = np.asarray(check_finite("Scaling.fit: inputs", inputs), np.float64)
        if values.ndim != 2 or not values.size:
            raise ShapeError(f"Scaling.fit: the inputs have shape {values.shape}; expected (n, columns), both above 0")
        constant = (values == values[0]).all(axis=0)  # whose computed deviation may be a little above 0
        scale = np.where(constant, 1.0, values.std(axis=0))
        return cls(tuple(values.mean(axis=0).tolist()), tuple(np.where(scale > 0, scale, 1.0).tolist()))

    def apply(self, inputs: Any) -> Array:
        """Return rows scaled, float32 of shape (n, columns).

        Raises:
            ShapeError: if they have another number of columns.
        """
        return ((self._checked("apply", inputs) - self.mean) / self.scale).astype(np.float32)

    def undo(self, inputs: Any) -> Array:
        """Return scaled rows as they were, float32 of shape (n, columns).

        Raises:
            ShapeError: if they have another number of columns.
        """
        return (self._checked("undo", inputs) * self.scale + self.mean).astype(np.float32)

    def _checked(self, method: str, inputs: Any) -> Array:
        values = np.asarray(inputs, np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.mean):
            raise ShapeError(
                f"Scaling.{method}: the inputs have shape {values.shape}; expected (n, {len(self.mean)}), with "
                f"the columns that it was fitted on"
            )
        return values

    def to_json(self) -> str:
        """Return it as JSON, from which ``from_json`` makes an equal one."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Scaling:
        """Return the scaling that ``to_json`` wrote.

        Raises:
            InputError: if the text is not what it writes.
        """
        try:
            given = json.loads(text)
            mean, scale = tuple(given["mean"]), tuple(given["scale"])
            right = all(is_number(v) and math.isfinite(v) for v in mean + scale) and all(v > 0 for v in scale)
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise InputError(f"a scaling cannot be read from JSON ({error}); expected what to_json wrote") from error
        if not right or not mean or len(mean) != len(scale):
            raise InputError("a scaling has as many finite means as scales above 0; expected what to_json wrote")
        return cls(mean, scale)


class Parts(NamedTuple):
    """Rows to learn from, to choose by, and to test with once everything is chosen."""

    train: Labelled
    validation: Labelled
    test: Labelled


def split_parts(data: Any, validation: float = 0.15, test: float = 0.15, seed: int = 0) -> Parts:
    """Return data in three parts, drawn at random; if the labels are classes, each part has its share of each class.

    Args:
        data: a ``Labelled``, a ``Table``, or anything that begins with inputs and labels, such as what ``moons``
            returns. Labels that are integers are classes.
        validation: the share of the rows to validate with, between 0 and 1.
        test: the share to test with.
        seed: the same seed draws the same parts.

    Returns:
        The three, each with its rows in the order they had, and the names that they had.

    Raises:
        ShapeError: if there are not as many labels as inputs.
        InputError: if a share is out of its range, or a part or a class in a part would be empty.

    >>> parts = split_parts((np.arange(20.0)[:, None], np.arange(20) % 2), validation=0.2, test=0.2)
    >>> [np.bincount(part.labels).tolist() for part in parts]
    [[6, 6], [2, 2], [2, 2]]
    """
    inputs, labels, *named = tuple(data)[:4]
    given = Labelled(np.asarray(inputs), np.asarray(labels), *named)
    check_number("split_parts", "validation", validation, "share")
    check_number("split_parts", "test", test, "share")
    if len(given.inputs) != len(given.labels):
        raise ShapeError(
            f"split_parts: {len(given.inputs)} inputs and {len(given.labels)} labels; expected one label for each input"
        )
    random = np.random.default_rng(seed)
    classes = given.labels.dtype.kind != "f" and given.labels.ndim == 1
    part_of = np.empty(len(given.labels), int)
    for label in np.unique(given.labels) if classes else [None]:
        rows = np.arange(len(part_of)) if label is None else np.flatnonzero(given.labels == label)
        held, tested = round(len(rows) * validation), round(len(rows) * test)
        if min(held, tested, len(rows) - held - tested) < 1:
            what = "rows" if label is None else f"rows of class {label}"
            raise InputError(
                f"split_parts: validation={validation} and test={test} of {len(rows)} {what} leave a part without any; "
                "take other shares, or more data"
            )
        part_of[random.permutation(rows)] = np.repeat([1, 2, 0], [held, tested, len(rows) - held - tested])
    return Parts(*(_chosen(given, np.flatnonzero(part_of == k)) for k in range(3)))


def _chosen(given: Labelled, rows: Array) -> Labelled:
    names = tuple(given.names[k] for k in rows) if given.names else ()
    return given._replace(inputs=given.inputs[rows], labels=given.labels[rows], names=names)


__all__ = ["Parts", "Scaling", "one_hot", "split_parts"]
