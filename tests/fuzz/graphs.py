"""Random expression graphs: every family of operations, shapes that meet by broadcasting, movements between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import pellucid as pc

UNARY = ("tanh", "sigmoid", "relu", "exp", "sin", "square", "softplus", "abs", "negative", "leaky_relu")
BINARY = ("add", "subtract", "multiply", "maximum", "minimum")
REDUCTIONS = ("sum", "mean", "max", "min", "logsumexp", "var")


@dataclass
class Graph:
    """A random graph: its variables with values, its parameters, and a scalar and an array that it ends in."""

    variables: list[pc.Expression]
    arrays: list[np.ndarray[Any, Any]]
    parameters: list[pc.Parameter]
    scalar: pc.Expression
    array: pc.Expression


def random_graph(seed: int, dtype: str = "float32", length: int = 12) -> Graph:
    """Return the graph of a seed. Values stay moderate, so that dtypes can be compared closely."""
    rng = np.random.default_rng(seed)
    sizes = [int(n) for n in rng.choice([1, 2, 3, 5, 8, 16, 17, 33], 3)]
    variables, arrays, parameters = [], [], []
    pool: list[pc.Expression] = []
    for k in range(int(rng.integers(1, 4))):
        shape = tuple(int(n) for n in rng.choice(sizes, int(rng.integers(1, 4))))
        variables.append(pc.variable(f"x{k}", shape, dtype))
        arrays.append(rng.uniform(-1.5, 1.5, shape).astype(dtype))
        pool.append(variables[-1])
    for k in range(int(rng.integers(0, 3))):
        shape = tuple(int(n) for n in rng.choice(sizes, int(rng.integers(0, 3))))
        parameters.append(pc.parameter(rng.uniform(-1.5, 1.5, shape), name=f"p{k}", dtype=dtype))
        pool.append(parameters[-1])
    for _ in range(length):
        made = _grow(rng, pool)
        if made is not None and np.prod(made.shape) <= 40_000:
            pool.append(pc.tanh(made) if rng.random() < 0.3 else made)
    array = pool[-1]
    scalar = sum(((pc.tanh(p) * 0.5).sum() for p in [*variables, *pool[-3:]]), start=pc.constant(0.0, dtype))
    return Graph(variables, arrays, parameters, scalar, array)


def _grow(rng: np.random.Generator, pool: list[pc.Expression]) -> pc.Expression | None:
    x, y = (pool[int(k)] for k in rng.integers(0, len(pool), 2))
    kind = rng.choice(list(KINDS), p=[0.19, 0.19, 0.15, 0.19, 0.08, 0.05, 0.07, 0.05, 0.03])
    try:
        return KINDS[kind](rng, x, y)
    except pc.ShapeError:
        return None  # the two shapes do not fit together


def _unary(rng: np.random.Generator, x: pc.Expression, _: pc.Expression) -> pc.Expression:
    return getattr(pc, rng.choice(UNARY))(pc.tanh(x))


def _binary(rng: np.random.Generator, x: pc.Expression, y: pc.Expression) -> pc.Expression:
    if rng.random() < 0.3:
        return x / (1.5 + pc.square(y))
    return getattr(pc, rng.choice(BINARY))(x, y)


def _where(rng: np.random.Generator, x: pc.Expression, y: pc.Expression) -> pc.Expression:
    return pc.where(x > float(rng.uniform(-1, 1)), x * 0.5, y)


def _reduce(rng: np.random.Generator, x: pc.Expression, _: pc.Expression) -> pc.Expression:
    axis = None if not x.ndim or rng.random() < 0.2 else int(rng.integers(0, x.ndim))
    made = getattr(pc, rng.choice(REDUCTIONS))(x, axis=axis, keepdims=bool(rng.random() < 0.5))
    return pc.tanh(made)


def _move(rng: np.random.Generator, x: pc.Expression, y: pc.Expression) -> pc.Expression:
    choice = int(rng.integers(0, 7))
    if choice == 0:
        return x.transpose(*[int(a) for a in rng.permutation(x.ndim)]) if x.ndim else x
    if choice == 1:
        return x.reshape(-1)
    if choice == 2:
        return pc.pad(x, [(int(a), int(b)) for a, b in rng.integers(0, 3, (x.ndim, 2))], 0.25)
    if choice == 3:
        return pc.flip(x)
    if choice == 4:
        return pc.broadcast_to(x, (2, *x.shape))
    if choice == 5 and x.ndim:
        return x[tuple(slice(int(rng.integers(0, n)), None, int(rng.integers(1, 3))) for n in x.shape)]
    return pc.concatenate([x, y], axis=int(rng.integers(0, x.ndim))) if x.ndim else pc.stack([x, x])


def _product(rng: np.random.Generator, x: pc.Expression, y: pc.Expression) -> pc.Expression:
    if rng.random() < 0.4 and x.ndim >= 2:
        axes = [*range(x.ndim - 2), x.ndim - 1, x.ndim - 2]
        return pc.tanh(x @ x.transpose(*axes))
    return pc.tanh(x @ y)


def _window(rng: np.random.Generator, x: pc.Expression, _: pc.Expression) -> pc.Expression | None:
    """A convolution, or pooling, of what can be taken as one or two spatial axes and channels."""
    if x.ndim not in (2, 3) or 1 in x.shape[:-1]:
        return None
    axes = x.ndim - 1
    x = x.reshape(1, *x.shape)
    size = tuple(int(rng.integers(1, 4)) for _ in range(axes))
    strides = tuple(int(rng.integers(1, 3)) for _ in range(axes))
    if rng.random() < 0.3:
        return (pc.average_pool1d if axes == 1 else pc.average_pool2d)(x, size, strides, "same")
    kernel = pc.constant(rng.uniform(-0.5, 0.5, (*size, int(x.shape[-1]), int(rng.choice([1, 3, 17])))), x.dtype)
    padding = "same" if rng.random() < 0.5 else tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (axes, 2)))
    return pc.tanh((pc.conv1d if axes == 1 else pc.conv2d)(x, kernel, strides, padding))


def _large(rng: np.random.Generator, x: pc.Expression, _: pc.Expression) -> pc.Expression | None:
    """A product that is large enough to run in blocks: of 2^18 multiplications or a little more."""
    if x.ndim != 2 or not 16 <= x.shape[0] * x.shape[1] <= 2_000:
        return None
    rows, shared = (int(n) for n in x.shape)
    columns = (1 << 18) // (rows * shared) + int(rng.integers(1, 40))
    if rows * columns > 20_000:
        return None
    weights = pc.constant(rng.uniform(-0.5, 0.5, (shared, columns)), x.dtype)
    return pc.tanh(x @ weights + float(rng.uniform(-1, 1)))


def _index(rng: np.random.Generator, x: pc.Expression, _: pc.Expression) -> pc.Expression:
    if not x.ndim:
        return x
    n = int(x.shape[0])
    rows = pc.constant(rng.integers(0, n, int(rng.integers(1, 6))))
    if x.ndim == 1 or rng.random() < 0.5:
        return pc.take(x, rows)
    labels = rng.integers(0, int(x.shape[-1]), tuple(int(k) for k in x.shape[:-1]))
    return pc.pick(x, pc.constant(labels))


KINDS = {"unary": _unary, "binary": _binary, "reduce": _reduce, "move": _move, "product": _product, "index": _index,
         "where": _where, "window": _window, "large": _large}  # fmt: skip
