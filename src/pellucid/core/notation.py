"""How one expression is written, given how its operands are: as text or as LaTeX.

``operations/formulas.py`` writes whole expressions with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from .expression import Expression
from .operation import Notation
from .origins import name_of
from .sizes import Size, show_shape

ATOM = 10
Written = tuple[str, int]
"""What is written, and how strongly it binds (see ``Notation``)."""
TRANSPOSED = ("transpose_left", "transpose_right")  # flags of a product, written on its operands


def written(current: Expression, operands: Sequence[Written], style: str) -> Written:
    """Return how a node is written over operands that are written already.

    Args:
        style: "text" or "latex".
    """
    if current.operation.kind == "source":
        return _source(current, style)
    notation = current.operation.notation
    template = notation.text if style == "text" else notation.latex
    turned = {k: bool(v) for k, v in current.attributes if k in TRANSPOSED}
    tight = [(o, 0 if turned.get(t) and p < 9 else p) for (o, p), t in zip(operands, TRANSPOSED, strict=False)]
    operands = [*tight, *operands[len(tight) :]] if turned else list(operands)
    pieces = [_operand(template, k, operand, notation, style) for k, operand in enumerate(operands)]
    if template == "{call}":
        shown = [f"{k}={_attribute(v)}" for k, v in current.attributes if k != "token"]
        arguments = ", ".join([o for o, _ in operands] + shown)
        return f"{current.operation.name}({arguments})", 9
    fields = {"shape": _attribute(current.shape), "dtype": current.dtype}
    fields |= {k: _attribute(v) for k, v in current.attributes}
    fields |= {k: ("ᵀ" if style == "text" else r"^{\top}") * v for k, v in turned.items()}
    return template.format(*pieces, **fields), notation.precedence


def _operand(template: str, k: int, operand: Written, notation: Notation, style: str) -> str:
    body, precedence = operand
    if re.search(rf"[(|,{{]\s?\{{{k}\}}\s?(\\right)?[)|,}}]", template):
        return body  # the template's own brackets delimit it
    loose = precedence < notation.precedence or (precedence == notation.precedence and k in notation.tight)
    if not loose:
        return body
    return f"({body})" if style == "text" else rf"\left({body}\right)"


def _source(current: Expression, style: str) -> Written:
    if (name := name_of(current)) is not None:
        return identifier(name, style), ATOM
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


def identifier(name: str, style: str, indices: Sequence[str] = ()) -> str:
    """Return a name as it is written, with indices.

    >>> identifier("W1", "latex"), identifier("h", "text", ["t-1"]), identifier("h", "latex", ["t-1"])
    ('W_{1}', 'h[t-1]', 'h_{t-1}')
    """
    if style == "text":
        return name + (f"[{', '.join(indices)}]" if indices else "")
    head, digits = re.fullmatch(r"(.*?)_?(\d*)", name.replace("_", r"\_")).groups()  # type: ignore[union-attr]
    letters = head if len(head) == 1 else rf"\mathrm{{{head}}}"
    below = ", ".join([digits] * bool(digits) + [_index(i) for i in indices])
    return f"{letters}_{{{below}}}" if below else letters


def _index(index: str) -> str:
    return re.sub(r"[^\W\d]\w+", lambda word: identifier(word[0], "latex"), index).replace("…", r" \dots ")
