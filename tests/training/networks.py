"""Networks and data for the tests of saved models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

import pellucid as pc

ROWS, WIDTH, CLASSES = 45, 4, 3


@pc.register
@dataclass(eq=False, repr=False)
class Dropping(pc.layers.Layer):
    """Dropout, as a layer of the user's own."""

    rate: float = 0.5

    def call(self, x, training):
        return pc.where(pc.bernoulli(self.rate, x.shape), 0.0, x / (1 - self.rate)) if training else x


@pc.register
class Scale(pc.layers.Layer):
    """A layer that is no dataclass, with state of its own that no optimiser changes."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.inner = pc.layers.Dense(units)

    def build(self, shape):
        self.factor = self.weight("factor", shape[-1:], "ones", regularizer="l2", constraint="non_neg")
        self.count = self.weight("count", (), "zeros", trainable=False)

    def call(self, x, training):
        self.update(self.count, self.count + 1)
        return self.inner(x * self.factor)


@pc.register
class Block(pc.Sequential):
    """A network of the user's own, with arguments of its own."""

    def __init__(self, units, name=None):
        super().__init__(pc.layers.Dense(units, activation=pc.activations.gelu), Dropping(0.2), name=name)


@pc.register
def cube(x):
    return x * x * x


@pc.register
def squares(outputs, labels):
    return pc.square(outputs - pc.one_hot(labels, CLASSES)).sum(axis=1)


def data(seed=0, rows=ROWS):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, WIDTH)).astype("float32")
    return x, (np.abs(x).sum(axis=1) * 7).astype("int64") % CLASSES


def dense(units=None):
    return st.builds(
        pc.layers.Dense,
        st.integers(1, 5) if units is None else st.just(units),
        activation=st.sampled_from([None, "tanh", "relu", pc.activations.silu, cube]),
        use_bias=st.booleans(),
        kernel_initializer=st.sampled_from(["he_normal", pc.initializers.Orthogonal(0.5), 0.25]),
        kernel_regularizer=st.sampled_from([None, "l1", pc.regularizers.L1L2(0.01, 0.02)]),
        kernel_constraint=st.sampled_from([None, pc.constraints.MaxNorm(3.0, axis=(0, 1))]),
    )


def layers():
    return st.one_of(
        dense(),
        st.builds(Dropping, st.sampled_from([0.1, 0.5])),
        st.builds(Scale, st.integers(1, 4)),
        st.builds(Block, st.integers(1, 4)),
        st.builds(pc.layers.Lambda, st.just(cube)),
    )


@st.composite
def sequentials(draw, depth=2):
    inner = layers() if depth == 0 else st.one_of(layers(), sequentials(depth - 1))
    return pc.Sequential(draw(st.lists(inner, min_size=1, max_size=3)))


@st.composite
def graphs(draw):
    """Functional networks, with a layer that is used twice and mathematics between layers."""
    x = pc.layers.Input((WIDTH,), name="numbers")
    shared = draw(dense(WIDTH))
    h = shared(pc.tanh(shared(x)) * 2 + x)
    kinds = draw(st.lists(st.sampled_from(["layer", "slice", "join", "noise", "parameter", "constant"]), max_size=4))
    for kind in kinds:
        width = h.shape[1]
        match kind:
            case "layer":
                h = draw(layers())(h)
            case "slice":
                h = h[:, ::-1] - h.mean(axis=1, keepdims=True)
            case "join":
                h = pc.concatenate([h, shared(x)], axis=1)
            case "noise":
                h = h + 0.1 * pc.normal(h.shape)
            case "parameter":
                h = h * pc.parameter(np.linspace(0.5, 1, width), name=f"weights{width}")
            case "constant":
                h = h + np.arange(width, dtype="float32")
    return pc.Network(x, h)


@st.composite
def models(draw):
    body = draw(st.one_of(sequentials(), graphs()))
    optimizer = draw(
        st.one_of(
            st.just("adam"),
            st.builds(pc.optimizers.SGD, st.just(0.01), st.just(0.9)),
            st.builds(lambda: pc.optimizers.RMSprop(pc.optimizers.CosineDecay(0.01, 50))),
        )
    )
    loss = draw(st.sampled_from(["cross_entropy", pc.losses.CrossEntropy(label_smoothing=0.1), squares]))
    metrics = draw(st.sampled_from([(), ("accuracy",), ("accuracy", pc.metrics.TopKAccuracy(k=2))]))
    network = pc.Sequential(body, pc.layers.Dense(CLASSES))
    return pc.Model(network, loss, optimizer, metrics, seed=draw(st.integers(0, 2**40)))


def bits(model):
    """Return everything of a model that training changes, to be compared to the last bit."""
    progress = model.progress
    return {
        "weights": {path: p.value.tobytes() for path, p in model.network.parameters.items()},
        "state": [(name, p.value.tobytes()) for name, p in model.rule.state.items()],
        "rate": model.learning_rate if model.rate is not None else None,
        "history": (repr(model.history.history), model.history.epoch),
        "progress": (progress.epochs, progress.steps, progress.step),
        "sums": {name: np.asarray(value).tobytes() for name, value in progress.sums.items()},
    }
