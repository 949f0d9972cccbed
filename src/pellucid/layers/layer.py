"""What every layer is: a function of expressions that has weights.

A layer is called with expressions and returns expressions. At the first call it sees the shapes of its inputs and makes
its weights. Their values are drawn when they are first needed, from a seed and the layer's path in its network.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import constraints, initializers, regularizers
from ..core import origins
from ..core.configuration import arguments_of
from ..core.dtypes import is_float
from ..core.errors import InputError, ShapeError
from ..core.expression import Expression, Parameter, as_expressions, fresh_token, is_expression, storage_of
from ..core.sizes import Shape, as_shape
from ..operations.activation import stop_gradient
from ..operations.source import deferred_parameter
from . import calls


class Weight(NamedTuple):
    """A parameter of a layer, and how it is drawn, kept small and kept in range."""

    parameter: Parameter
    initializer: Any
    regularizer: Any = None
    constraint: Any = None


@dataclass(eq=False, repr=False, kw_only=True)
class Layer:
    """A function of expressions with weights. One of your own is a subclass with ``call``, and ``build`` for weights.

    Args:
        name: its name in a network, and so in the paths of its weights; made from its class's unless given.
        trainable: whether training changes its weights.

    Attributes:
        weights: its own weights by name; layers inside it have theirs.

    >>> import pellucid as pc
    >>> class Scale(pc.layers.Layer):
    ...     def build(self, shape):
    ...         self.factor = self.weight("factor", shape[-1:], "ones")
    ...
    ...     def call(self, x):
    ...         return x * self.factor
    >>> print(Scale()(pc.variable("x", ("batch", 3))))
    x * scale/factor
    """

    name: str | None = None
    trainable: bool = True

    built: ClassVar[bool] = False  # an instance's own once it is built
    dtype: ClassVar[str] = "float32"  # of its weights: the floating dtype of its inputs

    _given: ClassVar[tuple[tuple[Any, ...], dict[str, Any]]]
    weights: ClassVar[dict[str, Weight]]

    def __new__(cls, *positional: Any, **named: Any) -> Any:
        """Keep what the layer is made with, so that it can be described and made again."""
        made = object.__new__(cls)
        made.__dict__.update(_given=(positional, named), weights={})
        return made

    def __repr__(self) -> str:
        positional, named = self._given
        shown = [repr(v) for v in positional] + [f"{k}={v!r}" for k, v in named.items()]
        return f"{type(self).__name__}({', '.join(shown)})"

    # What a subclass says, and what it says it with

    def build(self, shape: Any) -> None:
        """Make the weights, with ``weight``, for an input of a shape (or of a list of shapes, for a list of inputs)."""

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the layer computes: ``call(self, inputs)``, or ``call(self, inputs, training)``."""
        raise NotImplementedError(f"{type(self).__name__} has no call(self, inputs)")

    def weight(
        self,
        name: str,
        shape: Any,
        initializer: Any = "glorot_uniform",
        *,
        regularizer: Any = None,
        constraint: Any = None,
        trainable: bool = True,
    ) -> Parameter:
        """Return a new weight, to be called in ``build``; of the floating dtype of the layer's inputs.

        Args:
            name: its name in this layer.
            shape: its axes, numbers.
            initializer: how its first value is drawn; see ``pc.initializers``.
            regularizer: what a model adds to its loss for it; see ``pc.regularizers``.
            constraint: what each step's new value goes through; see ``pc.constraints``.
            trainable: whether optimisers change it; state that the layer updates itself is not trainable.
        """
        axes = self._numbers(name, shape)
        drawn = initializers.get(initializer)
        path = "/".join(part for part in (origins.path(), name) if part)
        draw = _drawing(drawn, axes, self.dtype, 0, path)
        if name in self.weights:
            raise InputError(
                f"layer {origins.path()}: a weight {name!r} was made already; each has a name of its own, and build is"
                " called once, at the layer's first call"
            )
        made = deferred_parameter(axes, self.dtype, draw, path, trainable)
        self.weights[name] = Weight(made, drawn, regularizers.get(regularizer), constraints.get(constraint))
        return made

    def _numbers(self, name: str, shape: Any) -> tuple[int, ...]:
        axes = as_shape(shape)
        if not all(isinstance(axis, int) for axis in axes):
            raise ShapeError(
                f"layer {origins.path()}: weight {name} would have the shape {axes}, and the axes of a weight are"
                " numbers; give the inputs' axes sizes, all but the batch's"
            )
        return tuple(int(axis) for axis in axes)  # type: ignore[arg-type]

    def update(self, parameter: Parameter, new: Expression) -> None:
        """Ask, in ``call``, that a step stores a new value of a weight that is not trained, such as a running mean."""
        running = calls.current()
        if running is None or running.layer is not self:
            raise InputError(f"{self!r}: update is asked for while the layer's call runs")
        running.updates.append((parameter, stop_gradient(new)))

    # What networks and models ask

    def children(self) -> dict[str, Layer]:
        """Return the layers inside this one by name: its attributes that are layers, or lists of them."""
        found: dict[str, Layer] = {}
        for name, value in vars(self).items():
            if isinstance(value, Layer):
                found[name] = value
            elif isinstance(value, list | tuple):
                found |= {f"{name}_{k}": item for k, item in enumerate(value) if isinstance(item, Layer)}
        return found

    def all_weights(self) -> dict[str, tuple[Weight, bool]]:
        """Return by path every weight, and whether it is trained; one that is shared is named by its first path."""
        found: dict[str, tuple[Weight, bool]] = {}
        met: set[Parameter] = set()
        for path, weight, trained in self._paths(True, ""):
            if weight.parameter not in met:
                found[path] = weight, trained
                met.add(weight.parameter)
        return found

    def _paths(self, trainable: bool, prefix: str) -> Iterator[tuple[str, Weight, bool]]:
        trainable = trainable and self.trainable
        for name, weight in self.weights.items():
            yield prefix + name, weight, trainable and weight.parameter.trainable
        for name, child in self.children().items():
            yield from child._paths(trainable, f"{prefix}{name}/")

    def all_trainable(self) -> Iterator[bool]:
        """Yield ``trainable`` of this layer and of all inside: what programs of it depend on, beside their inputs."""
        yield self.trainable
        for child in self.children().values():
            yield from child.all_trainable()

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """All parameters by path: the layer's own, then those of layers inside, in the order of ``children``.

        That is the order in which attributes were set, and in which a network calls its layers.
        """
        return {path: weight.parameter for path, (weight, _) in self.all_weights().items()}

    @property
    def trainable_parameters(self) -> list[Parameter]:
        """The parameters that training changes."""
        return [weight.parameter for weight, trained in self.all_weights().values() if trained]

    def draw(self, seed: int, again: bool = False) -> None:
        """Draw the weights that have no values yet from a seed and their paths; all weights, if ``again``."""
        for path, (weight, _) in self.all_weights().items():
            parameter = weight.parameter
            if weight.initializer is None:  # a parameter that was given with its value
                continue
            parameter.named(path)
            draw = _drawing(weight.initializer, parameter.shape, parameter.dtype, seed, path)
            storage = storage_of(parameter)
            if not storage.drawn:
                storage.draw_by(draw)
            elif again:
                parameter.value = draw()

    def describe(self) -> dict[str, Any]:
        """Return what it is made again from: the arguments it was made with, and whether it is frozen by now."""
        arguments = {k: v for k, v in arguments_of(self).items() if k != "trainable"}
        return arguments if self.trainable else arguments | {"trainable": False}

    @classmethod
    def from_description(cls, *positional: Any, **named: Any) -> Any:
        """Make the layer that ``describe`` described."""
        trainable = named.pop("trainable", True)
        made = cls(*positional, **named)
        made.trainable = trainable
        return made

    # What a caller does

    def __call__(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the layer's outputs: an expression, or a list of them where the layer's ``call`` returns several.

        Args:
            inputs: an expression, or a list of expressions for layers that join several.
            training: whether it behaves as in training (dropout, batch statistics); None is as the layer does in whose
                ``call`` this is, and else no.
        """
        given = list(as_expressions(*inputs)) if isinstance(inputs, list | tuple) else as_expressions(inputs)[0]
        outer = calls.current()
        training = (outer.training if outer else False) if training is None else bool(training)
        with origins.inside(self._name_in(outer, given)):
            result = self._run(given, training)
        if outer is not None:
            return result
        number = fresh_token()
        if isinstance(result, list | tuple):
            return [calls.record(calls.Application(self, given, k, number), leaf) for k, leaf in enumerate(result)]
        return calls.record(calls.Application(self, given, None, number), result)

    def _name_in(self, outer: calls.Call | None, given: Any) -> str:
        if outer is None:
            return self.name or calls.name_beside(self, _listed(given))
        return outer.names.get(id(self)) or self.name or calls.default_name(self)

    def _run(self, given: Any, training: bool) -> Any:
        self._make_weights(given)
        with calls.calling(self, training) as running:
            result = self._called(given, training)
        leaves = _listed(result)
        for leaf in leaves:
            if not is_expression(leaf):
                raise InputError(f"{self!r}: its call returned {leaf!r}, and an expression was expected")
        asking = [calls.ask_for_updates(leaf, running.updates) for leaf in leaves]
        return asking if isinstance(result, list | tuple) else asking[0]

    def _called(self, given: Any, training: bool) -> Any:
        return self.call(given, training=training) if takes_training(type(self).call) else self.call(given)

    def _make_weights(self, given: Any) -> None:
        if self.built:
            return
        floats = [e.dtype for e in _listed(given) if is_float(e.dtype)]
        self.__dict__["dtype"] = "float64" if "float64" in floats else "float32"
        try:
            self.build([e.shape for e in given] if isinstance(given, list) else given.shape)
        except BaseException:
            self.weights.clear()  # so that the next call, with inputs that fit, builds it from the start
            raise
        self.__dict__["built"] = True


def _listed(given: Any) -> list[Expression]:
    return list(given) if isinstance(given, list | tuple) else [given]


@functools.cache
def takes_training(call: Callable[..., Any]) -> bool:
    """Whether a class's ``call`` has an argument ``training``; one that behaves always the same needs none."""
    return "training" in inspect.signature(call).parameters


def _drawing(initializer: Any, shape: Shape, dtype: str, seed: int, path: str) -> Callable[[], np.ndarray[Any, Any]]:
    return lambda: initializer(shape, dtype, initializers.key_of(seed, path))


__all__ = ["Layer", "Weight", "takes_training"]
