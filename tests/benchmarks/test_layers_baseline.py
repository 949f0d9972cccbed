"""The yardsticks of single layers: their gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.peers import pellucid_lstm, pellucid_transformer

from benchmarks import layers, lstm, transformer


@pytest.fixture(params=layers.LAYERS)
def small(request, monkeypatch):
    """A layer of few weights."""
    for module, sizes in ((lstm, {"WIDTH": 6, "UNITS": 6}), (transformer, {"WIDTH": 16, "HIDDEN": 12})):
        for name, size in sizes.items():
            monkeypatch.setattr(module, name, size)
    shapes = {name: tuple({256: 16, 768: 48, 1024: 12}[size] for size in s) for name, s in transformer.SHAPES.items()}
    monkeypatch.setattr(transformer, "SHAPES", shapes)
    width = {"lstm": 6, "transformer": 16}[request.param]
    return layers.LAYERS[request.param]._replace(batch=3, time=5, width=width, rate=1.0)


def test_gradients_against_finite_differences(small):
    problem = layers.draw(small)
    weights, step, draw = layers.wide(problem.start), 1e-6, np.random.default_rng(2)
    slopes = small.gradients(weights, problem.inputs, lambda y: 2 / y.size * (y - problem.targets))
    assert slopes.keys() == weights.keys()
    for name, slope in slopes.items():
        way = draw.standard_normal(slope.shape)
        ends = [layers.loss(small, {**weights, name: weights[name] + by * way}, problem) for by in (step, -step)]
        assert (slope * way).sum() == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-4, abs=1e-9)


def test_the_yardstick_learns(small):
    problem = layers.draw(small)
    before, after = (layers.loss(small, layers.train(small, problem, steps), problem) for steps in (0, 5))
    assert after < before - 0.01


def test_attention_looks_back_only(small):
    problem = layers.draw(small)
    later = problem.inputs.copy()
    later[:, 3:] += 1
    one, other = (small.outputs(layers.wide(problem.start), x) for x in (problem.inputs, later))
    np.testing.assert_array_equal(one[:, :3], other[:, :3])
    assert np.abs(one[:, 3:] - other[:, 3:]).min(axis=(0, 2)).max() > 0


@pytest.mark.parametrize(
    ("key", "places"), [("lstm", pellucid_lstm.PLACES), ("transformer", pellucid_transformer.PLACES)]
)
def test_every_column_of_every_weight_has_one_place(key, places):
    for name, array in layers.draw(layers.LAYERS[key]).start.items():
        columns = np.arange(array.shape[-1])
        parts = [columns[chosen] for of, chosen in places.values() if of == name]
        assert np.concatenate(parts).tolist() == columns.tolist()
