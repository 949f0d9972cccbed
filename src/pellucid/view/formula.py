"""Expressions as MathML, which browsers typeset by themselves: a page needs no script and no network for it."""

from __future__ import annotations

import html
from collections.abc import Mapping

from ..core.errors import MissingExtraError
from ..core.expression import Expression
from ..operations.formulas import render


def mathml(latex: str, display: bool = False) -> str:
    """Return LaTeX mathematics as a MathML element.

    Raises:
        MissingExtraError: if latex2mathml is not installed.

    >>> mathml("x^2").startswith("<math")
    True
    """
    try:
        from latex2mathml.converter import convert
    except ImportError as error:
        raise MissingExtraError(
            "formulas on a page need latex2mathml, which is not installed; try: pip install pellucid[cli]"
        ) from error
    return str(convert(latex, display="block" if display else "inline"))


def formulas(equations: Mapping[str, Expression]) -> str:
    """Return equations as HTML: each left side, in LaTeX, with its expression, then the parts they share.

    >>> from pellucid.core.operation import apply
    >>> x = apply("variable", "x", ())
    >>> page = formulas({"y": x * x})
    >>> page.count("<math"), page.startswith('<div class="formulas">')
    (1, True)
    """
    bodies, definitions = render(equations.values(), "latex")
    lines = [_line(left, body) for left, body in zip(equations, bodies, strict=True)]
    if definitions:
        lines.append('<p class="where">where</p>')
        lines += [_line(name, body) for name, body in definitions]
    return f'<div class="formulas">{"".join(lines)}</div>'


def _line(left: str, right: str) -> str:
    return f'<div class="equation" title="{html.escape(right, quote=True)}">{mathml(f"{left} = {right}", True)}</div>'
