"""A model as the content of a file: arrays by name, and a text of JSON that says what they belong to.

    parameters/<path>   the network's weights
    optimizer/<name>    the optimiser's moments and counters
    learning_rate       the rate, where it is a number
    sums/<name>         what the steps of an unfinished epoch summed up
    history/<name>      what was measured
    arrays/<number>     arrays that are part of the description, such as constants between layers

Everything random in a model is keyed by its seed and counted by epochs and steps, so that no state of a generator is
among them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..core.configuration import describe
from ..core.errors import InputError
from ..core.expression import is_expression, storage_of
from ..core.version import __version__
from ..layers.layer import Layer
from ..tensors import pack_tensors, write_tensors

if TYPE_CHECKING:
    from .model import Model

Array = np.ndarray[Any, Any]
Content = tuple[dict[str, Array], dict[str, str]]
FORMAT: Final = 1
KEY: Final = "pellucid"  # of the text among the file's metadata
PARAMETERS, OPTIMIZER, SUMS, HISTORY, ARRAYS = "parameters/", "optimizer/", "sums/", "history/", "arrays/"
RATE: Final = "learning_rate"


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model into one file, whole or not at all.

    Raises:
        InputError: if a part of it cannot be described; nothing is written.
        OutputFolderError: if the file cannot be written; an old one is as it was.
    """
    write_tensors(path, *content(model))


def content(model: Model, run: Mapping[str, Any] | None = None) -> Content:
    """Return what a model's file holds: arrays, which are not copied, and texts.

    Args:
        run: what is kept beside the model of a training run that is going on.
    """
    arrays: list[Array] = []
    return _content(model, {"model": configuration(model, arrays)}, arrays, run)


def packed_state(model: Model) -> bytes:
    """Return what training changed in a model, as a file's content, for a model that is made in the same way.

    It says nothing of what the model is made of, so that layers and functions need not be registered.
    """
    inputs = [[x.shape[1:], x.dtype, str(x)] for x in model.network.inputs]
    return pack_tensors(*_content(model, {"built": model.network.built, "inputs": describe(inputs)}, [], None))


def _content(model: Model, parts: Mapping[str, Any], arrays: list[Array], run: Mapping[str, Any] | None) -> Content:
    """Return the state of a model and of its training, beside some parts of the text.

    Args:
        arrays: those that are part of the parts, to which others are appended.
    """
    tensors = {PARAMETERS + path: storage_of(p).array for path, p in model.network.parameters.items()}
    tensors |= {OPTIMIZER + name: storage_of(p).array for name, p in model.rule.state.items()}
    if model.rate is not None:
        tensors[RATE] = storage_of(model.rate).array
    tensors |= {SUMS + name: np.asarray(value) for name, value in model.progress.sums.items()}
    measured, listed = _history(model)
    tensors |= measured
    paths = {parameter: path for path, parameter in model.network.parameters.items()}
    known = {paths[parameter]: name for parameter, name in model.rule.names.items() if parameter in paths}
    text = {
        "format": FORMAT,
        "version": __version__,
        **parts,
        "optimizer names": known,
        "optimizer state": list(model.rule.state),
        "progress": describe({key: getattr(model.progress, key) for key in ("epochs", "steps", "step", "data")}),
        "history": describe(listed, "history", arrays),
        "run": describe(run, "callbacks", arrays),
    }
    tensors |= {f"{ARRAYS}{k}": array for k, array in enumerate(arrays)}
    return tensors, {KEY: json.dumps(text, allow_nan=False, separators=(",", ":"))}


def configuration(model: Model, arrays: list[Array]) -> dict[str, Any]:
    """Return what a model is made of as data: all of it but what training changes.

    Args:
        arrays: to which the arrays in it are appended.

    Raises:
        InputError: if a part of it cannot be described.
    """
    rate = model.optimizer.learning_rate
    if is_expression(rate):
        raise InputError(
            f"{type(model.optimizer).__name__} has the expression {rate} as its learning rate, which cannot be saved;"
            " use a number, which model.learning_rate changes, or a schedule of pc.optimizers"
        )
    parts = {
        "network": model.network,
        "loss": model.loss,
        "optimizer": model.optimizer,
        "metrics": model.metrics,
        "seed": model.seed,
        "built": model.network.built,
        "frozen": [path for path, layer in layers_by_path(model.network) if not layer.trainable],
    }
    found: dict[str, Any] = describe(parts, "", arrays)
    return found


def layers_by_path(layer: Layer, path: str = "") -> Iterator[tuple[str, Layer]]:
    """Yield a layer and all layers inside it, with their paths."""
    yield path, layer
    for name, child in layer.children().items():
        yield from layers_by_path(child, f"{path}/{name}".lstrip("/"))


def _history(model: Model) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return what was measured: lists of floats as arrays, which any number of epochs may fill; and the rest."""
    lists = model.history.history
    floats = {key for key, values in lists.items() if all(type(value) is float for value in values)}
    measured = {HISTORY + key: np.array(lists[key], np.float64) for key in lists if key in floats}
    measured[HISTORY] = np.array(model.history.epoch, np.int64)
    return measured, {"keys": list(lists), "lists": {k: values for k, values in lists.items() if k not in floats}}


__all__ = [
    "ARRAYS",
    "FORMAT",
    "HISTORY",
    "KEY",
    "OPTIMIZER",
    "PARAMETERS",
    "RATE",
    "SUMS",
    "Content",
    "configuration",
    "content",
    "layers_by_path",
    "packed_state",
    "save",
]  # fmt: skip
