"""Recurrent layers: against PyTorch's, against the same steps written out, their masks, states, noise and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pc
from pellucid.core.configuration import describe, restore

L: Any = pc.layers
Array = np.ndarray[Any, Any]
BATCH, TIME, WIDTH, UNITS = 3, 6, 4, 5
LENGTHS = (6, 2, 4)
KINDS = ("SimpleRNN", "GRU", "LSTM")
every_kind = pytest.mark.parametrize("kind", KINDS)


def drawn(*shape: int, seed: int = 0, dtype: str = "float64") -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def randomised(layer: Any, seed: int = 3) -> None:
    """Give weights random values, biases too."""
    for k, parameter in enumerate(layer.parameters.values()):
        parameter.value = drawn(*parameter.shape, seed=seed + k) / np.sqrt(parameter.shape[-1])


def close(found: Any, expected: Any, dtype: str = "float64") -> None:
    size = max(1.0, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=np.finfo(dtype).eps * 500 * size)


def masks() -> Array:
    return np.arange(TIME) < np.array(LENGTHS)[:, None]


# against PyTorch


class Twins:
    """A stack of layers, and PyTorch's module of the same weights; gates lie in another order there.

    PyTorch has two biases for each gate. Except in a GRU their sum is all that counts, and the second stays 0.
    """

    def __init__(self, kind: str, depth: int, both: bool, dtype: str) -> None:
        import torch

        self.kind = kind
        layers = [getattr(L, kind)(UNITS, return_sequences=True, return_state=True) for _ in range(depth)]
        self.layers = [L.Bidirectional(layer) for layer in layers] if both else layers
        self.x = pc.variable("x", ("batch", "time", WIDTH), dtype)
        self.mask = pc.variable("mask", ("batch", "time"), "bool")
        self.outputs = self.read()
        self.cells: dict[str, Any] = {}
        for k, layer in enumerate(self.layers):
            randomised(layer, k)
            parts = [layer.forward_layer, layer.backward_layer] if both else [layer]
            self.cells |= {f"l{k}{end}": p.cell for p, end in zip(parts, ("", "_reverse"), strict=False)}
        self.module = getattr(torch.nn, "RNN" if kind == "SimpleRNN" else kind)(
            WIDTH, UNITS, depth, bidirectional=both, batch_first=True, dtype=getattr(torch, dtype)
        )
        self._copy()

    def _copy(self) -> None:
        import torch

        with torch.no_grad():
            for end, cell in self.cells.items():
                self._of("weight_ih", end).copy_(torch.tensor(self._turned(cell.kernel.value).T))
                self._of("weight_hh", end).copy_(torch.tensor(self._turned(cell.recurrent_kernel.value).T))
                biases = self._turned(cell.bias.value)
                first, second = biases if self.kind == "GRU" else (biases, np.zeros_like(biases))
                self._of("bias_ih", end).copy_(torch.tensor(first))
                self._of("bias_hh", end).copy_(torch.tensor(second))
                self._of("bias_hh", end).requires_grad_(self.kind == "GRU")

    def _of(self, name: str, end: str) -> Any:
        return getattr(self.module, f"{name}_{end}")

    def _turned(self, array: Array) -> Array:
        """Return a weight with the gates z, r, n in the order r, z, n, or back."""
        if self.kind != "GRU":
            return array
        z, r, n = np.split(array, 3, axis=-1)
        return np.concatenate([r, z, n], axis=-1)

    def read(self, mask: Any = None) -> list[pc.Expression]:
        """Return the outputs of the last layer, and its states."""
        found: list[pc.Expression] = [self.x]
        for layer in self.layers:
            found = layer(found[0], mask=mask)
        return found

    @property
    def weights(self) -> list[pc.Parameter]:
        return [w for cell in self.cells.values() for w in (cell.kernel, cell.recurrent_kernel, cell.bias)]

    def theirs(self, take: Any) -> list[Array]:
        """Return what is taken of each of PyTorch's weights, as ours lie."""
        found = []
        for end in self.cells:
            found += [self._turned(take(self._of(name, end)).numpy().T) for name in ("weight_ih", "weight_hh")]
            names = ("bias_ih", "bias_hh") if self.kind == "GRU" else ("bias_ih",)
            biases = np.stack([take(self._of(name, end)).numpy() for name in names])
            found.append(self._turned(biases if self.kind == "GRU" else biases[0]))
        return found

    def their_states(self, states: Any) -> list[Array]:
        """Return PyTorch's last states in the order in which ours are returned."""
        each = states if isinstance(states, tuple) else (states,)
        ways = 2 if isinstance(self.layers[0], L.Bidirectional) else 1
        return [state[way - ways].detach().numpy() for way in range(ways) for state in each]


@pytest.mark.torch
@every_kind
@pytest.mark.parametrize(
    ("both", "depth", "dtype"),
    [(both, depth, "float64") for both in (False, True) for depth in (1, 2)] + [(True, 2, "float32")],
)
def test_outputs_states_and_gradients_are_those_of_pytorch(kind: str, both: bool, depth: int, dtype: str) -> None:
    import torch

    twins = Twins(kind, depth, both, dtype)
    values = drawn(BATCH, TIME, WIDTH, dtype=dtype)
    y, *states = twins.outputs
    loss = pc.square(y).sum() + sum(state.sum() for state in states)
    gradients = pc.gradient(loss, [twins.x, *twins.weights])
    found = pc.function([twins.x], [y, *states, *gradients])(values)

    tensor = torch.tensor(values, requires_grad=True)
    expected, last = twins.module(tensor)
    ends = twins.their_states(last)
    each = last if isinstance(last, tuple) else (last,)
    ways = 2 if both else 1
    ((expected**2).sum() + sum(state[-ways:].sum() for state in each)).backward()
    wanted = [expected.detach().numpy(), *ends, tensor.grad.numpy(), *twins.theirs(lambda t: t.grad)]
    assert len(found) == len(wanted)
    for have, want in zip(found, wanted, strict=True):
        close(have, want, dtype)


@pytest.mark.torch
@every_kind
@pytest.mark.parametrize("both", [False, True])
def test_masked_sequences_are_those_that_pytorch_packs(kind: str, both: bool) -> None:
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    twins = Twins(kind, 2, both, "float64")
    values, there = drawn(BATCH, TIME, WIDTH), masks()
    y, *states = twins.read(twins.mask)
    seen = pc.where(pc.reshape(twins.mask, (*twins.mask.shape, 1)), y, 0)
    loss = pc.square(seen).sum() + sum(state.sum() for state in states)
    gradients = pc.gradient(loss, [twins.x, *twins.weights])
    found = pc.function([twins.x, twins.mask], [seen, *states, *gradients])(values, there)

    tensor = torch.tensor(values, requires_grad=True)
    packed = pack_padded_sequence(tensor, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
    outputs, last = twins.module(packed)
    expected, _ = pad_packed_sequence(outputs, batch_first=True)
    each = last if isinstance(last, tuple) else (last,)
    ((expected**2).sum() + sum(state[-(2 if both else 1) :].sum() for state in each)).backward()
    wanted = [expected.detach().numpy(), *twins.their_states(last), tensor.grad.numpy()]
    for have, want in zip(found, [*wanted, *twins.theirs(lambda t: t.grad)], strict=True):
        close(have, want)


@pytest.mark.torch
@every_kind
@pytest.mark.parametrize("both", [False, True])
def test_five_steps_of_training_are_those_of_pytorch(kind: str, both: bool) -> None:
    import torch

    twins = Twins(kind, 2, both, "float64")
    values, targets = drawn(BATCH, TIME, WIDTH), drawn(BATCH, TIME, UNITS * (2 if both else 1), seed=1)
    t = pc.variable("t", ("batch", "time", targets.shape[-1]), "float64")
    loss = pc.square(twins.outputs[0] - t).mean()
    updates = pc.optimizers.SGD(0.5, momentum=0.9).updates(loss, twins.weights)
    losses = pc.function([twins.x, t], loss, updates=updates).repeat(5)(values, targets)

    theirs = torch.optim.SGD([w for w in twins.module.parameters() if w.requires_grad], 0.5, momentum=0.9)
    expected = []
    for _ in range(5):
        theirs.zero_grad()
        error = ((twins.module(torch.tensor(values))[0] - torch.tensor(targets)) ** 2).mean()
        error.backward()
        theirs.step()
        expected.append(error.item())
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    assert losses[-1] < losses[0]
    for parameter, want in zip(twins.weights, twins.theirs(lambda w: w.detach()), strict=True):
        close(parameter.value, want)


# against the steps written out


def unrolled(layer: Any, x: pc.Expression, backwards: bool = False) -> pc.Expression:
    """Return the outputs of all steps of a layer's cell, in the order in which they are made."""
    states = [pc.constant(np.zeros((x.shape[0], size)), x.dtype) for size in layer.cell.state_sizes]
    outputs = []
    for k in reversed(range(x.shape[1])) if backwards else range(x.shape[1]):
        output, *states = layer.cell([x[:, k], *states])
        outputs.append(output)
    return pc.stack(outputs, axis=1)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda **named: L.SimpleRNN(UNITS, "relu", **named),
        lambda **named: L.GRU(UNITS, reset_after=False, **named),
        lambda **named: L.GRU(UNITS, "softsign", "hard_sigmoid", use_bias=False, **named),
        lambda **named: L.LSTM(UNITS, recurrent_activation="hard_sigmoid", **named),
        lambda **named: L.RNN(L.LSTMCell(UNITS, use_bias=False), **named),
    ],
)
def test_a_layer_is_its_cell_step_by_step(make: Any, recompute: bool, backwards: bool) -> None:
    x = pc.variable("x", (BATCH, TIME, WIDTH), "float64")
    layer = make(return_sequences=True, recompute=recompute, go_backwards=backwards)
    looped = layer(x)
    randomised(layer)
    weights = list(layer.parameters.values())
    by = pc.constant(drawn(BATCH, TIME, UNITS, seed=9), "float64")
    values = drawn(BATCH, TIME, WIDTH)
    found, wanted = (
        pc.function([x], [y, *pc.gradient((y * by).sum(), [x, *weights])], backend=backend)(values)
        for y, backend in ((looped, "native"), (unrolled(layer, x, backwards), "reference"))
    )
    for have, want in zip(found, wanted, strict=True):
        close(have, want)


@every_kind
def test_the_last_output_is_the_last_of_all(kind: str) -> None:
    x = pc.variable("x", ("batch", "time", WIDTH), "float64")
    layer = getattr(L, kind)(UNITS)
    last = layer(x)
    randomised(layer)
    layer.return_sequences = True
    values = drawn(BATCH, TIME, WIDTH)
    one, every = pc.function([x], [last, layer(x)])(values)
    close(one, every[:, -1])


def test_states_to_begin_with_go_on_where_others_ended() -> None:
    x = pc.variable("x", ("batch", "time", WIDTH), "float64")
    layer = L.LSTM(UNITS, return_state=True)
    whole = layer(x)
    randomised(layer)
    h, c = (pc.variable(name, ("batch", UNITS), "float64") for name in "hc")
    read, go_on = pc.function([x], whole), pc.function([x, h, c], [layer(x, initial_state=[h, c])[k] for k in range(3)])
    values = drawn(BATCH, TIME, WIDTH)
    _, *states = read(values[:, :2])
    for have, want in zip(go_on(values[:, 2:], *states), read(values), strict=True):
        close(have, want)


def test_a_bidirectional_layer_merges_what_both_return() -> None:
    x = pc.variable("x", ("batch", "time", WIDTH), "float64")
    layer = L.Bidirectional(L.SimpleRNN(UNITS), merge_mode=None)
    both = layer(x)
    randomised(layer)
    merged = []
    for mode in ("concat", "sum", "mul", "ave"):
        other = L.Bidirectional(layer.forward_layer, mode, layer.backward_layer)
        merged.append(other(x))
    a, b, *found = pc.function([x], [*both, *merged])(drawn(BATCH, TIME, WIDTH))
    assert (a != b).all()
    for have, want in zip(found, (np.concatenate([a, b], -1), a + b, a * b, (a + b) / 2), strict=True):
        close(have, want)


# masks


@every_kind
def test_where_a_mask_is_false_the_state_stays_and_the_output_is_repeated(kind: str) -> None:
    x, mask = pc.variable("x", ("batch", "time", WIDTH), "float64"), pc.variable("mask", ("batch", "time"), "bool")
    layer = getattr(L, kind)(UNITS, return_sequences=True, return_state=True)
    f = pc.function([x, mask], layer(x, mask=mask))
    alone = pc.function([x], layer(x))
    randomised(layer)
    values = drawn(1, TIME, WIDTH)
    there = np.array([[False, True, True, False, True, False]])
    y, *states = f(values, there)
    short, *ends = alone(values[:, there[0]])
    close(y[0], np.concatenate([np.zeros((1, UNITS)), short[0][[0, 1, 1, 2, 2]]]))
    for have, want in zip(states, ends, strict=True):
        close(have, want)


class Scaled(L.Cell):  # type: ignore[misc]
    """A sum, of which twice the square roots are shown."""

    state_size = 2
    output_size = 3

    def call(self, x: Any, states: Any) -> Any:
        total = states[0] + x[:, :2]
        return pc.concatenate([2 * total, total[:, :1]], axis=1), [total]


def test_a_cell_may_return_another_output_than_its_state() -> None:
    x, mask = pc.variable("x", ("batch", "time", 2)), pc.variable("mask", ("batch", "time"), "bool")
    layer = L.RNN(Scaled(), return_sequences=True)
    last = L.RNN(Scaled())
    values = [[[1.0, 1.0], [5.0, 5.0], [2.0, 0.0]]]
    every, masked, one = pc.function([x, mask], [layer(x), layer(x, mask=mask), last(x, mask=mask)])(
        values, [[True, False, True]]
    )
    np.testing.assert_array_equal(every, [[[2, 2, 1], [12, 12, 6], [16, 12, 8]]])
    np.testing.assert_array_equal(masked, [[[2, 2, 1], [2, 2, 1], [6, 2, 3]]])
    np.testing.assert_array_equal(one, masked[:, -1])


# states that are kept


@every_kind
def test_a_stateful_layer_goes_on_where_it_was(kind: str) -> None:
    x = pc.variable("x", ("batch", "time", WIDTH), "float64")
    layer = getattr(L, kind)(UNITS, return_sequences=True, stateful=True, batch_size=BATCH)
    y = layer(x)
    step = pc.function([x], y, updates=pc.state_updates(y))
    randomised(layer.cell)
    plain = getattr(L, kind)(UNITS, return_sequences=True)
    once = pc.function([x], plain(x))
    for ours, theirs in zip(plain.cell.parameters.values(), layer.cell.parameters.values(), strict=True):
        ours.value = theirs.value
    values = drawn(BATCH, TIME, WIDTH)
    whole = once(values)
    close(np.concatenate([step(values[:, :2]), step(values[:, 2:])], 1), whole)
    layer.reset_states()
    close(step(values), whole)
    kept = layer.state[0].value
    step(values[:1])  # a smaller batch leaves the states of the other sequences alone
    np.testing.assert_array_equal(layer.state[0].value[1:], kept[1:])
    assert (layer.state[0].value[0] != kept[0]).any()


def test_gradients_end_at_a_state_that_was_kept() -> None:
    x = pc.variable("x", (BATCH, TIME, WIDTH), "float64")
    layer = L.GRU(UNITS, stateful=True)
    y = layer(x)
    randomised(layer)  # the state as well
    weights = layer.trainable_parameters
    assert layer.state[0] not in weights
    h = pc.variable("h", (BATCH, UNITS), "float64")
    layer.stateful = False
    given = layer(x, initial_state=h)
    found, wanted = (
        pc.function(inputs, pc.gradient(pc.square(out).sum(), weights))(*arrays)
        for inputs, out, arrays in (
            ([x], y, [drawn(BATCH, TIME, WIDTH)]),
            ([x, h], given, [drawn(BATCH, TIME, WIDTH), layer.state[0].value]),
        )
    )
    for have, want in zip(found, wanted, strict=True):
        close(have, want)


def test_a_model_with_a_state_and_a_cell_of_ones_own_goes_on_from_a_file(tmp_path: Path) -> None:
    network = pc.Sequential(
        L.GRU(4, return_sequences=True, dropout=0.1, recurrent_dropout=0.1),
        L.Bidirectional(L.RNN(L.SimpleRNNCell(3), return_sequences=True)),
        L.LSTM(4, stateful=True, batch_size=4),
    ).build((TIME, WIDTH), seed=1)
    model = pc.Model(network, "mse", pc.optimizers.Adam(0.01))
    x, y = drawn(12, TIME, WIDTH, dtype="float32"), drawn(12, 4, seed=1, dtype="float32")
    model.fit(x, y, epochs=2, batch_size=4, verbose=0)
    model.save(tmp_path / "series.safetensors")
    again = pc.load(tmp_path / "series.safetensors")
    np.testing.assert_array_equal(again.network.layers[2].state[0].value, network.layers[2].state[0].value)
    assert (network.layers[2].state[0].value != 0).all()
    for each in (model, again):
        each.fit(x, y, epochs=2, batch_size=4, verbose=0)
    np.testing.assert_array_equal(model.predict(x[:4]), again.predict(x[:4]))


# noise, first values, networks


@every_kind
def test_what_is_dropped_is_the_same_at_all_steps(kind: str) -> None:
    x = pc.variable("x", (1, TIME, WIDTH))
    layer = getattr(L, kind)(UNITS, return_sequences=True, dropout=0.5, recurrent_dropout=0.5)
    y = layer(x, training=True)
    randomised(layer)
    by_input = pc.gradient(pc.square(y).sum(), x)
    by_state = pc.gradient(pc.square(y).sum(), layer.cell.recurrent_kernel)
    values = drawn(1, TIME, WIDTH, dtype="float32")
    f = pc.function([x], [by_input, by_state], seed=1)
    slopes = [f(values) for _ in range(20)]
    lost_inputs = np.array([by_input[0] == 0 for by_input, _ in slopes])
    assert (lost_inputs == lost_inputs[:, :1]).all()
    for lost in (lost_inputs[:, 0], np.array([(by_state == 0).all(1) for _, by_state in slopes])):
        assert 0.2 < lost.mean() < 0.8
        assert len(np.unique(lost, axis=0)) > 5  # others in each step of training
    predict = pc.function([x], [layer(x), layer(x)])
    np.testing.assert_array_equal(*predict(values))


def test_all_of_a_state_may_be_dropped() -> None:
    x = pc.variable("x", (BATCH, TIME, WIDTH))
    layer = L.SimpleRNN(UNITS, return_sequences=True, recurrent_dropout=1.0)
    found, expected = pc.function([x], [layer(x, training=True), pc.tanh(x @ layer.cell.kernel)])(
        drawn(BATCH, TIME, WIDTH)
    )
    close(found, expected, "float32")


def test_first_values_are_those_of_keras() -> None:
    layer = L.LSTM(UNITS, bias_initializer="normal")
    layer(L.Input((TIME, WIDTH)))
    layer.draw(seed=2)
    kernel, recurrent, bias = (p.value for p in layer.parameters.values())
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(UNITS), atol=1e-5)
    assert np.abs(kernel).max() <= np.sqrt(6 / (WIDTH + 4 * UNITS))
    parts = np.split(bias, 4)
    assert (parts[1] == 1).all()
    assert all((np.abs(part) < 0.5).all() and (part != 0).all() for k, part in enumerate(parts) if k != 1)


def test_a_network_of_an_encoder_and_a_decoder_is_copied_whole() -> None:
    x, mask = L.Input((TIME, WIDTH)), L.Input((TIME,), "bool", "mask")
    _, *states = L.LSTM(UNITS, return_state=True)(x, mask=mask)
    network = pc.Network([x, mask], L.LSTM(UNITS)(x, initial_state=states)).build(seed=2)
    assert network.summary().count("LSTM ") == 2
    again = restore(describe(network)).build(seed=2)
    values = drawn(BATCH, TIME, WIDTH)
    first, second = (pc.function(n.inputs, n.outputs[0])(values, masks()) for n in (network, again))
    np.testing.assert_array_equal(first, second)


def test_losses_are_the_same_to_the_bit_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for threads in ("1", "2", "4"):
        monkeypatch.setenv("PELLUCID_THREADS", threads)
        x, layer = pc.variable("x", (8, 12, 16)), L.Bidirectional(L.LSTM(32, return_sequences=True, dropout=0.1))
        loss = pc.square(layer(x, training=True)).mean()
        layer.draw(3)
        updates = pc.optimizers.Adam(0.01).updates(loss, layer.trainable_parameters)
        losses = pc.function([x], loss, updates=updates, seed=4).repeat(5)(drawn(8, 12, 16, dtype="float32"))
        found.append([losses, *(p.value for p in layer.parameters.values())])
    for other in found[1:]:
        for have, want in zip(other, found[0], strict=True):
            np.testing.assert_array_equal(have, want)


def test_sequences_of_a_named_length_are_trained_on_in_minibatches() -> None:
    losses = []
    for time in ("time", TIME):
        network = pc.Sequential(L.GRU(UNITS, return_sequences=True), L.Dense(1)).build((time, WIDTH), seed=1)
        model = pc.Model(network, "mse", pc.optimizers.Adam(0.01))
        x, y = drawn(10, TIME, WIDTH, dtype="float32"), drawn(10, TIME, 1, seed=1, dtype="float32")
        losses.append(model.fit(x, y, epochs=3, batch_size=4, verbose=0).history["loss"])
    np.testing.assert_array_equal(*losses)
