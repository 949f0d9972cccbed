"""Attention layers: against PyTorch's modules, forward, gradients and training; dropout, masks and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from draws import draws

L: Any = pc.layers
Array = np.ndarray[Any, Any]
Copies = list[tuple[pc.Parameter, Any]]  # each of our weights, and PyTorch's, or a part of it
STEPS = 5


class Drawn(NamedTuple):
    """An attention: what attends to what, and by how many heads."""

    batch: int
    queries: int
    keys: int
    heads: int
    width: int  # of a head
    of_values: int  # the width of what the values are made of
    of_keys: int
    inputs: int
    masked: str
    bias: bool
    dtype: str
    seed: int


@st.composite
def drawn(draw: Any) -> Drawn:
    sizes = [draw(st.integers(1, n)) for n in (3, 9, 9, 3, 6, 7, 7, 3)]
    masked = draw(st.sampled_from(("none", "causal", "mask", "places")))
    return Drawn(*sizes, masked, draw(st.booleans()), draw(st.sampled_from(("float32", "float64"))), sizes[1])


def copied(ours: pc.Parameter, theirs: Any) -> Any:
    """Give PyTorch's weight, or a part of one, the value of ours; return it."""
    import torch

    with torch.no_grad():
        theirs.copy_(torch.tensor(ours.value.T))
    return ours, theirs


def theirs_of(layer: Any, d: Drawn) -> tuple[Any, Copies]:
    """Return PyTorch's module with the layer's weights, and each weight of ours beside its own."""
    import torch

    width = d.heads * d.width
    module = torch.nn.MultiheadAttention(
        width,
        d.heads,
        bias=d.bias,
        kdim=layer.key.kernel.shape[0],
        vdim=layer.value.kernel.shape[0],
        batch_first=True,
        dtype=getattr(torch, d.dtype),
    )
    return module, copies_of(layer, module)


def copies_of(layer: Any, module: Any) -> Copies:
    parts = (layer.query, layer.key, layer.value)
    packed = module.in_proj_weight
    separate = (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
    kernels = separate if packed is None else packed.data.chunk(3)
    pairs = [copied(part.kernel, kernel) for part, kernel in zip(parts, kernels, strict=True)]
    pairs.append(copied(layer.output.kernel, module.out_proj.weight))
    if layer.use_bias:
        biases = module.in_proj_bias.data.chunk(3)
        pairs += [copied(part.bias, bias) for part, bias in zip(parts, biases, strict=True)]
        pairs.append(copied(layer.output.bias, module.out_proj.bias))
    return pairs


def randomised(layer: Any, seed: int) -> Any:
    """Give weights random values, biases too."""
    random = np.random.default_rng(seed)
    for parameter in layer.parameters.values():
        parameter.value = random.normal(size=parameter.shape) / np.sqrt(parameter.shape[0])
    return layer


def close(found: Any, expected: Any, dtype: str, terms: int = 2000) -> None:
    """Assert that sums of some thousand terms agree, as precisely as their largest allows."""
    size = max(1.0, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=np.finfo(dtype).eps * terms * size)


def masks_of(d: Drawn) -> tuple[Array | None, Array]:
    """Return a mask as our layer takes it, and in full as (batch, query time, key time)."""
    random, full = np.random.default_rng(d.seed), (d.batch, d.queries, d.keys)
    if d.masked == "causal":
        return None, np.broadcast_to(np.tri(d.queries, d.keys, dtype=bool), full)
    mask = random.random(full if d.masked == "mask" else (d.batch, 1, d.keys)) < 0.6
    mask[..., 0] = True
    return (None, np.ones(full, bool)) if d.masked == "none" else (mask, np.broadcast_to(mask, full))


@pytest.mark.torch
@draws(15)
@given(d=drawn())
def test_outputs_and_gradients_are_those_of_pytorch(d: Drawn) -> None:
    import torch

    width = d.heads * d.width
    # With one input the queries are the values as well, and with two the values are the keys as well.
    of_values = width if d.inputs == 1 else d.of_values
    d = d._replace(keys=d.queries if d.inputs == 1 else d.keys)
    shapes = [(d.batch, d.queries, width), (d.batch, d.keys, of_values), (d.batch, d.keys, d.of_keys)][: d.inputs]
    given_mask, full = masks_of(d)
    layer = L.MultiHeadAttention(d.heads, d.width, use_bias=d.bias, causal=d.masked == "causal")
    variables = [pc.variable(f"x{k}", shape, d.dtype) for k, shape in enumerate(shapes)]
    layer(variables)
    randomised(layer, d.seed)
    module, pairs = theirs_of(layer, d)
    random = np.random.default_rng(d.seed)
    arrays = [random.normal(size=shape).astype(d.dtype) for shape in shapes]
    factors = random.normal(size=shapes[0]).astype(d.dtype)

    y = layer(variables, mask=None if given_mask is None else pc.constant(given_mask))
    weights = [ours for ours, _ in pairs]
    gradients = pc.gradient((y * pc.constant(factors, d.dtype)).sum(), [*variables, *weights])
    found, *slopes = pc.function(variables, [y, *gradients])(*arrays)

    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    query, value = tensors[0], tensors[min(1, d.inputs - 1)]
    key = tensors[2] if d.inputs == 3 else value
    forbidden = torch.tensor(~np.repeat(full, d.heads, axis=0))
    expected, _ = module(query, key, value, attn_mask=forbidden, need_weights=False)
    (expected * torch.tensor(factors)).sum().backward()
    close(found, expected.detach().numpy(), d.dtype)
    for ours, theirs in zip(slopes, tensors, strict=False):
        close(ours, theirs.grad.numpy(), d.dtype)
    of_weights = dict(zip(weights, slopes[d.inputs :], strict=True))
    for parameter, theirs in gradients_of(layer, module):
        close(of_weights[parameter], theirs.numpy().T, d.dtype)


def gradients_of(layer: Any, module: Any) -> list[tuple[pc.Parameter, Any]]:
    """Return each weight of ours, and PyTorch's gradient of it."""
    parts = (layer.query, layer.key, layer.value)
    separate = (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
    packed = module.in_proj_weight
    kernels = [s.grad for s in separate] if packed is None else packed.grad.chunk(3)
    pairs = [(part.kernel, kernel) for part, kernel in zip(parts, kernels, strict=True)]
    pairs.append((layer.output.kernel, module.out_proj.weight.grad))
    if layer.use_bias:
        biases = module.in_proj_bias.grad.chunk(3)
        pairs += [(part.bias, bias) for part, bias in zip(parts, biases, strict=True)]
        pairs.append((layer.output.bias, module.out_proj.bias.grad))
    return pairs


def block_and_theirs(dtype: str, use_bias: bool = True, width: int = 12) -> tuple[Any, Any, Copies]:
    """Return a causal block and PyTorch's, with the same random weights."""
    import torch

    block = L.TransformerBlock(3, intermediate_dim=20, use_bias=use_bias)
    block(pc.variable("x", (2, 7, width), dtype))
    randomised(block, 5)
    module = torch.nn.TransformerEncoderLayer(
        width, 3, 20, 0.0, "gelu", 1e-5, batch_first=True, norm_first=True, dtype=getattr(torch, dtype)
    )
    pairs = copies_of(block.attention, module.self_attn)
    for ours, theirs in ((block.attention_norm, module.norm1), (block.feedforward_norm, module.norm2)):
        pairs += [copied(ours.gamma, theirs.weight), copied(ours.beta, theirs.bias)]
    for ours, theirs in ((block.intermediate, module.linear1), (block.output, module.linear2)):
        pairs += [copied(ours.kernel, theirs.weight), copied(ours.bias, theirs.bias)]
    return block, module, pairs


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_block_computes_what_pytorchs_does(dtype: str) -> None:
    import torch

    block, module, _ = block_and_theirs(dtype)
    random = np.random.default_rng(6)
    values, factors = (random.normal(size=(2, 7, 12)).astype(dtype) for _ in range(2))
    x, by = (pc.variable(name, ("batch", "time", 12), dtype) for name in ("x", "by"))
    y = block(x)
    weights = list(block.parameters.values())
    gradients = pc.gradient((y * by).sum(), [x, *weights])
    found, slope, *slopes = pc.function([x, by], [y, *gradients])(values, factors)

    tensor = torch.tensor(values, requires_grad=True)
    forbidden = torch.tensor(~np.tri(7, dtype=bool))
    expected = module(tensor, src_mask=forbidden)
    (expected * torch.tensor(factors)).sum().backward()
    close(found, expected.detach().numpy(), dtype)
    close(slope, tensor.grad.numpy(), dtype)
    ours = dict(zip(weights, slopes, strict=True))
    theirs = [(p, g.numpy().T) for p, g in gradients_of(block.attention, module.self_attn)]
    for layer, twin in ((block.attention_norm, module.norm1), (block.feedforward_norm, module.norm2)):
        theirs += [(layer.gamma, twin.weight.grad.numpy()), (layer.beta, twin.bias.grad.numpy())]
    for layer, twin in ((block.intermediate, module.linear1), (block.output, module.linear2)):
        theirs += [(layer.kernel, twin.weight.grad.numpy().T), (layer.bias, twin.bias.grad.numpy())]
    assert len(theirs) == len(weights)
    for parameter, gradient in theirs:
        close(ours[parameter], gradient, dtype)


@pytest.mark.torch
@pytest.mark.parametrize("rule", ["momentum", "adam"])
def test_five_steps_of_training_a_block_are_those_of_pytorch(rule: str) -> None:
    import torch

    block, module, pairs = block_and_theirs("float64")
    random = np.random.default_rng(7)
    values, targets = (random.normal(size=(2, 7, 12)) for _ in range(2))
    x, t = (pc.variable(name, ("batch", "time", 12), "float64") for name in "xt")
    loss = pc.square(block(x, training=True) - t).mean()
    ours = pc.optimizers.SGD(0.05, momentum=0.9) if rule == "momentum" else pc.optimizers.Adam(0.01, epsilon=1e-14)
    step = pc.function([x, t], loss, updates=ours.updates(loss, block.trainable_parameters))
    losses = step.repeat(STEPS)(values, targets)

    weights = list(module.parameters())
    if rule == "momentum":
        theirs: Any = torch.optim.SGD(weights, 0.05, momentum=0.9)
    else:
        theirs = torch.optim.Adam(weights, 0.01, eps=1e-14)
    given_x, wanted = torch.tensor(values), torch.tensor(targets)
    expected = []
    for _ in range(STEPS):
        theirs.zero_grad()
        error = ((module(given_x, src_mask=torch.tensor(~np.tri(7, dtype=bool))) - wanted) ** 2).mean()
        error.backward()
        theirs.step()
        expected.append(error.item())
    np.testing.assert_allclose(losses, expected, rtol=1e-7)
    assert losses[-1] < losses[0]
    for parameter, copy in pairs:
        if rule == "momentum" or parameter is not block.attention.key.bias:  # whose gradient is 0, and Adam's step not
            np.testing.assert_allclose(parameter.value, copy.detach().numpy().T, rtol=1e-5, atol=1e-7)


def test_a_block_trains_to_the_same_bits_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for threads in ("1", "2", "4"):
        monkeypatch.setenv("PELLUCID_THREADS", threads)
        block, x = L.TransformerBlock(2, dropout=0.1), pc.variable("x", (6, 40, 32))
        loss = pc.square(block(x, training=True)).mean()
        block.draw(3)
        updates = pc.optimizers.Adam(0.01).updates(loss, block.trainable_parameters)
        values = np.random.default_rng(2).normal(size=(6, 40, 32)).astype("float32")
        losses = pc.function([x], loss, updates=updates, seed=4).repeat(STEPS)(values)
        found.append([losses, *(p.value for p in block.parameters.values())])
    for other in found[1:]:
        for have, want in zip(other, found[0], strict=True):
            np.testing.assert_array_equal(have, want)


def plain(layer: Any, query: Array, value: Array, key: Array, mask: Array) -> Array:
    """Return what the layer computes, head by head in NumPy."""
    found = []
    for h in range(layer.num_heads):
        parts = []
        for part, x in ((layer.query, query), (layer.key, key), (layer.value, value)):
            size = part.units // layer.num_heads
            parts.append(
                x @ part.kernel.value[:, h * size : (h + 1) * size] + part.bias.value[h * size : (h + 1) * size]
            )
        q, k, v = parts
        powers = np.where(mask[:, h], np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(layer.key_dim)), 0)
        found.append(powers / np.maximum(powers.sum(-1, keepdims=True), 1e-300) @ v)
    result: Array = np.concatenate(found, -1) @ layer.output.kernel.value + layer.output.bias.value
    return result


def test_values_and_outputs_may_have_widths_of_their_own_and_heads_masks_of_their_own() -> None:
    layer = L.MultiHeadAttention(3, 2, value_dim=4, output_shape=5)
    shapes = (2, 6, 7), (2, 9, 3), (2, 9, 8)
    variables = [pc.variable(f"x{k}", shape, "float64") for k, shape in enumerate(shapes)]
    mask = pc.variable("mask", (2, 3, 6, 9), "bool")
    f = pc.function([*variables, mask], layer([*variables, mask]))
    randomised(layer, 1)
    random = np.random.default_rng(8)
    arrays = [random.normal(size=shape) for shape in shapes]
    allowed = random.random((2, 3, 6, 9)) < 0.3
    assert (~allowed.any(-1)).any()  # some queries may attend to nothing
    np.testing.assert_allclose(f(*arrays, allowed), plain(layer, *arrays, allowed), rtol=1e-10, atol=1e-12)


def test_a_mask_may_be_among_the_inputs_or_named() -> None:
    x, mask = pc.variable("x", ("batch", "time", 6)), pc.variable("mask", ("batch", "time"), "bool")
    by_places = pc.reshape(mask, (mask.shape[0], 1, mask.shape[1]))
    for layer in (L.MultiHeadAttention(2, 3), L.TransformerBlock(2)):
        f = pc.function([x, mask], [layer([x, by_places]), layer(x, mask=by_places), layer(x)])
        values = np.random.default_rng(9).normal(size=(2, 5, 6)).astype("float32")
        kept = np.array([[True] * 5, [True, True, True, False, False]])
        listed, named, without = f(values, kept)
        np.testing.assert_array_equal(listed, named)
        np.testing.assert_allclose(listed[0], without[0], rtol=1e-5, atol=1e-6)
        alone = pc.function([x], layer(x))(values[1:, :3])  # as if the places that are masked were not there
        np.testing.assert_allclose(listed[1, :3], alone[0], rtol=1e-5, atol=1e-5)


def test_a_network_with_a_mask_is_copied_whole() -> None:
    x, mask = L.Input((5, 6)), L.Input((1, 5), "bool", "mask")
    network = pc.Network([x, mask], L.TransformerBlock(2)(x, mask=mask)).build(seed=2)
    again = pc.core.configuration.restore(pc.core.configuration.describe(network)).build(seed=2)
    values, kept = np.random.default_rng(3).normal(size=(2, 5, 6)), np.ones((2, 1, 5), bool)
    kept[1, 0, 2:] = False
    first, second = (pc.function(n.inputs, n.outputs[0])(values, kept) for n in (network, again))
    np.testing.assert_array_equal(first, second)


def test_a_model_of_text_goes_on_from_a_file_to_the_same_bits(tmp_path: Path) -> None:
    network = pc.Sequential(
        L.Embedding(7, 8), L.PositionEmbedding(5), L.TransformerBlock(2, dropout=0.1), L.MultiHeadAttention(2, 3)
    ).build((5,), seed=1, dtype="int32")
    model = pc.Model(network, "mse", pc.optimizers.Adam(0.01))
    random = np.random.default_rng(1)
    words, targets = random.integers(0, 7, (12, 5), "int32"), random.normal(size=(12, 5, 8)).astype("float32")
    model.fit(words, targets, epochs=2, batch_size=4, verbose=0)
    model.save(tmp_path / "text.safetensors")
    again = pc.load(tmp_path / "text.safetensors")
    for each in (model, again):
        each.fit(words, targets, epochs=2, batch_size=4, verbose=0)
    np.testing.assert_array_equal(model.predict(words), again.predict(words))


def test_a_share_of_the_weights_is_dropped_in_training_only() -> None:
    layer = L.MultiHeadAttention(1, 4, dropout=0.5, kernel_initializer="identity")
    x = pc.variable("x", (200, 4, 4))
    zeros = np.zeros((200, 4, 4), "float32")
    zeros[..., 0] = 4.0  # each of 4 places alike gets a quarter of 4 from each, or half of 4 in place of nothing
    used, trained = (pc.function([x], layer(x, training=t), seed=1)(zeros)[..., 0] for t in (False, True))
    np.testing.assert_allclose(used, 4.0, rtol=1e-6)
    assert set(np.unique(trained.round(3))) == {0.0, 2.0, 4.0, 6.0, 8.0}
    assert abs(trained.mean() - 4) < 0.5


def test_blocks_drop_in_training_only() -> None:
    block, x = L.TransformerBlock(2, dropout=0.5), pc.variable("x", ("batch", 3, 4))
    f = pc.function([x], [block(x), block(x, training=True)], seed=1)
    values = np.random.default_rng(4).normal(size=(5, 3, 4)).astype("float32")
    (used, trained), (again, _) = f(values), f(values)
    np.testing.assert_array_equal(used, again)
    assert (used != trained).any()


def test_what_does_not_fit_is_named() -> None:
    x, words = L.Input((5, 10)), L.Input((5,), "int32", "words")
    cases: list[tuple[Any, type[Exception], str]] = [
        (lambda: L.MultiHeadAttention(0, 3), pc.InputError, "num_heads is 0"),
        (lambda: L.MultiHeadAttention(2, 3.5), pc.InputError, "key_dim is 3.5"),
        (lambda: L.MultiHeadAttention(2, 3, dropout=2), pc.InputError, "dropout is 2"),
        (lambda: L.MultiHeadAttention(2, 3)(words), pc.ShapeError, r"sequences \(batch, time, width\)"),
        (lambda: L.MultiHeadAttention(2, 3)([x] * 4), pc.InputError, "given 4 sequences"),
        (lambda: L.MultiHeadAttention(2, 3)(x, mask=words), pc.DtypeError, "mask is int32"),
        (lambda: L.MultiHeadAttention(2, 3)(x, mask=np.ones((3, 5), bool)), pc.ShapeError, "does not broadcast"),
        (lambda: L.TransformerBlock(3)(x), pc.ShapeError, "3 heads do not share out the width 10"),
        (lambda: L.TransformerBlock(2)([x, x]), pc.InputError, "one sequence"),
        (lambda: L.TransformerBlock(2, activation="no"), pc.InputError, "'no' is not an activation"),
    ]
    for call, error, text in cases:
        with pytest.raises(error, match=text):
            call()
