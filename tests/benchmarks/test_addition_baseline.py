"""The yardstick of binary addition against finite differences and against its peers, and what is called exact."""

from __future__ import annotations

import json

import numpy as np
import pytest
from benchmarks.peers import numpy_addition

import pellucid as pc
from benchmarks import addition, addition_runner

SAMPLES = 30


def assert_same_training(trainer, problem):
    trainer.run(3)
    trainer.reset()
    trainer.run(SAMPLES)
    given, weights = addition.train(problem)
    np.testing.assert_allclose(trainer.outputs(), given, rtol=1e-9)
    for found, right, start in zip(trainer.weights(), weights, problem.start, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-12)
        assert np.abs(found - start).max() > 0.01


def test_bits_and_sums():
    assert addition.bits_of(np.array(6)).tolist() == [0, 1, 1, 0, 0, 0, 0, 0]
    inputs, targets = addition.encode(np.array([[3, 127]]))
    assert inputs[0, :3].tolist() == [[1, 1], [1, 1], [0, 1]]
    assert addition.sums_of(targets).tolist() == [130]
    assert addition.sums_of(addition.encode(addition.every_pair())[1]).max() == 254


def test_gradients_against_finite_differences():
    problem = addition.draw(3, 1)
    x, target = problem.inputs[0], problem.targets[0]
    _, slopes = addition.gradients(problem.start, x, target)
    draw, step = np.random.default_rng(5), 1e-6
    for k, slope in enumerate(slopes):
        way = draw.standard_normal(slope.shape)
        ends = []
        for by in (step, -step):
            moved = addition.Weights(*(w + by * way if i == k else w for i, w in enumerate(problem.start)))
            ends.append(0.5 * ((addition.outputs(moved, x) - target) ** 2).sum())
        assert (slope * way).sum() == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6)


def test_several_seeds_side_by_side_train_as_each_alone():
    given, weights = addition.train(addition.draw_several(3, SAMPLES))
    for seed in range(3):
        alone, own = addition.train(addition.draw(seed, SAMPLES))
        np.testing.assert_allclose(given[seed], alone, rtol=1e-12)
        np.testing.assert_allclose(weights.U[seed], own.U, rtol=1e-12)


def test_numpy_trains_as_the_yardstick():
    problem = addition.draw(0, SAMPLES)
    assert_same_training(numpy_addition.Trainer(problem, ""), problem)


@pytest.mark.torch
def test_torch_trains_as_the_yardstick():
    pytest.importorskip("torch")
    from benchmarks.peers import torch_addition

    problem = addition.draw(1, SAMPLES)
    assert_same_training(torch_addition.Trainer(problem, ""), problem)


@pytest.mark.skipif(not hasattr(pc, "scan"), reason="loops with a carry are not here yet")
def test_pellucid_trains_as_the_yardstick():
    from benchmarks.peers import pellucid_addition

    problem = addition.draw(2, SAMPLES)
    assert_same_training(pellucid_addition.Trainer(problem, ""), problem)


def test_what_is_learnt_is_reported(monkeypatch, capsys):
    def untrained(problem, variant):
        trainer = numpy_addition.Trainer(problem, variant)
        trainer.learn = lambda x, target, y: y.fill(0)
        return trainer

    monkeypatch.setattr("sys.argv", ["runner", "--problem", ".", "--samples", "20", "--seeds", "2"])
    addition_runner.addition_runner(untrained)
    idle = json.loads(capsys.readouterr().out)
    addition_runner.addition_runner(numpy_addition.Trainer)
    found = json.loads(capsys.readouterr().out)
    assert idle["same"] < 0.5
    assert (found["same"], found["exact"]) == (1.0, 0)
    assert "exact on 0 of 2 seeds" in found["note"]


def test_all_sums_are_learnt_on_most_seeds():
    seeds = addition.SEEDS
    assert addition.exact(addition.draw(0, 1).start) < 1000
    _, weights = addition.train(addition.draw_several(seeds))
    right = [addition.exact(addition.Weights(*(array[seed] for array in weights))) for seed in range(seeds)]
    assert sum(found == addition.NUMBERS**2 for found in right) >= 18
