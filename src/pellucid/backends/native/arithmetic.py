"""The arithmetic builder: what the bodies of elementwise operations are written against.

Every method takes scalars and vectors mixed (a scalar beside a vector is spread over its lanes) of one dtype,
writes the instructions, and returns the result. Floats follow IEEE 754 with one freedom: a product and a sum
may fuse into one rounding (``contract``), so NaN, infinities and signed zeros come out as in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.dtypes import is_float
from ...core.errors import InternalError
from . import libm, mathematics
from .lanes import Lanes
from .values import BITS, Number, Value, constant_value, llvm_type, memory_type, suffix

SIGNED = ("int32", "int64")

_FLOAT_COMPARISONS = {"==": "oeq", "!=": "une", "<": "olt", "<=": "ole", ">": "ogt", ">=": "oge"}
_SIGNED_COMPARISONS = {"==": "eq", "!=": "ne", "<": "slt", "<=": "sle", ">": "sgt", ">=": "sge"}
_UNSIGNED_COMPARISONS = {"==": "eq", "!=": "ne", "<": "ult", "<=": "ule", ">": "ugt", ">=": "uge"}
_FOLDS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


class Arithmetic(Lanes):
    """Writes the instructions of arithmetic and mathematics on scalars and vectors.

    Args:
        writer: the function that is written.
        target: the machine it is written for.
    """

    def constant(self, number: Number, like: Value) -> Value:
        """Return a number in the dtype and lanes of another value."""
        return constant_value(number, like.dtype, like.lanes)

    def constant_of(self, number: Number, dtype: str) -> Value:
        """Return a number as a scalar of a dtype."""
        return constant_value(number, dtype)

    def add(self, x: Value, y: Value) -> Value:
        """x + y; integers wrap around, and booleans join by or."""
        return self._basic("add", "fadd contract", "or", x, y)

    def subtract(self, x: Value, y: Value) -> Value:
        """x - y; integers wrap around."""
        return self._basic("subtract", "fsub contract", "xor", x, y)

    def multiply(self, x: Value, y: Value) -> Value:
        """x y; integers wrap around, and booleans join by and."""
        return self._basic("multiply", "fmul contract", "and", x, y)

    def divide(self, x: Value, y: Value) -> Value:
        """x / y of floats."""
        self._require_float("divide", x)
        return self._binary("fdiv", x, y)

    def negative(self, x: Value) -> Value:
        """-x; integers wrap around."""
        if x.number is not None and x.dtype != "bool":
            return self._folded(np.negative, x)
        if is_float(x.dtype):
            return self._write(f"fneg {x.typed}", x.dtype, x.lanes)
        return self._write(f"sub {x.type} zeroinitializer, {x.text}", x.dtype, x.lanes)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """x y + z, rounded once where the target has the instruction."""
        if not (self.target.has_fma and is_float(x.dtype)):
            return self.add(self.multiply(x, y), z)
        return self._intrinsic("fma", x.dtype, *self._alike(x, y, z))

    def minimum(self, x: Value, y: Value) -> Value:
        """The smaller; NaN if either is NaN."""
        return self._extreme("<", x, y)

    def maximum(self, x: Value, y: Value) -> Value:
        """The larger; NaN if either is NaN."""
        return self._extreme(">", x, y)

    def _extreme(self, order: str, x: Value, y: Value) -> Value:
        x, y = self._alike(x, y)
        if x.number is not None:
            x, y = y, x
        if y.number is not None and y.number == y.number:
            # One machine instruction: the comparison is false where x is NaN, and then x is what is kept.
            return self.select(self.compare(order, y, x), y, x)
        if not is_float(x.dtype):
            return self.select(self.compare(order, x, y), x, y)
        # One instruction that keeps x where either is NaN, and one for y, so that a long maximum x waits for one alone.
        return self.select(self.is_nan(y), y, self.select(self.compare(order, y, x), y, x))

    def abs(self, x: Value) -> Value:
        """|x|; the smallest signed integer stays as it is."""
        if is_float(x.dtype):
            return self._intrinsic("fabs", x.dtype, x)
        if x.dtype not in SIGNED:
            return x
        return self._call(f"@llvm.abs.{suffix(x.dtype, x.lanes)}", x.type, x.dtype, x.lanes, x.typed, "i1 false")

    def sqrt(self, x: Value) -> Value:
        """The square root of a float; NaN below zero."""
        self._require_float("sqrt", x)
        return self._intrinsic("sqrt", x.dtype, x)

    def floor(self, x: Value) -> Value:
        """The largest integer not above x."""
        return self._rounded("floor", x)

    def ceil(self, x: Value) -> Value:
        """The smallest integer not below x."""
        return self._rounded("ceil", x)

    def trunc(self, x: Value) -> Value:
        """x without its fraction."""
        return self._rounded("trunc", x)

    def rint(self, x: Value) -> Value:
        """The nearest integer, the even one where two are as near."""
        return self._rounded("rint", x)

    def _rounded(self, name: str, x: Value) -> Value:
        return self._intrinsic(name, x.dtype, x) if is_float(x.dtype) else x

    def copysign(self, magnitude: Value, sign: Value) -> Value:
        """|magnitude| with the sign of ``sign``."""
        self._require_float("copysign", magnitude)
        return self._intrinsic("copysign", magnitude.dtype, *self._alike(magnitude, sign))

    def is_nan(self, x: Value) -> Value:
        """Whether a float is not a number."""
        return self._write(f"fcmp uno {x.typed}, {x.text}", "bool", x.lanes)

    def quotient(self, x: Value, y: Value) -> Value:
        """x / y of integers, without the fraction; 0 where y is 0, and INT_MIN / -1 stays INT_MIN."""
        x, y = self._alike(x, y)
        divided = self._binary("sdiv" if x.dtype in SIGNED else "udiv", x, self._safe_divisor(x, y))
        return self.select(self.compare("==", y, self.constant(0, like=y)), self.constant(0, like=x), divided)

    def rest(self, x: Value, y: Value) -> Value:
        """x - y quotient(x, y) of integers, with the sign of x; 0 where y is 0, or -1."""
        x, y = self._alike(x, y)
        return self._binary("srem" if x.dtype in SIGNED else "urem", x, self._safe_divisor(x, y))

    def _safe_divisor(self, x: Value, y: Value) -> Value:
        """Replace by 1 the divisors for which the machine's division would trap; the rest is then 0, as it should."""
        if y.number is not None and y.number not in (0, -1):
            return y
        traps = self.compare("==", y, self.constant(0, like=y))
        if x.dtype in SIGNED:
            smallest = self.compare("==", x, self.constant(-(2 ** (BITS[x.dtype] - 1)), like=x))
            overflows = self.bit_and(smallest, self.compare("==", y, self.constant(-1, like=y)))
            traps = self.bit_or(traps, overflows)
        return self.select(traps, self.constant(1, like=y), y)

    def compare(self, order: str, x: Value, y: Value) -> Value:
        """Whether ``x order y``, one of == != < <= > >=; for NaN only != holds."""
        x, y = self._alike(x, y)
        if x.number is not None and y.number is not None:
            return self._folded(_FOLDS[order], x, y, dtype="bool")
        if is_float(x.dtype):
            instruction = f"fcmp {_FLOAT_COMPARISONS[order]}"
        else:
            table = _SIGNED_COMPARISONS if x.dtype in SIGNED else _UNSIGNED_COMPARISONS
            instruction = f"icmp {table[order]}"
        return self._write(f"{instruction} {x.typed}, {y.text}", "bool", x.lanes)

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        """x where the condition holds, y elsewhere."""
        x, y = self._alike(x, y)
        if condition.number is not None and max(x.lanes, y.lanes) >= condition.lanes:
            return x if condition.number else y
        condition, x, y = self.together(condition, x, y)
        return self._write(f"select {condition.typed}, {x.typed}, {y.typed}", x.dtype, x.lanes)

    def bit_and(self, x: Value, y: Value) -> Value:
        """Bits set in both; of booleans, and."""
        return self._binary("and", x, y)

    def bit_or(self, x: Value, y: Value) -> Value:
        """Bits set in either; of booleans, or."""
        return self._binary("or", x, y)

    def bit_xor(self, x: Value, y: Value) -> Value:
        """Bits set in one of the two; of booleans, exclusive or."""
        return self._binary("xor", x, y)

    def bit_not(self, x: Value) -> Value:
        """Every bit turned; of booleans, not."""
        return self._binary("xor", x, self.constant(True if x.dtype == "bool" else -1, like=x))

    def shift_left(self, x: Value, amount: Value) -> Value:
        """Bits moved up; 0 where the amount is the width or more (or negative)."""
        return self._shifted("shl", x, amount)

    def shift_right(self, x: Value, amount: Value) -> Value:
        """Bits moved down; 0, or the sign, where the amount is the width or more (or negative)."""
        return self._shifted("ashr" if x.dtype in SIGNED else "lshr", x, amount)

    def _shifted(self, instruction: str, x: Value, amount: Value) -> Value:
        x, amount = self._alike(x, amount)
        width = BITS[x.dtype]
        if amount.number is not None and 0 <= amount.number < width:
            return self._binary(instruction, x, amount) if amount.number else x
        if x.dtype == "bool":  # one bit: only a shift by 0 keeps it
            return self.bit_and(x, self.bit_not(amount))
        limit = self.constant(width, like=amount)
        fits = self._write(f"icmp ult {amount.typed}, {limit.text}", "bool", x.lanes)
        most = self.constant(width - 1, like=amount)
        if instruction == "ashr":
            return self._binary(instruction, x, self.select(fits, amount, most))
        return self.select(fits, self._binary(instruction, x, amount), self.constant(0, like=x))

    def convert(self, x: Value, dtype: str) -> Value:
        """The value in another dtype: floats to integers drop the fraction, saturate, and NaN gives 0."""
        if x.dtype == dtype:
            return x
        if dtype == "bool":
            return self.compare("!=", x, self.constant(0, like=x))
        if is_float(x.dtype) and not is_float(dtype):
            return self._to_integer(x, dtype)
        if x.number is not None:
            return self._folded(lambda number: number.astype(dtype), x, dtype=dtype)
        instruction = _conversion(x.dtype, dtype)
        if instruction is None:
            return Value(x.text, dtype, x.lanes)
        return self._write(f"{instruction} {x.typed} to {llvm_type(dtype, x.lanes)}", dtype, x.lanes)

    def _to_integer(self, x: Value, dtype: str) -> Value:
        # LLVM's own saturating conversion is taken apart into scalars on x86, so compare and select. Converting
        # what does not fit is poison; frozen, it is some number, and one of the selects replaces it.
        signed, kind = dtype in SIGNED, llvm_type(dtype, x.lanes)
        raw = self.writer.value(f"{'fptosi' if signed else 'fptoui'} {x.typed} to {kind}")
        whole = self._write(f"freeze {kind} {raw}", dtype, x.lanes)
        power = BITS[dtype] - (1 if signed else 0)
        low = -(2**power) if signed else 0
        top = self.constant(2**power - 1, like=whole)
        whole = self.select(self.compare(">=", x, self.constant(float(2**power), like=x)), top, whole)
        low_limit = self.constant(float(low), like=x)
        whole = self.select(self.compare("<", x, low_limit), self.constant(low, like=whole), whole)
        return self.select(self.is_nan(x), self.constant(0, like=whole), whole)

    def bitcast(self, x: Value, dtype: str) -> Value:
        """The same bits read as another dtype of the same width."""
        if BITS[x.dtype] != BITS[dtype]:
            raise InternalError(f"{x.dtype} and {dtype} differ in width, so one is not the bits of the other")
        if x.dtype == dtype:
            return x
        if is_float(x.dtype) == is_float(dtype):
            return Value(x.text, dtype, x.lanes)
        return self._write(f"bitcast {x.typed} to {llvm_type(dtype, x.lanes)}", dtype, x.lanes)

    def repeat_while(self, condition: Callable[[Value], Value], step: Callable[[Value], Value], value: Value) -> Value:
        """Replace the value by ``step(value)`` while ``condition(value)`` holds, in each lane for itself.

        Lanes that are done keep their value until the last one is.
        """
        writer = self.writer
        before, head, body, after = writer.label, *(writer.fresh(s) for s in ("while", "step", "done"))
        writer.line(f"br label %{head}")
        writer.start_block(head)
        phi = len(writer.lines)
        writer.lines.append("")
        current = Value("%" + writer.fresh(), value.dtype, value.lanes)
        going = condition(current)
        writer.line(f"br i1 {self.any_lane(going).text}, label %{body}, label %{after}")
        writer.start_block(body)
        stepped = self.select(going, step(current), current) if value.lanes else step(current)
        writer.line(f"br label %{head}, !llvm.loop !0")
        joined = f"phi {value.type} [{value.text}, %{before}], [{stepped.text}, %{writer.label}]"
        writer.lines[phi] = f"  {current.text} = {joined}"
        writer.start_block(after)
        return current

    def where_any(self, mask: Value, compute: Callable[[], Value], value: Value) -> Value:
        """Return ``compute()`` where the mask holds and ``value`` elsewhere; it runs only if some lane's mask does."""
        before = self.writer.label
        with self.writer.branch(self.any_lane(mask).text):
            computed = self.select(mask, compute(), value)
            inside = self.writer.label
        return self._write(
            f"phi {value.type} [{value.text}, %{before}], [{computed.text}, %{inside}]", value.dtype, value.lanes
        )

    def call(self, name: str, *operands: Value) -> Value:
        """Call a function of the system's libm (see ``libm.py``), lane by lane."""
        operands = self._alike(*operands)
        dtype, lanes = operands[0].dtype, operands[0].lanes
        function, kind = libm.symbol(name, dtype), llvm_type(dtype)
        if len(operands) != libm.FUNCTIONS[name]:
            raise InternalError(f"{name} takes {libm.FUNCTIONS[name]} operands, not {len(operands)}")
        # errno is not looked at, so the function reads and writes no memory.
        types = ", ".join([kind] * len(operands))
        self.writer.declare(f"{kind} @{function}({types}) nounwind willreturn memory(none)")
        results = []
        for lane in range(max(lanes, 1)):
            scalars = ", ".join(self.extract(o, lane).typed for o in operands)
            results.append(self._write(f"call {kind} @{function}({scalars})", dtype, 0))
        return self.assemble(results) if lanes else results[0]

    def exp(self, x: Value) -> Value:
        """e to the x."""
        return mathematics.exp(self, x)

    def expm1(self, x: Value) -> Value:
        """exp(x) - 1, precise near 0."""
        return mathematics.expm1(self, x)

    def log(self, x: Value) -> Value:
        """The natural logarithm; -inf at 0, NaN below."""
        return mathematics.log(self, x)

    def log1p(self, x: Value) -> Value:
        """log(1 + x), precise near 0."""
        return mathematics.log1p(self, x)

    def tanh(self, x: Value) -> Value:
        """The hyperbolic tangent."""
        return mathematics.tanh(self, x)

    def sigmoid(self, x: Value) -> Value:
        """1 / (1 + exp(-x))."""
        return mathematics.sigmoid(self, x)

    def sin(self, x: Value) -> Value:
        """The sine of an angle in radians."""
        return mathematics.sin(self, x)

    def cos(self, x: Value) -> Value:
        """The cosine of an angle in radians."""
        return mathematics.cos(self, x)

    def erf(self, x: Value) -> Value:
        """The error function."""
        return mathematics.erf(self, x)

    def _basic(self, name: str, on_floats: str, on_booleans: str, x: Value, y: Value) -> Value:
        """Addition, subtraction or multiplication, for whichever dtype; of constants, now."""
        x, y = self._alike(x, y)
        if x.dtype == "bool":
            return self._binary(on_booleans, x, y)
        if x.number is not None and y.number is not None:
            return self._folded(_FOLDS[name], x, y)
        if is_float(x.dtype):
            return self._binary(on_floats, x, y)
        neutral = 1 if name == "multiply" else 0
        if y.number == neutral:
            return x
        if x.number == neutral and name != "subtract":
            return y
        return self._binary(name[:3], x, y)

    def _binary(self, instruction: str, x: Value, y: Value) -> Value:
        x, y = self._alike(x, y)
        return self._write(f"{instruction} {x.typed}, {y.text}", x.dtype, x.lanes)

    def _alike(self, *values: Value) -> tuple[Value, ...]:
        """Return values with the same lanes, having checked that they have one dtype."""
        if any(v.dtype != values[0].dtype for v in values):
            raise InternalError(f"dtypes {', '.join(v.dtype for v in values)} meet in one instruction")
        return self.together(*values)

    def _folded(self, function: Callable[..., Any], *operands: Value, dtype: str | None = None) -> Value:
        """Compute on constants now, in their own dtype."""
        numbers = [np.asarray(o.number).astype(o.dtype) for o in operands]
        with np.errstate(all="ignore"):
            result = function(*numbers)
        return constant_value(result.item(), dtype or operands[0].dtype, max(o.lanes for o in operands))

    def _require_float(self, name: str, x: Value) -> None:
        if not is_float(x.dtype):
            raise InternalError(f"{name} is of floats, not of {x.dtype}")


def _conversion(source: str, dtype: str) -> str | None:
    """Return the instruction from one dtype to another (bool to anything; not float to integer), if it takes one."""
    if is_float(source):
        return "fpext" if BITS[source] < BITS[dtype] else "fptrunc"
    if is_float(dtype):
        return "sitofp" if source in SIGNED else "uitofp"
    if BITS[source] == BITS[dtype]:
        return None
    if BITS[source] > BITS[dtype]:
        return "trunc"
    return "sext" if source in SIGNED else "zext"


__all__ = ["Arithmetic", "Number", "Value", "constant_value", "llvm_type", "memory_type"]
