"""The C loop, NumPy and the joined networks of the sweep compute what the float64 yardstick computes."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from benchmarks.peers import c_moons, numpy_moons, numpy_sweep

from benchmarks import blocks, moons

PASSES = 10


@pytest.fixture
def folder(tmp_path):
    angle = np.linspace(0, np.pi, moons.ROWS // 2)
    upper, lower = (np.cos(angle), np.sin(angle)), (1 - np.cos(angle), 0.5 - np.sin(angle))
    points = np.concatenate([np.stack(upper, axis=1), np.stack(lower, axis=1)]).astype(np.float32)
    (tmp_path / "points.float32").write_bytes(points.tobytes())
    (tmp_path / "labels.int32").write_bytes(np.repeat(np.int32([0, 1]), moons.ROWS // 2).tobytes())
    return tmp_path


def assert_trains(trainer, problem):
    trainer.run(3)
    trainer.reset()
    trainer.run(PASSES)
    found = trainer.weights()
    assert len(found) == len(problem.starts)
    for start, weights in zip(problem.starts, found, strict=True):
        right = moons.train(start, problem.points, problem.labels, PASSES)
        for name in moons.Weights._fields:
            assert not np.allclose(getattr(weights, name), getattr(start, name), atol=1e-3)
            np.testing.assert_allclose(getattr(weights, name), getattr(right, name), rtol=1e-4, atol=2e-5)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed, and the C loop needs it")
@pytest.mark.parametrize("hidden", [(3,), (50,), (1, 4)])
def test_c_loop(folder, hidden):
    problem = moons.read(folder, hidden)
    assert_trains(c_moons.Trainer(problem), problem)


@pytest.mark.parametrize("hidden", [3, 50])
def test_numpy(folder, hidden):
    problem = moons.read(folder, (hidden,))
    assert_trains(numpy_moons.Trainer(problem), problem)


def test_numpy_sweep(folder):
    problem = moons.read(folder, (1, 3, 5))
    assert_trains(numpy_sweep.Trainer(problem), problem)


def test_joined_networks_come_apart_again():
    networks = [moons.start(size) for size in (2, 3)]
    joined, mask = blocks.join(networks)
    assert joined.W2.shape == mask.shape == (5, 4)
    assert mask.sum() == 2 * (2 + 3)
    for network, again in zip(networks, blocks.part(joined, networks), strict=True):
        for left, right in zip(network, again, strict=True):
            np.testing.assert_array_equal(left, right)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed, and the C loop needs it")
def test_loading_the_c_loop_leaves_subnormal_numbers_alone(folder):
    c_moons.Trainer(moons.read(folder, (3,)))
    assert np.float32(1e-38) / np.float32(4) > 0
