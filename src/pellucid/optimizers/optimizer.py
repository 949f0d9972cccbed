"""What every optimiser has: a rate, clipping, weight decay, and state by parameter."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..core.declarations import Pairs
from ..core.dtypes import is_float
from ..core.errors import DtypeError, InputError, UpdateError
from ..core.expression import Expression, Parameter, is_expression
from ..core.origins import place
from ..core.settings import check_number, check_whole
from ..core.sizes import show_shape
from ..gradient import gradient
from ..operations.comparison import equal
from ..operations.elementwise import where
from ..operations.source import deferred_parameter
from .clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from .schedules import LearningRateSchedule


class Kept(NamedTuple):
    """What an optimiser keeps: a number, or for one of its parameters an array.

    Attributes:
        place: which of the parameters; None for a number that is kept for all together.
        name, initial, dtype: as it is asked for.
    """

    place: int | None
    name: str
    initial: float
    dtype: str


@dataclass(frozen=True, eq=False, repr=False)
class Optimizer:
    """A rule by which a step changes parameters, as expressions. One of your own is a subclass with a ``decrease``.

    Args:
        learning_rate: a number of 0 or more; a schedule; or any scalar expression, such as a parameter, whose value
            can be changed between calls, or a variable, which the function then takes.
        weight_decay: if given, each step also takes ``weight_decay * learning_rate`` of a parameter away from it
            (Loshchilov and Hutter, *Decoupled weight decay regularization*, 2019, section 2).
        clipvalue: if given, each element of a gradient is limited to this size.
        clipnorm: if given, each gradient that is longer is scaled to this length.
        global_clipnorm: if given, all gradients are scaled by one number if they are together longer.
        gradient_accumulation_steps: if given, 2 or more: the gradients of so many steps are averaged, and the last
            of these steps changes the parameters by that average, which is then clipped; the others change none.
            Bias corrections count changes, and a schedule counts steps, as in Keras.

    An optimiser keeps its state by parameter: ``updates`` asked again for the same parameters returns the same
    moments, and one optimiser serves several functions of them. It counts steps once for all its parameters, so
    that parameters which are trained by steps of their own need an optimiser of their own.

    >>> import pellucid as pc
    >>> W = pc.parameter(1.0, name="W")
    >>> class SignDescent(pc.optimizers.Optimizer):
    ...     def decrease(self, parameter, gradient, rate):
    ...         return rate * pc.sign(gradient), []
    >>> f = pc.function([], W, updates=SignDescent(0.25).updates(W * W, [W]))
    >>> f.repeat(3)()
    array([1.  , 0.75, 0.5 ], dtype=float32)
    """

    learning_rate: float | Expression | LearningRateSchedule = 0.001
    _: KW_ONLY
    weight_decay: float | None = None
    clipvalue: float | None = None
    clipnorm: float | None = None
    global_clipnorm: float | None = None
    gradient_accumulation_steps: int | None = None
    state: dict[str, Parameter] = field(default_factory=dict, init=False)
    _names: dict[Parameter, str] = field(default_factory=dict, init=False)
    _asked: dict[tuple[Parameter | None, str], tuple[float, str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        rate = self.learning_rate
        if is_expression(rate):
            self._check_rate(rate)
        elif not isinstance(rate, LearningRateSchedule):
            check_number(self, "learning_rate", rate, "nonnegative")
        check_number(self, "weight_decay", self.weight_decay, "nonnegative", or_none=True)
        limits = ("clipvalue", "clipnorm", "global_clipnorm")
        for name in limits:
            check_number(self, name, getattr(self, name), "positive", or_none=True)
        given = [name for name in limits if getattr(self, name) is not None]
        if len(given) > 1:
            raise InputError(f"{type(self).__name__}: gradients are clipped in one way, not by {' and '.join(given)}")
        check_whole(self, "gradient_accumulation_steps", self.gradient_accumulation_steps, 2, or_none=True)
        self.check()

    def __repr__(self) -> str:
        given = [(f.name, getattr(self, f.name), f.default) for f in fields(self) if f.init]
        shown = ", ".join(f"{name}={value!r}" for name, value, default in given if value is not default)
        return f"{type(self).__name__}({shown})"

    def check(self) -> None:
        """Check the arguments that this rule adds; raises InputError."""

    def decrease(self, parameter: Parameter, gradient: Expression, rate: Any) -> tuple[Expression, Pairs]:
        """Return what a step takes from a parameter, and the updates of the state that is kept for it.

        Args:
            parameter: what the step is of.
            gradient: the derivative of the loss, clipped; of the parameter's shape and dtype.
            rate: the learning rate of this step, times ``correction``: a number, or a scalar of that dtype.
        """
        raise NotImplementedError(f"{type(self).__name__} has no decrease(self, parameter, gradient, rate)")

    def correction(self) -> Any:
        """Return a number that the rate is multiplied by, once a step: 1 unless a rule says otherwise."""
        return 1.0

    def updates(
        self,
        loss: Expression | None,
        parameters: Parameter | Sequence[Parameter],
        gradients: Sequence[Expression] | None = None,
    ) -> Pairs:
        """Return the updates of one step, for ``pc.function``: each parameter's, and those of the optimiser's state.

        Args:
            loss: what is made smaller, a float scalar; None where ``gradients`` are given.
            parameters: what is changed, trainable and of floats.
            gradients: for each parameter its gradient, where they are not simply those of a loss.

        Raises:
            GradientError: if the loss is no float scalar.
            UpdateError: for what cannot be updated: no parameter, one that is not trainable, one named twice, or
                one that this optimiser does not know while it has counted steps of others.

        >>> import pellucid as pc
        >>> W = pc.parameter([3.0, 4.0], name="W")
        >>> for target, new in pc.optimizers.SGD(0.1).updates((W * W).sum() / 2, [W]):
        ...     print(target, "<-", new)
        W <- W - 0.1 * W
        """
        targets = self._targets(parameters)
        found = self._gradients(loss, targets, gradients)
        for target in targets:
            self._know(target)
        if self.gradient_accumulation_steps is None:
            pairs = self._step(targets, self._clip(found))
        else:
            pairs = self._accumulated(targets, found, self.gradient_accumulation_steps)
        counter = self.state.get("iterations")
        return [*pairs.items(), *([] if counter is None else [(counter, counter + 1)])]

    def _accumulated(
        self, targets: list[Parameter], found: list[Expression], steps: int
    ) -> dict[Parameter, Expression]:
        """Return updates of which all but each ``steps``-th add to sums of gradients, and leave the rest alone.

        The step by their average is computed every time, and chosen or not: a native loop has no branches, and
        where an average that is not whole yet gives NaN, it is not chosen.
        """
        last = equal((self._counter() + 1) % steps, 0)
        sums = [self.slot(target, "gradient_accumulator") for target in targets]
        totals = [kept + g for kept, g in zip(sums, found, strict=True)]
        changes = self._step(targets, self._clip([total / steps for total in totals]))
        pairs = {target: where(last, new, target) for target, new in changes.items()}
        return pairs | {kept: where(last, 0, total) for kept, total in zip(sums, totals, strict=True)}

    def _step(self, targets: list[Parameter], gradients: list[Expression]) -> dict[Parameter, Expression]:
        """Return what a step by clipped gradients makes of parameters and state, all but the count of steps."""
        rate, pairs = self._rate(), dict[Parameter, Expression]()
        for target, g in zip(targets, gradients, strict=True):
            decrease, kept = self.decrease(target, g, fitted(rate * self.correction(), target.dtype))
            if self.weight_decay:  # not (1 - decay) * target, which rounds a small decay away
                decrease = decrease + fitted(rate * self.weight_decay, target.dtype) * target
            pairs |= {target: target - decrease, **dict(kept)}
        return pairs

    def restore(self, state: Mapping[str, Any]) -> None:
        """Set the state to values that were saved by name, after ``updates`` has made it for the same parameters.

        Args:
            state: for each name in ``self.state`` an array of that state's shape and dtype.

        Raises:
            InputError: if names, shapes or dtypes differ; nothing is changed then.

        >>> import pellucid as pc
        >>> def start():
        ...     W, optimizer = pc.parameter(1.0, name="W"), pc.optimizers.SGD(0.1, momentum=0.9)
        ...     return optimizer, pc.function([], W, updates=optimizer.updates(W * W / 2, [W]))
        >>> optimizer, step = start()
        >>> _ = step()
        >>> saved = {name: kept.value for name, kept in optimizer.state.items()}
        >>> again, _ = start()
        >>> again.restore(saved)
        >>> again.state["W.momentum"].value
        array(0.1, dtype=float32)
        """
        self._check_state(state)
        for name, kept in self.state.items():
            kept.value = state[name]

    def _check_state(self, state: Mapping[str, Any]) -> None:
        owner = type(self).__name__
        missing, unknown = sorted(self.state.keys() - state.keys()), sorted(state.keys() - self.state.keys())
        if missing or unknown:
            raise InputError(
                f"{owner}.restore: "
                + " and ".join(
                    f"{what} {', '.join(names)}"
                    for what, names in (("lacks", missing), ("does not know", unknown))
                    if names
                )
                + f"; expected the state of {self!r} for the same parameters, after its updates(...) was called"
            )
        for name, kept in self.state.items():
            given = np.asarray(state[name])
            if (given.shape, given.dtype.name) != (kept.shape, kept.dtype):
                raise InputError(
                    f"{owner}.restore: {name} is {given.dtype} {show_shape(given.shape)}; expected {kept.dtype}"
                    f" {show_shape(kept.shape)}, as its parameter now is"
                )

    @property
    def names(self) -> Mapping[Parameter, str]:
        """What the state of each parameter begins with, before the dot."""
        return self._names

    def resume(self, names: Mapping[Parameter, str], state: Mapping[str, Any]) -> None:
        """Take up saved state: state that there is takes its values, and what there is not yet is made.

        Args:
            names: for each parameter what its state begins with, as ``names`` was.
            state: the arrays by name, as the values of ``state`` were.

        Raises:
            InputError: if there is state of another shape or dtype under one of the names.

        >>> import pellucid as pc
        >>> W, optimizer = pc.parameter(1.0, name="W"), pc.optimizers.SGD(0.1, momentum=0.9)
        >>> optimizer.resume({W: "W"}, {"W.momentum": np.float32(-0.5)})
        >>> pc.function([], W, optimizer.updates(W * W / 2, [W])).repeat(2)()
        array([1.  , 1.35], dtype=float32)
        """
        self._names.update(names)
        for name, value in state.items():
            array = np.asarray(value)
            self._kept(name, 0, array.dtype.name, array.shape).value = array

    def slot(self, parameter: Parameter, name: str, initial: float = 0.0) -> Parameter:
        """Return state that is kept for a parameter, of its shape and dtype; made when it is first asked for."""
        self._asked[parameter, name] = initial, parameter.dtype
        return self._kept(f"{self._names[parameter]}.{name}", initial, parameter.dtype, parameter.shape)

    def scalar(self, name: str, initial: float, dtype: str) -> Parameter:
        """Return state that is one number, kept for all parameters together; made when it is first asked for."""
        self._asked[None, name] = initial, dtype
        return self._kept(name, initial, dtype, ())

    def _kept(self, name: str, initial: float, dtype: str, shape: Any) -> Parameter:
        kept = self.state.get(name)
        if kept is not None and (kept.shape, kept.dtype) != (tuple(shape), dtype):
            raise InputError(
                f"{type(self).__name__} keeps {name} as {kept.dtype} {show_shape(kept.shape)}, and the parameters that"
                f" it is asked to change need {dtype} {show_shape(shape)}; its state is that of other parameters"
            )
        if kept is None:
            # Moments are as large as the weights; before the first step their memory is the compiler's.
            draw = partial(np.broadcast_to, np.asarray(initial, dtype), shape)
            self.state[name] = deferred_parameter(shape, dtype, draw, name, trainable=False)
        return self.state[name]

    def kept(self, parameters: Sequence[Parameter]) -> tuple[Kept, ...]:
        """Return what was asked to be kept for some parameters, in order; another such rule ``keep``s it as well."""
        places: dict[Parameter | None, int | None] = {None: None, **{p: k for k, p in enumerate(parameters)}}
        return tuple(Kept(places[of], name, *asked) for (of, name), asked in self._asked.items() if of in places)

    def keep(self, parameters: Sequence[Parameter], kept: Sequence[Kept]) -> list[Parameter]:
        """Return the state that ``updates`` of these parameters would ask for; what there is not yet is made."""
        for target in parameters:
            self._know(target)
        return [
            self.scalar(name, initial, dtype) if place is None else self.slot(parameters[place], name, initial)
            for place, name, initial, dtype in kept
        ]

    def iterations(self) -> Expression:
        """Return how often parameters were changed; a step counts itself if anything in it asks for this."""
        counter, steps = self._counter(), self.gradient_accumulation_steps
        return counter if steps is None else counter // steps

    def _counter(self) -> Parameter:
        """Return the number of steps so far. Two moons' come to 2**31 within the hour, so that it is int64."""
        return self.scalar("iterations", 0, "int64")

    def _rate(self) -> Any:
        given = self.learning_rate
        if not isinstance(given, LearningRateSchedule):
            return given
        rate = given(self._counter())
        self._check_rate(rate)
        return rate

    def _check_rate(self, rate: Any) -> None:
        if not is_expression(rate) or rate.shape != () or not is_float(rate.dtype):
            shown = f"{rate.dtype} {show_shape(rate.shape)}{place(rate)}" if is_expression(rate) else repr(rate)
            raise InputError(f"{type(self).__name__}: the learning rate is {shown}; a float scalar was expected")

    def _targets(self, parameters: Any) -> list[Parameter]:
        targets = (
            list(parameters) if isinstance(parameters, Iterable) and not is_expression(parameters) else [parameters]
        )
        owner = type(self).__name__
        if not targets:
            raise UpdateError(f"{owner}.updates was given no parameters; expected one or more to change")
        for k, target in enumerate(targets):
            if not isinstance(target, Parameter):
                what = target.operation.name if is_expression(target) else type(target).__name__
                where = place(target) if is_expression(target) else ""
                raise UpdateError(
                    f"{owner}.updates changes parameters, and {target} is a {what}{where}; use pc.parameter"
                )
            if not target.trainable:
                raise UpdateError(
                    f"{owner}.updates was given {target}, which is not trainable{place(target)}; leave it out, or make"
                    " it with trainable=True"
                )
            if target in targets[:k]:
                raise UpdateError(f"{owner}.updates was given {target} twice{place(target)}; leave one out")
        return targets

    def _know(self, target: Parameter) -> None:
        """Give a parameter the name its state is kept under."""
        if target in self._names:
            return
        counter = self.state.get("iterations")
        if counter is not None and counter.value:
            raise UpdateError(
                f"{type(self).__name__} has counted {int(counter.value)} steps of other parameters, and {target} is"
                f" new to it{place(target)}; use an optimiser of its own, or make a new one for all of them"
            )
        taken, name = set(self._names.values()), target.name or "parameter"
        names = (name if k == 1 else f"{name}_{k}" for k in itertools.count(1))
        self._names[target] = next(n for n in names if n not in taken)

    def _gradients(self, loss: Any, targets: list[Parameter], given: Any) -> list[Expression]:
        if (loss is None) == (given is None):
            raise InputError(
                f"{type(self).__name__}.updates takes a loss, or None and gradients=[...]; it was given"
                f" {'neither' if loss is None else 'both'}"
            )
        if given is None:
            return gradient(loss, targets)
        found = list(given)
        if len(found) != len(targets):
            raise InputError(f"updates was given {len(targets)} parameters and {len(found)} gradients")
        for target, g in zip(targets, found, strict=True):
            if not is_expression(g) or (g.shape, g.dtype) != (target.shape, target.dtype):
                kind = f"{g.dtype} {show_shape(g.shape)}{place(g)}" if is_expression(g) else repr(g)
                raise InputError(
                    f"updates was given a gradient for {target} that is {kind}; expected {target.dtype}"
                    f" {show_shape(target.shape)}, as the parameter is"
                )
            if not is_float(target.dtype):
                raise DtypeError(f"{target} is {target.dtype}, and an optimiser changes floats{place(target)}")
        return found

    def _clip(self, gradients: list[Expression]) -> list[Expression]:
        if self.clipvalue is not None:
            return clip_by_value(gradients, self.clipvalue)
        if self.clipnorm is not None:
            return clip_by_norm(gradients, self.clipnorm)
        if self.global_clipnorm is not None:
            return clip_by_global_norm(gradients, self.global_clipnorm)
        return gradients


def fitted(number: Any, dtype: str) -> Any:
    """Return a number, or a scalar expression, as one that leaves ``dtype`` as it is."""
    return number.astype(dtype) if is_expression(number) else number


__all__ = ["Kept", "Optimizer", "fitted"]
