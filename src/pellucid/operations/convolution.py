"""Convolutions over one or two spatial axes, channels last, and their derivatives.

As everywhere in deep learning the kernel is not turned round: y[p] = Σₖ x[p · stride + k · dilation] w[k], which is a
cross-correlation. Groups split the channels into as many independent convolutions. A convolution is linear in its
input and in its kernel, so that three maps are closed under differentiation: the convolution itself, the gradient
for its kernel (an operation of its own), and the gradient for its input, which is again a convolution.
Dumoulin and Visin, *A guide to convolution arithmetic for deep learning*, 2016.
"""

from __future__ import annotations

import math
import operator
from typing import Any

from ..core.errors import AxisError, ShapeError
from ..core.expression import Expression, node
from ..core.operation import Facts, Notation, Operation, Try, composed, reals, register
from ..core.origins import place
from ..core.sizes import Shape, show_shape
from .movement import flip, pad, permute, place_slice, reshape, slice_axes
from .source import scalar_value
from .spatial import (
    Pairs,
    Sizes,
    as_floats,
    check_count,
    padding_pairs,
    spatial_sizes,
    whole_numbers,
    window_places,
    window_positions,
    window_spans,
)

# checks


def check_kernel(name: str, x: Expression, w: Expression, groups: int, layout: str) -> Sizes:
    """Check a kernel against its input's axes, and return its spatial sizes."""
    if w.ndim != x.ndim or not all(isinstance(n, int) for n in w.shape) or 0 in w.shape[:-2]:
        raise (AxisError if w.ndim != x.ndim else ShapeError)(
            f"{name}: the kernel {w}, {show_shape(w.shape)}, was expected to be {layout}, all whole numbers, the"
            f" spatial ones 1 or more, with {x.ndim - 2} spatial axes as {x}, {show_shape(x.shape)}, has{place(w, x)}"
        )
    if groups < 1 or w.shape[-1] % groups:  # type: ignore[operator]
        raise ShapeError(
            f"{name}: {groups} groups do not divide the {w.shape[-1]} output channels of the kernel {w},"
            f" {show_shape(w.shape)}{place(w)}"
        )
    return _kernel_sizes(w)


def _kernel_sizes(w: Expression) -> Sizes:
    return w.shape[:-2]  # type: ignore[return-value]


def check_channels(name: str, x: Expression, w: Expression, expected: Any, groups: int = 1) -> None:
    """Check that an input has the channels that a kernel is for."""
    if x.shape[-1] != expected:
        grouped = f" in each of {groups} groups, {expected} together" if groups > 1 else ""
        raise ShapeError(
            f"{name}: {x}, {show_shape(x.shape)}, has {x.shape[-1]} channels, and the kernel {w},"
            f" {show_shape(w.shape)}, is for {expected // groups}{grouped}{place(x, w)}; channels are the last axis"
        )


def _number_of_groups(name: str, groups: Any, x: Expression) -> int:
    try:
        return operator.index(groups)
    except TypeError:
        raise ShapeError(f"{name}: groups is a whole number of 1 or more, not {groups!r}{place(x)}") from None


# the operation


def _convolve(
    name: str, x: Any, w: Any, strides: Any, padding: Any, dilation: Any, groups: Any, axes: int | None = None
) -> Expression:
    x, w = as_floats(name, x, w)
    number, groups = len(spatial_sizes(name, x, axes)), _number_of_groups(name, groups, x)
    kernel = check_kernel(name, x, w, groups, KERNEL)
    check_channels(name, x, w, w.shape[-2] * groups, groups)
    strides = whole_numbers(name, "strides", strides, number, x)
    dilation = whole_numbers(name, "dilation", dilation, number, x)
    spans = window_spans(kernel, dilation)
    pairs = padding_pairs(name, padding, x, spans, strides)
    places = window_places(name, x, spans, strides, pairs)
    check_count(name, (x.shape[0], *places, w.shape[-1]), x)
    return node(convolution, [x, w], strides=strides, padding=pairs, dilation=dilation, groups=groups)


KERNEL = "(*kernel, input channels / groups, output channels)"


def _shape(x: Expression, w: Expression, *, strides: Sizes, padding: Pairs, dilation: Sizes, groups: int) -> Shape:
    kernel = check_kernel("convolution", x, w, groups, KERNEL)
    check_channels("convolution", x, w, w.shape[-2] * groups, groups)
    places = window_places("convolution", x, window_spans(kernel, dilation), strides, padding)
    return (x.shape[0], *places, w.shape[-1])


def _array_places(x: Any, kernel: Sizes, strides: Sizes, padding: Pairs, dilation: Sizes) -> Sizes:
    spans = window_spans(kernel, dilation)
    sizes = zip(x.shape[1:-1], padding, spans, strides, strict=True)
    return tuple((n + low + high - span) // s + 1 for n, (low, high), span, s in sizes)


def _grouped(xp: Any, x: Any, groups: int) -> Any:
    """Return rows of channels (..., channels) as one matrix for each group: (groups, rows, channels / groups)."""
    rows = xp.reshape(x, (math.prod(x.shape[:-1]), groups, x.shape[-1] // groups))
    return xp.swapaxes(rows, 0, 1)


def _array(xp: Any, x: Any, w: Any, strides: Sizes, padding: Pairs, dilation: Sizes, groups: int) -> Any:
    """For each position of the kernel one matrix product: all that windows have there, times the weights there."""
    kernel, inner, outer = w.shape[:-2], w.shape[-2], w.shape[-1]
    places = _array_places(x, kernel, strides, padding, dilation)
    padded = xp.pad(x, ((0, 0), *padding, (0, 0)))
    total = xp.zeros((groups, x.shape[0] * math.prod(places), outer // groups), x.dtype)
    for position, key in window_positions(kernel, places, strides, dilation):
        weights = xp.reshape(w[position], (inner, groups, outer // groups))
        total = total + xp.matmul(_grouped(xp, padded[key], groups), xp.swapaxes(weights, 0, 1))
    return xp.reshape(xp.swapaxes(total, 0, 1), (x.shape[0], *places, outer))


def _gradient(
    g: Expression,
    y: Expression,
    x: Expression,
    w: Expression,
    strides: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> tuple[Expression, Expression]:
    sizes = spatial_sizes("convolution", x)
    options: dict[str, Any] = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
    return input_gradient(g, w, sizes, **options), node(
        convolution_weight_gradient, [x, g], kernel=_kernel_sizes(w), **options
    )


def input_gradient(
    g: Expression, w: Expression, sizes: Sizes, strides: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> Expression:
    """Return the derivative of a convolution for its input, of the given spatial sizes.

    It is itself a convolution: of ``g`` with zeros between its elements where the stride was larger than 1, at
    stride 1, with the kernel turned round and its input and output channels exchanged.
    """
    g = _with_gaps(g, strides)
    pairs, cuts = [], []
    spans = window_spans(_kernel_sizes(w), dilation)
    for n, have, span, (low, _) in zip(sizes, spatial_sizes("convolution", g), spans, padding, strict=True):
        # The convolution is to read n + span - 1 elements, of which g begins at span - 1 - low; what sticks out on
        # either side came from padding alone, and is cut off (all of g, where the padding is wide and the stride long).
        before, start = max(span - 1 - low, 0), min(max(low - span + 1, 0), have)
        length = min(n + low, have) - start
        cuts.append((start, length))
        pairs.append((before, n + span - 1 - before - length))
    starts, lengths = zip(*cuts, strict=True)
    g = slice_axes(g, (0, *starts, 0), (g.shape[0], *lengths, g.shape[-1]), (1,) * g.ndim)
    ones = (1,) * len(sizes)
    turned = _turned(w, groups)
    return node(convolution, [g, turned], strides=ones, padding=tuple(pairs), dilation=dilation, groups=groups)


def _with_gaps(g: Expression, strides: Sizes) -> Expression:
    """Return g with stride - 1 zeros between its elements."""
    if all(s == 1 for s in strides):
        return g
    wide = [(n - 1) * s + 1 for n, s in zip(spatial_sizes("convolution", g), strides, strict=True)]
    return place_slice(g, (0,) * g.ndim, (g.shape[0], *wide, g.shape[-1]), (1, *strides, 1))


def _turned(w: Expression, groups: int) -> Expression:
    """Return a kernel reversed along its spatial axes, with its input and output channels exchanged in each group."""
    axes = tuple(range(w.ndim - 2))
    last = len(axes)
    w = flip(w, axes)
    if groups == 1:
        return permute(w, (*axes, last + 1, last))
    inner, outer = w.shape[-2], w.shape[-1] // groups  # type: ignore[operator]
    split = permute(reshape(w, (*w.shape[:-1], groups, outer)), (*axes, last + 2, last + 1, last))
    return reshape(split, (*w.shape[:-2], outer, groups * inner))


def _unpadded(operands: tuple[Expression, Expression], operation: Operation, attributes: dict[str, Any]) -> Expression:
    """Return the operation over an input that holds its padding, so that loops need to know nothing of borders.

    Of a large one over two axes only the columns are padded; rows outside are skipped, and save their work. Where
    something given is read, of which padding would need a copy, columns outside are skipped as well.
    """
    x, other = operands
    axes, nothing = x.ndim - 2, (0, 0)
    skipped = _skipped_axes(x, other, attributes)
    kept = (*attributes["padding"][:skipped], *(nothing for _ in range(axes - skipped)))
    added = (nothing if left == pair else pair for left, pair in zip(kept, attributes["padding"], strict=True))
    padded = pad(x, (nothing, *added, nothing))
    return node(operation, [padded, other], **{**attributes, "padding": kept})


LARGE = 1 << 20  # multiplications from which rows of a border are worth skipping
FEWEST_CHANNELS = 8  # from which columns are: each skips so many steps of a sum at once


def _skipped_axes(x: Expression, other: Expression, attributes: dict[str, Any]) -> int:
    """Return of how many spatial axes, the first ones, what is outside is skipped and not padded."""
    if x.ndim != 4 or attributes["groups"] != 1 or attributes["padding"][0] == (0, 0):
        return 0
    if not (_is_stored(x) and _is_stored(other)):
        return 0
    kernel = attributes.get("kernel") or _kernel_sizes(other)
    spans = window_spans(kernel, attributes["dilation"])
    height, width = _array_places(x, kernel, attributes["strides"], attributes["padding"], attributes["dilation"])
    channels: Any = x.shape[-1]
    outputs: Any = other.shape[-1]
    work: Any = math.prod((x.shape[0], height, width, *kernel, channels, outputs))
    along = kernel[1] * channels if "kernel" in attributes else width
    lanes = outputs > 1  # along the channels of the output; else along places, which are packed outside as well
    moves = [
        places > 1 and k > 1 and span <= n  # else all is outside for one position, or one place for all positions
        for places, k, span, n in zip((height, width), kernel, spans, spatial_sizes("convolution", x), strict=True)
    ]
    if not (moves[0] and lanes and along > 1 and work >= LARGE):
        return 0
    return 2 if moves[1] and channels >= FEWEST_CHANNELS and _is_given(x) else 1


def _is_given(x: Expression) -> bool:
    """Whether it comes from outside, so that nothing can make it within its padding."""
    while x.operation.name == "reshape":
        (x,) = x.inputs
    return x.operation.kind == "source"


def _is_stored(x: Expression) -> bool:
    """Whether memory holds its elements: not where they are one number, or counts, that movements spread out."""
    while x.operation.kind == "movement" and not x.operation.write:
        (x,) = x.inputs
    return scalar_value(x) is None and x.operation.name not in ("arange", "axis_size")


R2 = (reals(), reals())
convolution: Operation = register(
    Operation(
        name="convolution",
        kind="convolution",
        summary=(
            "The convolution of x, (batch, *spatial, channels), with w, (*kernel, channels / groups, output channels),"
            " over 1 or 2 spatial axes."
        ),
        make=lambda x, w, strides=1, padding="valid", dilation=1, groups=1: _convolve(
            "convolution", x, w, strides, padding, dilation, groups
        ),
        shape=_shape,
        dtype=lambda x, w, **_: x.dtype,
        array=_array,
        gradient=_gradient,
        expand=lambda x, w, **attributes: _unpadded((x, w), convolution, attributes),
        notation=Notation("{call}", r"{0} \ast {1}", 5, (1,)),
        facts=Facts(cheap=False),
        tries=(
            Try(((2, 6, 3), (3, 3, 4)), R2),
            Try(((2, 5, 6, 2), (3, 2, 2, 3)), R2, {"padding": "same"}),
            Try(((1, 7, 8, 3), (3, 3, 3, 17)), R2, {"strides": (2, 3), "padding": ((2, 0), (1, 3))}),
            Try(((2, 9, 4), (2, 2, 6)), R2, {"strides": 2, "dilation": 3, "groups": 2, "padding": 1}),
            Try(((1, 4, 5, 3), (3, 3, 1, 3)), R2, {"groups": 3, "padding": "same"}),
            Try(((2, 3, 2), (1, 2, 2)), R2, {"padding": 2}),
            Try(((0, 5, 2), (3, 2, 2)), R2),
        ),
        source="LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition, 1998",
    )
)

# the gradient for the kernel


def _weight_shape(
    x: Expression,
    g: Expression,
    *,
    kernel: Sizes,
    strides: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> Shape:
    name = "convolution_weight_gradient"
    places = window_places(name, x, window_spans(kernel, dilation), strides, padding)
    if g.shape[:-1] != (x.shape[0], *places) or x.shape[-1] % groups or g.shape[-1] % groups:  # type: ignore[operator]
        raise ShapeError(
            f"{name}: {g}, {show_shape(g.shape)}, is not what a convolution of {x}, {show_shape(x.shape)}, gives, which"
            f" is {show_shape((x.shape[0], *places))} and channels, of {groups} groups each{place(x, g)}"
        )
    return (*kernel, x.shape[-1] // groups, g.shape[-1])  # type: ignore[operator]


def _make_weight_gradient(
    x: Any, g: Any, kernel: Any, strides: Any = 1, padding: Any = "valid", dilation: Any = 1, groups: Any = 1
) -> Expression:
    name = "convolution_weight_gradient"
    x, g = as_floats(name, x, g)
    axes, groups = len(spatial_sizes(name, x)), _number_of_groups(name, groups, x)
    kernel = whole_numbers(name, "kernel", kernel, axes, x)
    strides = whole_numbers(name, "strides", strides, axes, x)
    dilation = whole_numbers(name, "dilation", dilation, axes, x)
    pairs = padding_pairs(name, padding, x, window_spans(kernel, dilation), strides)
    options = {"strides": strides, "padding": pairs, "dilation": dilation, "groups": groups}
    return node(convolution_weight_gradient, [x, g], kernel=kernel, **options)


def _weight_array(
    xp: Any, x: Any, g: Any, kernel: Sizes, strides: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> Any:
    """For each position of the kernel one matrix product: all that windows have there, turned, times g."""
    inner, outer = x.shape[-1] // groups, g.shape[-1]
    padded = xp.pad(x, ((0, 0), *padding, (0, 0)))
    rows, parts = _grouped(xp, g, groups), []
    for _, key in window_positions(kernel, g.shape[1:-1], strides, dilation):
        product = xp.matmul(xp.swapaxes(_grouped(xp, padded[key], groups), 1, 2), rows)
        parts.append(xp.reshape(xp.swapaxes(product, 0, 1), (inner, outer)))
    return xp.reshape(xp.stack(parts), (*kernel, inner, outer))


def _weight_gradient_gradient(
    h: Expression, y: Expression, x: Expression, g: Expression, kernel: Sizes, **options: Any
) -> tuple[Expression, Expression]:
    sizes = spatial_sizes("convolution", x)
    return input_gradient(g, h, sizes, **options), node(convolution, [x, h], **options)


convolution_weight_gradient: Operation = register(
    Operation(
        name="convolution_weight_gradient",
        kind="convolution",
        summary="The derivative of a convolution of x for its kernel, from the derivative g for its output.",
        make=_make_weight_gradient,
        shape=_weight_shape,
        dtype=lambda x, g, **_: x.dtype,
        array=_weight_array,
        gradient=_weight_gradient_gradient,
        expand=lambda x, g, **attributes: _unpadded((x, g), convolution_weight_gradient, attributes),
        notation=Notation("{call}", r"\partial_{{w}}\left({0} \ast w\right) {1}", 5),
        facts=Facts(cheap=False),
        tries=(
            Try(((2, 6, 3), (2, 4, 4)), R2, {"kernel": 3}),
            Try(((2, 5, 6, 2), (2, 5, 6, 3)), R2, {"kernel": (3, 2), "padding": "same"}),
            Try(((2, 9, 4), (2, 4, 6)), R2, {"kernel": 2, "strides": 2, "dilation": 3, "groups": 2, "padding": 1}),
            Try(((1, 4, 5, 3), (1, 4, 5, 3)), R2, {"kernel": 3, "groups": 3, "padding": "same"}),
            Try(((0, 5, 2), (0, 3, 2)), R2, {"kernel": 3}),
        ),
    )
)

# public functions


@composed
def conv1d(x: Any, w: Any, strides: Any = 1, padding: Any = "valid", dilation: Any = 1, groups: Any = 1) -> Expression:
    """Return the convolution over one spatial axis, as Keras and PyTorch have it: the kernel is not turned round.

    Args:
        x: the input, ``(batch, length, channels)``, float32 or float64. Only the batch may be a named axis.
        w: the kernel, ``(kernel, channels / groups, output channels)``, of a float dtype.
        strides: at which places the kernel stands: every ``strides``-th.
        padding: zeros around the input: ``"valid"`` (none), ``"same"`` (as few as give ceil(length / strides) places,
            the odd one at the end), a whole number for both sides, or ``((low, high),)``.
        dilation: how far apart the elements are that the kernel reads.
        groups: into how many independent convolutions the channels are split.

    Returns:
        ``(batch, places, output channels)``, of the operands' common dtype.

    Raises:
        ShapeError: for channels that do not fit, groups that do not divide them, strides or dilation below 1, a
            padding that is none, a named length, or an input shorter than the kernel spans.
        DtypeError: for operands that are no floats.
        AxisError: for another number of axes.

    >>> import pellucid as pc
    >>> x, w = pc.constant([[[1.0], [2.0], [4.0], [8.0]]]), pc.constant([[[-1.0]], [[1.0]]])
    >>> pc.function([], pc.conv1d(x, w))().ravel()
    array([1., 2., 4.], dtype=float32)
    """
    return _convolve("conv1d", x, w, strides, padding, dilation, groups, axes=1)


@composed
def conv2d(x: Any, w: Any, strides: Any = 1, padding: Any = "valid", dilation: Any = 1, groups: Any = 1) -> Expression:
    """Return the convolution over two spatial axes, as Keras and PyTorch have it: the kernel is not turned round.

    Args:
        x: the input, ``(batch, height, width, channels)``, float32 or float64. Only the batch may be a named axis.
        w: the kernel, ``(height, width, channels / groups, output channels)``, of a float dtype.
        strides, dilation: a number for both axes, or one for each; see ``conv1d``.
        padding: ``"valid"``, ``"same"``, a number, or ``((top, bottom), (left, right))``; see ``conv1d``.
        groups: into how many independent convolutions the channels are split.

    Returns:
        ``(batch, rows, columns, output channels)``, of the operands' common dtype.

    Raises:
        ShapeError, DtypeError, AxisError: as ``conv1d`` does.

    >>> from pellucid.operations.source import variable
    >>> x, w = variable("x", ("batch", 28, 28, 1)), variable("w", (3, 3, 1, 8))
    >>> conv2d(x, w).shape, conv2d(x, w, strides=2, padding="same").shape
    ((batch, 26, 26, 8), (batch, 14, 14, 8))
    """
    return _convolve("conv2d", x, w, strides, padding, dilation, groups, axes=2)


def _depthwise(name: str, x: Any, w: Any, strides: Any, padding: Any, dilation: Any, axes: int) -> Expression:
    x, w = as_floats(name, x, w)
    spatial_sizes(name, x, axes)
    check_kernel(name, x, w, 1, "(*kernel, channels, multiplier)")
    channels, multiplier = w.shape[-2:]
    check_channels(name, x, w, channels)
    kernel = reshape(w, (*w.shape[:-2], 1, channels * multiplier))
    return _convolve(name, x, kernel, strides, padding, dilation, max(channels, 1), axes)


@composed
def depthwise_conv1d(x: Any, w: Any, strides: Any = 1, padding: Any = "valid", dilation: Any = 1) -> Expression:
    """Return the convolution of each channel with kernels of its own.

    Args:
        x: the input, ``(batch, length, channels)``.
        w: the kernels, ``(kernel, channels, multiplier)``: channel c gives outputs c · multiplier to
            c · multiplier + multiplier - 1, as in Keras.
        strides, padding, dilation: see ``conv1d``.

    Raises:
        ShapeError, DtypeError, AxisError: as ``conv1d`` does.

    >>> from pellucid.operations.source import variable
    >>> depthwise_conv1d(variable("x", (5, 8, 3)), variable("w", (2, 3, 4))).shape
    (5, 7, 12)
    """
    return _depthwise("depthwise_conv1d", x, w, strides, padding, dilation, 1)


@composed
def depthwise_conv2d(x: Any, w: Any, strides: Any = 1, padding: Any = "valid", dilation: Any = 1) -> Expression:
    """Return the convolution of each channel with kernels of its own, over two spatial axes.

    Args:
        x: the input, ``(batch, height, width, channels)``.
        w: the kernels, ``(height, width, channels, multiplier)``; see ``depthwise_conv1d``.
        strides, padding, dilation: see ``conv2d``.

    Raises:
        ShapeError, DtypeError, AxisError: as ``conv1d`` does.

    >>> from pellucid.operations.source import variable
    >>> depthwise_conv2d(variable("x", (5, 8, 8, 3)), variable("w", (3, 3, 3, 1)), padding="same").shape
    (5, 8, 8, 3)
    """
    return _depthwise("depthwise_conv2d", x, w, strides, padding, dilation, 2)


__all__ = [
    "check_channels",
    "check_kernel",
    "conv1d",
    "conv2d",
    "convolution",
    "convolution_weight_gradient",
    "depthwise_conv1d",
    "depthwise_conv2d",
    "input_gradient",
]
