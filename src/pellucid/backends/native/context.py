"""The table of addresses and numbers that a native function works on, and that Python fills at each call."""

from __future__ import annotations

from typing import NamedTuple

NUMBERS = ("arena", "scratch", "clock", "seed", "step", "order_seed", "batch")


class Context(NamedTuple):
    """The table's places: inputs, parameters, outputs and constants by address, then NUMBERS."""

    inputs: int
    parameters: int
    outputs: int
    constants: int

    @property
    def numbers(self) -> int:
        """The place of the first of NUMBERS."""
        return self.inputs + self.parameters + self.outputs + self.constants
