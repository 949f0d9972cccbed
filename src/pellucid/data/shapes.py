"""Points in the plane that a straight line cannot separate, or that it can: circles, spirals and blobs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.settings import check_number, check_whole
from .checks import without_scikit_learn

Array = np.ndarray[Any, Any]


def circles(n: int = 200, noise: float = 0.1, factor: float = 0.5, seed: int = 0) -> tuple[Array, Array]:
    """Return points on two circles around one centre, and which of the two each belongs to.

    Args:
        n: how many points, at least 2.
        noise: the standard deviation of the normal noise added to both coordinates.
        factor: the inner circle's radius, of an outer one of 1: 0 or more and below 1.
        seed: the same seed draws the same points.

    Returns:
        Points, float32 of shape (n, 2), and labels, int32 of shape (n,): 0 outside and 1 inside.

    Raises:
        InputError: for a number out of its range.
        MissingExtraError: if scikit-learn is not installed.

    >>> points, labels = circles(100, noise=0.0)
    >>> points.shape, int(labels.sum()), float(np.hypot(*points[labels == 1].T).max().round(3))
    ((100, 2), 50, 0.5)
    """
    check_whole("circles", "n", n, least=2)
    check_number("circles", "noise", noise, "nonnegative")
    check_number("circles", "factor", factor, "decay")
    try:
        from sklearn.datasets import make_circles
    except ImportError as error:
        raise without_scikit_learn("the circles") from error
    points, labels = make_circles(n, noise=noise, factor=factor, random_state=seed)
    return points.astype(np.float32), labels.astype(np.int32)


def blobs(n: int = 200, classes: int = 3, spread: float = 1.0, seed: int = 0) -> tuple[Array, Array]:
    """Return points around centres that are drawn at random, and which centre each belongs to.

    Args:
        n: how many points, at least one for each class.
        classes: how many centres, at least 2.
        spread: the standard deviation of the points around their centre.
        seed: the same seed draws the same centres and points.

    Returns:
        Points, float32 of shape (n, 2), and labels from 0, int32 of shape (n,).

    Raises:
        InputError: for a number out of its range.
        MissingExtraError: if scikit-learn is not installed.

    >>> points, labels = blobs(90, classes=3)
    >>> points.shape, np.bincount(labels).tolist()
    ((90, 2), [30, 30, 30])
    """
    check_whole("blobs", "classes", classes, least=2)
    check_whole("blobs", "n", n, least=classes)
    check_number("blobs", "spread", spread, "nonnegative")
    try:
        from sklearn.datasets import make_blobs
    except ImportError as error:
        raise without_scikit_learn("the blobs") from error
    points, labels = make_blobs(n, centers=classes, cluster_std=spread, random_state=seed)
    return points.astype(np.float32), labels.astype(np.int32)


def spirals(
    n: int = 200, classes: int = 2, noise: float = 0.02, turns: float = 1.5, seed: int = 0
) -> tuple[Array, Array]:
    """Return points on spirals that wind around one centre, and which of them each belongs to.

    The spiral k of c has its point of radius r, from 0 to 1, at the angle 2 pi (turns r + k / c).

    Args:
        n: how many points, at least one for each class.
        classes: how many spirals, at least 2.
        noise: the standard deviation of the normal noise added to both coordinates.
        turns: how often each winds around the centre.
        seed: the same seed draws the same points.

    Returns:
        Points, float32 of shape (n, 2), and labels from 0, int32 of shape (n,), as many of each as there can be.

    Raises:
        InputError: for a number out of its range.

    K. Lang and M. Witbrock, "Learning to tell two spirals apart", Proceedings of the 1988 Connectionist Models Summer
    School; there with two spirals of three turns.

    >>> points, labels = spirals(100, noise=0.0)
    >>> points.shape, np.bincount(labels).tolist(), bool((np.hypot(*points.T) <= 1.0001).all())
    ((100, 2), [50, 50], True)
    """
    check_whole("spirals", "classes", classes, least=2)
    check_whole("spirals", "n", n, least=classes)
    check_number("spirals", "noise", noise, "nonnegative")
    check_number("spirals", "turns", turns, "positive")
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(n) % classes)
    radius = random.uniform(0, 1, n)
    angle = 2 * np.pi * (turns * radius + labels / classes)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1) + random.normal(0, noise, (n, 2))
    return points.astype(np.float32), labels.astype(np.int32)
