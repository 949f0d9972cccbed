"""The section [training]: what is made smaller, by which rule, and for how long."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import losses
from ..core.errors import InputError, PellucidError
from ..core.settings import check_whole
from ..metrics import get as get_metric
from ..training.callbacks import Callback, EarlyStopping, ReduceLROnPlateau
from .document import CHOICE, NAMED, NAMES, TABLE, WHOLE, Document, check_keys
from .objects import LOSSES, make, optimizer

KEYS = {
    "loss": NAMED,
    "optimizer": NAMED,
    "metrics": NAMES,
    "epochs": WHOLE,
    "steps": WHOLE,
    "batch_size": WHOLE,
    "seed": WHOLE,
    "shuffle": CHOICE,
    "early_stopping": TABLE,
    "reduce_on_plateau": TABLE,
}


class Plan(NamedTuple):
    """How a network is trained; ``steps`` is None where epochs are counted."""

    loss: Any
    optimizer: Any
    metrics: list[Any]
    epochs: int
    steps: int | None
    batch_size: int
    seed: int
    shuffle: bool
    callbacks: list[Callback]


def plan(document: Document, rows: int = 1) -> Plan:
    """Return the plan of a document.

    Args:
        document: the document.
        rows: how many there are to learn from in each epoch.

    Raises:
        InputError: for an unknown key or name, or a wrong value: it says where.
    """
    section: dict[str, Any] = document.content["training"]
    check_keys(document, "training", section, KEYS)
    for key in ("epochs", "steps", "batch_size"):
        check_whole(document.where("training", key), key, section.get(key, 1))
    check_whole(document.where("training", "seed"), "seed", section.get("seed", 0), 0)
    if "epochs" not in section and "steps" not in section:
        raise InputError(f"{document.where('training')}: how long? expected epochs = 10, for example, or steps = 1000")
    if "epochs" in section and "steps" in section:
        raise InputError(f"{document.where('training', 'steps')}: has epochs and steps; expected one of them")
    if "loss" not in section:
        raise InputError(f'{document.where("training")}: has no loss; expected loss = "cross_entropy", for example')
    batch_size, steps = section.get("batch_size", 32), section.get("steps")
    total = steps or section["epochs"] * -(-rows // batch_size)
    return Plan(
        _loss(document, section["loss"]),
        optimizer(section.get("optimizer", "Adam"), document.where("training", "optimizer"), total),
        _metrics(document, section.get("metrics", [])),
        section.get("epochs", 1),
        steps,
        batch_size,
        section.get("seed", 0),
        section.get("shuffle", True),
        _callbacks(document, section),
    )


def _loss(document: Document, given: Any) -> Any:
    where = document.where("training", "loss")
    if isinstance(given, dict):
        return make(LOSSES, given, where)
    try:
        return losses.get(given)
    except PellucidError as error:
        raise InputError(f"{where}: {error}") from error


def _metrics(document: Document, given: list[Any]) -> list[Any]:
    try:
        return [get_metric(name) for name in given]
    except PellucidError as error:
        raise InputError(f"{document.where('training', 'metrics')}: {error}") from error


def _callbacks(document: Document, section: dict[str, Any]) -> list[Callback]:
    kinds = {"early_stopping": EarlyStopping, "reduce_on_plateau": ReduceLROnPlateau}
    return [
        make({cls.__name__: cls}, {"kind": cls.__name__, **section[key]}, document.where("training", key))
        for key, cls in kinds.items()
        if key in section
    ]


__all__ = ["Plan", "plan"]
