"""A network as a graph: whatever leads from its inputs to its outputs, layers and mathematics mixed freely."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator, Sequence
from typing import Any

from ..core.configuration import register
from ..core.errors import InputError, ShapeError, UnknownVariableError
from ..core.expression import Expression, Parameter, is_expression
from ..core.origins import place
from ..core.sizes import Axis, Size, bind_sizes, show_shape
from ..core.traversal import specialised
from ..operations.recurrence import make_step_variable, step_variable
from . import calls
from .composed import Applied, ComposedLayer
from .graph import describe_node, restore_node
from .layer import Layer, Weight

Values = dict[Expression, Expression]


@register
class Network(ComposedLayer):
    """A network of one or more inputs and outputs, made by calling layers on expressions.

    Args:
        inputs: the variables it starts from (see ``Input``), one or a list.
        outputs: what it computes of them, an expression or a list. Layers are found again in it by their calls, and
            behave as asked when the network is called with ``training=True``; mathematics between them is kept.
        name: its name as part of another network.

    Raises:
        UnknownVariableError: if the outputs need a variable that is not among the inputs.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((3,))
    >>> h = pc.layers.Dense(4, activation="tanh")(x)
    >>> network = pc.Network(x, pc.layers.Dense(1)(h) + x.sum(axis=1, keepdims=True))
    >>> list(network.parameters)
    ['dense/kernel', 'dense/bias', 'dense_1/kernel', 'dense_1/bias']
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, trainable: bool = True) -> None:
        super().__init__(name=name, trainable=trainable)
        self.inputs = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        self.outputs = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
        self._is_single = not isinstance(outputs, list | tuple)
        for k, given in enumerate([*self.inputs, *self.outputs]):
            what = f"input {k + 1}" if k < len(self.inputs) else f"output {k + 1 - len(self.inputs)}"
            if not is_expression(given) or (k < len(self.inputs) and given.operation.name != "variable"):
                raise InputError(f"{what} of the network is {given!r}; inputs are variables, outputs expressions")
        self._order = _ordered(self.outputs, self.inputs)
        calls.keep(self.outputs)
        found = {n: calls.application_of(n) for n in self._order if n not in self.inputs}
        self._calls = {n: application for n, application in found.items() if application is not None}
        self.layers = list(dict.fromkeys(application.layer for application in self._calls.values()))
        self._named = dict(zip(calls.numbered_names(self.layers), self.layers, strict=True))
        if len(self._named) < len(self.layers):
            raise InputError("two layers of the network have one name; give one of them another")
        self._tied = {
            weight.parameter: (layer, path)
            for layer in self.layers
            for path, (weight, _) in layer.all_weights().items()
        }
        for n in self._order:  # parameters of the mathematics between layers are its own weights, or those of a layer
            if isinstance(n, Parameter) and n not in self._tied:
                self.weights[_free_name(n.name or "parameter", self.weights)] = Weight(n, None)

    def children(self) -> dict[str, Layer]:
        """Return the layers by name."""
        return self._named

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the outputs for other inputs."""
        outputs = [*map(self._values(inputs, training).__getitem__, self.outputs)]
        return outputs[0] if self._is_single else outputs

    def applied(self, inputs: Any) -> Iterator[Applied]:
        """Yield the calls of layers when the network is called on some inputs, in order."""
        names = {id(layer): name for name, layer in self._named.items()}
        values = self._values(inputs, training=False)
        first = {application.number: n for n, application in reversed(self._calls.items())}  # of several outputs
        for n in (n for n, application in self._calls.items() if first[application.number] is n):
            application = self._calls[n]
            yield Applied(names[id(application.layer)], application.layer, values[n])

    def _values(self, inputs: Any, training: bool) -> Values:
        given = inputs if isinstance(inputs, list) else [inputs]
        sizes = self._sizes(given)
        values: Values = dict(zip(self.inputs, given, strict=True))
        results: dict[int, Any] = {}  # by calls, each of which may have several outputs
        for n in self._order:
            if n in values:
                continue
            application = self._calls.get(n)
            if n.operation is step_variable:  # a loop's own, of which every call has another
                values[n] = make_step_variable(bind_sizes(n.shape, sizes), n.dtype, n.name)
                continue
            if application is None:
                values[n] = specialised(n, tuple(values[i] for i in n.inputs), sizes)
                continue
            layer, taken, position, number = application
            if number not in results:
                operands = [values[i] for i in taken] if isinstance(taken, list) else values[taken]
                results[number] = layer(operands, training)
            values[n] = results[number] if position is None else results[number][position]
        return values

    def _sizes(self, given: Sequence[Expression]) -> dict[str, Axis]:
        """Return what the named axes of the inputs are called in the expressions that take their place."""
        if len(given) != len(self.inputs):
            raise InputError(f"the network takes {len(self.inputs)} inputs, and was given {len(given)}")
        sizes: dict[str, Axis] = {}
        for declared, x in zip(self.inputs, given, strict=True):
            fits = declared.ndim == x.ndim and all(
                isinstance(want, Size) or want == have for want, have in zip(declared.shape, x.shape, strict=True)
            )
            if not fits:
                raise ShapeError(
                    f"the network's input {declared} has shape {show_shape(declared.shape)}, and {x} has"
                    f" {show_shape(x.shape)}{place(x)}"
                )
            for want, have in zip(declared.shape, x.shape, strict=True):
                if isinstance(want, Size) and sizes.setdefault(str(want), have) != have:
                    raise ShapeError(
                        f"the network's inputs share the axis {want}, which would be {sizes[str(want)]} and {have} long"
                        f"{place(*given)}"
                    )
        return sizes

    def describe(self) -> dict[str, Any]:
        """Return what it is made again from: its layers, and the nodes of its graph in order."""
        places = {n: k for k, n in enumerate(self._order)}
        layers = {layer: k for k, layer in enumerate(self.layers)}
        nodes = [self._describe_node(n, places, layers) for n in self._order]
        return {
            "layers": list(self.layers),
            "nodes": nodes,
            "inputs": [places[x] for x in self.inputs],
            "outputs": places[self.outputs[0]] if self._is_single else [places[y] for y in self.outputs],
            "name": self.name,
            "trainable": self.trainable,
        }

    def _describe_node(self, n: Expression, places: dict[Expression, int], layers: dict[Layer, int]) -> dict[str, Any]:
        if n in self.inputs:
            return {"input": str(n), "shape": n.shape, "dtype": n.dtype}
        if n in self._calls:
            layer, taken, position, number = self._calls[n]
            operands = [places[i] for i in taken] if isinstance(taken, list) else places[taken]
            call = list(dict.fromkeys(a.number for a in self._calls.values())).index(number)
            return {"layer": layers[layer], "inputs": operands, "position": position, "call": call}
        if isinstance(n, Parameter) and n in self._tied:
            return self._describe_tied(n, places, layers)
        if isinstance(n, Parameter):
            name = next(name for name, weight in self.weights.items() if weight.parameter is n)
            return {"parameter": name, "shape": n.shape, "dtype": n.dtype, "trainable": n.trainable}
        return describe_node(n, [places[i] for i in n.inputs])

    def _describe_tied(self, n: Parameter, places: dict[Expression, int], layers: dict[Layer, int]) -> dict[str, Any]:
        """Describe a weight of a layer which the mathematics between layers uses as well."""
        layer, path = self._tied[n]
        if min(places[y] for y, application in self._calls.items() if application.layer is layer) > places[n]:
            raise InputError(
                f"the network uses {n} before it calls the layer whose weight that is, and cannot be saved{place(n)};"
                " write the call further to the left, or make a layer of the mathematics"
            )
        return {"weight": path, "of": layers[layer]}

    @classmethod
    def from_description(
        cls, layers: Any, nodes: Any, inputs: Any, outputs: Any, name: str | None = None, trainable: bool = True
    ) -> Network:
        """Make the network that ``describe`` described."""
        made: list[Expression] = []
        results: dict[Any, Any] = {}
        for described in nodes:
            made.append(_restored(described, made, layers, results))
        chosen = [made[k] for k in outputs] if isinstance(outputs, list) else made[outputs]
        return cls([made[k] for k in inputs], chosen, name, trainable)


def _free_name(name: str, taken: Container[str]) -> str:
    """Return a name, with a number where it is taken."""
    return next(n for n in itertools.chain([name], (f"{name}_{k}" for k in itertools.count(1))) if n not in taken)


def _predecessors(n: Expression) -> list[Expression]:
    application = calls.application_of(n)
    if application is None:
        return list(n.inputs)
    return list(application.inputs) if isinstance(application.inputs, list) else [application.inputs]


def _ordered(outputs: Sequence[Expression], inputs: Sequence[Expression]) -> list[Expression]:
    """Return what lies between inputs and outputs, inputs of layers before what they returned."""
    order: dict[Expression, None] = dict.fromkeys(inputs)
    stack = [(n, False) for n in reversed(outputs)]
    while stack:
        current, ready = stack.pop()
        if current in order:
            continue
        before = _predecessors(current)
        if ready:
            order[current] = None
        elif current.operation.name == "variable":
            raise UnknownVariableError(
                f"the network's outputs use the variable {current}, which is not among its inputs{place(current)}"
            )
        else:
            stack.append((current, True))
            stack.extend((i, False) for i in reversed(before) if i not in order)
    return list(order)


def _restored(described: Any, nodes: list[Expression], layers: Any, results: dict[Any, Any]) -> Expression:
    """Return the next node: a layer's result, or mathematics of nodes that were made before."""
    taken = described.get("inputs", [])
    operands = [nodes[k] for k in taken] if isinstance(taken, list) else nodes[taken]
    if "weight" in described:
        return layers[described["of"]].parameters[described["weight"]]  # type: ignore[no-any-return]
    if "layer" not in described:
        return restore_node(described, operands)
    call, position = described["call"], described["position"]
    if call not in results:
        results[call] = layers[described["layer"]](operands)
    found: Expression = results[call] if position is None else results[call][position]
    return found


__all__ = ["Network"]
