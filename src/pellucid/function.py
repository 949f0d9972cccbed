"""Compiled functions: what users call."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from .compile import Backend
from .compiled import CompiledFunction, Progress, State
from .core.declarations import check_inputs, check_updates
from .core.errors import InputError, InternalError
from .core.expression import Expression, Parameter, is_expression
from .core.settings import is_whole
from .looping import room
from .operations.scan import check_steps
from .operations.source import deferred_parameter, is_mostly_zero, variable
from .repeating import Minibatched, Repeated
from .step import Call, Step


class Function(CompiledFunction):
    """A compiled function; see ``pellucid.function``. It is compiled at the first call for each set of sizes."""

    def __call__(self, *arrays: Any, progress: Progress | None = None) -> Any:
        """Run one step and return its outputs, as the expressions were given: one, a list or a dict.

        Args:
            arrays: an array, list or number for each input, of its shape; sizes of named axes are taken from them.
            progress: called with how many steps are done, and how many there are: here, once, with 1 and 1.

        Raises:
            InputError, DtypeError: an input does not fit its variable.
            EmptyBatchError, NotANumberError: the step updates parameters, and an input has no rows, or NaN.
            MemoryNeededError: there is not enough memory for what is computed.
        """
        inputs, sizes = self._check(arrays)
        compilation = self._compile(self.step, sizes)
        self._reserve([(compilation, 1)])
        with self._locked():
            call = Call(inputs, room(compilation, 1), self.state.seed, self.state.step)
            self.state.step += 1
            compilation.executable.run(call, 0, 1)
        if progress:
            progress(1, 1)
        return self._structure([o[0] if o.ndim == 1 else o.reshape(o.shape[1:]) for o in call.outputs])

    def template(self) -> Function:
        """Return the same function on variables of its own, and on parameters without values, for ``on_parameters``."""
        step = self.step
        stands = {p: deferred_parameter(p.shape, p.dtype, _no_value, p.name, p.trainable) for p in step.parameters}
        variables = [variable(str(x), x.shape, x.dtype, is_mostly_zero(x)) for x in step.inputs]
        made = step.with_parameters(stands, variables)
        return Function(made, self._outputs, State(0), self.backend, self.allow_nan)

    def on_parameters(self, inputs: Sequence[Expression], parameters: Sequence[Parameter], seed: int) -> Function:
        """Return the function on parameters of the same shapes and dtypes, in the order of those of its step.

        It shares what this function is compiled to, and nothing else. What is shown of it are the expressions that this
        function was made of.

        Args:
            inputs: the variables that errors name.
            parameters: what it reads and updates.
            seed: the key of its random draws.
        """
        made = copy.copy(self)
        made.inputs, made._parameters, made._template = tuple(inputs), list(parameters), self
        made.state, made._compiled, made._runs = State(seed), {}, []
        return made

    def repeat(self, n: int) -> Repeated:
        """Return a function that runs ``n`` steps on the same inputs in one native call.

        Each output becomes an array stacked on a new first axis of ``n``. Ctrl-C stops between two steps.

        Raises:
            InputError: ``n`` is no whole number of 0 or more. A call raises what that of the function does, and
                Interrupted, which has the outputs of the steps that are done.

        >>> import pellucid as pc
        >>> W = pc.parameter(8.0)
        >>> halve = pc.function([], W, updates=[(W, W / 2)])
        >>> halve.repeat(3)()
        array([8., 4., 2.], dtype=float32)
        """
        if not is_whole(n) or n < 0:
            raise InputError(f"repeat takes how many steps to run, 0 or more, not {n!r}")
        return Repeated(self, int(n))

    def minibatches(self, batch_size: int, epochs: int = 1, shuffle: bool = True, seed: int = 0) -> Minibatched:
        """Return a function that takes whole arrays and runs a step on each batch of their rows, natively.

        Outputs are stacked per step; one that keeps the batch axis is concatenated. The last short batch is run.
        ``minibatches(...).on(arrays)`` checks arrays once, and then runs any steps of such a loop.

        Args:
            batch_size: rows in a batch, 1 or more.
            epochs: passes over the rows.
            shuffle: take the rows in another order each epoch, keyed by ``seed`` and the epoch. A batch of all
                rows has them in the order in which they were given.
            seed: the key of that order; random draws have the function's.

        Raises:
            InputError: a number is not of those, or the first axes of the inputs do not have one name. A call raises
                what that of the function does, and Interrupted, which has the outputs of the steps that are done.

        >>> import pellucid as pc
        >>> x = pc.variable("x", ("batch",))
        >>> sums = pc.function([x], x.sum())
        >>> sums.minibatches(2, shuffle=False)([1.0, 2.0, 3.0, 4.0, 5.0])
        array([3., 7., 5.], dtype=float32)
        """
        if not all(map(is_whole, (batch_size, epochs, seed))) or batch_size < 1 or epochs < 0:
            raise InputError(
                f"minibatches takes 1 or more rows, 0 or more epochs and a seed, all of them whole numbers, not"
                f" {batch_size!r}, {epochs!r} and {seed!r}"
            )
        return Minibatched(self, int(batch_size), int(epochs), bool(shuffle), int(seed))


def _no_value() -> Any:
    raise InternalError("a parameter of a template was read")


def function(
    inputs: Sequence[Expression],
    outputs: Any,
    updates: Sequence[tuple[Parameter, Expression]] = (),
    seed: int = 0,
    backend: str | Backend | None = None,
    *,
    allow_nan: bool = False,
) -> Function:
    """Return a compiled function of some variables.

    Args:
        inputs: the variables it takes, in order.
        outputs: an expression, or a list or dict of them: what a call returns, computed from the old values of
            the parameters.
        updates: pairs of a parameter and the expression of its new value (same shape and dtype); all are computed
            from the old values and then stored at once, so that two may swap.
        seed: the key of the function's random draws.
        backend: "native" (the default), "xla" (JAX, on a GPU where there is one) or "reference" (NumPy, one operation
            at a time); $PELLUCID_BACKEND, if it is set.
        allow_nan: let NaN in the inputs reach the parameters.

    Raises:
        UnknownVariableError, UnusedVariableError, UpdateError: if the parts do not fit together.
        InputError: if one of them is something else than was asked for.

    >>> import pellucid as pc
    >>> x = pc.variable("x", (2,))
    >>> W = pc.parameter([0.2, 0.7], name="W")
    >>> print(function([x], (x * W).sum())([1, 1]))
    0.9
    """
    structure: Any = None
    flat = [outputs]
    if isinstance(outputs, dict):
        structure, flat = dict.fromkeys(outputs), list(outputs.values())
    elif isinstance(outputs, list | tuple):
        structure, flat = [], list(outputs)
    for k, output in enumerate(flat):
        if not is_expression(output):
            raise InputError(f"output {k + 1} is {type(output).__name__} {output!r}, and an expression was expected")
    pairs = check_updates(updates)
    roots = [*flat, *(new for _, new in pairs)]
    check_steps(roots)
    check_inputs(inputs, roots)
    return Function(Step(tuple(inputs), tuple(flat), tuple(pairs)), structure, State(seed), backend, allow_nan)


__all__ = ["Function", "function"]
