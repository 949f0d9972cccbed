"""The yardstick's gradients against finite differences, and padded networks of the sweep."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.kernels import KERNELS, Kernel

from benchmarks import blocks, moons, networks, yardstick

TINY = networks.Network(
    "tiny",
    (7, 7, 2),
    3,
    (
        networks.Convolution(3, 4),
        networks.Pool(3, 2),
        networks.Convolution(5, 3),
        networks.Pool(2, 2),
        networks.Dense(5, True),
        networks.Dropout(0.5),
        networks.Dense(3, False),
    ),
    "adam",
    0.01,
    batch=4,
    steps=2,
    data="mnist",
)


@pytest.fixture
def problem():
    draw = np.random.default_rng(3)
    pixels = draw.integers(0, 256, (8, *TINY.shape), dtype=np.uint8)
    return networks.Problem(pixels, draw.integers(0, 3, 8).astype(np.int32), networks.start(TINY))


def test_gradients_of_the_yardstick(problem):
    weights = [array.astype(np.float64) for array in problem.start]
    x = yardstick.scaled(TINY, problem.images)
    found = yardstick.gradients(TINY, weights, x, problem.labels)
    draw, step = np.random.default_rng(4), 1e-6
    for k, gradient in enumerate(found):
        direction = draw.standard_normal(gradient.shape)

        def moved(by, k=k, direction=direction):
            return yardstick.loss(TINY, [w + by * direction if i == k else w for i, w in enumerate(weights)], problem)

        expected = (moved(step) - moved(-step)) / (2 * step)
        assert (gradient * direction).sum() == pytest.approx(expected, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("optimiser", ["sgd", "nesterov", "adam"])
def test_the_yardstick_learns(problem, optimiser):
    network = TINY._replace(optimiser=optimiser, batch=8)
    many = problem._replace(images=np.tile(problem.images, (30, 1, 1, 1)), labels=np.tile(problem.labels, 30))
    before = yardstick.loss(network, problem.start, problem)
    assert yardstick.loss(network, yardstick.train(network, many, 30), problem) < before - 0.01


def test_padded_networks_come_apart_again():
    starts = [moons.start(size) for size in (2, 5, 3)]
    padded = blocks.pad(starts)
    assert [array.shape for array in padded] == [(3, 2, 5), (3, 1, 5), (3, 5, 2), (3, 1, 2)]
    assert np.count_nonzero(padded[0]) == 2 * (2 + 5 + 3)
    for network, again in zip(starts, blocks.unpad(padded, starts), strict=True):
        for left, right in zip(network, again, strict=True):
            np.testing.assert_array_equal(left, right)


def test_what_kernels_need():
    assert Kernel("product", (2, 3, 4)).operations == 48
    assert Kernel("product", (2, 3, 4)).bytes == 4 * (6 + 12 + 8)
    assert Kernel("forward", (1, 4, 2, 3, 5)).operations == 2 * (3 + 4 + 4 + 3) ** 2 * 2 * 3
    assert {kernel.bound_by_memory for name, kernel in KERNELS.items() if "convolution" in name} == {False}
