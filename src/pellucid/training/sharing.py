"""Programs that models of one structure share within a process: only their parameters and seeds are their own.

Models that are made one after another or side by side, as by searches, folds and sweeps, often compute the same. What
such a program is told apart by is the text of the expressions that the layers, the loss and the metrics made, so that
everything in them counts; and, where it trains, the optimiser's settings. The first model of a structure has its
gradient derived and its step compiled, and the others take these over, with parameters of their own.

Kept are templates, whose parameters have no values, so that no model's weights are kept; the last MOST of them.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

from ..compile import Backend, chosen_backend
from ..core.expression import Expression, Parameter, is_expression
from ..function import Function
from ..operations.source import parameter
from ..optimizers import OPTIMIZERS, LearningRateSchedule
from ..optimizers.optimizer import Kept, Optimizer
from ..step import Step, step_text

MOST = 64
ENVIRONMENT = "PELLUCID_"  # begins the names of variables that compiling may follow
PLAIN = (bool, int, float, str, type(None))
COUNTER = parameter(0, "iterations", trainable=False, dtype="int64")  # what schedules are told apart by


class Template(NamedTuple):
    """A function whose parameters stand for those of a model.

    Attributes:
        function: on parameters without values.
        places: for each of them the place of the model's among those of its expressions and the optimiser's.
        kept: the state that the optimiser keeps for it.
    """

    function: Function
    places: tuple[int, ...]
    kept: tuple[Kept, ...]


class Training(NamedTuple):
    """How a function trains: the optimiser, and the parameters that it changes."""

    rule: Optimizer
    parameters: list[Parameter]

    def described(self) -> tuple[str, list[Expression]] | None:
        """Return the optimiser's settings, and its rate as an expression; None for rules that are not ours."""
        rule, rate = self.rule, self.rule.learning_rate
        settings = {f.name: getattr(rule, f.name) for f in fields(rule) if f.init and f.name != "learning_rate"}
        if isinstance(rate, LearningRateSchedule):
            rate = rate(COUNTER)
        known = rule.__class__ in OPTIMIZERS.values() and all(type(value) in PLAIN for value in settings.values())
        return (f"{type(rule).__name__} {settings}", [rate]) if known and isinstance(rate, Expression) else None


_templates: OrderedDict[str, Template] = OrderedDict()
_lock = threading.Lock()


def shared(
    make: Callable[[], Function],
    written: Step,
    backend: str | Backend | None,
    names: Sequence[str] = (),
    seed: int = 0,
    training: Training | None = None,
) -> Function:
    """Return what ``make`` makes, or what it made for an earlier model of the same structure, on this one's parameters.

    Args:
        make: makes the function.
        written: what the function follows from: its inputs, and all expressions of the layers, losses and metrics.
        backend, seed: of the function.
        names: of its outputs.
        training: how it trains, if it does.
    """
    described = ("", []) if training is None else training.described()
    chosen = chosen_backend(backend)
    if described is None or chosen.name == "reference" or not all(map(is_expression, written.outputs)):
        return make()
    settings, rate = described
    written = replace(written, outputs=(*written.outputs, *rate))
    trained = [] if training is None else training.parameters
    own = list(dict.fromkeys([*written.parameters, *trained]))
    key = _key(written, chosen, settings, [(own.index(p), p.shape, p.dtype) for p in trained], names)
    template = _known(key)
    if template is None:
        function = make()
        kept = () if training is None else training.rule.kept(trained)
        own += [] if training is None else training.rule.keep(trained, kept)
        template = Template(function.template(), tuple(map(own.index, function.step.parameters)), kept)
        _remember(key, template)
    elif training is not None:
        own += training.rule.keep(trained, template.kept)
    return template.function.on_parameters(written.inputs, [own[place] for place in template.places], seed)


def _key(written: Step, *others: Any) -> str:
    environment = sorted(item for item in os.environ.items() if item[0].startswith(ENVIRONMENT))
    return hashlib.sha256(repr((step_text(written), environment, others)).encode()).hexdigest()


def _known(key: str) -> Template | None:
    with _lock:
        if key in _templates:
            _templates.move_to_end(key)
        return _templates.get(key)


def _remember(key: str, template: Template) -> None:
    with _lock:
        _templates[key] = template
        while len(_templates) > MOST:
            _templates.popitem(last=False)


__all__ = ["Training", "shared"]
