"""Cells: what a recurrent layer does at one step, from a row of its sequence and the state that the step before left.

A cell is a layer as well, of the list ``[row, *states]``; it returns ``[output, *new states]``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from .. import activations, initializers
from ..core.configuration import register
from ..core.errors import InputError, ShapeError
from ..core.expression import Expression
from ..core.settings import check_whole
from ..core.sizes import show_shape
from .arguments import shown
from .layer import Layer, takes_training

States = list[Expression]


class Cell(Layer):
    """One step of a recurrence. One of your own has ``state_size``, ``build`` for weights, and ``call(x, states)``.

    ``call`` takes a row ``(batch, inputs)`` and a list of states ``(batch, size)``, and returns the output and a list
    of the new states. ``build`` is given the shapes of the row and of the states.

    Attributes:
        state_size: how wide the state is, or a tuple of widths where there are several; a property, or the class's own.
        output_size: how wide the output is, where it is another expression than the first of the new states.

    >>> import pellucid as pc
    >>> class Sum(pc.layers.Cell):
    ...     state_size = 2
    ...
    ...     def call(self, x, states):
    ...         total = states[0] + x
    ...         return total, [total]
    >>> x = pc.layers.Input((3, 2))
    >>> f = pc.function([x], pc.layers.RNN(Sum())(x))
    >>> f([[[1.0, 1.0], [2.0, 0.0], [3.0, 5.0]]])
    array([[6., 6.]], dtype=float32)
    """

    output_size: ClassVar[Any] = None

    @property
    def state_size(self) -> Any:
        """How wide the state is, or a tuple of widths."""
        raise NotImplementedError(f"{type(self).__name__} has no state_size: how wide its state is, or several widths")

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """How wide each of its states is."""
        size = self.state_size
        return tuple(size) if isinstance(size, tuple | list) else (size,)

    def call(self, x: Any, states: Any) -> Any:
        """Return the output of a step, and the list of new states."""
        raise NotImplementedError(f"{type(self).__name__} has no call(self, x, states)")

    def _run(self, given: Any, training: bool) -> Any:
        count = len(self.state_sizes)
        if not isinstance(given, list) or not 1 + count <= len(given) <= 2 + count:
            raise InputError(
                f"{shown(self)} takes a list of a row and {count} state{'s' * (count > 1)}; a sequence is read by a"
                " layer, such as pc.layers.RNN(cell)"
            )
        return super()._run(given, training)

    def _called(self, given: Any, training: bool) -> Any:
        """Call it with the row and the states apart; what follows them in the list is by what they are multiplied."""
        count = len(self.state_sizes)
        named = {"training": training} if takes_training(type(self).call) else {}
        returned = self.call(given[0], given[1 : 1 + count], *given[1 + count :], **named)
        if not isinstance(returned, tuple | list) or len(returned) != 2 or not isinstance(returned[1], tuple | list):
            raise InputError(
                f"{shown(self)}: its call returned {returned!r}, and a pair was expected: the output, and a list of the"
                " new states"
            )
        output, new = returned
        if len(new) != count:
            raise InputError(f"{shown(self)}: its call returned {len(new)} states, and its state_size says {count}")
        return [output, *new]


@dataclass(eq=False, repr=False)
class _Weighted:
    """How the weights of a cell with a kernel for the row, one for the state, and a bias begin and are kept."""

    _: KW_ONLY
    kernel_initializer: Any = "glorot_uniform"
    recurrent_initializer: Any = "orthogonal"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    recurrent_regularizer: Any = None
    bias_regularizer: Any = None
    kernel_constraint: Any = None
    recurrent_constraint: Any = None
    bias_constraint: Any = None


@dataclass(eq=False, repr=False)
class SimpleRNNOptions(_Weighted):
    """What a simple recurrence is made with."""

    units: int
    activation: Any = "tanh"
    use_bias: bool = True


@dataclass(eq=False, repr=False)
class GRUOptions(_Weighted):
    """What a gated recurrent unit is made with."""

    units: int
    activation: Any = "tanh"
    recurrent_activation: Any = "sigmoid"
    use_bias: bool = True
    _: KW_ONLY
    reset_after: bool = True


@dataclass(eq=False, repr=False)
class LSTMOptions(_Weighted):
    """What a long short-term memory is made with."""

    units: int
    activation: Any = "tanh"
    recurrent_activation: Any = "sigmoid"
    use_bias: bool = True
    _: KW_ONLY
    unit_forget_bias: bool = True


class _WeightedCell(_Weighted, Cell):
    """A cell with a kernel for the row, one for the state, and a bias, each for several gates side by side."""

    units: int
    activation: Any
    use_bias: bool

    def __post_init__(self) -> None:
        check_whole(self, "units", self.units)
        self.function = activations.get(self.activation)

    @property
    def state_size(self) -> Any:
        """How wide the state is."""
        return self.units

    def _make_gates(self, shapes: Any, gates: int, bias: tuple[int, ...], first_bias: Any) -> None:
        row = shapes[0]
        if any(len(s) != 2 for s in shapes) or not isinstance(row[-1], int):
            raise ShapeError(
                f"{shown(self)} takes a row (batch, inputs) and states (batch, units), and was given"
                f" {', '.join(show_shape(s) for s in shapes)}"
            )
        self.kernel = self.weight(
            "kernel",
            (row[-1], gates * self.units),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.weight(
            "recurrent_kernel",
            (self.units, gates * self.units),
            self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        if self.use_bias:
            self.bias = self.weight(
                "bias", bias, first_bias, regularizer=self.bias_regularizer, constraint=self.bias_constraint
            )

    def _gate(self, x: Expression, k: int) -> Expression:
        """Return the k-th gate's part of a product."""
        return x[:, k * self.units : (k + 1) * self.units]


def _kept(h: Expression, kept: Expression | None) -> Expression:
    """Return the state as products read it: some of it dropped, the same at all steps."""
    return h if kept is None else h * kept


@register
@dataclass(eq=False, repr=False)
class SimpleRNNCell(SimpleRNNOptions, _WeightedCell):
    """``h' = activation(x @ kernel + h @ recurrent_kernel + bias)``, which is the output as well.

    Args:
        units: how wide the state is.
        activation: a function or its name.
        use_bias: whether a bias is added.

    Shapes: ``[(batch, inputs), (batch, units)]`` to ``[(batch, units), (batch, units)]``; weights ``kernel (inputs,
    units)``, ``recurrent_kernel (units, units)``, ``bias (units,)``.

    Elman, *Finding structure in time*, 1990.

    >>> import pellucid as pc
    >>> x, h = pc.variable("x", ("batch", 3)), pc.variable("h", ("batch", 4))
    >>> output, state = pc.layers.SimpleRNNCell(4)([x, h])
    >>> output.shape
    (batch, 4)
    """

    def build(self, shapes: Any) -> None:
        """Make the weights."""
        self._make_gates(shapes, 1, (self.units,), self.bias_initializer)

    def call(self, x: Expression, states: States, kept: Expression | None = None) -> tuple[Expression, States]:
        """Return the new state, twice."""
        product = x.astype(self.dtype) @ self.kernel + _kept(states[0], kept) @ self.recurrent_kernel
        h: Expression = self.function(product + self.bias if self.use_bias else product)
        return h, [h]


@register
@dataclass(eq=False, repr=False)
class GRUCell(GRUOptions, _WeightedCell):
    """A gated recurrent unit: gates say how much of the state stays (z), and how much of it a new one sees (r).

    ``z, r = gate(x @ W + h @ U + b)``, ``n = activation(x @ W + r * (h @ U + b'))``, ``h' = z * h + (1 - z) * n``.

    Args:
        units: how wide the state is.
        activation: of the new state, a function or its name.
        recurrent_activation: of the gates.
        use_bias: whether biases are added.
        reset_after: whether the reset gate multiplies the state's product, as above; else the state itself before it
            (``(r * h) @ U``), as in the paper.

    Shapes: ``[(batch, inputs), (batch, units)]`` to ``[(batch, units), (batch, units)]``; weights ``kernel (inputs,
    3 units)``, ``recurrent_kernel (units, 3 units)``, ``bias (2, 3 units)``, or ``(3 units,)`` without ``reset_after``;
    gates in the order z, r, n.

    Cho et al., *Learning phrase representations using RNN encoder-decoder for statistical machine translation*, 2014.

    >>> import pellucid as pc
    >>> x, h = pc.variable("x", ("batch", 3)), pc.variable("h", ("batch", 4))
    >>> output, state = pc.layers.GRUCell(4)([x, h])
    >>> output.shape
    (batch, 4)
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.gate = activations.get(self.recurrent_activation)

    def build(self, shapes: Any) -> None:
        """Make the weights."""
        biases = (2, 3 * self.units) if self.reset_after else (3 * self.units,)
        self._make_gates(shapes, 3, biases, self.bias_initializer)

    def call(self, x: Expression, states: States, kept: Expression | None = None) -> tuple[Expression, States]:
        """Return the new state, twice."""
        h, seen = states[0], _kept(states[0], kept)
        given = x.astype(self.dtype) @ self.kernel
        if self.use_bias:
            given = given + (self.bias[0] if self.reset_after else self.bias)
        new = self._reset_after(given, seen) if self.reset_after else self._reset_before(given, seen)
        z, n = new
        h = z * h + (1 - z) * n
        return h, [h]

    def _reset_after(self, given: Expression, h: Expression) -> tuple[Expression, Expression]:
        product = h @ self.recurrent_kernel
        if self.use_bias:
            product = product + self.bias[1]
        z, r = (self.gate(self._gate(given, k) + self._gate(product, k)) for k in (0, 1))
        return z, self.function(self._gate(given, 2) + r * self._gate(product, 2))

    def _reset_before(self, given: Expression, h: Expression) -> tuple[Expression, Expression]:
        gates = 2 * self.units
        product = h @ self.recurrent_kernel[:, :gates]
        z, r = (self.gate(self._gate(given, k) + self._gate(product, k)) for k in (0, 1))
        return z, self.function(self._gate(given, 2) + (r * h) @ self.recurrent_kernel[:, gates:])


@register
@dataclass(eq=False, repr=False)
class LSTMCell(LSTMOptions, _WeightedCell):
    """Long short-term memory: a state c that gates add to and take from, and an output h that is a part of it.

    ``i, f, o = gate(x @ W + h @ U + b)``, ``g = activation(x @ W + h @ U + b)``, ``c' = f * c + i * g``,
    ``h' = o * activation(c')``. The states are h and c, and the output is h.

    Args:
        units: how wide h and c are.
        activation: of what is added, and of c; a function or its name.
        recurrent_activation: of the gates.
        use_bias: whether a bias is added.
        unit_forget_bias: whether the forget gate's bias begins with 1, so that nothing is forgotten at first
            (Jozefowicz, Zaremba and Sutskever, *An empirical exploration of recurrent network architectures*, 2015).

    Shapes: ``[(batch, inputs), (batch, units), (batch, units)]`` to three of ``(batch, units)``; weights ``kernel
    (inputs, 4 units)``, ``recurrent_kernel (units, 4 units)``, ``bias (4 units,)``; gates in the order i, f, g, o.

    Hochreiter and Schmidhuber, *Long short-term memory*, 1997; the forget gate is from Gers, Schmidhuber and Cummins,
    *Learning to forget: continual prediction with LSTM*, 2000.

    >>> import pellucid as pc
    >>> x, h, c = (pc.variable(name, ("batch", size)) for name, size in (("x", 3), ("h", 4), ("c", 4)))
    >>> output, h, c = pc.layers.LSTMCell(4)([x, h, c])
    >>> output.shape
    (batch, 4)
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.gate = activations.get(self.recurrent_activation)

    @property
    def state_size(self) -> Any:
        """How wide h and c are."""
        return (self.units, self.units)

    def build(self, shapes: Any) -> None:
        """Make the weights."""
        first = initializers.get(self.bias_initializer)
        begins = _forgetting_nothing(first, self.units) if self.unit_forget_bias else first
        self._make_gates(shapes, 4, (4 * self.units,), begins)

    def call(self, x: Expression, states: States, kept: Expression | None = None) -> tuple[Expression, States]:
        """Return h, and the new states h and c."""
        h, c = states
        product = x.astype(self.dtype) @ self.kernel + _kept(h, kept) @ self.recurrent_kernel
        if self.use_bias:
            product = product + self.bias
        i, f, g, o = (self._gate(product, k) for k in range(4))
        c = self.gate(f) * c + self.gate(i) * self.function(g)
        h = self.gate(o) * self.function(c)
        return h, [h, c]


def _forgetting_nothing(initializer: Any, units: int) -> Callable[..., np.ndarray[Any, Any]]:
    """Return an initialiser of the bias of four gates, of which the second's is 1."""

    def draw(shape: Any, dtype: str, key: Any) -> np.ndarray[Any, Any]:
        values: np.ndarray[Any, Any] = initializer(shape, dtype, key)
        values[units : 2 * units] = 1
        return values

    return draw


__all__ = ["Cell", "GRUCell", "GRUOptions", "LSTMCell", "LSTMOptions", "SimpleRNNCell", "SimpleRNNOptions"]
