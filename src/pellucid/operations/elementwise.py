"""Element by element: the constructor of the family, and its arithmetic.

An elementwise operation takes operands of shapes that broadcast together (NumPy's rule) and of one dtype, to
which the call converts them, so that every meaning, body and gradient below speaks of one dtype only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ..core.dtypes import BOOL, is_float, promote
from ..core.errors import DtypeError, ShapeError
from ..core.expression import Expression, as_expressions, node
from ..core.operation import Domain, Facts, Notation, Operation, Try, integers, numbers, reals, register
from ..core.origins import place
from ..core.sizes import Shape, broadcast_shapes, show_shape
from .arrays import to_dtype

Takes = Callable[[str, tuple[Expression, ...]], tuple[str, ...]]


def _common(operands: tuple[Expression, ...]) -> str:
    return promote(*(o.dtype for o in operands))


def takes_numbers(name: str, operands: tuple[Expression, ...]) -> tuple[str, ...]:
    """Operands of any dtype, as numbers (bool counts as int32), of their common dtype."""
    common = _common(operands)
    return ("int32" if common == BOOL else common,) * len(operands)


def takes_floats(name: str, operands: tuple[Expression, ...]) -> tuple[str, ...]:
    """Operands as floats: integers become float32."""
    common = _common(operands)
    return (common if is_float(common) else "float32",) * len(operands)


def takes_any(name: str, operands: tuple[Expression, ...]) -> tuple[str, ...]:
    """Operands of their common dtype."""
    return (_common(operands),) * len(operands)


def takes_bits(name: str, operands: tuple[Expression, ...]) -> tuple[str, ...]:
    """Booleans or integers."""
    common = _common(operands)
    if is_float(common):
        raise DtypeError(
            f"{name} takes bool or integers, not {common}{place(*operands)}; convert with .astype('int32'),"
            " or compare to get booleans"
        )
    return (common,) * len(operands)


def takes_booleans(name: str, operands: tuple[Expression, ...]) -> tuple[str, ...]:
    """Truth values: numbers other than zero are true."""
    return (BOOL,) * len(operands)


def broadcast(name: str, operands: tuple[Expression, ...]) -> Shape:
    """Return the operands' common shape, or raise ShapeError that names them."""
    try:
        return broadcast_shapes(*(o.shape for o in operands))
    except ShapeError as error:
        shown = " and ".join(f"{o} {show_shape(o.shape)}" for o in operands)
        raise ShapeError(f"{name} of {shown}: {error}{place(*operands)}") from None


def infix(symbol: str, precedence: int, latex: str | None = None, tight: tuple[int, ...] = ()) -> Notation:
    """Return the notation of an operator written between its operands."""
    return Notation(f"{{0}} {symbol} {{1}}", latex or f"{{0}} {symbol} {{1}}", precedence, tight)


def named_function(latex: str) -> Notation:
    """Return the notation of a function called by name, with its own LaTeX."""
    return Notation("{call}", latex)


def elementwise(
    name: str,
    summary: str,
    *,
    array: Callable[..., Any],
    scalar: Callable[..., Any],
    gradient: Callable[..., tuple[Expression | None, ...]] | None = None,
    takes: Takes = takes_floats,
    convert: Callable[..., tuple[Expression, ...]] = as_expressions,
    gives: str | None = None,
    notation: Notation | None = None,
    facts: Facts = Facts(),
    tries: Domain | tuple[Domain, ...] = reals(),
    attributes: Mapping[str, Any] = MappingProxyType({}),
    source: str = "",
) -> Operation:
    """Make and register an elementwise operation; see ``Operation`` for the arguments.

    Args:
        takes: which dtypes it computes in, from those of its operands.
        convert: how operands that are no expressions become such.
        gives: the dtype of its result, if it is not the one it computes in.
        tries: one domain for each operand (so their number is the operation's arity).
        attributes: numbers that the call takes beside its operands, with their defaults.
    """
    domains = (tries,) if isinstance(tries, Domain) else tries

    def make(*operands: Any, **given: Any) -> Expression:
        if len(operands) != len(domains) or not given.keys() <= attributes.keys():
            named = [f"{k}={v}" for k, v in attributes.items()]
            wanted = ", ".join([f"{len(domains)} operand{'s' * (len(domains) > 1)}", *named])
            raise TypeError(f"{name} takes {wanted}, not {len(operands)} and {list(given)}")
        expressions = convert(*operands)
        pairs = zip(expressions, takes(name, expressions), strict=True)
        return node(operation, [_astype(o, d) for o, d in pairs], **{**attributes, **given})

    def shape(*operands: Expression, **_: Any) -> Shape:
        return broadcast(name, operands)

    def dtype(*operands: Expression, **_: Any) -> str:
        return gives or operands[-1].dtype

    wide = tuple((2, 3) for _ in domains)
    shapes = [wide, tuple(() for _ in domains), tuple((0, 3) for _ in domains)]
    if len(domains) > 1:
        shapes.append(((2, 1), *((3,) for _ in domains[1:])))
    operation = Operation(
        name=name,
        kind="elementwise",
        summary=summary,
        make=make,
        shape=shape,
        dtype=dtype,
        array=array,
        scalar=scalar,
        gradient=gradient,
        notation=notation or Notation("{call}", rf"\operatorname{{{{{name.replace('_', ' ')}}}}}\left({{0}}\right)"),
        facts=facts,
        tries=tuple(Try(s, domains) for s in shapes),
        source=source,
    )
    make.__doc__ = summary
    return register(operation)


def _astype(x: Any, dtype: str) -> Expression:
    (x,) = as_expressions(x)
    return x if x.dtype == dtype else node(astype, [x], dtype=dtype)


def zero(x: Expression) -> Expression:
    """Return a zero of the dtype of ``x``."""
    return as_expressions(x, 0)[1]


astype: Operation = register(
    Operation(
        name="astype",
        kind="elementwise",
        summary=(
            "The values converted to another dtype; floats to integers by dropping the fraction, to the nearest"
            " the dtype has where they are outside it, and NaN to 0."
        ),
        make=_astype,
        shape=lambda x, **_: x.shape,
        dtype=lambda x, dtype: dtype,
        array=to_dtype,
        scalar=lambda b, x, dtype: b.convert(x, dtype),
        gradient=lambda g, y, x, dtype: (g if is_float(dtype) and is_float(x.dtype) else None,),
        notation=Notation("{dtype}({0})", r"\mathrm{{{dtype}}}\left({0}\right)"),
        tries=(
            Try(((2, 3),), (reals(),), {"dtype": "float64"}),
            Try(((2, 3),), (integers(),), {"dtype": "float32"}),
            Try(((2, 3),), (Domain(-9, 9, ("float32", "float64"), ()),), {"dtype": "int32"}),
            Try(((2, 3),), (numbers(),), {"dtype": "bool"}),
        ),
    )
)

add = elementwise(
    "add",
    "The sum x + y.",
    array=lambda xp, x, y: xp.add(x, y),
    scalar=lambda b, x, y: b.add(x, y),
    gradient=lambda g, z, x, y: (g, g),
    takes=takes_numbers,
    notation=infix("+", 4),
    facts=Facts(commutative=True),
    tries=(numbers(), numbers()),
)
subtract = elementwise(
    "subtract",
    "The difference x - y.",
    array=lambda xp, x, y: xp.subtract(x, y),
    scalar=lambda b, x, y: b.subtract(x, y),
    gradient=lambda g, z, x, y: (g, -g),
    takes=takes_numbers,
    notation=infix("-", 4, tight=(1,)),
    tries=(numbers(), numbers()),
)
multiply = elementwise(
    "multiply",
    "The product x y, element by element.",
    array=lambda xp, x, y: xp.multiply(x, y),
    scalar=lambda b, x, y: b.multiply(x, y),
    gradient=lambda g, z, x, y: (g * y, g * x),
    takes=takes_numbers,
    notation=infix("*", 5, r"{0} \, {1}", tight=(1,)),
    facts=Facts(commutative=True),
    tries=(numbers(), numbers()),
)
divide = elementwise(
    "divide",
    "The quotient x / y; integers divide as float32.",
    array=lambda xp, x, y: xp.divide(x, y),
    scalar=lambda b, x, y: b.divide(x, y),
    gradient=lambda g, z, x, y: (g / y, -g * z / y),
    notation=infix("/", 5, r"\frac{{{0}}}{{{1}}}", tight=(1,)),
    tries=(reals(), reals(0.5)),
)
negative = elementwise(
    "negative",
    "The value with its sign turned, -x.",
    array=lambda xp, x: xp.negative(x),
    scalar=lambda b, x: b.negative(x),
    gradient=lambda g, y, x: (-g,),
    takes=takes_numbers,
    notation=Notation("-{0}", "-{0}", 6),
    facts=Facts(odd=True, monotone=-1),
    tries=numbers(),
)


def _condition_aside(condition: Any, *operands: Any) -> tuple[Expression, ...]:
    # a number takes the dtype of the value beside it, not of the condition
    return (*as_expressions(condition), *as_expressions(*operands))


where: Operation = elementwise(
    "where",
    "The value of x where the condition holds, and of y elsewhere.",
    array=lambda xp, c, x, y: xp.where(c, x, y),
    scalar=lambda b, c, x, y: b.select(c, x, y),
    gradient=lambda g, z, c, x, y: (None, where(c, g, zero(g)), where(c, zero(g), g)),
    takes=lambda name, operands: (BOOL, *takes_any(name, operands[1:])),
    convert=_condition_aside,
    notation=Notation("where({0}, {1}, {2})", r"\operatorname{{where}}\left({0}, {1}, {2}\right)"),
    tries=(Domain(0, 1, ("bool",), ()), reals(), reals()),
)
__all__ = [
    "add",
    "astype",
    "broadcast",
    "divide",
    "elementwise",
    "infix",
    "multiply",
    "named_function",
    "negative",
    "subtract",
    "takes_any",
    "takes_bits",
    "takes_booleans",
    "takes_floats",
    "takes_numbers",
    "where",
    "zero",
]
