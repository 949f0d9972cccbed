"""Logic of truth values and of bits, element by element."""

from __future__ import annotations

from ..core.dtypes import BOOL
from ..core.expression import Expression
from ..core.operation import Domain, Facts, Notation, Operation, integers
from .elementwise import elementwise, infix, takes_bits, takes_booleans

TRUTHS = Domain(0, 1, ("bool",), ())
BITS = Domain(-50, 50, ("int32", "int64", "uint8", "uint32", "bool"), (0, 1))


def _logical(name: str, summary: str, body: str, latex: str) -> Operation:
    return elementwise(
        name,
        summary,
        array=lambda xp, x, y: getattr(xp, name)(x, y),
        scalar=lambda b, x, y: getattr(b, body)(x, y),
        gradient=lambda g, z, x, y: (None, None),
        takes=takes_booleans,
        gives=BOOL,
        notation=Notation("{call}", f"{{0}} {latex} {{1}}", 1, (0, 1)),
        facts=Facts(commutative=True, range=(0.0, 1.0)),
        tries=(TRUTHS, TRUTHS),
    )


logical_and = _logical("logical_and", "Whether both x and y hold; numbers other than 0 do.", "bit_and", r"\land")
logical_or = _logical("logical_or", "Whether x or y or both hold; numbers other than 0 do.", "bit_or", r"\lor")
logical_xor = _logical("logical_xor", "Whether one of x and y holds, not both.", "bit_xor", r"\oplus")
logical_not = elementwise(
    "logical_not",
    "Whether x does not hold, which is to say is 0.",
    array=lambda xp, x: xp.logical_not(x),
    scalar=lambda b, x: b.bit_not(x),
    gradient=lambda g, y, x: (None,),
    takes=takes_booleans,
    gives=BOOL,
    notation=Notation("{call}", r"\lnot {0}", 6),
    facts=Facts(range=(0.0, 1.0)),
    tries=TRUTHS,
)


def _bitwise(name: str, summary: str, body: str, symbol: str, precedence: int, latex: str) -> Operation:
    return elementwise(
        name,
        summary,
        array=lambda xp, x, y: getattr(xp, name)(x, y),
        scalar=lambda b, x, y: getattr(b, body)(x, y),
        gradient=lambda g, z, x, y: (None, None),
        takes=takes_bits,
        notation=infix(symbol, precedence, f"{{0}} {latex} {{1}}", tight=(1,)),
        facts=Facts(commutative=True),
        tries=(BITS, BITS),
    )


bitwise_and = _bitwise("bitwise_and", "The bits that both x and y have.", "bit_and", "&", 3, r"\mathbin{{\&}}")
bitwise_or = _bitwise("bitwise_or", "The bits that x or y has.", "bit_or", "|", 2, r"\mathbin{{|}}")
bitwise_xor = _bitwise("bitwise_xor", "The bits that x and y differ in.", "bit_xor", "^", 2, r"\oplus")
bitwise_invert = elementwise(
    "bitwise_invert",
    "The bits that x lacks; for bool, not x.",
    array=lambda xp, x: xp.invert(x),
    scalar=lambda b, x: b.bit_not(x),
    gradient=lambda g, y, x: (None,),
    takes=takes_bits,
    notation=Notation("~{0}", r"{{\sim}}{0}", 6),
    tries=BITS,
)


def _takes_integers(name: str, operands: tuple[Expression, ...]) -> tuple[str, ...]:
    return tuple("int32" if d == BOOL else d for d in takes_bits(name, operands))


def _shift(name: str, summary: str, symbol: str, latex: str, body: str, function: str) -> Operation:
    return elementwise(
        name,
        summary + " A negative number of places counts as too many: no bit stays.",
        array=lambda xp, x, y: getattr(xp, function)(x, y),
        scalar=lambda b, x, y: getattr(b, body)(x, y),
        gradient=lambda g, z, x, y: (None, None),
        takes=_takes_integers,
        notation=infix(symbol, 3, f"{{0}} {latex} {{1}}", tight=(0, 1)),
        tries=(integers(), integers(0, 40)),
    )


bitwise_left_shift = _shift(
    "bitwise_left_shift", "x with its bits moved y places up.", "<<", r"\ll", "shift_left", "left_shift"
)
bitwise_right_shift = _shift(
    "bitwise_right_shift",
    "x with its bits moved y places down, signed numbers keeping their sign.",
    ">>",
    r"\gg",
    "shift_right",
    "right_shift",
)

__all__ = [
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
]
