"""Drawn geometries of windows: sizes, strides, dilations and paddings that leave at least one place."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

Array = np.ndarray[Any, Any]


class Geometry(NamedTuple):
    """Where windows stand; ``padding`` is a word or pairs."""

    batch: int
    sizes: tuple[int, ...]
    window: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: Any
    channels: int
    outputs: int
    groups: int
    dtype: str
    seed: int

    @property
    def input(self) -> tuple[int, ...]:
        """The shape of the input."""
        return (self.batch, *self.sizes, self.channels)

    @property
    def kernel(self) -> tuple[int, ...]:
        """The shape of the kernel."""
        return (*self.window, self.channels // self.groups, self.outputs)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The padding in numbers."""
        if self.padding == "valid":
            return ((0, 0),) * len(self.sizes)
        if self.padding != "same":
            return tuple(self.padding)
        result = []
        for n, k, s, d in zip(self.sizes, self.window, self.strides, self.dilation, strict=True):
            total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            result.append((total // 2, total - total // 2))
        return tuple(result)

    def arrays(self, *shapes: tuple[int, ...]) -> list[Array]:
        """Return random arrays, always the same ones."""
        generator = np.random.default_rng(self.seed)
        return [generator.normal(size=shape).astype(self.dtype) for shape in shapes]


@st.composite
def geometries(
    draw: st.DrawFn, *, dilated: bool = True, narrow: bool = False, dtype: str | None = None, smallest: int = 0
) -> Geometry:
    """Draw a geometry.

    Args:
        dilated: whether windows may have gaps.
        narrow: keep padding smaller than the window, as pooling asks for.
        dtype: the dtype, if it is not to be drawn.
        smallest: the smallest batch.
    """
    axes = draw(st.integers(1, 2))
    window = tuple(draw(st.integers(1, 4)) for _ in range(axes))
    strides = tuple(draw(st.integers(1, 3)) for _ in range(axes))
    dilation = tuple(draw(st.integers(1, 3)) if dilated else 1 for _ in range(axes))
    pairs = tuple(tuple(draw(st.integers(0, min(3, k - 1) if narrow else 3)) for _ in range(2)) for k in window)
    padding = draw(st.sampled_from(["same", "valid", pairs, pairs]))
    sizes = []
    for k, d, pair in zip(window, dilation, pairs, strict=True):
        needed = 1 if padding == "same" else (k - 1) * d + 1 - (0 if padding == "valid" else sum(pair))
        sizes.append(max(1, needed) + draw(st.integers(0, 7)))
    groups = draw(st.integers(1, 3))
    channels = groups * draw(st.sampled_from([1, 2, 5]))
    outputs = groups * draw(st.sampled_from([1, 2, 17]))
    chosen = dtype or draw(st.sampled_from(["float32", "float64"]))
    batch = draw(st.integers(smallest, 3))
    seed = draw(st.integers(0, 2**16))
    return Geometry(batch, tuple(sizes), window, strides, dilation, padding, channels, outputs, groups, chosen, seed)
