"""Layers with arguments that are not the defaults, described as JSON and made again: they compute the same."""

import json

import numpy as np
import pytest

import pellucid as pc
from pellucid.core.configuration import describe, restore

L = pc.layers
ACTIVATE = pc.activations.gelu
# For each layer: how it is made with arguments that are not the defaults, and the shapes of its inputs.
CASES = [
    (lambda: L.Dense(3, activation="tanh", use_bias=False, kernel_initializer=pc.initializers.HeNormal()), [(4,)]),
    (lambda: L.Dense(3, ACTIVATE, kernel_regularizer=pc.regularizers.L2(0.1), bias_constraint="non_neg"), [(5, 4)]),
    (lambda: L.Activation(ACTIVATE), [(4,)]),
    (lambda: L.Activation("softplus"), [(4,)]),
    (lambda: L.ReLU(max_value=1.0, negative_slope=0.5, threshold=0.25), [(4,)]),
    (lambda: L.LeakyReLU(0.7), [(4,)]),
    (lambda: L.ELU(0.7), [(4,)]),
    (lambda: L.PReLU(pc.initializers.Constant(0.3), shared_axes=(1,)), [(4, 2)]),
    (lambda: L.Softmax(1), [(4, 2)]),
    (lambda: L.Dropout(0.4, noise_shape=(None, 1)), [(4,)]),
    (lambda: L.SpatialDropout1D(0.4), [(4, 2)]),
    (lambda: L.SpatialDropout2D(0.4), [(3, 4, 2)]),
    (lambda: L.GaussianNoise(0.4), [(4,)]),
    (lambda: L.RandomFlip("vertical"), [(4, 5, 2)]),
    (lambda: L.RandomCrop(3, width=2), [(4, 5, 2)]),
    (lambda: L.RandomTranslation((-0.2, 0.4), 0.2, fill_mode="nearest"), [(4, 5, 2)]),
    (lambda: L.BatchNormalization(1, 0.5, 0.1, gamma_initializer="random_normal", trainable=False), [(4, 2)]),
    (lambda: L.BatchNormalization(center=False, moving_mean_initializer=pc.initializers.Constant(2)), [(2, 2, 3)]),
    (lambda: L.LayerNormalization([1, 2], 0.1, scale=False, beta_initializer="random_normal"), [(4, 2)]),
    (lambda: L.GroupNormalization(2, epsilon=0.1, gamma_initializer="random_normal"), [(3, 4)]),
    (lambda: L.LocalResponseNormalization(0.5, 1.0, 0.5, 3), [(3, 4)]),
    (L.Add, [(4,), (4,)]),
    (L.Subtract, [(4,), (4,)]),
    (L.Multiply, [(4,), (1,)]),
    (L.Average, [(4,), (4,), (4,)]),
    (L.Maximum, [(4,), (4,)]),
    (L.Minimum, [(4,), (4,)]),
    (lambda: L.Concatenate(axis=1), [(4, 2), (3, 2)]),
]  # fmt: skip
IDS = [f"{k}-{type(make()).__name__}" for k, (make, _) in enumerate(CASES)]


def variables(shapes):
    return [L.Input(shape, name=f"x{k}") for k, shape in enumerate(shapes)]


def outputs(layer, shapes, training):
    """Return what a layer computes with weights drawn from a seed, and what it stores."""
    inputs = variables(shapes)
    network = pc.Network(inputs, layer(inputs if len(inputs) > 1 else inputs[0])).build(seed=3)
    y = network(inputs if len(inputs) > 1 else inputs[0], training=training)
    arrays = [np.random.default_rng(k).standard_normal((5, *s)).astype("float32") for k, s in enumerate(shapes)]
    found = pc.function(inputs, y, updates=pc.state_updates(y), seed=4)(*arrays)
    return [found, *(p.value for p in network.parameters.values())]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("make", "shapes"), CASES, ids=IDS)
def test_described_and_made_again_it_computes_the_same(make, shapes, training):
    described = json.loads(json.dumps(describe(make())))
    again = restore(described)
    assert describe(again) == described
    assert again.trainable == make().trainable
    for have, want in zip(outputs(again, shapes, training), outputs(make(), shapes, training), strict=True):
        np.testing.assert_array_equal(have, want)
