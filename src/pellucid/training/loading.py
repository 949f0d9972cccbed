"""Models from files."""

from __future__ import annotations

import os

from ..core.configuration import restore
from ..layers.composed import Input
from ..tensors import unpack_tensors
from .model import Model
from .reading import SavedModel, believed, read, refusing, take_up
from .saving import layers_by_path


def load(path: str | os.PathLike[str]) -> Model:
    """Return the model of a file that ``model.save`` wrote, to be used, or trained on as if it had never been saved.

    Nothing in the file is executed. Layers, losses and functions of yours have to be registered with ``pc.register``
    under the names that they had when the model was saved; what is Pellucid's own needs no code.

    Args:
        path: the file.

    Raises:
        ModelFileError: if the file cannot be read, is damaged, or needs what is not registered.

    >>> import tempfile, pathlib, numpy as np, pellucid as pc
    >>> model = pc.Model(pc.Sequential(pc.layers.Input((2,)), pc.layers.Dense(1)), loss="mse")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(pathlib.Path(folder) / "model.safetensors")
    ...     again = pc.load(pathlib.Path(folder) / "model.safetensors")
    >>> bool((again.predict(np.ones((1, 2))) == model.predict(np.ones((1, 2)))).all())
    True
    """
    saved = read(path)
    with refusing(saved.path):
        model = _made(saved)
    take_up(model, saved)
    return model


def unpack_state(model: Model, content: bytes, name: str) -> None:
    """Give a model the state of another that was made in the same way, as ``packed_state`` returned it.

    Args:
        model: it is built, if the other was.
        content: the state.
        name: what it is called in errors.

    Raises:
        ModelFileError: if it is damaged, or the models differ: it says in what.
    """
    saved = believed(name, *unpack_tensors(content, name))
    network = model.network
    with refusing(name):
        if saved.text["built"] and not network.built:
            if not network.inputs:
                network.inputs = [Input(shape, dtype, given) for shape, dtype, given in restore(saved.text["inputs"])]
            network.build(seed=model.seed)
    take_up(model, saved)


def _made(saved: SavedModel) -> Model:
    """Return the model that a file describes, whose weights are not allocated yet."""
    found = restore(saved.part("model"), saved.arrays)
    model = Model(found["network"], found["loss"], found["optimizer"], found["metrics"], found["seed"])
    if found["built"]:
        model.network.build(seed=model.seed)
    frozen = set(found["frozen"])
    for path, layer in layers_by_path(model.network):
        layer.trainable = path not in frozen
    return model


__all__ = ["load", "unpack_state"]
