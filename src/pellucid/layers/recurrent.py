"""Recurrent layers: a cell, step by step along a sequence, in one native loop.

Sequences are ``(batch, time, inputs)``. What a cell computes of a row alone, such as its product with the kernel, is
computed for all steps at once, outside the loop.
"""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.configuration import register
from ..core.dtypes import BOOL
from ..core.errors import DtypeError, InputError, ShapeError
from ..core.expression import Expression, as_expressions
from ..core.origins import place
from ..core.settings import check_number, check_whole
from ..core.sizes import Axis, Shape, show_shape
from ..operations.elementwise import where
from ..operations.movement import broadcast_to, concatenate, flip, permute, reshape, slice_axes
from ..operations.scan import scan
from ..operations.source import constant
from .arguments import check_sequence, shown
from .cells import (
    Cell,
    GRUCell,
    GRUOptions,
    LSTMCell,
    LSTMOptions,
    SimpleRNNCell,
    SimpleRNNOptions,
    States,
)
from .layer import Layer
from .noise import dropped


class AlongTime(Layer):
    """A layer of sequences (batch, time, inputs), which may be given states to begin with, and a mask."""

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None, initial_state: Any = None) -> Any:
        """Return the layer's outputs.

        Args:
            inputs: a sequence, or a list of it, states to begin with, and a mask at last.
            training: as for every layer.
            mask: the mask, where it is not in the list: truth values ``(batch, time)``, true where there is a row.
            initial_state: the state to begin with, where it is not in the list; a list where there are several.
        """
        given = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        if initial_state is not None:
            given[1:1] = list(initial_state) if isinstance(initial_state, list | tuple) else [initial_state]
        if mask is not None:
            given.append(self._truths(mask))
        return super().__call__(given if len(given) > 1 else given[0], training)

    def _truths(self, mask: Any) -> Expression:
        given: Expression = as_expressions(mask)[0]
        if given.dtype != BOOL:
            raise DtypeError(
                f"{self!r}: the mask is {given.dtype}, and truth values were expected, true where there is a row;"
                f" compare, such as mask > 0{place(given)}"
            )
        return given

    def _parts(self, inputs: Any) -> tuple[Expression, States, Expression | None]:
        """Return the sequence, the states to begin with if there are any, and the mask if there is one."""
        x, *states = list(inputs) if isinstance(inputs, list) else [inputs]
        check_sequence(self, x.shape)
        if x.shape[1] == 0:
            raise ShapeError(f"{shown(self)} reads 1 step or more, and {show_shape(x.shape)} has 0{place(x)}")
        mask = states.pop() if states and states[-1].dtype == BOOL else None
        if mask is not None and mask.shape != x.shape[:2]:
            raise ShapeError(
                f"{shown(self)}: the mask has the shape {show_shape(mask.shape)}, and {show_shape(x.shape[:2])} was"
                f" expected, a truth value for each step of {show_shape(x.shape)}{place(mask, x)}"
            )
        return x, states, mask


@dataclass(eq=False, repr=False, kw_only=True)
class Recurrent(AlongTime):
    """What all recurrent layers share; see ``RNN``."""

    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False
    stateful: bool = False
    batch_size: int | None = None
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    recompute: bool = False

    def _use(self, cell: Any) -> None:
        """Check the arguments, and take a cell."""
        if not isinstance(cell, Cell):
            raise InputError(f"{type(self).__name__}: its cell is {cell!r}, and a pc.layers.Cell was expected")
        check_number(self, "dropout", self.dropout, "share")
        check_number(self, "recurrent_dropout", self.recurrent_dropout, "share")
        check_whole(self, "batch_size", self.batch_size, or_none=True)
        if self.recurrent_dropout and "kept" not in inspect.signature(cell.call).parameters:
            raise InputError(
                f"{type(self).__name__}: recurrent_dropout is given to a cell whose call takes it,"
                f" call(self, x, states, kept=None), and {type(cell).__name__}'s does not; the state is multiplied by"
                " kept where it is read"
            )
        self.cell = cell

    def build(self, shape: Any) -> None:
        """Make the state that is kept from one call to the next, if there is any."""
        self.state = []
        if not self.stateful:
            return
        batch = (shape[0] if isinstance(shape, list) else shape)[0]
        rows = self.batch_size or batch
        if not isinstance(rows, int):
            raise ShapeError(
                f"{shown(self)} keeps a state for each sequence of a batch, and the batch's axis is named"
                f" ({batch}); say how many there are: batch_size=32"
            )
        for k, size in enumerate(self.cell.state_sizes):
            name = f"state_{k}" if len(self.cell.state_sizes) > 1 else "state"
            self.state.append(self.weight(name, (rows, size), "zeros", trainable=False))

    def reset_states(self) -> None:
        """Let the next sequences begin with states of zeros again, where the layer is stateful."""
        if not self.stateful:
            raise InputError(f"{self!r} is not stateful, and begins with zeros each time; make it with stateful=True")
        for parameter in self.state if self.built else []:
            parameter.value = np.zeros(parameter.shape, parameter.dtype)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the outputs of all steps or of the last, and the last states if they are asked for."""
        x, states, mask = self._parts(inputs)
        x = x.astype(self.dtype)
        batch, _, width = x.shape
        kept = []
        if training:
            x = dropped(x, self.dropout, (batch, 1, width))
            if self.recurrent_dropout:
                first = (batch, self.cell.state_sizes[0])
                kept = [dropped(constant(1.0, self.dtype), self.recurrent_dropout, first)]
        last, outputs = self._scanned(x, self._initial(states, batch), mask, kept)
        count = len(self.cell.state_sizes)
        if self.stateful:
            for parameter, new in zip(self.state, last[:count], strict=True):
                self.update(parameter, _with_first_rows(parameter, new))
        if self.return_sequences:
            in_order = permute(outputs, (1, 0, 2))
            result = flip(in_order, 1) if self.go_backwards else in_order
        else:
            result = last[0 if self.cell.output_size is None else count]
        return [result, *last[:count]] if self.return_state else result

    def _scanned(
        self, x: Expression, initial: States, mask: Expression | None, kept: States
    ) -> tuple[States, Expression | None]:
        """Return the states after the last step, and the outputs of all steps."""
        count, separate = len(initial), self.cell.output_size is not None
        if separate:  # an output that is no state is carried on, so that it can be repeated
            initial = [*initial, _zeros((x.shape[0], self.cell.output_size), self.dtype)]

        def step(carried: States, row: list[Expression]) -> tuple[States, Expression | None]:
            output, *new = self.cell([row[0], *carried[:count], *kept])
            if not separate and output is not new[0]:
                raise InputError(
                    f"{shown(self.cell)}: its output is another expression than its first state; say how wide it is,"
                    " with output_size"
                )
            new = [*new, output] if separate else new
            if mask is not None:
                there = reshape(row[1], (x.shape[0], 1))
                new = [where(there, after, before) for after, before in zip(new, carried, strict=True)]
            return new, new[count if separate else 0] if self.return_sequences else None

        rows = [permute(x, (1, 0, 2)), *([] if mask is None else [permute(mask, (1, 0))])]
        last, outputs = scan(step, initial, rows, reverse=self.go_backwards, recompute=self.recompute)
        return last, outputs

    def _initial(self, states: States, batch: Axis) -> States:
        """Return the states before the first step."""
        shapes: list[Shape] = [(batch, size) for size in self.cell.state_sizes]
        if states:
            if [s.shape for s in states] != shapes:
                raise ShapeError(
                    f"{shown(self)} begins with states {', '.join(map(show_shape, shapes))}, and was given"
                    f" {', '.join(show_shape(s.shape) for s in states)}{place(*states)}"
                )
            return [s.astype(self.dtype) for s in states]
        if not self.stateful:
            return [_zeros(shape, self.dtype) for shape in shapes]
        rows = self.state[0].shape[0]
        if isinstance(batch, int) and isinstance(rows, int) and batch > rows:
            raise ShapeError(f"{shown(self)} keeps states of {rows} sequences, and was given a batch of {batch}")
        return [slice_axes(s, (0, 0), shape, (1, 1)) for s, shape in zip(self.state, shapes, strict=True)]


def _zeros(shape: Shape, dtype: str) -> Expression:
    return broadcast_to(constant(0.0, dtype), shape)


def _with_first_rows(old: Expression, new: Expression) -> Expression:
    """Return an array with other first rows: a batch may have fewer than there are."""
    (rows, size), batch = old.shape, new.shape[0]
    if rows == batch:
        return new
    rest: Expression = slice_axes(old, (batch, 0), (rows - batch, size), (1, 1))
    return concatenate([new, rest])


def _made(kind: type[Cell], layer: Layer) -> Cell:
    """Make a cell with those of a layer's arguments that it takes."""
    own = [f.name for f in dataclasses.fields(kind) if f.name not in ("name", "trainable")]
    return kind(**{name: getattr(layer, name) for name in own})


@register
@dataclass(eq=False, repr=False)
class RNN(Recurrent):
    """A cell, step by step along a sequence.

    It is called with a sequence. States to begin with may follow in the list, or be given as ``initial_state=``, and
    then a mask, or ``mask=``: where that is false, the states stay what they are and the last output is repeated.

    Args:
        cell: what is done at each step; see ``Cell``.
        return_sequences: whether the outputs of all steps are returned, or only that of the last.
        return_state: whether the layer returns a list, in which the last states follow.
        go_backwards: whether it begins with the last row; outputs are in the order in which they are made.
        stateful: whether it begins where the call before left off, each row of a batch where the same row did. The
            states are weights that are not trained, and a step stores them if it stores ``pc.state_updates``, as a
            model's training does. Gradients end there: back-propagation through time is truncated (Williams and Peng,
            *An efficient gradient-based algorithm for on-line training of recurrent network trajectories*, 1990).
        batch_size: how many sequences a stateful layer keeps states for, if the batch's axis is named.
        dropout: which share of the inputs training drops, the same ones at all steps of a sequence.
        recurrent_dropout: which share of the first state, as it is read by products, the same at all steps (Gal and
            Ghahramani, *A theoretically grounded application of dropout in recurrent neural networks*, 2016).
        recompute: whether the gradient computes again what is needed of a step, instead of storing it.

    Shapes: ``(batch, time, inputs)`` to ``(batch, outputs)``, or ``(batch, time, outputs)`` with ``return_sequences``;
    states ``(batch, size)``, a mask ``(batch, time)``. The weights are the cell's.

    Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 10.2.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((7, 3))
    >>> pc.layers.RNN(pc.layers.GRUCell(5), return_sequences=True)(x).shape
    (batch, 7, 5)
    >>> output, h, c = pc.layers.RNN(pc.layers.LSTMCell(5), return_state=True)(x)
    >>> c.shape
    (batch, 5)
    """

    cell: Any

    def __post_init__(self) -> None:
        self._use(self.cell)


@register
@dataclass(eq=False, repr=False)
class SimpleRNN(SimpleRNNOptions, Recurrent):
    """``h_t = activation(x_t @ kernel + h_{t-1} @ recurrent_kernel + bias)`` along a sequence.

    Its arguments are those of ``SimpleRNNCell`` and ``RNN``.

    Shapes: ``(batch, time, inputs)`` to ``(batch, units)``, or ``(batch, time, units)`` with ``return_sequences``;
    weights ``kernel (inputs, units)``, ``recurrent_kernel (units, units)``, ``bias (units,)`` of its ``cell``.

    Elman, *Finding structure in time*, 1990.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((7, 3))
    >>> layer = pc.layers.SimpleRNN(5, return_sequences=True)
    >>> layer(x).shape
    (batch, 7, 5)
    >>> {path: weight.shape for path, weight in layer.parameters.items()}
    {'cell/kernel': (3, 5), 'cell/recurrent_kernel': (5, 5), 'cell/bias': (5,)}
    """

    def __post_init__(self) -> None:
        self._use(_made(SimpleRNNCell, self))


@register
@dataclass(eq=False, repr=False)
class GRU(GRUOptions, Recurrent):
    """Gated recurrent units along a sequence: gates say how much of the state stays, and how much a new one sees.

    Its arguments are those of ``GRUCell`` and ``RNN``.

    Shapes: ``(batch, time, inputs)`` to ``(batch, units)``, or ``(batch, time, units)`` with ``return_sequences``;
    weights ``kernel (inputs, 3 units)``, ``recurrent_kernel (units, 3 units)``, ``bias (2, 3 units)`` of its ``cell``.

    Cho et al., *Learning phrase representations using RNN encoder-decoder for statistical machine translation*, 2014.

    >>> import pellucid as pc
    >>> x, mask = pc.layers.Input((7, 3)), pc.layers.Input((7,), "bool", "mask")
    >>> pc.layers.GRU(5)(x, mask=mask).shape
    (batch, 5)
    """

    def __post_init__(self) -> None:
        self._use(_made(GRUCell, self))


@register
@dataclass(eq=False, repr=False)
class LSTM(LSTMOptions, Recurrent):
    """Long short-term memory along a sequence: a state that gates add to and take from, which can last many steps.

    Its arguments are those of ``LSTMCell`` and ``RNN``.

    Shapes: ``(batch, time, inputs)`` to ``(batch, units)``, or ``(batch, time, units)`` with ``return_sequences``;
    weights ``kernel (inputs, 4 units)``, ``recurrent_kernel (units, 4 units)``, ``bias (4 units,)`` of its ``cell``.

    Hochreiter and Schmidhuber, *Long short-term memory*, 1997; Gers, Schmidhuber and Cummins, *Learning to forget:
    continual prediction with LSTM*, 2000.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((7, 3))
    >>> output, h, c = pc.layers.LSTM(5, return_sequences=True, return_state=True)(x)
    >>> output.shape, c.shape
    ((batch, 7, 5), (batch, 5))
    """

    def __post_init__(self) -> None:
        self._use(_made(LSTMCell, self))


__all__ = ["GRU", "LSTM", "RNN", "AlongTime", "Recurrent", "SimpleRNN"]
