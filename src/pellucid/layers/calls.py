"""What calls of layers leave behind: which layer an expression came from, and the state it asks to have stored.

All of it lies beside the expressions, in weak tables, so that what a layer returns is an ordinary expression. None of
the values holds its key.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

from ..core.declarations import Pairs
from ..core.expression import Expression, Parameter
from ..core.traversal import substitute, topological
from ..operations.activation import returned

if TYPE_CHECKING:
    from .layer import Layer


class Application(NamedTuple):
    """A call of a layer: its inputs (an expression or a list), and which of several outputs this is.

    Two calls with the same inputs are two: each draws its own random numbers. So they differ in ``number``.
    """

    layer: Layer
    inputs: Any
    position: int | None
    number: int


class Call:
    """A call that is running: of which layer, whether it trains, and what its layer asked to have stored."""

    def __init__(self, layer: Layer, training: bool) -> None:
        self.layer, self.training = layer, training
        self.names = {id(child): name for name, child in layer.children().items()}
        self.updates: Pairs = []


class _Running(threading.local):
    """The calls that are running in this thread, the innermost last."""

    def __init__(self) -> None:
        self.calls: list[Call] = []


_running = _Running()
_applications: WeakKeyDictionary[Expression, Application] = WeakKeyDictionary()
_updates: WeakKeyDictionary[Expression, Pairs] = WeakKeyDictionary()
_kept: WeakSet[Expression] = WeakSet()
_names: WeakKeyDictionary[Expression, dict[str, int]] = WeakKeyDictionary()


def current() -> Call | None:
    """Return the innermost call that is running."""
    return _running.calls[-1] if _running.calls else None


def is_frozen() -> bool:
    """Whether the layer whose call is running, or one that it is part of, is not trained."""
    return not all(call.layer.trainable for call in _running.calls)


@contextmanager
def calling(layer: Layer, training: bool) -> Iterator[Call]:
    """Make a call of a layer the innermost one."""
    call = Call(layer, training)
    _running.calls.append(call)
    try:
        yield call
    finally:
        _running.calls.pop()


def record(application: Application, output: Expression) -> Expression:
    """Note that an expression is what a call returned; return it, or where it is known as something else, its like."""
    inputs = application.inputs if isinstance(application.inputs, list) else [application.inputs]
    if any(output is i for i in inputs) or _is_known(output):
        output = _another(output)
    _applications[output] = application
    return output


def _is_known(output: Expression) -> bool:
    return output in _applications or output in _kept or output in _updates


def _another(output: Expression) -> Expression:
    """Return an expression of the same values that nothing is noted for."""
    candidates = (returned(output, number=k) for k in itertools.count())
    return next(candidate for candidate in candidates if not _is_known(candidate))


def keep(outputs: Iterable[Expression]) -> None:
    """Let no later call be noted for these expressions: a network reads what is noted for them as its own."""
    _kept.update(outputs)


def application_of(output: Expression) -> Application | None:
    """Return the call that an expression came from, if it came from one that was part of no other."""
    return _applications.get(output)


def ask_for_updates(output: Expression, pairs: Pairs) -> Expression:
    """Return an expression of the same values, such that a step which computes it is to store new values.

    It is another one than what the layer returns when it asks for nothing, be that the layer's very input.
    """
    if pairs:
        output = _another(output)
        _updates[output] = list(pairs)
    return output


def state_updates(outputs: Any) -> Pairs:
    """Return the pairs that layers with state ask for: what a training step stores besides what the optimiser does.

    Args:
        outputs: what a network returned with ``training=True``, or a list of such expressions.

    >>> import pellucid as pc
    >>> x = pc.layers.Input((3,))
    >>> y = pc.layers.BatchNormalization()(x, training=True)
    >>> [str(parameter) for parameter, _ in pc.state_updates(y)]
    ['batch_normalization/moving_mean', 'batch_normalization/moving_variance']
    """
    roots = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
    # Calls of which one repeats the other, such as a network's with the same inputs, ask for the same, and once.
    asked = dict.fromkeys(pair for node in topological(roots) for pair in _updates.get(node, ()))
    found: dict[Parameter, Expression] = {}
    for parameter, new in asked:
        # A layer that is called twice continues from what its first call stored.
        found[parameter] = substitute([new], {parameter: found[parameter]})[0] if parameter in found else new
    return list(found.items())


def default_name(layer: Layer) -> str:
    """Return a class's name as a layer's: words in lower case, joined by underscores.

    >>> from pellucid.layers import Conv2DTranspose, LSTMCell
    >>> default_name(Conv2DTranspose(1, 1)), default_name(LSTMCell(1))
    ('conv2d_transpose', 'lstm_cell')
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=\dD|[A-Z]{2})(?=[A-Z][a-z])", "_", type(layer).__name__).lower()


def numbered_names(layers: Iterable[Layer]) -> list[str]:
    """Return a name for each layer: its own, or its class's with a number where that is taken."""
    layers = list(layers)
    taken = dict.fromkeys((layer.name for layer in layers if layer.name), 1)
    return [layer.name or _numbered(default_name(layer), taken) for layer in layers]


def name_beside(layer: Layer, inputs: Iterable[Expression]) -> str:
    """Return a name for a layer that is called by itself: numbered among those called on the same variables."""
    roots = [node for node in topological(inputs) if node.operation.name == "variable"]
    if not roots:
        return default_name(layer)
    return _numbered(default_name(layer), _names.setdefault(roots[0], {}))


def _numbered(name: str, taken: dict[str, int]) -> str:
    if name not in taken:
        taken[name] = 1
        return name
    number = taken[name]
    while f"{name}_{number}" in taken:
        number += 1
    taken[name] = number + 1
    taken[f"{name}_{number}"] = 1
    return f"{name}_{number}"


__all__ = [
    "Application",
    "Call",
    "application_of",
    "ask_for_updates",
    "calling",
    "current",
    "default_name",
    "is_frozen",
    "keep",
    "name_beside",
    "numbered_names",
    "record",
    "state_updates",
]
