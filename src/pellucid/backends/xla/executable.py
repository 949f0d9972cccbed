"""A step on XLA as what runs it sees it: which program of it, and where its parameters are.

Parameters that a step updates are *donated*: XLA may write their new values where the old ones were. Between calls
they stay on the devices, and come home when something on the host reads them (``Storage.lend``).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from ...core.expression import Parameter, storage_of
from ...step import Call, Step
from .library import jax, precise
from .picking import are_mapped
from .placement import Placement, placed
from .program import Program

LOST = "parameters have the values with which each was last read or set, as the device lost the later ones"


class XlaStep:
    """A step compiled by XLA when it first runs.

    Args:
        step: the step.
        placement: the devices.
        rows: the numbers of its inputs whose first axis is that of a batch's rows.
        precision: "bfloat16" multiplies matrices in it; None in their own dtypes.
    """

    def __init__(self, step: Step, placement: Placement, rows: Sequence[int], precision: str | None) -> None:
        self.step, self.placement, self.precision = step, placement, precision
        self.rows = frozenset(rows)
        self.parameters = step.parameters
        self.storages = [storage_of(p) for p in self.parameters]
        self.programs: dict[bool, Program] = {}

    def on_parameters(self, parameters: Mapping[Parameter, Parameter]) -> XlaStep:
        """Return the same programs on other parameters, which stand in for its own."""
        made = copy.copy(self)
        made.storages = [storage_of(parameters[p]) for p in self.parameters]
        return made

    @property
    def arena_bytes(self) -> int:
        """How much memory of the host a call takes beside its outputs; what XLA takes lies on the device."""
        return 0

    def program(self, picks: bool = False) -> Program:
        """Return what is compiled, where the host picks rows or where it does not."""
        if picks not in self.programs:
            self.programs[picks] = Program(self.step, self.placement, self.rows, self.precision, picks)
        return self.programs[picks]

    def text(self) -> str:
        """Return what XLA compiles it to: optimised HLO, with whatever devices send each other."""
        with precise():
            return self.program().text()

    def run(self, call: Call, first: int, count: int) -> None:
        """Run some steps of a call."""
        with precise():
            program = self.program(self.placement.is_spread or are_mapped(call.inputs))
            try:
                state = [self._placed(k, k in program.updated) for k in range(len(self.storages))]
                state = program.run(call, state, first, count)
            except jax().errors.JaxRuntimeError as error:
                raise program.explained(error, self._left(program)) from error
            except BaseException as error:
                if left := self._left(program):
                    error.add_note(left)
                raise
            for k in program.updated:
                self.storages[k].lend(state[k], self.placement.fetch)

    def _placed(self, k: int, donated: bool) -> Any:
        storage = self.storages[k]
        if storage.lent is not None and storage.lent.sharding == self.placement.whole:
            return storage.lent
        return self.placement.put(storage.array, self.placement.whole, copied=donated)

    def _left(self, program: Program) -> str:
        """Forget values that were donated and are lost, and say so; what the host had before is there still."""
        lost = False
        for k in program.updated:
            lent = self.storages[k].lent
            if lent is not None and lent.is_deleted():
                self.storages[k].forget()
                lost = True
        return LOST if lost else ""


def compile_step(
    step: Step, rows: Sequence[int] = (), devices: int | Sequence[int] | str | None = None, precision: str | None = None
) -> XlaStep:
    """Return a step to be run by XLA; see ``XlaStep`` and ``placement.placed``."""
    return XlaStep(step, placed(devices), rows, precision)


__all__ = ["XlaStep", "compile_step"]
