"""A step as one XLA program: once, or many times in a loop; its parameters stay on the device between calls.

Parameters that a step updates are *donated*: XLA may write their new values where the old ones were. Between calls
they stay on the devices, and come home when something on the host reads them (``Storage.lend``).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...core.errors import InputError, MemoryNeededError
from ...core.expression import Expression, Parameter, storage_of
from ...core.memory import bytes_of, show_bytes
from ...core.traversal import topological
from ...operations.batching import batch_indices
from ...operations.recurrence import is_recurrence
from ...step import Call, Step
from .library import jax, precise
from .lower import Lowering, drawn
from .picking import Picking, are_mapped, picking
from .placement import Placement, memory_of, placed

MOST_ROOM = 2**22  # bytes of outputs that one dispatch of a loop may return
MOST_STEPS = 4096  # in one dispatch of a loop
SMALL = 1 << 20  # multiplications in a step from which a CPU is busy with it, and a loop gains nothing
WORD = 0xFFFFFFFF


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
            state = [self._placed(k, k in program.updated) for k in range(len(self.storages))]
            try:
                state = program.run(call, state, first, count)
            except jax().errors.JaxRuntimeError as error:
                self._keep_what_is_left(program)
                raise program.explained(error) from error
            except BaseException:
                self._keep_what_is_left(program)
                raise
            for k in program.updated:
                self.storages[k].lend(state[k], self.placement.fetch)

    def _placed(self, k: int, donated: bool) -> Any:
        storage = self.storages[k]
        if storage.lent is not None and storage.lent.sharding == self.placement.whole:
            return storage.lent
        return self.placement.put(storage.array, self.placement.whole, copied=donated)

    def _keep_what_is_left(self, program: Program) -> None:
        """Forget values that were donated and are lost; what the host had before is there still."""
        for k in program.updated:
            lent = self.storages[k].lent
            if lent is not None and lent.is_deleted():
                self.storages[k].forget()


class Program:
    """What XLA compiles of a step.

    Args:
        step, placement, rows, precision: see ``XlaStep``.
        picks: whether the host picks the rows of each batch.
    """

    def __init__(
        self, step: Step, placement: Placement, rows: frozenset[int], precision: str | None, picks: bool
    ) -> None:
        self.picking: Picking | None = picking(step) if picks else None
        self.step, self.placement, self.precision = step, placement, precision
        parameters = step.parameters
        self.updated = sorted({parameters.index(p) for p, _ in step.updates})
        self.read = [k for k in range(len(parameters)) if k not in self.updated]
        self.rows = rows
        made = self.picking.step if self.picking else step
        self.traced, self.parameters = made, parameters
        first: Any = next((step.inputs[k].shape[0] for k in sorted(rows)), 0)
        self.batch: int = step.batches.rows or first
        self._check_batch()
        self.loops = self._is_loop()
        self._compiled: Any = None

    def _check_batch(self) -> None:
        batches, count = self.step.batches, self.placement.count
        if batches.rows and batches.rows % count and not batches.first_row:
            more = -(-batches.rows // count) * count
            raise InputError(
                f"a batch of {batches.rows} rows cannot be shared out evenly among {count} devices; a batch_size of"
                f" {more - count or more} or {more} can"
            )

    def _is_loop(self) -> bool:
        """Whether many steps go into one dispatch.

        On a CPU XLA computes convolutions and large products in a loop on one core, and small ones as fast as outside.
        """
        if self.picking is not None or not self._room():
            return False
        if self.placement.devices[0].platform != "cpu":
            return True
        order = topological(self.step.roots)
        if any(node.operation.kind in ("convolution", "pooling") or is_recurrence(node) for node in order):
            return False
        return sum(map(_multiplications, order)) < SMALL

    def _room(self) -> int:
        """Return for how many steps there is room in what one dispatch returns."""
        return min(MOST_ROOM // max(bytes_of(self.step.outputs), 1), MOST_STEPS)

    # What is traced

    def once(self, updated: Any, read: Any, inputs: Any, seeds: Any, step: Any, batch: Any) -> tuple[Any, Any]:
        """Return the outputs and new values of one step."""
        traced, batches = self.traced, self.step.batches
        given: dict[Expression, Any] = dict(zip(traced.inputs, inputs, strict=True))
        for numbers, values in ((self.updated, updated), (self.read, read)):
            given |= {self.parameters[k]: value for k, value in zip(numbers, values, strict=True)}

        def draw(node: Expression) -> Any:
            if node.operation is batch_indices:
                epoch, start = batch // batches.count, batches.first_row + batch % batches.count * batches.rows
                found = drawn(node, seeds[1], epoch.astype("uint32"), start.astype("uint32"))
                found = self._constrained(found, self.placement.whole)  # or devices would agree on when to walk on
            else:
                found = drawn(node, seeds[0], (step + batches.step(batch)).astype("uint32"))
            return self._shared_out(found)

        values = Lowering(traced.roots, given, draw, self.precision).values()
        outputs, new = values[: len(traced.outputs)], values[len(traced.outputs) :]
        stored = {self.parameters.index(p): value for (p, _), value in zip(traced.updates, new, strict=True)}
        return tuple(outputs), tuple(stored[k] for k in self.updated)

    def _shared_out(self, value: Any) -> Any:
        """Return a draw of which each device computes its own rows."""
        if self.placement.count == 1 or not value.ndim or value.shape[0] != self.batch:
            return value
        return self._constrained(value, self.placement.of_rows(self.batch))

    def _constrained(self, value: Any, sharding: Any) -> Any:
        return value if self.placement.count == 1 else jax().lax.with_sharding_constraint(value, sharding)

    def many(self, updated: Any, read: Any, inputs: Any, seeds: Any, step: Any, batch: Any, count: Any) -> Any:
        """Return the outputs of some steps, in rooms for as many as there may be, and the last values."""
        numpy, lax = jax().numpy, jax().lax
        rooms = tuple(numpy.zeros((self._room(), *o.shape), o.dtype) for o in self.step.outputs)

        def body(k: Any, state: Any) -> Any:
            rooms, updated = state
            outputs, updated = self.once(updated, read, inputs, seeds, step, batch + k)
            put = lax.dynamic_update_index_in_dim
            return tuple(put(room, out, k, 0) for room, out in zip(rooms, outputs, strict=True)), updated

        return lax.fori_loop(0, count, body, (rooms, updated))

    # What is run

    def run(self, call: Call, state: list[Any], first: int, count: int) -> list[Any]:
        """Run some steps of a call, and return the parameters' values after them."""
        updated, read = tuple(state[k] for k in self.updated), tuple(state[k] for k in self.read)
        seeds, step = (np.uint32(call.seed & WORD), np.uint32(call.order_seed & WORD)), np.int64(call.step)
        found: list[tuple[int, int, Any]] = []
        done = 0
        while done < count:
            batch = call.batch + first + done
            size = min(count - done, self._room()) if self.loops else 1
            numbers = (seeds, step, np.int64(batch), *([np.int64(size)] if self.loops else []))
            arguments = (updated, read, self._inputs(call, batch), *numbers)
            if self._compiled is None:
                self._compiled = self._compile(arguments)
            outputs, updated = self._compiled(*arguments)
            found.append((first + done, size, outputs))
            done += size
        for start, size, outputs in found:
            for room, value in zip(call.outputs, outputs, strict=True):
                room[start : start + size] = (
                    self.placement.fetch(value)[:size] if self.loops else self.placement.fetch(value)
                )
        jax().block_until_ready(updated)
        values = dict(zip(self.updated, updated, strict=True)) | dict(zip(self.read, read, strict=True))
        return [values[k] for k in range(len(state))]

    def lowered(self, arguments: Any) -> Any:
        """Return what JAX makes of the step for arguments like these, before XLA compiles it."""
        whole = self.placement.whole
        outputs, updated = tuple(whole for _ in self.step.outputs), tuple(whole for _ in self.updated)
        made = self.many if self.loops else self.once
        return jax().jit(made, donate_argnums=0, out_shardings=(outputs, updated)).lower(*arguments)

    def text(self) -> str:
        """Return the optimised HLO."""
        if self._compiled is None:
            self._compiled = self._compile(self._shapes())
        return str(self._compiled.as_text())

    def _shapes(self) -> Any:
        """Return shapes and dtypes of what one call takes, in place of arrays."""
        placement, whole, numpy = self.placement, self.placement.whole, jax().numpy

        def like(node: Expression, sharding: Any) -> Any:
            return jax().ShapeDtypeStruct(node.shape, node.dtype, sharding=sharding)

        parameters = [tuple(like(self.parameters[k], whole) for k in numbers) for numbers in (self.updated, self.read)]
        shared = [placement.of_rows(self.batch) if k in self.rows else whole for k in range(len(self.traced.inputs))]
        inputs = tuple(map(like, self.traced.inputs, shared))
        numbers = ((numpy.uint32(0), numpy.uint32(0)), *[numpy.int64(0)] * (3 if self.loops else 2))
        return (*parameters, inputs, *numbers)

    def _compile(self, arguments: Any) -> Any:
        compiled = self.lowered(arguments).compile()
        limit = min((m for m in map(memory_of, self.placement.devices) if m), default=None)
        if limit is not None:
            used = compiled.memory_analysis()
            kept = used.argument_size_in_bytes + used.output_size_in_bytes - used.alias_size_in_bytes
            self._check_memory(kept, used.temp_size_in_bytes, limit)
        return compiled

    def _check_memory(self, kept: int, working: int, limit: int) -> None:
        """Check that a device has room for the arrays and parameters, and for what a step works in."""
        if kept + working <= limit:
            return
        fits = max(limit - kept, 0) * self.batch // max(working, 1)
        fits = fits // self.placement.count * self.placement.count
        advice = f"batches of {fits} rows would fit" if fits else "its data and parameters alone do not fit"
        raise MemoryNeededError(
            f"a step on {self.batch} rows needs {show_bytes(kept + working)} of each device's memory, and"
            f" {show_bytes(limit)} are there; {advice}"
        )

    def explained(self, error: BaseException) -> BaseException:
        """Return what an error of XLA means."""
        if "RESOURCE_EXHAUSTED" not in str(error):
            return error
        half = max(self.batch // 2 // self.placement.count * self.placement.count, 1)
        return MemoryNeededError(
            f"a device ran out of memory in a step on {self.batch} rows; try batches of {half} rows, or fewer networks"
            " at once on the device"
        )

    def _inputs(self, call: Call, batch: int) -> tuple[Any, ...]:
        """Return the inputs on the devices; whole arrays are put there once a call, or once for several."""
        numbers = range(len(call.inputs)) if self.picking is None else self.picking.kept
        kept = tuple(self._kept(call, k) for k in numbers)
        if self.picking is None:
            return kept
        picked = []
        for node, pick in zip(self.picking.step.inputs[len(kept) :], self.picking.picked, strict=True):
            rows, source = pick.rows(self.step, call, batch), call.inputs[pick.source]
            picked.append(self.placement.put_rows(node, source, rows))
        return (*kept, *picked)

    def _kept(self, call: Call, k: int) -> Any:
        array, kept = call.inputs[k], call.memory.setdefault("on devices", {})
        key = (k, self.placement)
        if key not in kept or kept[key][0] is not array:
            sharding = self.placement.of_rows(len(array)) if k in self.rows else self.placement.whole
            kept[key] = array, self.placement.put(array, sharding)
        return kept[key][1]


def _multiplications(node: Expression) -> int:
    """Return about how much arithmetic a node is: the products of a matrix product, or an operation an element."""
    shape: Any = node.shape
    shared: Any = 1
    if node.operation.kind == "product":
        shared = node.inputs[0].shape[-2 if node.attribute("transpose_left") else -1]
    if node.operation.kind == "attention":
        shared = node.inputs[0].shape[-1] * node.inputs[1].shape[-2]
    return 0 if node.operation.kind == "source" else math.prod(shape) * int(shared)


def compile_step(
    step: Step, rows: Sequence[int] = (), devices: int | Sequence[int] | str | None = None, precision: str | None = None
) -> XlaStep:
    """Return a step to be run by XLA; see ``XlaStep`` and ``placement.placed``."""
    return XlaStep(step, placed(devices), rows, precision)


__all__ = ["XlaStep", "compile_step"]
