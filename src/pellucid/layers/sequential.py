"""A network in which each layer takes what the one before returned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..core import origins
from ..core.configuration import register
from ..core.errors import InputError
from ..core.expression import is_expression
from . import calls
from .composed import Applied, ComposedLayer, Input
from .function import Lambda
from .layer import Layer


@register
class Sequential(ComposedLayer):
    """A network of layers in a row.

    Args:
        layers: layers, other networks among them, or plain functions of an expression; or one list of them. The first
            may be an ``Input``, and the network is then built at once.
        name: its name as part of another network.

    >>> import pellucid as pc
    >>> network = pc.Sequential(pc.layers.Dense(4, activation="tanh"), pc.layers.Dense(2))
    >>> print(network(pc.variable("x", ("batch", 3))))
    tanh(x @ dense/kernel + dense/bias) @ dense_1/kernel + dense_1/bias
    """

    def __init__(self, *layers: Any, name: str | None = None, trainable: bool = True) -> None:
        super().__init__(name=name, trainable=trainable)
        given = list(layers[0]) if len(layers) == 1 and isinstance(layers[0], list | tuple) else list(layers)
        self.inputs = [given.pop(0)] if given and is_expression(given[0]) else []
        self.layers = []
        for layer in given:
            self.add(layer)
        if self.inputs and self.layers:
            with origins.inside(self.name or ""):
                self._run(self.inputs[0], False)

    def add(self, layer: Any) -> None:
        """Add a layer, or a plain function of an expression, at the end."""
        if not isinstance(layer, Layer):
            if isinstance(layer, type) or not callable(layer):
                cure = f"; call it: {layer.__name__}(...)" if isinstance(layer, type) else ""
                raise InputError(f"layer {len(self.layers) + 1} of Sequential is {layer!r}, which is no layer{cure}")
            layer = Lambda(layer)
        self.layers.append(layer)
        self.__dict__["built"] = False
        self._named = dict(zip(calls.numbered_names(self.layers), self.layers, strict=True))
        if len(self._named) < len(self.layers):
            raise InputError(f"two layers of Sequential are called {layer.name!r}; give one of them another name")

    def children(self) -> dict[str, Layer]:
        """Return the layers by name."""
        return self._named

    def call(self, x: Any, training: bool = False) -> Any:
        """Return what the last layer returns."""
        if isinstance(x, list):
            raise InputError(f"Sequential takes one input, and was given {len(x)}; use pc.Network(inputs, outputs)")
        for layer in self.layers:
            x = layer(x, training)
        return x

    def applied(self, inputs: Any) -> Iterator[Applied]:
        """Yield the calls of layers when the network is called on an input, in order."""
        for name, layer in self._named.items():
            inputs = layer(inputs)
            yield Applied(name, layer, inputs)

    def describe(self) -> dict[str, Any]:
        """Return what it is made again from: its layers, each once, and their order."""
        unique = list(dict.fromkeys(self.layers))
        inputs = [[x.shape[1:], x.dtype, str(x)] for x in self.inputs]
        order = [unique.index(layer) for layer in self.layers]
        return {"layers": unique, "order": order, "inputs": inputs, "name": self.name, "trainable": self.trainable}

    @classmethod
    def from_description(
        cls, layers: Any, order: Any, inputs: Any, name: str | None = None, trainable: bool = True
    ) -> Sequential:
        """Make the network that ``describe`` described."""
        first = [Input(shape, dtype, given) for shape, dtype, given in inputs]
        return cls(*first, *(layers[k] for k in order), name=name, trainable=trainable)

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __getitem__(self, key: int | str) -> Layer:
        """Return a layer by its place or its name."""
        if isinstance(key, str):
            if key not in self._named:
                raise KeyError(f"there is no layer {key!r}; there are {', '.join(self._named)}")
            return self._named[key]
        return self.layers[key]


__all__ = ["Sequential"]
