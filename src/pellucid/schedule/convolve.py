"""Convolutions to loops: which there are, and what of each array a pass of all of them touches."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.expression import Expression
from ..core.indices import Index, loop_variable
from .axes import Axis
from .loops import Buffer, Clip, Contraction, Load, Loop

Indices = tuple[Index, ...]


class Windows:
    """The loops of a convolution (or of its gradient for the kernel), the outermost first.

    They are: the batch, the places where the kernel stands, the positions in it, the input channels of a group, the
    groups, and the output channels of a group. One place reads ``x[place · stride + position · dilation]``. What is
    longest and lies one after another in memory comes last, where lanes run along it.

    Attributes:
        axes: for each loop the axis it runs along (groups and the output channels of one share an axis).
        extents: for each loop its number of passes.
    """

    def __init__(self, current: Expression) -> None:
        self.is_gradient = current.operation.name == "convolution_weight_gradient"
        _, other = current.inputs
        kernel, output = (current, other) if self.is_gradient else (other, current)
        self.strides, self.dilation = current.attribute("strides"), current.attribute("dilation")
        groups = current.attribute("groups")
        self.padding, self.sizes = current.attribute("padding"), current.inputs[0].shape[1:-1]
        self.before = tuple(low for low, _ in self.padding)
        spatial, last = len(self.strides), output.ndim - 1
        places, positions = range(1, 1 + spatial), range(spatial)
        self.axes: list[Axis] = [(output, 0), *((output, k) for k in places), *((kernel, k) for k in positions)]
        self.axes += [(kernel, spatial), (output, last), (output, last)]
        sizes = [_whole(expression.shape[axis]) for expression, axis in self.axes]
        self.inner, self.outer = sizes[-3], sizes[-1] // groups
        self.extents = [*sizes[:-2], groups, self.outer]

    def indices(self, loops: Sequence[Index]) -> tuple[Indices, Indices, Indices]:
        """Return the element of the result, and of both operands, that a pass of all loops touches."""
        spatial = len(self.strides)
        batch, places, positions = loops[0], loops[1 : 1 + spatial], loops[1 + spatial : 1 + 2 * spatial]
        inner, group, outer = loops[-3:]
        steps = zip(places, self.strides, positions, self.dilation, self.before, strict=True)
        x = (batch, *(p * s + q * d - b for p, s, q, d, b in steps), group * self.inner + inner)
        channel = group * self.outer + outer
        kernel, output = (*positions, inner, channel), (batch, *places, channel)
        return (kernel, x, output) if self.is_gradient else (output, x, kernel)

    def clips(self, loops: Sequence[Loop]) -> tuple[Clip, ...]:
        """Return where the spatial axes have elements that are padded by nothing that is stored."""
        clips, number = [], len(self.strides)
        for axis, size in enumerate(self.sizes):
            if any(self.padding[axis]):
                place, position = loops[1 + axis], loops[1 + number + axis]
                index = _times(place, self.strides[axis]) + _times(position, self.dilation[axis]) - self.before[axis]
                clips.append(Clip(index, 0, _whole(size)))
        return tuple(clips)

    def contraction(self, loops: Sequence[Loop], left: Load, right: Load, buffer: Buffer, at: Index) -> Contraction:
        """Return the sum of products that one group's loops make."""
        spatial = len(self.strides)
        axes = [(loop.variable, loop.extent) for loop in loops]
        places, kernel, columns = axes[: 1 + spatial], axes[1 + spatial : 2 + 2 * spatial], axes[-1:]
        rows, shared = (kernel, places) if self.is_gradient else (places, kernel)
        rows, columns, shared = ([axis for axis in group if axis[1] != 1] for group in (rows, columns, shared))
        return Contraction(tuple(rows), tuple(columns), tuple(shared), left, right, buffer, at, self.clips(loops))


def _times(loop: Loop, factor: int) -> Index:
    return loop_variable(loop.variable) * factor if loop.extent != 1 else Index()


def _whole(size: object) -> int:
    assert isinstance(size, int)
    return size
