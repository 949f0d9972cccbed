"""Expressions as mathematics: one line of text, or LaTeX.

A sub-expression that is used more than once is written once, under its name or a letter, after "where".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from .expression import Expression
from .operation import Notation, composed
from .origins import name_of
from .sizes import Size, show_shape
from .traversal import topological, users

LONGEST_INLINE = 160
ATOM = 10
TRANSPOSED = ("transpose_left", "transpose_right")  # flags of a product, written on its operands


@composed
def text(expression: Expression) -> str:
    """Return an expression as one line of text, with definitions after "where" if parts are shared."""
    bodies, definitions = render([expression], "text")
    return _join(bodies[0], definitions, " = ", "\n  where ", "\n        ")


@composed
def latex(expression: Expression) -> str:
    """Return an expression as LaTeX mathematics."""
    bodies, definitions = render([expression], "latex")
    if not definitions:
        return bodies[0]
    lines = [rf"&{bodies[0]} \\ \text{{where }}", *(rf"{name} &= {body} \\" for name, body in definitions)]
    return r"\begin{aligned}" + " ".join(lines) + r"\end{aligned}"


def _join(body: str, definitions: list[tuple[str, str]], equals: str, first: str, then: str) -> str:
    lines = [f"{name}{equals}{value}" for name, value in definitions]
    return body + (first + then.join(lines) if lines else "")


def render(roots: Iterable[Expression], style: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the roots' texts and the definitions they share, in an order in which each can be read."""
    roots = list(roots)
    order = topological(roots)
    readers = users(order)
    taken = {name_of(n) for n in order}
    letters = (letter for k in range(1, len(order) + 2) if (letter := f"t{k}") not in taken)
    done: dict[Expression, tuple[str, int]] = {}
    definitions: list[tuple[str, str]] = []
    for current in order:
        body, precedence = _render_node(current, [done[i] for i in current.inputs], style)
        shared = len(set(readers[current])) > 1 and current.inputs and len(body) > 12
        named = name_of(current) if current.inputs else None
        long = len(body) > LONGEST_INLINE and readers[current]
        if current not in roots and (shared or named or long):
            label = _identifier(named or next(letters), style)
            definitions.append((label, body))
            body, precedence = label, ATOM
        done[current] = body, precedence
    return [done[root][0] for root in roots], definitions


def _render_node(current: Expression, operands: list[tuple[str, int]], style: str) -> tuple[str, int]:
    if current.operation.kind == "source":
        return _source(current, style)
    notation = current.operation.notation
    template = notation.text if style == "text" else notation.latex
    turned = {k: bool(v) for k, v in current.attributes if k in TRANSPOSED}
    tight = [(o, 0 if turned.get(t) and p < 9 else p) for (o, p), t in zip(operands, TRANSPOSED, strict=False)]
    operands = [*tight, *operands[len(tight) :]] if turned else operands
    pieces = [_operand(template, k, operand, notation, style) for k, operand in enumerate(operands)]
    if template == "{call}":
        shown = [f"{k}={_attribute(v)}" for k, v in current.attributes if k != "token"]
        arguments = ", ".join([o for o, _ in operands] + shown)
        return f"{current.operation.name}({arguments})", 9
    fields = {"shape": _attribute(current.shape), "dtype": current.dtype}
    fields |= {k: _attribute(v) for k, v in current.attributes}
    fields |= {k: ("ᵀ" if style == "text" else r"^{\top}") * v for k, v in turned.items()}
    return template.format(*pieces, **fields), notation.precedence


def _operand(template: str, k: int, operand: tuple[str, int], notation: Notation, style: str) -> str:
    body, precedence = operand
    if re.search(rf"[(|,{{]\s?\{{{k}\}}\s?[)|,}}]", template):
        return body  # the template's own brackets delimit it
    loose = precedence < notation.precedence or (precedence == notation.precedence and k in notation.tight)
    if not loose:
        return body
    return f"({body})" if style == "text" else rf"\left({body}\right)"


def _source(current: Expression, style: str) -> tuple[str, int]:
    if (name := name_of(current)) is not None:
        return _identifier(name, style), ATOM
    attributes = dict(current.attributes)
    if current.operation.name == "constant":
        values = np.frombuffer(attributes["data"], dtype=current.dtype)
        if values.size == 1:
            body = number(values[0])
            return body, 6 if body.startswith("-") else ATOM
        if values.size <= 6 and len(current.shape) == 1:
            return "[" + ", ".join(number(v) for v in values) + "]", ATOM
        return f"constant{show_shape(current.shape)}", ATOM
    shown = ", ".join(_attribute(v) for k, v in current.attributes if k not in ("token", "dtype"))
    return f"{current.operation.name}({shown})" if shown else current.operation.name, 9


def number(value: Any) -> str:
    """Return a number as one would write it: 2, 0.01, 1e-08."""
    if isinstance(value, np.bool_ | bool):
        return str(bool(value))
    if isinstance(value, np.integer | int) or (np.isfinite(value) and value == int(value) and abs(value) < 1e6):
        return str(int(value))
    return f"{value:.6g}"


def _attribute(value: Any) -> str:
    if isinstance(value, tuple):
        return "(" + ", ".join(_attribute(v) for v in value) + ("," if len(value) == 1 else "") + ")"
    return str(value) if isinstance(value, Size) else repr(value)


def _identifier(name: str, style: str) -> str:
    if style == "text":
        return name
    head, digits = re.fullmatch(r"(.*?)_?(\d*)", name.replace("_", r"\_")).groups()  # type: ignore[union-attr]
    letters = head if len(head) == 1 else rf"\mathrm{{{head}}}"
    return f"{letters}_{{{digits}}}" if digits else letters
