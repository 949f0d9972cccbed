"""The first part: an expression, its value and its gradient."""

from __future__ import annotations

from ...function import function
from ...gradient import gradient
from ...operations.source import parameter, variable
from ...view import formulas
from .guide import Guide


def first_gradient(guide: Guide) -> None:
    """Show that a gradient is an expression one can read."""
    section = guide.section(
        "An expression and its gradient",
        "An expression is mathematics before it has values. Its gradient is another expression.",
    )
    x = variable("x", (2,))
    W = parameter([0.2, 0.7], name="W")
    y = (x * W).sum()
    slope = gradient(y, W)
    value = function([x], y)([1.0, 1.0])
    guide.screen.formula("y", y)
    guide.screen.formula("y([1, 1])", f"{float(value):g}   where W = [0.2, 0.7]")
    guide.screen.formula("dy/dW", slope)
    section.add(formulas({"y": y, r"\frac{\partial y}{\partial W}": slope}))
    section.paragraph(f"With `W = [0.2, 0.7]`, the value at `x = [1, 1]` is `{float(value):g}`.")
