"""The loop IR as text: a kernel for each outermost loop over data, with the small loops that prepare and finish it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..core.notation import number
from ..core.operation import Notation
from .loops import (
    Apply,
    Contraction,
    Draw,
    Literal,
    Load,
    Loop,
    Position,
    Program,
    Reduce,
    Row,
    Statement,
    Store,
    Value,
    leaves,
)

SMALL_LOOP = 4096


def program_text(program: Program) -> str:
    """Return a scheduled step as text."""
    lines = []
    if program.once:
        lines += ["once a call:", *_block(program.once, "  ")]
    groups = kernels(program.each)
    lines.append(
        f"at every step: {len(groups)} kernel{'' if len(groups) == 1 else 's'}, {program.arena_bytes} bytes of arena"
    )
    for position, group in enumerate(groups, 1):
        lines += [f"  kernel {position}:", *_block(group, "    ")]
    return "\n".join(lines) + "\n"


def statements_text(statements: Sequence[Statement]) -> str:
    """Return statements as text."""
    return "\n".join(_block(statements, ""))


def kernels(statements: Sequence[Statement]) -> list[list[Statement]]:
    """Group statements into kernels: each main loop or product, with the small statements around it."""
    groups: list[list[Statement]] = []
    pending: list[Statement] = []
    for statement in statements:
        if is_main(statement):
            groups.append([*pending, statement])
            pending = []
        elif groups:
            groups[-1].append(statement)
        else:
            pending.append(statement)
    return groups + ([pending] if pending else [])


def is_main(statement: Statement) -> bool:
    """Whether a statement does the work of a step: a product, or a loop of many passes in all."""
    if any(isinstance(leaf, Contraction) for leaf in leaves([statement])):
        return True
    return _work(statement) > SMALL_LOOP


def _work(statement: Statement) -> int:
    """How often anything is stored."""
    return statement.extent * sum(map(_work, statement.body)) if isinstance(statement, Loop) else 1


def _block(statements: Sequence[Statement], indent: str) -> Iterator[str]:
    for s in statements:
        if isinstance(s, Loop):
            mode = "" if s.mode == "serial" else f" {s.mode}"
            yield f"{indent}for {s.variable} in {s.extent}{mode}:"
            yield from _block(s.body, indent + "  ")
        elif isinstance(s, Store):
            yield f"{indent}{s.buffer}[{s.index}] = {value_text(s.value)}"
        elif isinstance(s, Reduce):
            at = f"{s.index}{_row(s.row)}"
            yield f"{indent}{s.buffer}[{at}] {s.operation.name}= {value_text(s.value)}"
        else:
            yield from _contraction(s, indent)


def _contraction(s: Contraction, indent: str) -> Iterator[str]:
    sizes = " x ".join("·".join(str(n) for _, n in axes) or "1" for axes in (s.rows, s.columns, s.shared))
    place = "" if s.kept else "each "
    left, right = (value_text(v) + ", mostly zero," * v.buffer.mostly_zero for v in (s.left, s.right))
    yield f"{indent}{place}{s.buffer}[{s.index}] = product {sizes} of {left} and {right.rstrip(',')}"
    for clip in s.clips:
        yield f"{indent}  where {clip.low} <= {clip.index} < {clip.high}"
    if s.body:
        yield f"{indent}  then:"
        yield from _block(s.body, indent + "    ")


def _row(row: Row | None) -> str:
    return f" + {row.stride}*row({value_text(row.value)})" if row else ""


def value_text(value: Value) -> str:
    """Return a value as one would write it."""
    if isinstance(value, Load):
        return f"{value.buffer}[{value.index}{_row(value.row)}]"
    if isinstance(value, Literal):
        return number(value.number)
    if isinstance(value, Position):
        return f"({value.index})"
    if isinstance(value, Draw):
        return f"{value.operation.name}(draw {value.token}, element {value.element})"
    return _apply(value)


def _apply(value: Apply) -> str:
    notation: Notation = value.operation.notation
    operands = [value_text(v) for v in value.values]
    if notation.text == "{call}" or notation.precedence >= 9:
        extra = [f"{k}={v}" for k, v in value.attributes]
        return f"{value.operation.name}({', '.join([*operands, *extra])})"
    wrapped = [f"({o})" if isinstance(v, Apply) else o for o, v in zip(operands, value.values, strict=True)]
    return notation.text.format(*wrapped, **dict(value.attributes))
