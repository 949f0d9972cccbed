"""Small sets that scikit-learn carries or draws, binary addition, and the split into training and test."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.errors import InputError, ShapeError
from ..core.settings import check_whole
from .checks import without_scikit_learn

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
        raise without_scikit_learn("the handwritten digits") from error
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
        raise without_scikit_learn("the two moons") from error
    points, labels = make_moons(n, noise=noise, random_state=seed)
    return points.astype(np.float32), labels.astype(np.int32)


MOST_PAIRS = 2**26  # rows of all pairs of numbers: those of 14 bits


def addition(bits: int = 8, n: int | None = 10_000, seed: int = 0) -> tuple[Array, Array]:
    """Return the bits of pairs of numbers and of their sums, the least significant first.

    Two numbers are drawn uniformly from 0 to 2^(bits-1) - 1, so that their sum has room in as many bits. A recurrent
    network that reads the two bits of one place after the other, and remembers the carry, can learn to add.

    Args:
        bits: how wide the numbers are, at least 2; there is no upper limit.
        n: how many pairs; None for every pair once, in order.
        seed: the same seed draws the same pairs.

    Returns:
        The bits of the two numbers, float32 of shape (n, bits, 2), and those of their sum, float32 of shape
        (n, bits, 1); axis 1 counts places, which is the time of a recurrent network.

    Raises:
        InputError: if ``bits`` is below 2 or ``n`` below 1, or if there are too many pairs to return all.

    A. Trask's example, "Anyone can learn to code an LSTM-RNN in Python", 2015, with 8 bits.

    >>> x, y = addition(bits=4, n=3)
    >>> x.shape, y.shape
    ((3, 4, 2), (3, 4, 1))
    >>> places = 2 ** np.arange(4)
    >>> numbers, sums = places @ x, places @ y
    >>> bool((numbers.sum(axis=-1, keepdims=True) == sums).all())
    True
    """
    check_whole("addition", "bits", bits, least=2)
    check_whole("addition", "n", n, or_none=True)
    numbers = _every_pair(bits) if n is None else np.random.default_rng(seed).integers(0, 2, (n, bits, 2), np.uint8)
    numbers[:, -1] = 0
    sums, carry = np.empty((len(numbers), bits, 1), np.float32), np.zeros(len(numbers), np.uint8)
    for place in range(bits):
        total = numbers[:, place].sum(axis=-1, dtype=np.uint8) + carry
        sums[:, place, 0], carry = total & 1, total >> 1
    return numbers.astype(np.float32), sums


def _every_pair(bits: int) -> Array:
    count = 4 ** (bits - 1)
    if count > MOST_PAIRS:
        raise InputError(
            f"addition: there are {count:,} pairs of numbers of {bits - 1} bits; expected at most {MOST_PAIRS:,}. "
            "Draw some of them: n=10_000"
        )
    pairs = np.stack(np.divmod(np.arange(count), 2 ** (bits - 1)), axis=-1)
    return (pairs[:, None] >> np.arange(bits)[:, None] & 1).astype(np.uint8)


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
        raise without_scikit_learn("split") from error
    try:
        train, held, train_labels, held_labels = train_test_split(
            inputs, labels, test_size=test, random_state=seed, stratify=labels if stratified else None
        )
    except ValueError as error:
        raise InputError(
            f"split: {len(inputs)} examples cannot be split with test={test}, stratified={stratified}: {error}"
        ) from error
    return Split(train, train_labels, held, held_labels)
