"""Scaled dot-product attention: against PyTorch's, masks and their rows of nothing, named axes, errors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from draws import draws

Array = np.ndarray[Any, Any]
MASKS = ("none", "causal", "mask", "both")


class Drawn(NamedTuple):
    """Sizes of an attention, the axes before the time, and what masks it."""

    leading: tuple[int, ...]
    queries: int
    keys: int
    width: int
    values: int
    masked: str
    dtype: str
    seed: int


@st.composite
def drawn(draw: Any) -> Drawn:
    sizes = [draw(st.integers(1, n)) for n in (19, 19, 12, 9)]
    leading = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    return Drawn(
        leading,
        *sizes,
        draw(st.sampled_from(MASKS)),
        draw(st.sampled_from(("float32", "float64"))),
        draw(st.integers(0, 99)),
    )


def arrays_of(d: Drawn) -> tuple[Array, Array, Array, Array, Array]:
    """Return query, key, value, a mask that leaves each query its first key, and factors of the result."""
    random = np.random.default_rng(d.seed)
    shapes = ((d.queries, d.width), (d.keys, d.width), (d.keys, d.values), (d.queries, d.values))
    query, key, value, factors = (2 * random.normal(size=d.leading + s) for s in shapes)
    mask = random.random((*d.leading, d.queries, d.keys)) < 0.5
    mask[..., 0] = True
    return *(a.astype(d.dtype) for a in (query, key, value)), mask, factors.astype(d.dtype)


@pytest.mark.torch
@draws(15)
@given(d=drawn())
def test_values_and_gradients_are_those_of_pytorch(d: Drawn) -> None:
    import torch

    *sequences, mask, factors = arrays_of(d)
    has_mask, causal = d.masked in ("mask", "both"), d.masked in ("causal", "both")
    given_mask = pc.constant(mask) if has_mask else None
    variables = [pc.variable(name, a.shape, d.dtype) for name, a in zip("qkv", sequences, strict=True)]
    y = pc.scaled_dot_product_attention(*variables, mask=given_mask, causal=causal)
    gradients = pc.gradient((y * pc.constant(factors, d.dtype)).sum(), variables)
    found, *slopes = pc.function(variables, [y, *gradients])(*sequences)

    tensors = [torch.tensor(a, requires_grad=True) for a in sequences]
    allowed = mask & (np.tri(d.queries, d.keys, dtype=bool) if causal else True)
    expected = torch.nn.functional.scaled_dot_product_attention(
        *tensors,
        attn_mask=torch.tensor(allowed) if has_mask else None,
        is_causal=causal and not has_mask,
    )
    (expected * torch.tensor(factors)).sum().backward()
    tolerance = 2000 * np.finfo(d.dtype).eps
    np.testing.assert_allclose(found, expected.detach(), rtol=0, atol=tolerance)
    for ours, theirs in zip(slopes, tensors, strict=True):
        np.testing.assert_allclose(ours, theirs.grad, rtol=0, atol=tolerance * max(1.0, np.abs(ours).max()))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
def test_a_query_that_may_attend_to_nothing_gets_zeros_and_no_gradient(backend: str, causal: bool) -> None:
    mask = np.ones((3, 4), bool)
    mask[1] = False
    x = pc.variable("x", (3, 2))
    key = pc.variable("key", (4, 2))
    y = pc.scaled_dot_product_attention(x, key, key, mask=mask, causal=causal)
    f = pc.function([x, key], [y, *pc.gradient(pc.square(y + 1).sum(), [x, key])], backend=backend)
    random = np.random.default_rng(0)
    found, slope, of_keys = f(random.normal(size=(3, 2)), random.normal(size=(4, 2)))
    assert (found[1] == 0).all()
    assert (found[[0, 2]] != 0).all()
    assert (slope[1] == 0).all()
    assert np.isfinite(slope).all()
    assert np.isfinite(of_keys).all()


def test_what_is_masked_counts_for_nothing_however_large_it_is() -> None:
    """Scores of 1e38 that are masked overflow nothing, and neither do scores of 1e4 that are not."""
    query, key = np.float32([[1e19], [1e2]]), np.float32([[1.0], [1e2], [1e19]])
    mask = np.array([[True, True, False], [True, True, False]])
    x, k = pc.variable("x", (2, 1)), pc.variable("k", (3, 1))
    y = pc.scaled_dot_product_attention(x, k, k, mask=mask)
    found, *slopes = pc.function([x, k], [y, *pc.gradient(y.sum(), [x, k])])(query, key)
    np.testing.assert_array_equal(found, [[1e2], [1e2]])
    assert all(np.isfinite(slope).all() for slope in slopes)


def test_causal_attention_sees_nothing_that_comes_later() -> None:
    x = pc.variable("x", ("batch", "time", 4))
    f = pc.function([x], pc.scaled_dot_product_attention(x, x, x, causal=True))
    values = np.random.default_rng(1).normal(size=(2, 9, 4)).astype("float32")
    changed = values.copy()
    changed[:, 6:] += 1
    before, after = f(values), f(changed)
    np.testing.assert_array_equal(before[:, :6], after[:, :6])
    assert (before[:, 6:] != after[:, 6:]).all()
    np.testing.assert_allclose(f(values[:, :3]), before[:, :3], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_batch_and_time_may_both_be_named(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_THREADS", str(threads))
    x = pc.variable("x", ("batch", "time", 3))
    kept = pc.variable("kept", ("batch", "time"), "bool")
    y = pc.scaled_dot_product_attention(x, x, x, mask=pc.reshape(kept, (kept.shape[0], 1, kept.shape[1])), causal=True)
    outputs = [y, pc.gradient(pc.square(y).sum(), x)]
    native, reference = (pc.function([x, kept], outputs, backend=b) for b in ("native", "reference"))
    random = np.random.default_rng(2)
    for sizes in ((1, 1), (2, 7), (5, 33), (3, 64)):
        arrays = random.normal(size=(*sizes, 3)).astype("float32"), random.random(sizes) < 0.8
        for found, expected in zip(native(*arrays), reference(*arrays), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("batch", "time"), [(1, 1), (2, 1), (1, 2), (7, 33), (16, 64)])
def test_a_causal_shift_compiles_with_batch_and_time_named(batch: int, time: int) -> None:
    x = pc.variable("x", ("batch", "time", 3))
    shifted = pc.pad(x[:, :-1], ((0, 0), (1, 0), (0, 0)))
    f = pc.function([x], [shifted, pc.gradient((shifted * x).sum(), x)])
    values = np.random.default_rng(3).normal(size=(batch, time, 3)).astype("float32")
    found, slope = f(values)
    before, after = np.zeros_like(values), np.zeros_like(values)
    before[:, 1:], after[:, :-1] = values[:, :-1], values[:, 1:]
    np.testing.assert_array_equal(found, before)
    np.testing.assert_array_equal(slope, before + after)


@pytest.mark.parametrize(("batch", "time"), [(1, 1), (2, 5), (7, 33), (16, 64)])
def test_an_input_product_compiles_with_batch_and_time_named(batch: int, time: int) -> None:
    """What an LSTM makes of its inputs before its loop over time."""
    random = np.random.default_rng(4)
    x, W = pc.variable("x", ("batch", "time", 3)), pc.parameter(random.normal(size=(3, 20)), name="W")
    y = x @ W
    f = pc.function([x], [y, *pc.gradient(pc.square(y).sum(), [x, W])])
    values = random.normal(size=(batch, time, 3)).astype("float32")
    found, slope, of_weights = f(values)
    expected = values @ W.value
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(slope, 2 * expected @ W.value.T, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(of_weights, 2 * np.einsum("bti,bto->io", values, expected), rtol=1e-3, atol=1e-2)


def test_what_does_not_fit_is_named() -> None:
    x, narrow = pc.variable("x", ("batch", 5, 4)), pc.variable("narrow", ("batch", 5, 3))
    cases: list[tuple[Any, type[Exception], str]] = [
        (lambda: pc.scaled_dot_product_attention(x, narrow, x), pc.ShapeError, "is 4 wide and the key.* 3"),
        (lambda: pc.scaled_dot_product_attention(x, x, x[:, :2]), pc.ShapeError, "each of the 5 keys"),
        (lambda: pc.scaled_dot_product_attention(x[0, 0], x, x), pc.ShapeError, r"\(\.\.\., time, width\)"),
        (lambda: pc.attention_weights(x, x, mask=np.ones((5, 4), bool)), pc.ShapeError, r"mask \(5, 4\)"),
        (lambda: pc.attention_weights(x, x, mask=np.ones((2, 1, 5, 5), bool)), pc.ShapeError, "does not broadcast"),
        (lambda: pc.attention_weights(x, x, mask=np.ones((5, 5))), pc.DtypeError, "mask is float32"),
    ]
    for call, error, text in cases:
        with pytest.raises(error, match=text):
            call()
