"""Loops to LLVM IR. A vector loop runs its body once for many passes: every value in it has that many lanes.

What lanes add up for themselves (accumulators) is kept one vector for each element and joined when the loop ends, in
an order that depends on the number of lanes alone. A last, incomplete set of lanes runs under a mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ...core.indices import Index
from ...schedule.access import accesses, beside_bodies
from ...schedule.contraction import is_blocked, oriented
from ...schedule.loops import (
    Apply,
    Buffer,
    Contraction,
    Loop,
    Reduce,
    Statement,
    Store,
    extents,
    leaves,
    loads,
)
from ...schedule.loops import Value as LoopValue
from ...schedule.memory import plan_private
from ...schedule.share import is_shared_out
from .arithmetic import Arithmetic, Value, memory_type
from .blocked import BlockedContraction
from .blocking import Blocking
from .elements import Elements, Lanes
from .machine import Caches
from .microkernel import Tile
from .product import SmallProduct
from .skipping import SkippingContraction
from .streams import fence, streams
from .target import Target
from .values import BYTES
from .writer import Writer
from .zeros import skips_zeros

MOST_MASKED_PASSES = 24
LARGEST_TWICE = 100
MOST_UNROLLED_JOINS = 32
SUMS_AT_ONCE = 4
CHAINS = 4  # that one long sum is cut into
REGISTERS_AT_ONCE = (4, 2)
SMALL_BODY = 12  # statements up to which that costs hardly any time to compile
FEWEST_WIDE_PASSES = 4  # from which it is worth that time for a larger body


@dataclass
class Accumulators:
    """One vector for each element that lanes add to, from ``low`` on past where the loops ``around`` them are."""

    address: str
    lanes: int
    low: int
    size: int
    around: frozenset[str]


@dataclass
class Module:
    """What the kernels of a program share: micro-kernels, how much memory a thread needs, how contractions are cut."""

    choose: Callable[[Contraction, Target], Blocking]
    caches: Caches
    waits: set[int] = field(default_factory=set)  # the identities of statements before which threads meet
    functions: dict[Tile, tuple[str, str]] = field(default_factory=dict)
    scratch_bytes: int = 0


class Emitter(Elements):
    """Writes the statements of one kernel into a function.

    Args:
        writer: the function.
        arithmetic: the builder of its instructions.
        addresses: where each buffer begins.
        runtime: the values that differ from step to step (uint32): seed, step, order_seed, epoch, start.
        module: what it shares with the other kernels.
        team: whether several threads may run it, each with its number.
    """

    def __init__(
        self,
        writer: Writer,
        arithmetic: Arithmetic,
        addresses: dict[Buffer, str],
        runtime: dict[str, Value],
        module: Module,
        team: bool = False,
    ) -> None:
        super().__init__(writer, arithmetic, addresses, runtime)
        self.module, self.team = module, team
        self.extents: dict[str, int] = {}
        self.accumulators: dict[Buffer, Accumulators] = {}
        self.private_bytes = 0  # of the thread's own memory that the statement being written keeps for itself
        self.stepping = False  # whether it is in the steps of a recurrence

    def kernel(self, statements: Sequence[Statement]) -> None:
        """Write outermost statements; what threads do not share out among them, the first one does."""
        self.extents.update(extents(statements))
        for statement in statements:
            if id(statement) in self.module.waits:
                self._barrier()
            if not self.team or is_shared_out(statement):
                self._outermost(statement)
            else:
                with self.writer.branch(self.writer.value("icmp eq i64 %thread, 0")):
                    self.team = False  # nothing inside is shared out
                    self._outermost(statement)
                    self.team = True

    def _outermost(self, statement: Statement) -> None:
        if isinstance(statement, Loop) and statement.mode == "steps":
            return self._steps(statement)
        self.private_bytes = 0
        if isinstance(statement, Loop):
            self._allocate_private(statement)
        self.streams = streams(statement, self.module.caches)
        self.statement(statement)
        if self.streams.past and (instruction := fence(self.target.triple)):
            self.writer.declare(instruction)
            self.writer.line(f"call {instruction}")
        return None

    def _steps(self, loop: Loop) -> None:
        """Write the steps of a recurrence, after each of which threads meet."""
        outer, self.stepping = self.stepping, True
        with self.writer.loop(0, loop.extent) as counter:
            self.counters[loop.variable] = counter
            self.kernel(loop.body)
            self._barrier()
        del self.counters[loop.variable]
        self.stepping = outer

    def _barrier(self) -> None:
        """Let every thread wait here for all others."""
        if self.team:
            self.writer.line("call void @barrier(ptr %team, i64 %threads)")

    def share(self, units: int, of: int = 1) -> tuple[str | int, str | int]:
        """Return the first and the end of this thread's part of some units, in multiples of ``of`` but at the end."""
        if not self.team:
            return 0, units
        blocks = -(-units // of)

        def bound(thread: str) -> str | int:
            part = self.writer.value(f"udiv i64 {self.writer.multiply(thread, blocks)}, %threads")
            return part if of == 1 else self.writer.smaller(self.writer.multiply(part, of), units)

        return bound("%thread"), bound(self.writer.value("add nuw nsw i64 %thread, 1"))

    def scratch(self, size: int) -> str:
        """Return memory of the thread's own, of at least so many bytes, for one statement."""
        whole = self.private_bytes + size
        self.module.scratch_bytes = max(self.module.scratch_bytes, -(-whole // 4096) * 4096)
        return self.writer.address("%scratch", self.private_bytes, "i8")

    def function(self, tile: Tile, write: Callable[[str], str]) -> str:
        """Return the name of a micro-kernel, written if no other kernel has called it yet."""
        known = self.module.functions
        if tile not in known:
            name = f"tile{len(known)}"
            known[tile] = name, write(name)
        return known[tile][0]

    def statement(self, statement: Statement) -> None:
        """Write one statement."""
        if isinstance(statement, Loop):
            self._loop(statement)
        elif isinstance(statement, Store):
            self._store(statement)
        elif isinstance(statement, Reduce):
            self._reduce(statement)
        else:
            self.product(statement)

    def product(self, statement: Contraction) -> None:
        """Write a contraction."""
        if is_blocked(statement):
            if statement.body:
                self._allocate_private(Loop("", 1, list(statement.body), "vector"))
            blocked = SkippingContraction if skips_zeros(oriented(statement), self.target) else BlockedContraction
            blocked(self, statement).write()
        else:
            SmallProduct(self, statement).write()

    def body(self, statements: Sequence[Statement], column: tuple[str, int], first: str | int, last: str | int) -> None:
        """Write statements in lanes over some of a contraction's columns; ``first`` is a multiple of the lanes."""
        loop = Loop(*column, list(statements), "vector")
        self._lanes_between(loop, self._lane_count(loop), first, last)

    def _lanes_between(self, loop: Loop, count: int, first: str | int, last: str | int) -> None:
        """Write a loop's passes from ``first``, a multiple of the lanes, to ``last``, which may be its end."""
        whole = loop.extent // count * count
        with self.writer.loop(first, self.writer.smaller(last, whole), count) as base:
            self._lane_pass(loop, count, base, masked=False)
        if loop.extent % count:
            if isinstance(last, int):
                if last > whole:
                    self._lane_pass(loop, count, whole, masked=True)
                return
            with self.writer.branch(self.writer.value(f"icmp sgt i64 {last}, {whole}")):
                self._lane_pass(loop, count, whole, masked=True)

    # loops

    def _loop(self, loop: Loop) -> None:
        if loop.mode == "vector" and self.lanes is None:
            self._vector(loop)
        elif loop.mode == "unrolled" and self._is_chain(loop):
            self._chains(loop)
        elif loop.mode == "unrolled":
            for place in range(loop.extent):
                self.counters[loop.variable] = place
                self._body(loop)
            self.counters.pop(loop.variable, None)
        else:
            team = self.team
            first, last = self.share(loop.extent) if loop.parallel else (0, loop.extent)
            self.team = team and not loop.parallel  # a thread does its passes by itself
            with self.writer.loop(first, last) as counter:
                self.counters[loop.variable] = counter
                self._body(loop)
            del self.counters[loop.variable]
            self.team = team

    def _body(self, loop: Loop) -> None:
        for statement in loop.body:
            self.statement(statement)

    def _is_chain(self, loop: Loop) -> bool:
        """Whether an unrolled sum would only wait for itself: each term for the one before, and nothing to do beside.

        With many passes of the lanes, the next ones fill that time.
        """
        (leaf, *others) = loop.body
        if others or not isinstance(leaf, Reduce) or leaf.row or leaf.buffer in self.accumulators:
            return False
        waits = self.lanes is not None and self.lanes.passes < CHAINS and loop.extent >= 2 * CHAINS
        return waits and loop.variable not in leaf.index.variables

    def _chains(self, loop: Loop) -> None:
        """Write an unrolled sum as several shorter ones, joined at the end."""
        (leaf,) = loop.body
        assert isinstance(leaf, Reduce) and leaf.operation.scalar is not None
        totals = [self._get(leaf.buffer, leaf.index, None)]
        for place in range(loop.extent):
            self.counters[loop.variable] = place
            value, chain = self.value(leaf.value), place % CHAINS
            if chain < len(totals):
                totals[chain] = leaf.operation.scalar(self.b, totals[chain], value)
            else:
                totals.append(value)
        del self.counters[loop.variable]
        while len(totals) > 1:
            totals = [leaf.operation.scalar(self.b, x, y) for x, y in zip(totals[::2], totals[1::2], strict=True)]
        self._put(leaf.buffer, leaf.index, None, totals[0])

    def _vector(self, loop: Loop) -> None:
        count = self._lane_count(loop)
        if loop.parallel and self.team:
            return self._vector_part(loop)
        if self._waits_for_sums(loop, count):
            count *= SUMS_AT_ONCE
        wide = max(count, self._wide_count(loop))
        with self._accumulated(loop, count):
            full, rest = divmod(loop.extent, wide)
            if not rest:
                self._lane_passes(loop, wide, 0, loop.extent, masked=False)
            elif full and (full > MOST_MASKED_PASSES or _written_size(loop.body) <= LARGEST_TWICE):
                self._lane_passes(loop, wide, 0, full * wide, masked=False)
                last = wide if rest > count else count
                self._lane_pass(loop, last, full * wide, masked=rest != last)
            else:
                self._lane_passes(loop, wide, 0, loop.extent, masked=True)
        return None

    def _waits_for_sums(self, loop: Loop, count: int) -> bool:
        """Whether a loop does little but add up, so that each sum would wait for the one before: then several run."""
        if loop.extent < 4 * SUMS_AT_ONCE * count or len(loop.body) > SUMS_AT_ONCE:
            return False
        if any(isinstance(s, Loop) for s in loop.body) or any(
            self.private_lanes.get(s.buffer) for s in leaves(loop.body)
        ):
            return False
        return any(isinstance(s, Reduce) and loop.variable not in s.index.variables and not s.row for s in loop.body)

    def _vector_part(self, loop: Loop) -> None:
        """Write this thread's part of a vector loop: whole sets of lanes, and the last, incomplete one under a mask."""
        count = self._wide_count(loop)
        first, last = self.share(loop.extent, count)
        self._lanes_between(loop, count, first, last)

    def _lane_passes(self, loop: Loop, count: int, start: int, stop: int, masked: bool) -> None:
        if stop - start <= count:
            return self._lane_pass(loop, count, start, masked)
        with self.writer.loop(start, stop, count) as base:
            self._lane_pass(loop, count, base, masked)
        return None

    def _lane_pass(self, loop: Loop, count: int, base: str | int, masked: bool) -> None:
        mask = None
        if masked:
            dtype = "int32" if loop.extent < 2**31 - count else "int64"
            place = self.b.add(self.b.iota(count, dtype), self._integer(base, dtype))
            mask = self.b.compare("<", place, self.b.constant(loop.extent, like=place))
        self.lanes = Lanes(loop.variable, count, base, mask, -(-loop.extent // count))
        own = dict(self.private_lanes)
        self.private_lanes = {buffer: lanes and count for buffer, lanes in own.items()}
        self._body(loop)
        self.lanes, self.private_lanes = None, own

    def _lane_count(self, loop: Loop) -> int:
        """As many lanes as fit a register at the widest float (or else the widest dtype) that the loop computes in."""
        dtypes = {leaf.buffer.dtype for leaf in leaves(loop.body)}
        for leaf in leaves(loop.body):
            if not isinstance(leaf, Contraction):
                dtypes.update(load.dtype for load in loads(leaf.value))
                dtypes.update(_dtypes(leaf.value))
        floats = dtypes & {"float32", "float64"}
        return self.target.lanes(max(floats or dtypes, key=lambda d: BYTES[d]))

    def _wide_count(self, loop: Loop) -> int:
        """As many lanes as a pass of the loop takes: several registers where its statements make a chain.

        Each instruction of a chain waits for the one before, and the processor does not look ahead far enough to begin
        the next pass meanwhile. Several registers side by side fill that time, and share what every pass loads.
        """
        count, inside = self._lane_count(loop), list(leaves(loop.body))
        computes = len(inside) > 1 and any(isinstance(s, Store | Reduce) and isinstance(s.value, Apply) for s in inside)
        fewest = FEWEST_WIDE_PASSES if _written_size(loop.body) > SMALL_BODY else 1
        once = loop.extent if self.stepping else 0  # then there is no loop, and one step waits for the other less
        fits = (n for n in REGISTERS_AT_ONCE if count * n * fewest <= loop.extent or count * n == once)
        return count * next(fits, 1) if computes else count

    # memory that lanes or passes have for themselves

    def _allocate_private(self, loop: Loop) -> None:
        if loop.mode == "parts":  # each of its loops is an outermost one
            for inner in loop.body:
                if isinstance(inner, Loop):
                    self._allocate_private(inner)
            return
        if any(isinstance(leaf, Contraction) for leaf in leaves([loop])):
            self._place_private(loop)
        written = {leaf.buffer for leaf in leaves([loop]) if leaf.buffer.place == "private"}
        for buffer in sorted((written & beside_bodies([loop])) - self.addresses.keys(), key=lambda b: b.name):
            lanes = self._own_lanes(loop, buffer)
            self.addresses[buffer] = self.writer.allocate(memory_type(buffer.dtype, lanes), buffer.size)
            self.private_lanes[buffer] = lanes

    def _place_private(self, loop: Loop) -> None:
        """Find places in the thread's own memory for arrays that products of one pass make and read."""
        places, size = plan_private(loop)
        if places:
            start = self.private_bytes
            self.private_bytes += size
            self.scratch(0)
        for buffer, place in places.items():
            self.addresses[buffer] = self.writer.address("%scratch", start + place, "i8")

    def _own_lanes(self, statement: Statement, buffer: Buffer) -> int:
        """Return how many lanes have an element each of what is private to a pass of a vector loop, else 0."""
        if not isinstance(statement, Loop):
            return 0
        if statement.mode == "vector":
            touches = accesses([statement])[buffer]
            along = any(t.index and statement.variable in t.index.variables for t in touches)
            return 0 if along else self._wide_count(statement)
        inside = [s for s in statement.body if buffer in accesses([s])]
        return self._own_lanes(inside[0], buffer) if len(inside) == 1 else 0

    @contextmanager
    def _accumulated(self, loop: Loop, count: int) -> Iterator[None]:
        """Give every element that the lanes of a loop reduce to a vector of its own, and join them at the end."""
        before, made = dict(self.accumulators), []
        for leaf in leaves(loop.body):
            if not isinstance(leaf, Reduce) or leaf.buffer in self.accumulators or self.private_lanes.get(leaf.buffer):
                continue
            if loop.variable in leaf.index.variables or leaf.row:
                continue
            made.append(self._make_accumulators(loop, leaf, count))
        yield
        for leaf, vectors in made:
            self._join(leaf, vectors)
        self.accumulators = before

    def _make_accumulators(self, loop: Loop, leaf: Reduce, count: int) -> tuple[Reduce, Accumulators]:
        spans = [
            self._inner(other.index).span(self.extents.__getitem__)
            for other in leaves(loop.body)
            if other.buffer is leaf.buffer
        ]
        low, high = min(s[0] for s in spans), max(s[1] for s in spans)
        kind, dtype = memory_type(leaf.buffer.dtype, count), leaf.buffer.dtype
        size = high - low + 1
        vectors = Accumulators(self.writer.allocate(kind, size), count, low, size, frozenset(self.counters))
        assert leaf.operation.identity is not None
        identity = self.b.splat(self.b.constant_of(leaf.operation.identity(dtype), dtype), count)
        once = self._wide_count(loop) >= loop.extent  # then they stay in registers
        for element in self._elements(0, vectors.size, most=MOST_UNROLLED_JOINS if once else 1):
            self.b.store(identity, self.writer.address(vectors.address, element, kind))
        self.accumulators[leaf.buffer] = vectors
        return leaf, vectors

    def _join(self, leaf: Reduce, vectors: Accumulators) -> None:
        """Join the lanes of accumulators and add them to the elements they are of, as many at once as a vector has."""
        outer = self.offset(Index(tuple(t for t in leaf.index.terms if t[0] in vectors.around)))
        together = vectors.size // vectors.lanes * vectors.lanes
        for element in self._elements(0, together, vectors.lanes):
            self._join_elements(leaf, vectors, outer, element, vectors.lanes)
        for element in self._elements(together, vectors.size):
            self._join_elements(leaf, vectors, outer, element, 0)

    def _join_elements(self, leaf: Reduce, vectors: Accumulators, outer: str | int, first: str | int, n: int) -> None:
        """Join the accumulators of n neighbouring elements; n is 0 for one alone."""
        combine, dtype = leaf.operation.scalar, leaf.buffer.dtype
        assert combine is not None
        kind = memory_type(dtype, vectors.lanes)
        places = [self.writer.address(vectors.address, self.writer.add(first, k), kind) for k in range(max(n, 1))]
        totals = [self.b.load(place, dtype, vectors.lanes) for place in places]
        joined = self.b.reduce_together(combine, totals) if n else self.b.reduce_lanes(combine, totals[0])
        offset = self.writer.add(self.writer.add(outer, first), vectors.low)
        address = self.writer.address(self.addresses[leaf.buffer], offset, memory_type(dtype))
        self.b.store(combine(self.b, self.b.load(address, dtype, n), joined), address)

    def _inner(self, index: Index) -> Index:
        """The part of an index that loops inside the vector loop move (those outside are where they are)."""
        return Index(tuple(t for t in index.terms if t[0] not in self.counters), index.offset)

    def _elements(self, first: int, last: int, step: int = 1, most: int = MOST_UNROLLED_JOINS) -> Iterator[str | int]:
        """Yield every step-th element's number, written out if they are few, else in a loop."""
        if last - first <= most:
            yield from range(first, last, step)
        else:
            with self.writer.loop(first, last, step) as element:
                yield element

    # statements

    def _store(self, statement: Store) -> None:
        value = self.value(statement.value)
        self._put(statement.buffer, statement.index, None, value)

    def _reduce(self, statement: Reduce) -> None:
        assert statement.operation.scalar is not None
        value = self.value(statement.value)
        vectors = self.accumulators.get(statement.buffer)
        if vectors is None:
            old = self._get(statement.buffer, statement.index, statement.row)
            new = statement.operation.scalar(self.b, old, value)
            return self._put(statement.buffer, statement.index, statement.row, new)
        return self._accumulate(statement, value, vectors)

    def _accumulate(self, statement: Reduce, value: Value, vectors: Accumulators) -> None:
        """Add a value to accumulators, one register of its lanes after the other."""
        assert self.lanes is not None and statement.operation.scalar is not None
        inner = Index(tuple(t for t in statement.index.terms if t[0] not in vectors.around), statement.index.offset)
        offset, dtype = self.offset(inner - vectors.low), statement.buffer.dtype
        address = self.writer.address(vectors.address, offset, memory_type(dtype, vectors.lanes))
        total = self.b.load(address, dtype, vectors.lanes)
        value, mask = self.b.splat(value, self.lanes.count), self.lanes.mask
        for start in range(0, self.lanes.count, vectors.lanes):
            new = statement.operation.scalar(self.b, total, self.b.slice(value, start, vectors.lanes))
            total = new if mask is None else self.b.select(self.b.slice(mask, start, vectors.lanes), new, total)
        self.b.store(total, address)


def _written_size(statements: Sequence[Statement]) -> int:
    """How many statements are written out, unrolled loops counted in full."""
    total = 0
    for s in statements:
        if isinstance(s, Loop):
            total += _written_size(s.body) * (s.extent if s.mode == "unrolled" else 1)
        else:
            total += 1
    return total


def _dtypes(value: LoopValue) -> Iterator[str]:
    stack = [value]
    while stack:
        current = stack.pop()
        yield current.dtype
        if isinstance(current, Apply):
            stack.extend(current.values)
