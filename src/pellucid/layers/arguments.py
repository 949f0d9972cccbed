"""The arguments of layers, checked when they are given, and the shapes of their inputs."""

from __future__ import annotations

from typing import Any

from ..core import origins
from ..core.errors import InputError, ShapeError
from ..core.settings import is_whole
from ..core.sizes import Shape, show_shape

LAYOUTS = {1: "(batch, length, channels)", 2: "(batch, height, width, channels)"}


def shown(layer: object) -> str:
    """Return what an error in a layer's ``build`` or ``call`` begins with: where the layer is, and how it was made."""
    return f"layer {origins.path()}: {layer!r}"


def check_sizes(owner: object, name: str, value: Any, axes: int) -> tuple[int, ...]:
    """Return a number of 1 or more for each spatial axis, from one for all of them or one for each.

    Raises:
        InputError: as ``check_whole`` does.
    """
    several = tuple(value) if isinstance(value, tuple | list) else (value,) * axes
    if len(several) != axes or not all(is_whole(n) and n >= 1 for n in several):
        each = f", or {axes} of them, one for each spatial axis," if axes > 1 else ""
        raise InputError(
            f"{type(owner).__name__}: {name} is {value!r}, and a whole number of 1 or more{each} was expected"
        )
    return tuple(int(n) for n in several)


def check_borders(owner: object, name: str, value: Any, axes: int) -> tuple[tuple[int, int], ...]:
    """Return a pair (before, after) for each spatial axis, from a number for all sides, one for each axis, or pairs.

    Raises:
        InputError: as ``check_whole`` does.
    """
    is_each = axes > 1 and isinstance(value, tuple | list)
    several = tuple(value) if is_each else (value,) * axes
    pairs = [tuple(item) if isinstance(item, tuple | list) else (item, item) for item in several]
    if len(pairs) != axes or not all(len(pair) == 2 and all((is_whole(n) and n >= 0) for n in pair) for pair in pairs):
        wanted = "((top, bottom), (left, right))" if axes > 1 else "(before, after)"
        raise InputError(
            f"{type(owner).__name__}: {name} is {value!r}, and a whole number of 0 or more, or {wanted}, was expected"
        )
    return tuple((int(before), int(after)) for before, after in pairs)


def check_layout(owner: object, shape: Shape, axes: int) -> int:
    """Return how many channels inputs have, whose axes are to be a batch, some spatial ones, and channels last.

    Raises:
        ShapeError: which names the layer and its path, if there are other axes, or no number of channels.
    """
    if len(shape) != axes + 2 or not isinstance(shape[-1], int):
        raise ShapeError(
            f"{shown(owner)} takes inputs {LAYOUTS[axes]}, channels a number, and was given"
            f" {show_shape(shape)}; pc.layers.Reshape adds an axis of size 1"
        )
    return shape[-1]


def check_sequence(owner: object, shape: Shape) -> int:
    """Return how wide sequences are, whose axes are to be a batch, time and a width that is a number.

    Raises:
        ShapeError: which names the layer and its path, if there are other axes, or no number as the width.
    """
    if len(shape) != 3 or not isinstance(shape[-1], int):
        raise ShapeError(
            f"{shown(owner)} takes sequences (batch, time, width), the width a number, and was given"
            f" {show_shape(shape)}; pc.layers.Embedding makes vectors of indices"
        )
    return shape[-1]


__all__ = ["LAYOUTS", "check_borders", "check_layout", "check_sequence", "check_sizes", "shown"]
