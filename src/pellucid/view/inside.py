"""Inside a network: its layers with what each returns, as expressions and for given examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.errors import InputError, ShapeError
from ..core.expression import Expression
from ..function import function
from ..layers.composed import Applied, ComposedLayer
from ..training.model import Model

Array = np.ndarray[Any, Any]


def network_of(given: Any) -> ComposedLayer:
    """Return the network of a model, or the network itself.

    Raises:
        InputError: if it is neither, is not built yet, or has not one input.
    """
    network = given.network if isinstance(given, Model) else given
    if not isinstance(network, ComposedLayer):
        raise InputError(f"{given!r} is no network; expected a pc.Model, a pc.Sequential or a pc.Network")
    if not network.inputs or not network.built:
        raise InputError("the network is not built; call network.build(shape), or fit the model first")
    if len(network.inputs) > 1:
        raise InputError(f"the network has {len(network.inputs)} inputs; expected a network of one")
    return network


def applied_layers(network: ComposedLayer) -> list[Applied]:
    """Return the network's layers in order, each with its name and what it returns."""
    return list(network.applied(network.inputs[0]))


def layer_called(found: list[Applied], name: str) -> Applied:
    """Return the layer of a name.

    Raises:
        InputError: if there is none; the message lists those that there are.
    """
    for applied in found:
        if applied.name == name:
            return applied
    raise InputError(f"the network has no layer {name!r}; it has {', '.join(a.name for a in found)}")


def values_for(network: ComposedLayer, outputs: Mapping[str, Expression], examples: Any) -> dict[str, Array]:
    """Return the values of expressions of the network's input, for some examples.

    They are computed by the reference backend: for a few examples that is sooner done than compiling a program.

    Raises:
        ShapeError: if the examples are not of the network's shape.
    """
    x = network.inputs[0]
    given = np.asarray(examples)
    if given.shape[1:] != x.shape[1:]:
        raise ShapeError(f"an example has shape {given.shape[1:]}; the network's input was made for {x.shape[1:]}")
    found = function([x], list(outputs.values()), backend="reference")(given.astype(x.dtype))
    return dict(zip(outputs, map(np.asarray, found), strict=True))


__all__ = ["applied_layers", "layer_called", "network_of", "values_for"]
