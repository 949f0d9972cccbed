"""Attention as one operation: what it is, its derivatives, the same bits on any number of threads, and its memory."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from draws import draws
from pellucid.core.errors import DtypeError, ShapeError
from pellucid.operations.fused_attention import blocks


class Sizes(NamedTuple):
    """What attention is taken of: heads (batch and heads in one or two axes), queries, keys, and their sizes."""

    heads: tuple[int, ...]
    queries: int
    keys: int
    size: int
    values: int
    mask: tuple[int, ...] | None = None
    causal: bool = False
    dtype: str = "float32"


CASES = {
    "one block": Sizes((2, 8), 40, 40, 32, 32),
    "blocks": Sizes((2, 4), 200, 200, 32, 32),
    "causal blocks": Sizes((2, 4), 200, 200, 32, 32, causal=True),
    "blocks of odd sizes": Sizes((9,), 161, 151, 17, 13, causal=True),
    "fewer queries than keys": Sizes((8,), 70, 190, 16, 24, causal=True),
    "more queries than keys": Sizes((8,), 190, 70, 16, 24, causal=True),
    "a mask of keys": Sizes((2, 4), 130, 150, 16, 16, mask=(2, 1, 1, 150)),
    "a mask of all": Sizes((2, 4), 130, 130, 16, 16, mask=(2, 4, 130, 130), causal=True),
    "a mask of one head": Sizes((8,), 130, 130, 16, 16, mask=(130, 130)),
    "float64": Sizes((8,), 130, 130, 16, 16, mask=(130, 1), causal=True, dtype="float64"),
    "one query": Sizes((16,), 1, 100, 32, 32),
    "one key": Sizes((16,), 100, 1, 32, 32, causal=True),
    "size 1": Sizes((16,), 64, 64, 1, 1),
    "no heads": Sizes((), 96, 96, 32, 32, causal=True),
    "nothing": Sizes((0, 2), 5, 5, 4, 4),
}


def arrays(sizes: Sizes, seed: int = 0) -> list[np.ndarray[Any, Any]]:
    """Return queries, keys, values, weights of the result, and a mask (of whose rows some drop everything)."""
    random = np.random.default_rng(seed)
    h, (_, m, n, d, e, *_) = sizes.heads, sizes
    shapes = ((*h, m, d), (*h, n, d), (*h, n, e), (*h, m, e))
    made = [random.standard_normal(s).astype(sizes.dtype) for s in shapes]
    if sizes.mask is not None:
        made.append(random.random(sizes.mask) < 0.4)
        made[-1].reshape(-1, sizes.mask[-1])[::3] = False
    return made


def step(sizes: Sizes, backend: str, results: bool = True) -> pc.Function:
    """Return a function of what ``arrays`` gives: attention and its derivatives for queries, keys and values."""
    given = arrays(sizes)
    names = ("query", "key", "value", "weight", "mask")
    inputs = [pc.variable(n, a.shape, a.dtype.name) for n, a in zip(names, given, strict=False)]
    query, key, value, weight, *mask = inputs
    # of what is no input, nothing is computed once a call
    shifted = [x + pc.parameter(np.zeros((), sizes.dtype), name="zero") for x in (query, key, value)]
    result = pc.attention(*shifted, *mask, causal=sizes.causal)
    slopes = pc.gradient((result * weight).sum(), shifted)
    outputs = [result, *slopes] if results else [(x * x).sum() for x in slopes]
    return pc.function(inputs, outputs, backend=backend)


def agree(sizes: Sizes, seed: int = 0) -> None:
    """Assert that native code and reference give the same."""
    given = arrays(sizes, seed)
    found, expected = (step(sizes, backend)(*given) for backend in ("native", "reference"))
    tolerance = 1e-10 if sizes.dtype == "float64" else 3e-5
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", CASES)
def test_native_agrees_with_reference(case):
    agree(CASES[case])


@draws(8)
@given(st.data())
def test_native_agrees_with_reference_on_drawn_shapes(data):
    draw = data.draw
    m, n = draw(st.integers(1, 150)), draw(st.integers(1, 150))
    heads = draw(st.sampled_from([(), (1,), (9,), (3, 4)]))
    mask = draw(st.sampled_from([None, (n,), (m, n), (m, 1)]))
    size, values = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    agree(Sizes(heads, m, n, size, values, mask, draw(st.booleans())), draw(st.integers(0, 99)))


@pytest.mark.parametrize("case", ["blocks", "causal blocks", "a mask of keys", "fewer queries than keys"])
def test_agrees_with_torch(case):
    torch = pytest.importorskip("torch")
    sizes = CASES[case]
    given = arrays(sizes)
    query, key, value, weight = (torch.from_numpy(a) for a in given[:4])
    operands = [x.requires_grad_() for x in (query, key, value)]
    mask = torch.from_numpy(given[4]) if sizes.mask else None
    if mask is not None:
        mask[..., 0] = True  # torch's rows that see nothing depend on its version
    result = torch.nn.functional.scaled_dot_product_attention(*operands, attn_mask=mask, is_causal=sizes.causal)
    expected = [result, *torch.autograd.grad((result * weight).sum(), operands)]
    for found, right in zip(step(sizes, "native")(*given), expected, strict=True):
        np.testing.assert_allclose(found, right.detach().numpy(), rtol=3e-5, atol=3e-5)


@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
def test_queries_that_see_no_key_give_zeros_and_no_slope(backend):
    sizes = Sizes((8,), 96, 96, 32, 32, mask=(96, 96))
    *given, mask = arrays(sizes)
    mask[:] = True
    mask[5] = mask[95] = False
    result, dq, *rest = step(sizes, backend)(*given, mask)
    assert not result[:, [5, 95]].any()
    assert not dq[:, [5, 95]].any()
    assert all(np.isfinite(x).all() for x in (result, dq, *rest))


@pytest.mark.parametrize("case", ["causal blocks", "a mask of keys", "blocks of odd sizes"])
def test_the_same_bits_on_any_number_of_threads(case, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE_SIZE", "0")
    found = []
    for threads in ("1", "2", "3", "4"):
        monkeypatch.setenv("PELLUCID_THREADS", threads)
        found.append(b"".join(np.asarray(x).tobytes() for x in step(CASES[case], "native")(*arrays(CASES[case]))))
    assert len(set(found)) == 1


@pytest.mark.parametrize("causal", [False, True])
def test_scores_are_not_kept(causal):
    sizes = Sizes((4, 8), 256, 256, 32, 32, causal=causal)
    f = step(sizes, "native", results=False)
    f(*arrays(sizes))
    one = 4 * 8 * 256 * 32 * 4  # bytes of what is as large as the queries
    scores = 4 * 8 * 256 * 256 * 4
    assert f.memory()["arena"] < 8 * one < scores + 4 * one


def test_time_and_batch_may_have_names():
    q, k = pc.variable("q", ("batch", "time", 8)), pc.variable("k", ("batch", "past", 8))
    result = pc.attention(q, k, k)
    functions = [
        pc.function([q, k], [result, pc.gradient(result.sum(), k)], backend=b) for b in ("native", "reference")
    ]
    random = np.random.default_rng(1)
    for batch, time, past in ((2, 3, 5), (9, 70, 4)):
        given = [random.standard_normal((batch, n, 8)).astype(np.float32) for n in (time, past)]
        for one, other in zip(*(f(*given) for f in functions), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("of", ["query", "key", "value"])
@pytest.mark.parametrize("causal", [False, True])
def test_second_derivatives_are_those_of_the_plain_formula(of, causal):
    """Of attention written from products, softmax and where, differentiated twice."""
    random = np.random.default_rng(3)
    names = {"query": (2, 5, 4), "key": (2, 6, 4), "value": (2, 6, 3)}
    inputs = {n: pc.variable(n, s, "float64") for n, s in names.items()}
    query, key, value = inputs.values()
    seen = pc.reshape(pc.arange(5), (5, 1)) >= pc.arange(6)
    scores = pc.matmul(query, key, transpose_right=True) / 2
    plain = pc.softmax(pc.where(seen, scores, -1e30) if causal else scores) @ value
    found = []
    for result in (pc.attention(query, key, value, causal=causal), plain):
        slope = pc.gradient((pc.tanh(result)).sum(), inputs[of])
        second = pc.gradient((slope * slope * slope).sum(), list(inputs.values()))
        f = pc.function(list(inputs.values()), second, backend="reference")
        found.append(f(*(random.standard_normal(s) for s in names.values())))
        random = np.random.default_rng(3)
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("queries", [0, 1, 63, 64, 128, 200, 256, 1000, 4097])
@pytest.mark.parametrize("keys", [1, 70, 256])
def test_blocks_hold_each_query_once_and_every_key_it_sees(queries, keys, causal):
    made = blocks(queries, keys, causal)
    assert [q for b in made for q in range(b.first, b.first + b.queries)] == list(range(queries))
    for block in made:
        assert block.keys == (min(keys, block.first + block.queries) if causal else keys)


WRONG: dict[str, tuple[tuple[Any, ...], type[Exception], str]] = {
    "sizes": (((2, 3, 4), (2, 5, 3), (2, 5, 4)), ShapeError, "the query (2, 3, 4) is 4 wide and the key (2, 5, 3) 3"),
    "keys": (((2, 3, 4), (2, 5, 4), (2, 6, 4)), ShapeError, "a value for each of the 5 keys"),
    "batch": (
        ((2, 3, 4), (3, 5, 4), (3, 5, 4)),
        ShapeError,
        "the axes before time and width do not broadcast together",
    ),
    "axes": (((4,), (5, 4), (5, 4)), ShapeError, "given the query (4,)"),
    "mask": (((3, 4), (5, 4), (5, 4), (5, 3)), ShapeError, "the mask (5, 3) does not broadcast to (3, 5)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_named(case):
    shapes, error, says = WRONG[case]
    operands = [pc.variable(f"x{k}", s, "bool" if k == 3 else "float32") for k, s in enumerate(shapes)]
    with pytest.raises(error) as raised:
        pc.attention(*operands)
    assert says in str(raised.value)


def test_a_mask_is_of_truth_values():
    x = pc.variable("x", (5, 4))
    with pytest.raises(DtypeError, match="the mask is float32, and truth values"):
        pc.attention(x, x, x, pc.variable("mask", (5, 5)))
