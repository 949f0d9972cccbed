"""Vectors of generated code: spreading, taking apart, reducing, and moving them to and from memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...core.errors import InternalError
from ...schedule.memory import LINE
from .target import Target
from .values import BYTES, Value, constant_value, llvm_type, memory_type, suffix
from .writer import PAST_CACHES, Writer

NARROWEST_PAST = 16  # bytes of a store that processors let go past the caches


class Lanes:
    """Writes instructions that arrange lanes, rather than compute with them.

    Args:
        writer: the function that is written.
        target: the machine it is written for.
    """

    def __init__(self, writer: Writer, target: Target) -> None:
        self.writer = writer
        self.target = target

    def _write(self, instruction: str, dtype: str, lanes: int) -> Value:
        return Value(self.writer.value(instruction), dtype, lanes)

    def _intrinsic(self, name: str, dtype: str, *operands: Value) -> Value:
        """Call an intrinsic that is overloaded on the one type of its operands and result."""
        lanes = operands[0].lanes
        full = f"@llvm.{name}.{suffix(operands[0].dtype, lanes)}"
        return self._call(full, llvm_type(dtype, lanes), dtype, lanes, *[o.typed for o in operands])

    def _call(self, function: str, result: str, dtype: str, lanes: int, *operands: str) -> Value:
        self._declare(function, result, operands)
        return self._write(f"call {result} {function}({', '.join(operands)})", dtype, lanes)

    def _declare(self, function: str, result: str, operands: Sequence[str]) -> None:
        self.writer.declare(f"{result} {function}({', '.join(map(_type_of, operands))})")

    def splat(self, value: Value, lanes: int) -> Value:
        """Return a scalar in every one of ``lanes`` lanes (a vector of as many lanes is returned as it is)."""
        if value.lanes == lanes:
            return value
        if value.lanes:
            raise InternalError(f"a vector of {value.lanes} lanes meets {lanes} lanes")
        if value.number is not None:
            return constant_value(value.number, value.dtype, lanes)
        kind = llvm_type(value.dtype, lanes)
        first = self.writer.value(f"insertelement {kind} poison, {value.typed}, i64 0")
        spread = f"shufflevector {kind} {first}, {kind} poison, <{lanes} x i32> zeroinitializer"
        return self._write(spread, value.dtype, lanes)

    def together(self, *values: Value) -> tuple[Value, ...]:
        """Return values with as many lanes as the widest of them."""
        lanes = max(v.lanes for v in values)
        return tuple(v if v.lanes == lanes else self.splat(v, lanes) for v in values)

    def iota(self, lanes: int, dtype: str) -> Value:
        """Return 0, 1, 2, ..., one number a lane."""
        if not lanes:
            return constant_value(0, dtype)
        texts = (f"{llvm_type(dtype)} {constant_value(i, dtype).text}" for i in range(lanes))
        return Value(f"<{', '.join(texts)}>", dtype, lanes)

    def first_lanes(self, count: int, lanes: int) -> Value | None:
        """Return a mask of the first ``count`` of ``lanes`` lanes; none is needed where ``count`` is 0, for all."""
        if not count:
            return None
        step = self.iota(lanes, "int32")
        limit = constant_value(count, "int32", lanes)
        return self._write(f"icmp slt {step.typed}, {limit.text}", "bool", lanes)

    def extract(self, value: Value, lane: int) -> Value:
        """Return one lane as a scalar."""
        if not value.lanes:
            return value
        if value.number is not None:
            return constant_value(value.number, value.dtype)
        return self._write(f"extractelement {value.typed}, i64 {lane}", value.dtype, 0)

    def assemble(self, scalars: Sequence[Value]) -> Value:
        """Return scalars as the lanes of one vector."""
        dtype, lanes = scalars[0].dtype, len(scalars)
        kind, text = llvm_type(dtype, lanes), "poison"
        for lane, scalar in enumerate(scalars):
            text = self.writer.value(f"insertelement {kind} {text}, {scalar.typed}, i64 {lane}")
        return Value(text, dtype, lanes)

    def slice(self, value: Value, start: int, count: int) -> Value:
        """Return ``count`` neighbouring lanes as a narrower vector (all of them: the vector as it is)."""
        if value.lanes == count:
            return value
        if value.number is not None:
            return constant_value(value.number, value.dtype, count)
        chosen = ", ".join(f"i32 {i}" for i in range(start, start + count))
        text = f"shufflevector {value.typed}, {value.type} poison, <{count} x i32> <{chosen}>"
        return self._write(text, value.dtype, count)

    def reduce_together(self, combine: Callable[..., Value], values: Sequence[Value]) -> Value:
        """Combine the lanes of each of as many vectors as these have lanes: lane k of the result is of vector k.

        Each is combined in the order of ``reduce_lanes``; together they take few shuffles, and one store.
        """
        if len(values) == 1:
            return values[0]
        x, y = (self.reduce_together(combine, some) for some in (values[::2], values[1::2]))
        parts = len(values) // 2  # of each vector, that belong to one of the values
        width = x.lanes // parts
        lower = [v + part * width + k for part in range(parts) for v in (0, x.lanes) for k in range(width // 2)]
        return combine(self, self._chosen(x, y, lower), self._chosen(x, y, [k + width // 2 for k in lower]))

    def _chosen(self, x: Value, y: Value, lanes: Sequence[int]) -> Value:
        """Return some lanes of two vectors; those of the second are counted on from those of the first."""
        chosen = ", ".join(f"i32 {i}" for i in lanes)
        return self._write(f"shufflevector {x.typed}, {y.typed}, <{len(lanes)} x i32> <{chosen}>", x.dtype, len(lanes))

    def reduce_lanes(self, combine: Callable[..., Value], value: Value) -> Value:
        """Combine all lanes into one scalar: lower half with upper half, until one is left.

        The order depends on the number of lanes alone, so the rounding is the same on every run.
        ``combine(builder, x, y)`` is written for vectors of each halved width.
        """
        if value.lanes & (value.lanes - 1):
            raise InternalError(f"{value.lanes} lanes cannot be halved down to one")
        while value.lanes > 2:
            half = value.lanes // 2
            value = combine(self, self.slice(value, 0, half), self.slice(value, half, half))
        if value.lanes == 2:
            return combine(self, self.extract(value, 0), self.extract(value, 1))
        return self.extract(value, 0)

    def transpose(self, rows: Sequence[Value]) -> list[Value]:
        """Return the columns of a square matrix given as one vector for each row; its side is a power of two.

        Squares of half the side trade places at each step: Eklundh, *A Fast Computer Method for Matrix Transposing*,
        IEEE Transactions on Computers, 1972.
        """
        side, turned = len(rows), list(rows)
        if any(row.lanes != side for row in rows):
            raise InternalError(f"{side} rows make a square only of {side} lanes each")
        half = side // 2
        while half:
            low = [k if not k & half else side + (k ^ half) for k in range(side)]
            high = [k | half if not k & half else side + k for k in range(side)]
            for upper in (k for k in range(side) if not k & half):
                pair = turned[upper], turned[upper | half]
                turned[upper], turned[upper | half] = self._pick(*pair, low), self._pick(*pair, high)
            half //= 2
        return turned

    def _pick(self, x: Value, y: Value, chosen: Sequence[int]) -> Value:
        """Return lanes chosen from two vectors side by side."""
        mask = f"<{len(chosen)} x i32> <{', '.join(f'i32 {k}' for k in chosen)}>"
        return self._write(f"shufflevector {x.typed}, {y.typed}, {mask}", x.dtype, len(chosen))

    def join(self, parts: Sequence[Value]) -> Value:
        """Return vectors of one width side by side, as one vector; their number is a power of two."""
        while len(parts) > 1:
            chosen = range(2 * parts[0].lanes)
            parts = [self._pick(x, y, chosen) for x, y in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]

    def in_registers(self, name: str, x: Value, *others: Value) -> Value:
        """Apply an AVX-512 instruction on exponents, register by register: getexp, getmant or scalef.

        ``getexp`` is the exponent of each lane as a float, ``getmant`` its significand, from 3/4 to 3/2 (NaN below
        zero), ``scalef`` x times 2 to the power of the floor of the second operand.
        """
        count = 512 // (8 * BYTES[x.dtype])
        function = f"@llvm.x86.avx512.mask.{name}.{'ps' if x.dtype == 'float32' else 'pd'}.512"
        kind, results = llvm_type(x.dtype, count), []
        for start in range(0, x.lanes, count):
            operands = [self.slice(o, start, count).typed if x.lanes > count else o.typed for o in (x, *others)]
            if name == "getmant":
                operands.append("i32 11")  # the interval 3/4 to 3/2 (3), and NaN below zero (8)
            every_lane, current_rounding = f"i{count} -1", "i32 4"
            operands += [f"{kind} zeroinitializer", every_lane, current_rounding]
            results.append(self._call(function, kind, x.dtype, count, *operands))
        return self.join(results)

    def any_lane(self, mask: Value) -> Value:
        """Return whether a mask holds in some lane."""
        if not mask.lanes or mask.number is not None:
            return self.extract(mask, 0)
        function = f"@llvm.vector.reduce.or.{suffix('bool', mask.lanes)}"
        return self._call(function, "i1", "bool", 0, mask.typed)

    def load(self, address: str, dtype: str, lanes: int = 0, mask: Value | None = None) -> Value:
        """Read neighbouring elements; lanes where the mask is false are not touched and read as zero."""
        kind, align = memory_type(dtype, lanes), BYTES[dtype]
        if mask is None or mask.number:
            return self._from_memory(f"load {kind}, ptr {address}, align {align}", dtype, lanes)
        if not lanes:
            return self._guarded_load(address, dtype, mask)
        function = f"@llvm.masked.load.{_memory_suffix(dtype, lanes)}.p0"
        operands = (f"ptr align {align} {address}", self.splat(mask, lanes).typed, f"{kind} zeroinitializer")
        self._declare(function, kind, operands)
        return self._from_memory(f"call {kind} {function}({', '.join(operands)})", dtype, lanes)

    def store(self, value: Value, address: str, mask: Value | None = None, past: bool = False) -> None:
        """Write neighbouring elements; lanes where the mask is false are left alone.

        Args:
            value, address, mask: what is written where.
            past: whether it may go past the caches, for which the address is a multiple of the lanes' bytes, or of a
                line's.
        """
        stored, align = self._to_memory(value), BYTES[value.dtype]
        if past and mask is None and value.lanes * align >= NARROWEST_PAST:
            self.writer.line(f"store {stored}, ptr {address}, align {min(value.lanes * align, LINE)}{PAST_CACHES}")
        elif mask is None or mask.number:
            self.writer.line(f"store {stored}, ptr {address}, align {align}")
        elif not value.lanes:
            with self.writer.branch(mask.text):
                self.writer.line(f"store {stored}, ptr {address}, align {align}")
        else:
            function = f"@llvm.masked.store.{_memory_suffix(value.dtype, value.lanes)}.p0"
            self._call_nothing(function, stored, f"ptr align {align} {address}", self.splat(mask, value.lanes).typed)

    def gather(self, base: str, offsets: Value, dtype: str, mask: Value | None = None) -> Value:
        """Read the elements at ``offsets`` from ``base``; lanes where the mask is false read as zero."""
        mask = self._mask(mask, offsets.lanes)
        if not (offsets.lanes or mask.lanes):
            return self.load(self._place(base, offsets, dtype).text, dtype, 0, mask)
        offsets, mask = self.together(offsets, mask)
        lanes, kind = offsets.lanes, memory_type(dtype, offsets.lanes)
        function = f"@llvm.masked.gather.{_memory_suffix(dtype, lanes)}.v{lanes}p0"
        places = f"<{lanes} x ptr> align {BYTES[dtype]} {self._place(base, offsets, dtype).text}"
        operands = (places, mask.typed, f"{kind} zeroinitializer")
        self._declare(function, kind, operands)
        return self._from_memory(f"call {kind} {function}({', '.join(operands)})", dtype, lanes)

    def scatter(self, value: Value, base: str, offsets: Value, mask: Value | None = None) -> None:
        """Write elements at ``offsets`` from ``base``, the first lane first, so that the last one to a place stays."""
        mask = self._mask(mask, max(offsets.lanes, value.lanes))
        if not (offsets.lanes or value.lanes or mask.lanes):
            return self.store(value, self._place(base, offsets, value.dtype).text, mask)
        value, offsets, mask = self.together(value, offsets, mask)
        function = f"@llvm.masked.scatter.{_memory_suffix(value.dtype, value.lanes)}.v{value.lanes}p0"
        places = f"<{value.lanes} x ptr> align {BYTES[value.dtype]} {self._place(base, offsets, value.dtype).text}"
        self._call_nothing(function, self._to_memory(value), places, mask.typed)
        return None

    def _mask(self, mask: Value | None, lanes: int) -> Value:
        return constant_value(True, "bool", lanes) if mask is None else mask

    def _place(self, base: str, offsets: Value, dtype: str) -> Value:
        return self._write(f"getelementptr {memory_type(dtype)}, ptr {base}, {offsets.typed}", "int64", offsets.lanes)

    def _call_nothing(self, function: str, *operands: str) -> None:
        self._declare(function, "void", operands)
        self.writer.line(f"call void {function}({', '.join(operands)})")

    def _from_memory(self, instruction: str, dtype: str, lanes: int) -> Value:
        text = self.writer.value(instruction)
        if dtype == "bool":
            text = self.writer.value(f"icmp ne {memory_type(dtype, lanes)} {text}, zeroinitializer")
        return Value(text, dtype, lanes)

    def _to_memory(self, value: Value) -> str:
        """Return a value as the typed operand of a store."""
        if value.dtype != "bool":
            return value.typed
        kind = memory_type("bool", value.lanes)
        return f"{kind} {self.writer.value(f'zext {value.typed} to {kind}')}"

    def _guarded_load(self, address: str, dtype: str, mask: Value) -> Value:
        """A scalar load behind a branch, since the address need not be valid where the mask is false."""
        before = self.writer.label
        with self.writer.branch(mask.text):
            loaded, inside = self.load(address, dtype), self.writer.label
        kind = llvm_type(dtype)
        joined = f"phi {kind} [zeroinitializer, %{before}], [{loaded.text}, %{inside}]"
        return self._write(joined, dtype, 0)


def _memory_suffix(dtype: str, lanes: int) -> str:
    return suffix("uint8" if dtype == "bool" else dtype, lanes)


def _type_of(operand: str) -> str:
    """Drop the text of a typed operand, and attributes that belong to the call."""
    if operand.startswith("<"):
        return operand[: operand.index(">") + 1]
    return operand.split(" ", 1)[0]


def is_wide(target: Target, value: Value) -> bool:
    """Whether a value is made of whole AVX-512 registers, for which x86 has instructions on exponents."""
    per_register = 512 // (8 * BYTES[value.dtype])
    return target.vector_bits == 512 and value.lanes >= per_register and value.lanes % per_register == 0
