"""What files of models hold: everything is checked before it is believed, and nothing in them is executed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..core.configuration import DAMAGE, restore
from ..core.errors import InputError, ModelFileError
from ..tensors import read_tensors
from .history import History
from .progress import Progress
from .saving import ARRAYS, FORMAT, HISTORY, KEY, OPTIMIZER, PARAMETERS, RATE, SUMS
from .weights import check_fit, set_values

if TYPE_CHECKING:
    from .model import Model

Array = np.ndarray[Any, Any]
MOST_STEPS = 2**62


@dataclass(frozen=True)
class SavedModel:
    """What a model's file holds, as far as it is well-formed.

    Attributes:
        path: of the file.
        tensors: its arrays.
        text: what it says of them.
    """

    path: str
    tensors: dict[str, Array]
    text: dict[str, Any]

    def under(self, prefix: str) -> dict[str, Array]:
        """Return the arrays whose names have a prefix, without it."""
        return {name.removeprefix(prefix): a for name, a in self.tensors.items() if name.startswith(prefix)}

    def part(self, key: str) -> dict[str, Any]:
        """Return a part of the text that is an object."""
        found = self.text.get(key)
        if not isinstance(found, dict):
            refuse(self.path, f"has no object {key!r} in what it says of its model")
        return found

    @property
    def arrays(self) -> list[Array]:
        """The arrays that are part of descriptions."""
        found = self.under(ARRAYS)
        return [found[str(k)] for k in range(len(found))]

    @property
    def run(self) -> Any:
        """What was kept of the training run that was going on; None if none was."""
        with refusing(self.path):
            return restore(self.text.get("run"), self.arrays)


def read(path: str | os.PathLike[str]) -> SavedModel:
    """Return what a file holds.

    Raises:
        ModelFileError: if it is no model's, or damaged.
    """
    return believed(str(path), *read_tensors(path))


def believed(path: str, tensors: dict[str, Array], texts: dict[str, str]) -> SavedModel:
    """Return what the arrays and texts of a file hold.

    Raises:
        ModelFileError: if they are no model's.
    """
    if KEY not in texts:
        refuse(path, "holds arrays and no model", "weights alone are read by model.load_weights, into a model like it")
    try:
        text = json.loads(texts[KEY], parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        refuse(path, f"says of its model what is no JSON ({str(error)[:100]})")
    if not isinstance(text, dict) or type(text.get("format")) is not int:
        refuse(path, "does not say the number of its format")
    if text["format"] != FORMAT:
        refuse(
            path,
            f"is of format {text['format']}, written by Pellucid {text.get('version')}, and format {FORMAT} is read",
            "use a later version",
        )
    return SavedModel(path, tensors, text)


def take_up(model: Model, saved: SavedModel) -> None:
    """Give a model of the same configuration the weights and the training state of a file.

    Raises:
        ModelFileError: if they are not such a model's.
    """
    with refusing(saved.path):
        progress, history = _progress(saved), _history(saved)
        parameters = model.network.parameters if model.network.built else {}
        check_fit(saved.path, parameters, saved.under(PARAMETERS), exactly=True)
        _check_state(saved, model)
        set_values(parameters, saved.under(PARAMETERS))
        names = {parameters[path]: str(name) for path, name in saved.part("optimizer names").items()}
        state = saved.under(OPTIMIZER)
        model.rule.resume(names, {name: state[name] for name in saved.text["optimizer state"]})
        if model.rate is not None:
            model.rate.value = saved.tensors[RATE]
        model.progress, model.history = progress, history


def _progress(saved: SavedModel) -> Progress:
    given = restore(saved.part("progress"))
    counts = {key: given[key] for key in ("epochs", "steps", "step")}
    for key, value in counts.items():
        if type(value) is not int or not 0 <= value < MOST_STEPS:
            refuse(saved.path, f"says that {key} is {value!r}")
    data = given["data"]
    if not isinstance(data, dict | None):
        refuse(saved.path, "does not say what data its epoch is of")
    sums = saved.under(SUMS)
    if any(array.dtype != np.float64 for array in sums.values()):
        refuse(saved.path, "has sums of an epoch that are not float64")
    return Progress(**counts, sums=dict(sums), data=data)


def _history(saved: SavedModel) -> History:
    measured = saved.under(HISTORY)
    epochs = measured.pop("")
    given = restore(saved.part("history"), saved.arrays)
    listed = {key: list(values) for key, values in given["lists"].items()}
    lists = {key: listed[key] if key in listed else measured[key].tolist() for key in given["keys"]}
    return History(lists, [int(epoch) for epoch in epochs])


def _check_state(saved: SavedModel, model: Model) -> None:
    """Check that the optimiser's state is one for the network's weights, or one number each."""
    names = saved.part("optimizer names")
    parameters = model.network.parameters if model.network.built else {}
    if not names.keys() <= parameters.keys() or len(set(map(str, names.values()))) < len(names):
        refuse(saved.path, "names weights in its optimiser's state that the network does not have")
    forms = {str(name): (parameters[path].shape, parameters[path].dtype) for path, name in names.items()}
    for name, array in saved.under(OPTIMIZER).items():
        form = forms.get(name.rpartition(".")[0], ((), array.dtype.name))
        if (array.shape, array.dtype.name) != form:
            refuse(saved.path, f"has the optimiser's state {name} as {array.dtype} of shape {array.shape}")
    if model.rate is not None:
        rate = saved.tensors[RATE]
        if rate.shape or rate.dtype != np.float64 or not 0 <= rate < np.inf:
            refuse(saved.path, f"has the learning rate {rate}")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


@contextmanager
def refusing(path: str) -> Iterator[None]:
    """Let what goes wrong while a file's content is believed be an error that names the file."""
    try:
        yield
    except ModelFileError:
        raise
    except DAMAGE as error:
        what = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        raise ModelFileError(f"{path}: describes no model that can be made here: {what}") from error


def refuse(path: str, what: str, cure: str = "it is damaged, or was not written by Pellucid") -> NoReturn:
    """Raise the error that a file is not what it should be."""
    raise ModelFileError(f"{path}: {what}; {cure}")


__all__ = ["SavedModel", "believed", "read", "refuse", "refusing", "take_up"]
