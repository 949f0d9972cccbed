"""Loops to test ``pc.scan`` on: each is written once, and run as a loop or as an unrolled graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import pellucid as pc

TIME, BATCH, INPUTS, WIDTH = 5, 2, 3, 4


def unrolled(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    recompute: bool = False,
) -> tuple[Any, Any]:
    """What ``pc.scan`` means: the expressions of every step, written one after another."""
    steps = length if xs is None else jax.tree.leaves(xs)[0].shape[0]
    carry, rows = init, {}
    for t in reversed(range(steps)) if reverse else range(steps):
        carry, rows[t] = f(carry, jax.tree.map(lambda s, t=t: s[t], xs))
    return carry, jax.tree.map(lambda *ys: pc.stack(list(ys)), *(rows[t] for t in range(steps)))


def values(seed: int = 0, gates: int = 1, shape: tuple[int, int, int, int] = (TIME, BATCH, INPUTS, WIDTH)) -> dict:
    """Return numbers for a sequence, weights, a bias and a first carry."""
    random = np.random.default_rng(seed)
    time, batch, inputs, width = shape
    shapes = {
        "x": (time, batch, inputs),
        "W": (inputs, gates * width),
        "U": (width, gates * width),
        "b": (gates * width,),
        "h0": (batch, width),
    }
    return {name: random.standard_normal(s) * (0.5 if name == "U" else 1) for name, s in shapes.items()}


def rnn(loop, x, W, U, b, h0, **options):
    def step(h, x):
        h = pc.tanh(x @ W + h @ U + b)
        return h, h

    last, ys = loop(step, h0, x, **options)
    return [last, ys]


def lstm(loop, x, W, U, b, h0, **options):
    def step(carry, x):
        z = x @ W + carry["h"] @ U + b
        i, f, g, o = (z[:, k * WIDTH : (k + 1) * WIDTH] for k in range(4))
        c = pc.sigmoid(f) * carry["c"] + pc.sigmoid(i) * pc.tanh(g)
        h = pc.sigmoid(o) * pc.tanh(c)
        return {"h": h, "c": c}, {"h": h}

    last, ys = loop(step, {"h": h0, "c": h0 * 0.5}, x, **options)
    return [last["h"], last["c"], ys["h"]]


def gru(loop, x, W, U, b, h0, **options):
    n = WIDTH

    def step(h, x):
        a, c = x @ W + b, h @ U
        r, z = pc.sigmoid(a[:, :n] + c[:, :n]), pc.sigmoid(a[:, n : 2 * n] + c[:, n : 2 * n])
        new = pc.tanh(a[:, 2 * n :] + r * c[:, 2 * n :])
        h = (1 - z) * new + z * h
        return h, h

    last, ys = loop(step, h0, x, **options)
    return [last, ys]


def masked(loop, x, W, U, b, h0, **options):
    keep = pc.constant(np.array([[1, 1], [1, 0], [0, 0], [1, 1], [1, 0]], bool))

    def step(h, rows):
        x, keep = rows
        h = pc.where(keep.reshape(BATCH, 1), pc.tanh(x @ W + h @ U + b), h)
        return h, h

    last, ys = loop(step, h0, (x, keep), **options)
    return [last, ys]


def nested(loop, x, W, U, b, h0, **options):
    def step(h, x):
        def inner(k, z):
            k = pc.tanh(k @ U + z @ W + h * b)
            return k, k * b

        k, ks = loop(inner, h, pc.stack([x, x * 2, x * 0.1]), **options)
        return pc.tanh(k + ks.sum(axis=0)), k.sum()

    last, ys = loop(step, h0, x, **options)
    return [last, ys]


def thrice_nested(loop, x, W, U, b, h0, **options):
    def step(h, x):
        def inner(k, z):
            def innermost(m, w):
                m = pc.tanh(m * w.sum() + z @ W)
                return m, m[0]

            m, ms = loop(innermost, k, pc.stack([x, z]), **options)
            return m + h, ms * b

        k, ks = loop(inner, h, pc.stack([x, x * 0.5]), **options)
        return pc.tanh(k @ U), ks

    last, ys = loop(step, h0, x, **options)
    return [last, ys]


def several_carries(loop, x, W, U, b, h0, **options):
    """A carried value that is never used, one of integers, two that change places, and one that stays."""

    def step(carry, x):
        h, (unused, count), [p, q], same = carry
        h = pc.tanh(x @ W + h @ U + b * count.astype(h.dtype))
        return (h, (unused * 2 + h, count + 1), [q, p * 0.5], same), (count, p, same)

    first = (h0, (h0, pc.constant(0)), [h0, h0 * 3], b)
    (h, (_, count), [p, q], same), (counts, ps, sames) = loop(step, first, x, **options)
    return [h, count, p, q, same, counts, ps, sames]


def all_outputs(loop, x, W, U, b, h0, **options):
    """A step that returns the carry it was given, its row, what is outside the loop, and one value twice."""
    outside = b * b

    def step(h, x):
        new = pc.tanh(x @ W + h @ U + b)
        return new, [h, x, outside, new * x.sum(), (new * x.sum(), new), h0]

    last, [before, rows, fixed, scaled, (again, after), first] = loop(step, h0, x, **options)
    return [last, before, rows, fixed, scaled, again, after, first]


def no_sequence(loop, x, W, U, b, h0, **options):
    def step(h, _):
        h = pc.tanh(h @ U + b)
        return h, None

    last, nothing = loop(step, h0, length=TIME, **options)
    assert nothing is None
    return [last, x.sum() + W.sum()]


def no_carry(loop, x, W, U, b, h0, **options):
    _, ys = loop(lambda _, x: (None, pc.exp(x @ W * 0.1) + b), None, x, **options)
    return [ys, (h0 @ U).sum()]


def truncated(loop, x, W, U, b, h0, **options):
    """Back-propagation through at most two steps."""

    def step(h, rows):
        x, cut = rows
        h = pc.where(cut, pc.stop_gradient(h), h)
        h = pc.tanh(x @ W + h @ U + b)
        return h, h

    cuts = pc.constant(np.arange(TIME) % 2 == 0)
    last, ys = loop(step, h0, (x, cuts), **options)
    return [last, ys]


def stacked(loop, x, W, U, b, h0, **options):
    """Two loops after each other, the other way round, and one whose first carry is the other's last."""
    last, ys = loop(lambda h, x: (pc.tanh(x @ W + h @ U + b),) * 2, h0, x, **options)
    last, ys = loop(lambda h, y: (pc.tanh(y @ U + h * b), h), last, ys, **{**options, "reverse": True})
    return [last, ys]


def by_position(loop, x, W, U, b, h0, **options):
    """A step that picks rows by its number and from what it carries."""

    def step(carry, t):
        h, so_far = carry
        h = pc.tanh(pc.take(x, t, axis=0) @ W + h @ U + b)
        so_far = pc.concatenate([so_far[1:], h[None]])
        return (h, so_far), so_far.max(axis=0)

    (h, so_far), ys = loop(step, (h0, pc.stack([h0, h0 * 2])), pc.arange(TIME), **options)
    return [h, so_far, ys]


GATES = {"lstm": 4, "gru": 3}
CASES: dict[str, Callable[..., list[Any]]] = {
    f.__name__: f
    for f in (
        rnn,
        lstm,
        gru,
        masked,
        nested,
        thrice_nested,
        several_carries,
        all_outputs,
        no_sequence,
        no_carry,
        truncated,
        stacked,
        by_position,
    )
}


def parameters(case: str, dtype: str = "float64") -> list[pc.Parameter]:
    """Return what a case is called with, as parameters."""
    return [
        pc.parameter(v, name=name, dtype=dtype, trainable=True) for name, v in values(gates=GATES.get(case, 1)).items()
    ]


def loss_of(outputs: list[Any]) -> Any:
    """Return a number that depends on every element of the outputs, on each in another way."""
    total: Any = 0.0
    for k, y in enumerate(outputs):
        if y.dtype.startswith("float"):
            weights = np.cos(np.arange(int(np.prod(y.shape))) + k).reshape(y.shape)
            total = total + (pc.constant(weights, dtype=y.dtype) * y * (y + 1)).sum()
    return total
