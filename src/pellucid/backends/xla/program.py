"""A step as one XLA program: once, or many times in a loop; how it is traced, compiled and run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.errors import MemoryNeededError
from ...core.expression import Expression
from ...core.memory import bytes_of, show_bytes
from ...core.traversal import topological
from ...operations.batching import batch_indices
from ...operations.recurrence import is_recurrence, loop_key, loop_of
from ...step import Call, Step
from .library import jax
from .lower import Lowering, drawn
from .picking import Picking, picking
from .placement import Placement, check_shared_out, memory_of

MOST_ROOM = 2**22  # bytes of outputs that one dispatch of a loop may return
MOST_STEPS = 4096  # in one dispatch of a loop
SMALL = 1 << 26  # multiplications in a step from which a CPU is busy with it, and a loop gains nothing
TINY = 1 << 15  # multiplications in a step below which calling a library for them takes longer than they do
LIBRARY = "xla_cpu_experimental_ynn_fusion_type"
WORD = 0xFFFFFFFF


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
        if not step.batches.first_row:  # a short last batch may be computed whole by each device
            check_shared_out(step.batches.rows, placement.count)
        self.loops = self._is_loop()
        picks_rows = (node for node in topological(made.roots) if node.operation is batch_indices)
        self.shuffles = [node for node in picks_rows if self.loops and node.attribute("shuffle")]
        self._order_shape = (step.batches.count * step.batches.rows,)
        self._compiled: Any = None

    def _is_loop(self) -> bool:
        """Whether many steps go into one dispatch.

        On a CPU XLA computes convolutions in a loop on one core, and copies in it what a step both reads and writes,
        which a large step would pay for.
        """
        if self.picking is not None or not self._room():
            return False
        if self.placement.devices[0].platform != "cpu":
            return True
        order = topological(self.step.roots)
        if any(node.operation.kind in ("convolution", "pooling") for node in order):
            return False
        return _work(order) < SMALL

    def _room(self) -> int:
        """Return for how many steps there is room in what one dispatch returns."""
        return min(MOST_ROOM // max(bytes_of(self.step.outputs), 1), MOST_STEPS)

    # What is traced

    def once(
        self, updated: Any, read: Any, inputs: Any, seeds: Any, step: Any, batch: Any, orders: Any = ()
    ) -> tuple[Any, Any]:
        """Return the outputs and new values of one step; ``orders`` are those of the epoch, if they are drawn."""
        traced, batches = self.traced, self.step.batches
        given: dict[Expression, Any] = dict(zip(traced.inputs, inputs, strict=True))
        for numbers, values in ((self.updated, updated), (self.read, read)):
            given |= {self.parameters[k]: value for k, value in zip(numbers, values, strict=True)}

        def draw(node: Expression) -> Any:
            if orders and node in self.shuffles:
                place = batch % batches.count * batches.rows
                found = jax().lax.dynamic_slice(orders[self.shuffles.index(node)], (place,), (batches.rows,))
            elif node.operation is batch_indices:
                epoch, start = batch // batches.count, batches.row(batch)
                found = drawn(node, seeds[1], epoch.astype("uint32"), start.astype("uint32"))
                found = self._constrained(found, self.placement.whole)  # or devices would agree on when to walk on
            else:
                found = drawn(node, seeds[0], (step + batches.step(batch)).astype("uint32"))
                found = jax().lax.optimization_barrier(found)  # or what reads it would each draw it again
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

    def many(self, kept: Any, read: Any, inputs: Any, seeds: Any, step: Any, batch: Any, count: Any, known: Any) -> Any:
        """Return the outputs of some steps, in rooms for as many as there may be, and what is kept for the next ones.

        That is the parameters' values, and the order of the rows of an epoch, which is drawn once for all its steps.
        ``known`` is the epoch of the one that is given.
        """
        numpy, lax = jax().numpy, jax().lax
        rooms = tuple(numpy.zeros((self._room(), *o.shape), o.dtype) for o in self.step.outputs)

        def steps(first: Any, end: Any, rooms: Any, updated: Any, orders: Any) -> Any:
            def body(k: Any, state: Any) -> Any:
                rooms, updated = state
                outputs, updated = self.once(updated, read, inputs, seeds, step, batch + k, orders)
                put = lax.dynamic_update_index_in_dim
                return tuple(put(room, out, k, 0) for room, out in zip(rooms, outputs, strict=True)), updated

            return lax.fori_loop(first, end, body, (rooms, updated))

        def epoch(state: Any) -> Any:
            done, rooms, (updated, orders), known = state
            number, place = (batch + done) // self.step.batches.count, (batch + done) % self.step.batches.count
            orders = lax.cond(number == known, lambda: orders, lambda: self._orders(seeds[1], number.astype("uint32")))
            end = numpy.minimum(count, done + self.step.batches.count - place)
            rooms, updated = steps(done, end, rooms, updated, orders)
            return end, rooms, (updated, orders), number

        if not self.shuffles:
            rooms, updated = steps(0, count, rooms, kept[0], ())
            return rooms, (updated, ())
        state = lax.while_loop(lambda state: state[0] < count, epoch, (count * 0, rooms, kept, known))
        return state[1:3]

    def _orders(self, seed: Any, epoch: Any) -> tuple[Any, ...]:
        """Return the rows of all batches of an epoch, one after another, for each node that picks some."""
        first = np.uint32(self.step.batches.first_row)
        return tuple(drawn(node, seed, epoch, first, self._order_shape) for node in self.shuffles)

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
            arguments = (read, self._inputs(call, batch), seeds, step, np.int64(batch))
            if self.loops:
                orders, known = self._kept_orders(call)
                outputs, (updated, orders) = self._called((updated, orders), *arguments, np.int64(size), known)
                epoch = np.int64((batch + size - 1) // self.step.batches.count)
                call.memory["orders"] = call.order_seed, orders, epoch
            else:
                outputs, updated = self._called(updated, *arguments)
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

    def _kept_orders(self, call: Call) -> tuple[Any, Any]:
        """Return the orders of rows that were drawn last, and of which epoch they are, or orders that are of none."""
        seed, orders, epoch = call.memory.pop("orders", (None, None, None))  # they are donated
        if orders is None:
            empty = np.zeros(self._order_shape, np.int32)
            orders = tuple(self.placement.put(empty, self.placement.whole, copied=True) for _ in self.shuffles)
        return orders, epoch if seed == call.order_seed else np.int64(-1)

    def _called(self, *arguments: Any) -> Any:
        if self._compiled is None:
            self._compiled = self._compile(arguments)
        return self._compiled(*arguments)

    def lowered(self, arguments: Any) -> Any:
        """Return what JAX makes of the step for arguments like these, before XLA compiles it."""
        whole = self.placement.whole
        made = self.many if self.loops else self.once
        return jax().jit(made, donate_argnums=0, out_shardings=whole).lower(*arguments)

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
        seeds, number = (numpy.uint32(0), numpy.uint32(0)), numpy.int64(0)
        if not self.loops:
            return (*parameters, inputs, seeds, number, number)
        order = jax().ShapeDtypeStruct(self._order_shape, "int32", sharding=whole)
        kept = (parameters[0], tuple(order for _ in self.shuffles))
        return (kept, parameters[1], inputs, seeds, *[number] * 4)

    def _compile(self, arguments: Any) -> Any:
        compiled = _compiled(self.lowered(arguments), self._options())
        limit = min((m for m in map(memory_of, self.placement.devices) if m), default=None)
        if limit is not None:
            used = compiled.memory_analysis()
            kept = used.argument_size_in_bytes + used.output_size_in_bytes - used.alias_size_in_bytes
            self._check_memory(kept, used.temp_size_in_bytes, limit)
        return compiled

    def _options(self) -> dict[str, str]:
        """Return what XLA is told: on a CPU, to compute tiny products itself instead of calling a library."""
        is_tiny = _work(topological(self.step.roots)) < TINY
        return {LIBRARY: ""} if is_tiny and self.placement.devices[0].platform == "cpu" else {}

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

    def explained(self, error: BaseException, left: str) -> BaseException:
        """Return what an error of XLA means, and what is left of the parameters' values."""
        if "RESOURCE_EXHAUSTED" not in str(error):
            if left:
                error.add_note(left)
            return error
        half = self.batch // 2 // self.placement.count * self.placement.count
        where, cure = (f" on {self.batch} rows", f"batches of {half} rows, or ") if half else ("", "")
        return MemoryNeededError(
            f"a device ran out of memory in a step{where}; try {cure}fewer networks at once on the device"
            + (left and f"; {left}")
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
        array = call.inputs[k]
        sharding = self.placement.of_rows(len(array)) if k in self.rows else self.placement.whole
        kept, value = call.placed.get((k, sharding), (None, None))
        if kept is not array:
            value = self.placement.put(array, sharding)
            call.placed[k, sharding] = array, value
        return value


def _compiled(lowered: Any, options: dict[str, str]) -> Any:
    """Return what XLA compiles, without options that this version of it does not have."""
    try:
        return lowered.compile(compiler_options=options or None)
    except jax().errors.JaxRuntimeError as error:
        if not options or "No such compile option" not in str(error):
            raise
        return lowered.compile()


def _work(order: Sequence[Expression]) -> int:
    """Return about how many multiplications nodes are, with each step of the loops among them."""
    loops = {loop_key(node): loop_of(node) for node in order if is_recurrence(node)}
    each: list[Any] = [(loop.length, topological(loop.roots)) for loop in loops.values()]
    return sum(map(_multiplications, order)) + sum(int(n) * _work(body) for n, body in each)


def _multiplications(node: Expression) -> int:
    """Return about how much arithmetic a node is: the products of a matrix product, or an operation an element."""
    shape: Any = node.shape
    shared: Any = 1
    if node.operation.kind == "product":
        shared = node.inputs[0].shape[-2 if node.attribute("transpose_left") else -1]
    if node.operation.kind == "attention":
        shared = node.inputs[0].shape[-1] * node.inputs[1].shape[-2]
    return 0 if node.operation.kind == "source" else math.prod(shape) * int(shared)


__all__ = ["Program"]
