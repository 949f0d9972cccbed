"""What networks share, which are layers made of layers: building for a shape, drawing weights, a summary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..core import origins
from ..core.configuration import describe, restore
from ..core.dtypes import check_dtype
from ..core.errors import InputError
from ..core.expression import Expression
from ..core.memory import bytes_of, show_bytes
from ..core.sizes import Shape, as_shape, count, show_shape
from ..operations.source import variable
from . import calls
from .layer import Layer


class Applied(NamedTuple):
    """One call of a layer in a network: the layer's name, the layer, and what it returned."""

    name: str
    layer: Layer
    output: Expression


class Summary(str):
    """A text that shows as it is, in an interactive session as well as printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def Input(shape: Any, dtype: Any = "float32", name: str = "input") -> Expression:
    """Return a variable for a batch of examples, each of a shape: what a functional network starts from.

    Args:
        shape: an example's axes; the leading axis ``"batch"`` is added.
        dtype: float32 unless told otherwise. Images may stay uint8.

    >>> Input((28, 28, 1)).shape
    (batch, 28, 28, 1)
    """
    return variable(name, ("batch", *as_shape(shape)), check_dtype(dtype))


class ComposedLayer(Layer):
    """A layer made of layers."""

    layers: list[Layer]
    inputs: list[Expression]

    def _name_in(self, outer: calls.Call | None, given: Any) -> str:
        return self.name or "" if outer is None else super()._name_in(outer, given)

    def build(self, shape: Any = None, seed: int = 0, dtype: Any = "float32") -> Any:
        """Make the network for inputs of a shape, draw its weights from a seed and their paths, and return it.

        Weights that layers brought along (from another network, or since they were used or set) keep their values. A
        network that is built again draws all its weights anew.

        Args:
            shape: an example's axes, with or without a leading None for the batch; not needed where the network
                knows its inputs.
            seed: the key of the weights.
            dtype: of the inputs, where the network does not know them.

        >>> import pellucid as pc
        >>> network = pc.Sequential(pc.layers.Dense(2)).build((3,), seed=1)
        >>> {path: parameter.shape for path, parameter in network.parameters.items()}
        {'dense/kernel': (3, 2), 'dense/bias': (2,)}
        """
        again = self.built
        if not self.inputs:
            self.inputs = [Input(_example(self, shape), dtype)]
        elif shape is not None and (len(self.inputs) > 1 or self.inputs[0].shape[1:] != _example(self, shape)):
            shown = ", ".join(show_shape(x.shape) for x in self.inputs)
            raise InputError(f"the network is made for inputs of shape {shown}, and was asked to build for {shape}")
        with origins.inside(self.name or ""):
            self._run(self._own_inputs(), False)
        self.draw(seed, again)
        self.__dict__["built"] = True
        return self

    def _own_inputs(self) -> Any:
        return list(self.inputs) if len(self.inputs) > 1 else self.inputs[0]

    def __reduce__(self) -> Any:
        """Copy and pickle a network as what it is made of, and the values of its weights if it is built.

        Raises:
            InputError: if a layer or a function in it is not registered; see ``pc.register``.
        """
        values = {path: parameter.value for path, parameter in self.parameters.items()} if self.built else {}
        return _remade, (describe(self), values)

    def _make_weights(self, given: Any) -> None:
        """Nothing is to be made: the layers inside make theirs when they are called."""

    def applied(self, inputs: Any) -> Iterator[Applied]:
        """Yield the calls of layers when the network is called on some inputs, in order."""
        raise NotImplementedError

    def summary(self) -> Summary:
        """Return a table of the layers: shapes of what they return, and how many numbers their weights hold.

        >>> import pellucid as pc
        >>> pc.Sequential(pc.layers.Dense(4, activation="relu"), pc.layers.Dense(2)).build((3,)).summary()
        layer    kind   output shape  parameters
        input           (batch, 3)
        dense    Dense  (batch, 4)            16
        dense_1  Dense  (batch, 2)            10
        26 parameters, 26 of them trained; 104 B
        """
        if not self.inputs:
            raise InputError("the summary shows shapes, and the network has none yet; call network.build(shape) first")
        rows = [("layer", "kind", "output shape", "parameters")]
        rows += [(str(x), "", show_shape(x.shape), "") for x in self.inputs]
        counted: set[Layer] = set()
        for name, layer, output in self.applied(self._own_inputs()):
            size = sum(_size(p) for p in layer.parameters.values())
            shown = "shared" if layer in counted and size else f"{size:,}" if size else ""
            counted.add(layer)
            rows.append((name, type(layer).__name__, show_shape(output.shape), shown))
        widths = [max(len(row[k]) for row in rows) for k in range(4)]
        lines = [
            "  ".join(c.rjust(w) if k == 3 else c.ljust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True)))
            for row in rows
        ]
        total = sum(map(_size, self.parameters.values()))
        trained = sum(map(_size, self.trainable_parameters))
        taken = bytes_of(self.parameters.values())
        lines.append(f"{total:,} parameters, {trained:,} of them trained; {show_bytes(taken)}")
        return Summary("\n".join(line.rstrip() for line in lines))


def _remade(description: Any, values: Mapping[str, Any]) -> Any:
    network = restore(description)
    for path, value in values.items():
        network.parameters[path].value = value
    return network


def _size(parameter: Expression) -> int:
    size = count(parameter.shape)
    assert isinstance(size, int), "a parameter's axes are numbers"
    return size


def _example(network: Layer, shape: Any) -> Shape:
    """Return an example's axes from a shape that may begin with the batch's axis."""
    if shape is None:
        raise InputError(f"{network!r} does not know the shape of its inputs; call build(shape)")
    axes = (shape,) if isinstance(shape, int) else tuple(shape)
    if axes and (axes[0] is None or axes[0] == "batch" or str(axes[0]) == "batch"):
        axes = axes[1:]
    return as_shape(axes)


__all__ = ["Applied", "ComposedLayer", "Input"]
