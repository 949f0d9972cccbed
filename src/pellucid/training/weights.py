"""Weights alone in a file, for networks of the same layers; where layers differ, it is said in which."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..core.errors import InputError, ModelFileError
from ..core.expression import Parameter, storage_of
from ..core.sizes import show_shape
from ..layers.layer import Layer
from ..tensors import read_tensors, write_tensors
from .saving import KEY, PARAMETERS, Content

Array = np.ndarray[Any, Any]
MOST_SHOWN = 12  # layers that differ


def save_weights(network: Layer, path: str | os.PathLike[str]) -> None:
    """Write a network's weights into a safetensors file, by their paths."""
    write_tensors(path, *weights(network))


def weights(network: Layer) -> Content:
    """Return what a file of weights holds: arrays by path, which are not copied, and no texts."""
    return {name: storage_of(p).array for name, p in _parameters(network).items()}, {}


def load_weights(network: Layer, path: str | os.PathLike[str]) -> None:
    """Give a network the weights of a file: one of weights, or a whole model's.

    Raises:
        InputError: if the network is not built yet.
        ModelFileError: if the file is damaged, or its weights are not those of such a network; none is changed then.
    """
    parameters = _parameters(network)
    tensors, texts = read_tensors(path)
    if KEY in texts:
        tensors = {name.removeprefix(PARAMETERS): t for name, t in tensors.items() if name.startswith(PARAMETERS)}
    check_fit(str(path), parameters, tensors)
    set_values(parameters, tensors)


def set_values(parameters: Mapping[str, Parameter], tensors: Mapping[str, Array]) -> None:
    """Give parameters the values of arrays, which fit."""
    for name, parameter in parameters.items():
        parameter.value = tensors[name]


def check_fit(
    path: str, parameters: Mapping[str, Parameter], tensors: Mapping[str, Array], exactly: bool = False
) -> None:
    """Check that arrays are those of some parameters, before anything is allocated for these.

    Args:
        path: of the file.
        exactly: whether dtypes have to agree, rather than be floats alike.

    Raises:
        ModelFileError: if they are not; it says what is different, layer by layer.
    """
    found: dict[str, list[str]] = {}
    for name, difference in _differences(parameters, tensors, exactly):
        layer, _, weight = name.rpartition("/")
        found.setdefault(layer or "the network itself", []).append(f"{weight} {difference}")
    if found:
        lines = [f"\n  {layer}: {'; '.join(parts)}" for layer, parts in found.items()]
        more = f"\n  and {len(lines) - MOST_SHOWN} layers more" if len(lines) > MOST_SHOWN else ""
        raise ModelFileError(f"{path}: holds the weights of another network:{''.join(lines[:MOST_SHOWN])}{more}")


def _differences(
    parameters: Mapping[str, Parameter], tensors: Mapping[str, Array], exactly: bool
) -> Iterator[tuple[str, str]]:
    for name in dict.fromkeys([*parameters, *tensors]):
        if name not in tensors:
            yield name, "is not in the file"
        elif name not in parameters:
            yield name, "is in the file, and not in the network"
        else:
            have, want = tensors[name], parameters[name]
            alike = have.dtype.name == want.dtype or not exactly and have.dtype.kind == "f"
            if have.shape != want.shape or not alike:
                yield (
                    name,
                    (
                        f"is {have.dtype} {show_shape(have.shape)} in the file, and {want.dtype}"
                        f" {show_shape(want.shape)} here"
                    ),
                )


def _parameters(network: Layer) -> Mapping[str, Parameter]:
    if not network.built:
        raise InputError(
            f"{network!r} has no weights yet; call network.build(shape) with the shape of an example, or begin the"
            " network with pc.layers.Input(shape)"
        )
    return network.parameters


__all__ = ["check_fit", "load_weights", "save_weights", "set_values", "weights"]
