"""Small sets that scikit-learn carries or draws, and the split into training and test."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.errors import InputError, MissingExtraError, ShapeError

Array = np.ndarray[Any, Any]


class Split(NamedTuple):
    """Training inputs and labels, then test inputs and labels."""

    train_inputs: Array
    train_labels: Array
    test_inputs: Array
    test_labels: Array


def digits() -> tuple[Array, Array]:
    """Return scikit-learn's 1,797 handwritten digits of 8x8 pixels.

    Returns:
        Images, float32 from 0 to 1 of shape (1797, 64), and labels, int32 of shape (1797,).

    Raises:
        MissingExtraError: if scikit-learn is not installed.

    The digits are the test set of E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998.

    >>> images, labels = digits()
    >>> images.shape, float(images.max()), labels[:5]
    ((1797, 64), 1.0, array([0, 1, 2, 3, 4], dtype=int32))
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise _missing("the handwritten digits") from error
    images, labels = load_digits(return_X_y=True)
    return (images / 16.0).astype(np.float32), labels.astype(np.int32)


def moons(n: int = 200, noise: float = 0.2, seed: int = 0) -> tuple[Array, Array]:
    """Return points of two interleaving half circles, and which of the two each belongs to.

    Args:
        n: how many points, at least 2.
        noise: the standard deviation of the normal noise added to both coordinates.
        seed: the same seed draws the same points.

    Returns:
        Points, float32 of shape (n, 2), and labels 0 and 1, int32 of shape (n,).

    Raises:
        InputError: if ``n`` is below 2 or ``noise`` is negative.
        MissingExtraError: if scikit-learn is not installed.

    >>> points, labels = moons(200, noise=0.2, seed=0)
    >>> points.shape, int(labels.sum())
    ((200, 2), 100)
    """
    if n < 2 or not 0 <= noise < float("inf"):
        raise InputError(f"moons: n={n}, noise={noise}; expected at least 2 points, and noise of 0 or more")
    try:
        from sklearn.datasets import make_moons
    except ImportError as error:
        raise _missing("the two moons") from error
    points, labels = make_moons(n, noise=noise, random_state=seed)
    return points.astype(np.float32), labels.astype(np.int32)


def split(inputs: Array, labels: Array, test: float = 0.25, seed: int = 0, stratified: bool = True) -> Split:
    """Return the data in two parts, drawn at random: to learn from, and to test with.

    Args:
        inputs: an array whose first axis counts examples.
        labels: one label an example, integers of shape (n,).
        test: the share of the examples that is held out, between 0 and 1.
        seed: the same seed draws the same split.
        stratified: whether each label keeps its share in both parts.

    Raises:
        ShapeError: if there are not as many labels as inputs.
        InputError: if the split cannot be made, as of a label with one example when stratified.
        MissingExtraError: if scikit-learn is not installed.

    >>> parts = split(*digits(), test=0.25, seed=0)
    >>> len(parts.train_inputs), len(parts.test_inputs)
    (1347, 450)
    """
    if len(inputs) != len(labels):
        raise ShapeError(f"split: {len(inputs)} inputs and {len(labels)} labels; expected one label for each input")
    try:
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise _missing("split") from error
    try:
        train, held, train_labels, held_labels = train_test_split(
            inputs, labels, test_size=test, random_state=seed, stratify=labels if stratified else None
        )
    except ValueError as error:
        raise InputError(
            f"split: {len(inputs)} examples cannot be split with test={test}, stratified={stratified}: {error}"
        ) from error
    return Split(train, train_labels, held, held_labels)


def _missing(what: str) -> MissingExtraError:
    return MissingExtraError(f"{what} need scikit-learn, which is not installed; try: pip install pellucid[learn]")
