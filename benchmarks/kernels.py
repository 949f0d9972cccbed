"""The single kernels that are timed: their names, and how much arithmetic and memory each of them needs."""

from __future__ import annotations

from typing import Literal, NamedTuple

FLOAT = 4
"""Bytes of a float32."""


class Kernel(NamedTuple):
    """One kernel; `sizes` are those of its inputs, as its kind wants them.

    product: rows, inner, columns. convolutions: batch, height and width, channels, filters, kernel.
    adam: parameters. softmax: rows, columns.
    """

    kind: Literal["product", "forward", "data gradient", "weight gradient", "adam", "softmax"]
    sizes: tuple[int, ...]

    @property
    def operations(self) -> int:
        """Floating-point operations; a multiply-add counts as two, an exponential as one, one with padding as none."""
        if self.kind == "product":
            rows, inner, columns = self.sizes
            return 2 * rows * inner * columns
        if self.kind == "adam":
            return 13 * self.sizes[0]
        if self.kind == "softmax":
            return 5 * self.sizes[0] * self.sizes[1]
        batch, side, channels, filters, kernel = self.sizes
        inside = side * kernel - (kernel // 2) * (kernel // 2 + 1)  # pairs of a place and a tap that lie in the image
        return 2 * batch * inside * inside * channels * filters

    @property
    def bytes(self) -> int:
        """Bytes that must at least be read and written: every array once."""
        if self.kind == "product":
            rows, inner, columns = self.sizes
            return FLOAT * (rows * inner + inner * columns + rows * columns)
        if self.kind == "adam":
            return FLOAT * 7 * self.sizes[0]  # reads the weight, two moments, the gradient; writes all but the last
        if self.kind == "softmax":
            return FLOAT * 2 * self.sizes[0] * self.sizes[1]
        batch, side, channels, filters, kernel = self.sizes
        return FLOAT * (batch * side * side * (channels + filters) + kernel * kernel * channels * filters)

    @property
    def bound_by_memory(self) -> bool:
        """Whether bandwidth is what limits it."""
        return self.kind in ("adam", "softmax")


LARGE = {
    "5x5, 14x14x32 to 64": (50, 14, 32, 64, 5),
    "3x3, 32x32x64 to 32": (128, 32, 64, 32, 3),
}
"""The two large convolutions: the second of the MNIST CNN and of the CIFAR CNN."""

KERNELS = {
    "product 1024x1024x1024": Kernel("product", (1024, 1024, 1024)),
    "product 128x3072x768": Kernel("product", (128, 3072, 768)),
    "product 50x3136x1024": Kernel("product", (50, 3136, 1024)),
    **{
        f"convolution {name}, {part}": Kernel(part, sizes)  # type: ignore[arg-type]
        for name, sizes in LARGE.items()
        for part in ("forward", "data gradient", "weight gradient")
    },
    "fused Adam, 3.2 M parameters": Kernel("adam", (3136 * 1024,)),
    "softmax rows, 8192 x 1024": Kernel("softmax", (8192, 1024)),
}
