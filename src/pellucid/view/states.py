"""A recurrent network's states over time, with what it reads at each step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError, ShapeError
from ..layers.recurrent import AlongTime
from .figures import INK, new_axes, new_figure, plain, scale_bar, tints
from .inside import applied_layers, layer_called, network_of, values_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
WIDEST, BESIDE = 12.0, 2.2  # inches: the whole, and what is not steps
MOST_ROWS = 44  # above that, rows of units grow thinner


def states(
    values: Any,
    labels: Sequence[str] = (),
    title: str = "",
    *,
    example: Any = None,
    layer: str | None = None,
    most: int = 64,
) -> Figure:
    """Return a figure of states over time: a column for each step, a row for each unit.

    Args:
        values: of shape (time, units); or a ``pc.Model`` or a network, of which a recurrent layer's outputs are shown.
        labels: what is read at each step; a label may have several lines.
        title: what it shows.
        example: what the network reads, of the shape that it was made for.
        layer: the name of a layer that returns a sequence; the first recurrent one, unless told otherwise.
        most: how many steps are shown, the first ones.

    Raises:
        ShapeError: if the values, the example or the labels have another shape.
        InputError: if the network is not built, has no such layer, or was given no example.
        MissingExtraError: if matplotlib is not installed.

    >>> import pellucid as pc
    >>> layers = pc.layers.SimpleRNN(16, return_sequences=True), pc.layers.Dense(1)
    >>> network = pc.Sequential(*layers).build((8, 2))
    >>> pairs, sums = pc.data.addition(bits=8, n=1)
    >>> figure = pc.plot.states(network, pc.plot.addition_labels(pairs[0]), example=pairs[0])
    >>> figure.axes[0].images[0].get_array().shape
    (16, 8)
    """
    found = np.asarray(values) if isinstance(values, np.ndarray | list) else _computed(values, example, layer)
    if found.ndim != 2 or not found.size:
        raise ShapeError(f"the states have shape {found.shape}; expected (time, units)")
    if labels and len(labels) != len(found):
        raise ShapeError(f"there are {len(labels)} labels for {len(found)} steps; expected one for each")
    found = found[:most]
    time, units = found.shape
    names = list(labels[:most]) or [str(t) for t in range(1, time + 1)]
    each = 0.14 + 0.07 * max(len(line) for name in names for line in name.split("\n"))
    labelled = slice(None, None, math.ceil(each * time / (WIDEST - BESIDE)))
    height = 1.6 + 0.16 * min(units, MOST_ROWS)
    figure = new_figure(min(max(BESIDE + each * time, 0.085 * len(title) + 1), WIDEST), height)
    (axes,) = new_axes(figure)
    plain(axes, title)
    largest = max(float(np.abs(found).max()), 1e-12)
    least = 0.0 if found.min() >= 0 else -largest
    shown = axes.imshow(found.T, cmap=tints(), vmin=least, vmax=largest, aspect="auto", interpolation="nearest")
    axes.set_xticks(range(time)[labelled], names[labelled])
    axes.set_yticks(range(0, units, max(1, units // 8)))
    axes.set_ylabel("unit", fontsize=9, color=INK)
    scale_bar(figure, shown, axes, "state")
    return figure


def addition_labels(pair: Any) -> list[str]:
    r"""Return what to write under the steps of a binary addition: the bits that are added, and what they carry.

    Args:
        pair: the bits of two numbers, of shape (bits, 2), the least significant first, as ``pc.data.addition`` has
            them.

    Raises:
        ShapeError: if it has another shape.

    >>> addition_labels(np.array([[1, 1], [0, 1], [0, 0]]))
    ['1 + 1\ncarry 1', '0 + 1\ncarry 1', '0 + 0\ncarry 0']
    """
    bits = np.asarray(pair)
    if bits.ndim != 2 or bits.shape[1] != 2:
        raise ShapeError(f"the bits of two numbers have shape {bits.shape}; expected (bits, 2)")
    labels, carry = [], 0
    for a, b in bits.astype(int).tolist():
        carry = (a + b + carry) // 2
        labels.append(f"{a} + {b}\ncarry {carry}")
    return labels


def recurrent_layer(model: Any) -> str | None:
    """Return the name of a network's first recurrent layer that returns a sequence, if it has one."""
    for name, layer, output in applied_layers(network_of(model)):
        if isinstance(layer, AlongTime) and getattr(output, "ndim", 0) == 3:  # a list has states as well
            return name
    return None


def _computed(model: Any, example: Any, layer: str | None) -> Array:
    network = network_of(model)
    if example is None:
        raise InputError("states of a network are those for an example; give one: example=...")
    name = layer or recurrent_layer(network)
    if name is None:
        raise InputError("the network has no recurrent layer that returns a sequence; set return_sequences=True")
    output = layer_called(applied_layers(network), name).output
    if output.ndim != 3:
        raise InputError(f"layer {name} returns {output.shape}, which is no sequence; expected (batch, time, units)")
    found: Array = values_for(network, {name: output}, np.asarray(example)[None])[name][0]
    return found


__all__ = ["addition_labels", "recurrent_layer", "states"]
