"""Layers, optimisers, losses and the like from tables: ``{ kind = "Conv2D", filters = 32, kernel_size = 5 }``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import constraints, initializers, layers, losses, optimizers, regularizers
from ..core.configuration import arguments_taken
from ..core.errors import InputError, PellucidError, ShapeError
from ..core.expression import Expression
from ..core.settings import nearest
from ..core.sizes import show_shape
from ..layers.layer import Layer
from ..layers.sequential import Sequential
from .document import Document

NOT_IN_A_ROW = {"Input", "Lambda", "Layer", "Network", "Sequential", "RNN", "Cell"}  # what a table cannot describe
CLASSES = "classes"
LAYERS: dict[str, type[Layer]] = {
    name: cls
    for name in layers.__all__
    if isinstance(cls := getattr(layers, name), type) and issubclass(cls, Layer) and name not in NOT_IN_A_ROW
}
SCHEDULES = {cls.__name__: cls for cls in optimizers.SCHEDULES}
OPTIMIZERS = {cls.__name__: cls for cls in optimizers.OPTIMIZERS.values()}
LOSSES = {cls.__name__: cls for cls in losses.LOSSES.values()}
INNER: dict[str, Mapping[str, Any]] = {  # what arguments may be tables, by the last word of their names
    "initializer": {cls.__name__: cls for cls in initializers.INITIALIZERS.values()},
    "regularizer": {cls.__name__: cls for cls in regularizers.REGULARIZERS.values()},
    "constraint": {cls.__name__: cls for cls in constraints.CONSTRAINTS.values()},
    "layer": LAYERS,  # of Bidirectional and its like
}


def make(kinds: Mapping[str, Any], table: Mapping[str, Any], where: str, **given: Any) -> Any:
    """Return the object of a table: the kind that it names, made with its other keys.

    Args:
        kinds: what there is, by name.
        table: a kind and arguments; lists become tuples, and tables such as a regulariser's are made as well.
        where: what messages begin with.
        given: arguments that take the place of the table's.

    Raises:
        InputError: for an unknown kind or argument, with the nearest known one; and for a wrong value.

    >>> make(OPTIMIZERS, {"kind": "SGD", "learning_rate": 0.1}, "m.toml")
    SGD(learning_rate=0.1)
    """
    kind = table.get("kind")
    if not isinstance(kind, str):
        raise InputError(f'{where}: has no kind; expected kind = "..." with one of {", ".join(kinds)}')
    if kind not in kinds:
        raise InputError(f"{where}: there is no {kind!r}; {nearest(kind, kinds)}")
    cls = kinds[kind]
    known = arguments_taken(cls).parameters
    for name in table:
        if name not in known and name != "kind":
            raise InputError(f"{where}: {kind} has no argument {name!r}; {nearest(name, known)}")
    arguments = {k: _argument(k, v, where) for k, v in table.items() if k not in ("kind", *given)} | given
    try:
        return cls(**arguments)
    except PellucidError as error:
        raise InputError(f"{where}: {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{where}: {kind} cannot be made of {arguments}: {error}") from error


def _argument(name: str, value: Any, where: str) -> Any:
    kinds = INNER.get(name.rpartition("_")[2])
    return make(kinds, value, f"{where}: {name}") if kinds and isinstance(value, dict) else _value(value)


def _value(value: Any) -> Any:
    return tuple(map(_value, value)) if isinstance(value, list) else value


def optimizer(table: Any, where: str, steps: int) -> Any:
    """Return the optimiser of a name or a table, whose learning rate may be the table of a schedule.

    Args:
        table: the optimiser's.
        where: what messages begin with.
        steps: of the whole training, which a schedule takes that does not say how long it decays.
    """
    if isinstance(table, str):
        table = {"kind": table}
    rate = table.get("learning_rate")
    given = {"learning_rate": _schedule(rate, f"{where}: learning_rate", steps)} if isinstance(rate, dict) else {}
    return make(OPTIMIZERS, table, where, **given)


def _schedule(table: dict[str, Any], where: str, steps: int) -> Any:
    known = arguments_taken(SCHEDULES[table["kind"]]).parameters if table.get("kind") in SCHEDULES else {}
    return make(SCHEDULES, {"decay_steps": steps, **table} if "decay_steps" in known else table, where)


def network(document: Document, shape: tuple[int, ...], dtype: str, seed: int, classes: int = 0) -> Sequential:
    """Return the network of a document's layers, built for inputs of a shape.

    Args:
        document: whose layers may say "classes" for the number of classes, or of characters of a text.
        shape: of one row of the inputs.
        dtype: the inputs'.
        seed: draws the weights.
        classes: that number; 0 where there are none.

    Raises:
        InputError: for a layer that is not known, or cannot be made.
        ShapeError: for one that does not fit what comes before it: it says which, its line, and its input's shape.
    """
    row = make_layers(document, classes)
    try:
        made: Sequential = Sequential(layers.Input(shape, dtype), *row).build(seed=seed)
        return made
    except PellucidError as error:
        raise _misfit(document, shape, dtype, classes, error) from error


def make_layers(document: Document, classes: int = 0) -> list[Layer]:
    """Return the layers of a document, not built yet; raises InputError for one that cannot be made."""
    made = []
    for k, table in enumerate(document.content["layers"]):
        filled = {key: classes if value == CLASSES and classes else value for key, value in table.items()}
        made.append(make(LAYERS, filled, document.where("layers", None, k)))
    return made


def _misfit(
    document: Document, shape: tuple[int, ...], dtype: str, classes: int, error: PellucidError
) -> PellucidError:
    """Return what to say of the first layer that does not fit: found by taking one layer more each time."""
    x: Expression = layers.Input(shape, dtype)
    for k, layer in enumerate(make_layers(document, classes)):
        try:
            following = layer(x)
        except PellucidError as reason:
            where, kind = document.where("layers", None, k), document.content["layers"][k]["kind"]
            return ShapeError(
                f"{where}: layer {k + 1}, {kind}, does not take its input of {show_shape(x.shape)}: {reason}"
            )
        x = following
    return ShapeError(f"{document.name}: {error}")


__all__ = ["LAYERS", "LOSSES", "OPTIMIZERS", "SCHEDULES", "make", "make_layers", "network", "optimizer"]
