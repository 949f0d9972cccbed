"""Loops between the layers of a network: called, saved, loaded, trained on."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pc
from pellucid.core.errors import InputError, ShapeError
from pellucid.layers.graph import restore_node

BACKENDS = ["reference", "native", "xla"]
TIME, INPUTS, WIDTH = 6, 3, 4


def network(time=TIME, inner=False):
    """Dense layers before and after a loop, with a weight of the loop's own (and a layer called in its steps)."""
    random = np.random.default_rng(0)
    x = pc.layers.Input((time, INPUTS))
    z = pc.layers.Dense(WIDTH)(x)
    U = pc.parameter(random.normal(size=(WIDTH, WIDTH)) * 0.5, name="U")
    dense = pc.layers.Dense(WIDTH, use_bias=False)

    def step(carry, z):
        h, count = carry
        h = pc.tanh(z + (dense(h) if inner else h @ U))
        return (h, count + 1), h

    first = pc.broadcast_to(pc.constant(0.0), (x.shape[0], WIDTH))
    (last, count), ys = pc.scan(step, (first, pc.constant(0)), z.transpose(1, 0, 2), reverse=True)
    found = last * count.astype("float32") + ys.mean(axis=0)
    return pc.Network(x, pc.layers.Dense(2)(found))


def data(rows=12):
    random = np.random.default_rng(4)
    return random.normal(size=(rows, TIME, INPUTS)).astype("float32"), random.normal(size=(rows, 2)).astype("float32")


@pytest.mark.parametrize("inner", [False, True], ids=["mathematics", "a layer in the steps"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loop_between_layers_is_saved_and_loaded(backend, inner, tmp_path):
    x, y = data()
    model = pc.Model(network(inner=inner), "mse", optimizer=pc.optimizers.SGD(0.1))
    model.fit(x, y, epochs=2, batch_size=4, verbose=0, backend=backend)
    path = tmp_path / "model.safetensors"
    model.save(path)
    again = pc.load(path)
    assert again.summary() == model.summary()
    assert again.predict(x, backend=backend).tobytes() == model.predict(x, backend=backend).tobytes()
    for m in (model, again):
        m.fit(x, y, epochs=1, batch_size=4, verbose=0, backend=backend)
    assert again.predict(x, backend=backend).tobytes() == model.predict(x, backend=backend).tobytes()


def test_a_named_length_is_saved(tmp_path):
    model = pc.Model(network(time="time"), "mse")
    x, _ = data()
    model.save(tmp_path / "model.safetensors")
    again = pc.load(tmp_path / "model.safetensors")
    for length in (TIME, 2):
        found = [m.predict(x[:, :length], backend="reference").tobytes() for m in (model, again)]
        assert found[0] == found[1]


@pytest.mark.parametrize("inner", [False, True], ids=["mathematics", "a layer in the steps"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_network_with_a_loop_called_twice(backend, inner):
    made = network(inner=inner)
    a, b = (pc.variable(n, ("batch", TIME, INPUTS)) for n in "ab")
    x = data()[0]
    separate = [pc.function([v], made(v), backend="reference")(w) for v, w in ((a, x), (b, x[::-1] * 2))]
    together = pc.function([a, b], [made(a), made(b), made(a + b)], backend=backend)(x, x[::-1] * 2)
    for one, other in zip(separate, together, strict=False):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def loop_as_data():
    """A loop's result as data, with its operands."""
    x, h0 = pc.variable("x", (5, 3)), pc.variable("h0", (3,))
    _, ys = pc.scan(lambda h, x: (h + x, h * x), h0, x)
    return {"operation": "recurrence", "inputs": [], "attributes": dict(ys.attributes)}, list(ys.inputs)


def test_a_loop_from_data():
    described, operands = loop_as_data()
    made = restore_node(described, operands)
    assert made.shape == (5, 3)
    assert restore_node(described, operands) is made


def other(operands, place, changed):
    return [changed if k == place else x for k, x in enumerate(operands)]


def test_a_loop_that_nobody_could_have_written_is_refused():
    described, operands = loop_as_data()
    initial, sequence, carried, current, new, _ = operands
    wide = pc.variable("wide", (4,))
    bad = [
        (described, operands[:-1]),
        (described, [*operands, new]),
        (described, other(operands, 0, wide)),
        (described, other(operands, 1, pc.variable("long", (6, 3)))),
        (described, other(operands, 1, pc.variable("wide", (5, 4)))),
        (described, other(operands, 2, initial)),
        (described, other(operands, 2, current)),
        (described, other(operands, 4, wide)),
        (described, other(operands, 4, new.astype("float64"))),
        (described, other(operands, 4, restore_node(described, operands)[0])),
        (described, other(operands, 0, carried * 2)),
        (described, other(operands, 1, pc.stack([current] * 5))),
    ]
    for attribute, value in [
        ("result", 3),
        ("result", -1),
        ("result", "0"),
        ("counts", (1, 1, 2)),
        ("counts", (-1, 1, 1)),
        ("length", 4),
        ("length", 0),
        ("length", "5"),
        ("reverse", 1),
    ]:
        changed = {**described, "attributes": {**described["attributes"], attribute: value}}
        bad.append((changed, operands))
    for k, (changed, parts) in enumerate(bad):
        with pytest.raises((InputError, ShapeError)):
            pytest.fail(f"case {k} came out as {restore_node(changed, parts)}")
    assert sequence.shape == (5, 3)
