"""Convolution layers, channels last: windows of the input times a kernel, plus a bias, through an activation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from .. import activations
from ..core import origins
from ..core.configuration import register
from ..core.errors import ShapeError
from ..core.expression import Expression, Parameter
from ..core.settings import check_whole
from ..core.sizes import Shape
from ..operations.convolution import conv1d, conv2d
from ..operations.transposed_convolution import conv1d_transpose, conv2d_transpose
from .arguments import check_layout, check_sizes
from .layer import Layer

WHOLE = ("filters", "groups", "depth_multiplier")
FOR_EACH_AXIS = ("strides", "dilation_rate")


class ConvolutionLayer(Layer):
    """What all convolution layers share: checks of their arguments, the bias and the activation.

    A subclass is a dataclass with at least the fields below; its ``build`` makes kernels, and its ``call`` uses them.
    """

    axes: ClassVar[int]
    kernel_size: Any
    activation: Any
    use_bias: bool

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            if name in WHOLE:
                check_whole(self, name, getattr(self, name))
            elif name in FOR_EACH_AXIS:
                check_sizes(self, name, getattr(self, name), self.axes)
        self.window = check_sizes(self, "kernel_size", self.kernel_size, self.axes)
        self.function = activations.get(self.activation)

    def weight_set_by(self, arguments: str, name: str, shape: Any) -> Parameter:
        """Return a new weight, set by the arguments that begin with a word, such as ``kernel_initializer``."""
        return self.weight(
            name,
            shape,
            getattr(self, f"{arguments}_initializer"),
            regularizer=getattr(self, f"{arguments}_regularizer"),
            constraint=getattr(self, f"{arguments}_constraint"),
        )

    def build_bias(self, outputs: int) -> None:
        """Make the bias, if there is to be one."""
        if self.use_bias:
            self.bias = self.weight_set_by("bias", "bias", (outputs,))

    def finished(self, y: Expression) -> Expression:
        """Return what the layer makes of a convolution: bias and activation."""
        return self.function(y + self.bias if self.use_bias else y)  # type: ignore[no-any-return]


@dataclass(eq=False, repr=False)
class Convolution(ConvolutionLayer):
    """``activation(conv(x, kernel) + bias)``; see ``Conv2D``."""

    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"
    dilation_rate: Any = 1
    groups: int = 1
    activation: Any = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None
    kernel_constraint: Any = None
    bias_constraint: Any = None

    convolve: ClassVar[Callable[..., Expression]]

    def build(self, shape: Shape) -> None:
        """Make the kernel and the bias."""
        channels = check_layout(self, shape, self.axes)
        if channels % self.groups or self.filters % self.groups:
            raise ShapeError(
                f"layer {origins.path()}: {self.groups} groups do not divide the {channels} channels of the input and"
                f" the {self.filters} filters of {self!r}; each group takes as many"
            )
        self.kernel = self.weight_set_by("kernel", "kernel", (*self.window, channels // self.groups, self.filters))
        self.build_bias(self.filters)

    def call(self, x: Expression) -> Expression:
        """Return the outputs."""
        options = self.strides, self.padding, self.dilation_rate, self.groups
        return self.finished(self.convolve(x.astype(self.dtype), self.kernel, *options))


@register
class Conv1D(Convolution):
    """A convolution over one spatial axis; its arguments are those of ``Conv2D``, with a number for the axis.

    For a causal one, whose outputs know nothing of what comes later, pad the front:
    ``padding=(((kernel_size - 1) * dilation_rate, 0),)``.

    Shapes: ``(batch, length, channels)`` to ``(batch, places, filters)``; weights
    ``kernel (kernel_size, channels / groups, filters)``, ``bias (filters,)``.

    Waibel et al., *Phoneme recognition using time-delay neural networks*, 1989.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((100, 4))
    >>> pc.layers.Conv1D(8, 3)(x).shape, pc.layers.Conv1D(8, 3, strides=2, padding="same")(x).shape
    ((batch, 98, 8), (batch, 50, 8))
    """

    axes = 1
    convolve = staticmethod(conv1d)


@register
class Conv2D(Convolution):
    """A convolution over two spatial axes: ``activation(conv2d(x, kernel) + bias)``.

    Args:
        filters: how many output channels.
        kernel_size, strides, dilation_rate: a number for both axes, or one for each: how many elements the kernel has,
            how far apart its places are, and how far apart the elements are that it looks at.
        padding: ``"valid"`` is none, ``"same"`` as much as gives ceil(size / strides) places; or numbers, as
            ``pc.conv2d`` takes.
        groups: into how many independent convolutions the channels are split.
        activation: a function or its name; none if not given.
        use_bias: whether a bias is added.

    Shapes: ``(batch, height, width, channels)`` to ``(batch, rows, columns, filters)``; weights
    ``kernel (*kernel_size, channels / groups, filters)``, ``bias (filters,)``. Integers, such as images of uint8, are
    converted to float32.

    Raises:
        InputError: for arguments that are not so.
        ShapeError, AxisError: for inputs with other axes, or smaller than the kernel, and for groups that do not divide
            the channels.

    LeCun et al., *Gradient-based learning applied to document recognition*, 1998.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((28, 28, 1), dtype="uint8")
    >>> y = pc.layers.Conv2D(8, 3, activation="relu")(x)
    >>> y.shape, y.dtype
    ((batch, 26, 26, 8), 'float32')
    """

    axes = 2
    convolve = staticmethod(conv2d)


@dataclass(eq=False, repr=False)
class TransposedConvolution(ConvolutionLayer):
    """``activation(conv_transpose(x, kernel) + bias)``; see ``Conv2DTranspose``."""

    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"
    activation: Any = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None
    kernel_constraint: Any = None
    bias_constraint: Any = None

    convolve: ClassVar[Callable[..., Expression]]

    def build(self, shape: Shape) -> None:
        """Make the kernel and the bias."""
        channels = check_layout(self, shape, self.axes)
        self.kernel = self.weight_set_by("kernel", "kernel", (*self.window, self.filters, channels))
        self.build_bias(self.filters)

    def call(self, x: Expression) -> Expression:
        """Return the outputs."""
        return self.finished(self.convolve(x.astype(self.dtype), self.kernel, self.strides, self.padding))


@register
class Conv1DTranspose(TransposedConvolution):
    """The transpose of a convolution over one axis; its arguments are those of ``Conv2DTranspose``.

    Shapes: ``(batch, length, channels)`` to ``(batch, length · strides + max(kernel_size - strides, 0), filters)``, or
    with ``padding="same"`` ``(batch, length · strides, filters)``; weights ``kernel (kernel_size, filters, channels)``,
    ``bias (filters,)``.

    Dumoulin and Visin, *A guide to convolution arithmetic for deep learning*, 2016, section 4.

    >>> import pellucid as pc
    >>> pc.layers.Conv1DTranspose(8, 3, strides=2)(pc.layers.Input((10, 4))).shape
    (batch, 21, 8)
    """

    axes = 1
    convolve = staticmethod(conv1d_transpose)


@register
class Conv2DTranspose(TransposedConvolution):
    """The transpose of a convolution over two axes, which makes images larger: each element puts a kernel down.

    Args:
        filters: how many output channels.
        kernel_size, strides: a number for both axes, or one for each: the kernel's size, and how far apart kernels
            are put down.
        padding: ``"valid"`` gives size · strides + max(kernel_size - strides, 0) along each axis, ``"same"``
            size · strides; or numbers, as ``pc.conv2d_transpose`` takes.
        activation: a function or its name; none if not given.
        use_bias: whether a bias is added.

    Shapes: ``(batch, height, width, channels)`` to ``(batch, rows, columns, filters)``; weights
    ``kernel (*kernel_size, filters, channels)``, ``bias (filters,)``.

    Dumoulin and Visin, *A guide to convolution arithmetic for deep learning*, 2016, section 4.

    >>> import pellucid as pc
    >>> pc.layers.Conv2DTranspose(8, 3, strides=2, padding="same")(pc.layers.Input((7, 7, 16))).shape
    (batch, 14, 14, 8)
    """

    axes = 2
    convolve = staticmethod(conv2d_transpose)


__all__ = ["Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "ConvolutionLayer"]
