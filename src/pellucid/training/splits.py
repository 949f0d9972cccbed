"""Which rows are trained on and which are held out: seeded draws; classes keep their proportions (stratified)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import InputError
from ..core.settings import is_number, is_whole

Array = np.ndarray[Any, Any]


def are_classes(labels: Array) -> bool:
    """Whether labels are those of classes, one for each row, and not measured numbers.

    >>> are_classes(np.array([0, 2])), are_classes(np.array([0.5, 2.0])), are_classes(np.array([[0], [2]]))
    (True, False, False)
    """
    return labels.dtype.kind != "f" and labels.ndim == 1


def split_rows(labels: Array, share: float, seed: int) -> tuple[Array, Array]:
    """Return the row numbers for training and those for validation, both in rising order.

    The split is a seeded draw; labels that are whole numbers keep their proportions in both parts (stratified).

    Raises:
        InputError: if the share is not between 0 and 1, or a part or a class in a part would be empty.

    >>> train, validation = split_rows(np.array([0, 0, 0, 0, 1, 1, 1, 1]), 0.25, seed=0)
    >>> len(train), len(validation)
    (6, 2)
    """
    if not is_number(share) or not 0 < share < 1:
        raise InputError(f"validation_split is {share!r}, and a share between 0 and 1 was expected")
    random = np.random.default_rng([seed & 0xFFFFFFFF, 0x76616C])
    count = len(labels)
    chosen = (
        _stratified(labels, share, random) if are_classes(labels) else random.permutation(count)[: round(share * count)]
    )
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


def fold_rows(labels: Any, folds: int, seed: int) -> list[tuple[Array, Array]]:
    """Return for each fold the row numbers that are trained on and those that are held out, each row once.

    Raises:
        InputError: if there are not as many rows as folds, or fewer than two folds.

    >>> [held.tolist() for _, held in fold_rows([0, 0, 1, 1], 2, seed=0)]
    [[0, 3], [1, 2]]
    """
    labels = np.asarray(labels)
    if not is_whole(folds) or not 2 <= folds <= len(labels):
        raise InputError(f"folds is {folds!r}, and a whole number from 2 to the {len(labels)} rows was expected")
    order = np.random.default_rng([seed & 0xFFFFFFFF, 0x666F6C64]).permutation(len(labels))
    if are_classes(labels):
        order = order[np.argsort(labels[order], kind="stable")]  # neighbours have one label and go to different folds
    fold_of = np.empty(len(labels), int)
    fold_of[order] = np.arange(len(labels)) % folds
    return [(np.flatnonzero(fold_of != k), np.flatnonzero(fold_of == k)) for k in range(folds)]


__all__ = ["are_classes", "fold_rows", "split_rows"]
