"""Every stage of a compiled function as text: what was written, what became of it, and the machine code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from ..backends.native.program import NativeStep
from ..backends.xla.executable import XlaStep
from ..backends.xla.executable import compile_step as compile_for_xla
from ..compile import Compilation, chosen_backend
from ..compiled import CompiledFunction
from ..core.errors import PellucidError
from ..core.expression import Expression
from ..core.sizes import show_shape
from ..core.traversal import topological
from ..operations.formulas import render
from ..schedule.text import program_text
from ..step import Step

LONGEST_SHOWN = 40
NATIVE, XLA = ("schedule", "llvm", "assembly"), ("hlo",)


def show(subject: CompiledFunction | Expression, stage: str | None = None) -> None:
    """Print what became of a function on its way to machine code.

    Args:
        subject: a function, or an expression (of which there are the formula and the graph).
        stage: one of ``formula``, ``graph``, ``gradient``, ``rewrites``, ``schedule``, ``llvm``, ``assembly``, or
            ``hlo``, which is what XLA makes of it; by default all that its backend takes, the long ones cut short.

    A function that was not called yet is compiled with 32 for each named size.

    Raises:
        PellucidError: if there is no such stage.

    >>> from pellucid.operations.source import parameter, variable
    >>> from pellucid.function import function
    >>> x, W = variable("x", (2,)), parameter([0.2, 0.7], name="W")
    >>> show(function([x], (x * W).sum()), stage="formula")
    output 1: sum(x * W, axes=(0,))
    """
    for name in [stage] if stage else stages(subject):
        text = stage_text(subject, name)
        if stage is None:
            lines = text.splitlines()
            hidden = len(lines) - LONGEST_SHOWN
            text = "\n".join(lines[:LONGEST_SHOWN] + ([f"… {hidden} more lines: stage={name!r}"] if hidden > 0 else []))
            text = f"── {name} {'─' * (60 - len(name))}\n{text}"
        sys.stdout.write(text.rstrip("\n") + "\n")


def stages(subject: CompiledFunction | Expression) -> tuple[str, ...]:
    """Return the stages that a function or an expression goes through."""
    if not isinstance(subject, CompiledFunction):
        return "formula", "graph"
    left_out = NATIVE if chosen_backend(subject.backend).name == "xla" else XLA
    return tuple(stage for stage in STAGES if stage not in left_out)


def stage_text(subject: CompiledFunction | Expression, stage: str) -> str:
    """Return one stage as text; see ``show``."""
    if stage not in (STAGES if isinstance(subject, CompiledFunction) else stages(subject)):
        raise PellucidError(f"there is no stage {stage!r}; choose one of {', '.join(stages(subject))}")
    if isinstance(subject, Expression):
        return str(subject) + "\n" if stage == "formula" else _graph([subject])
    return STAGES[stage](subject.compiled())


def _formula(compilation: Compilation) -> str:
    step = compilation.written
    labels = [f"output {k}" for k, _ in enumerate(step.outputs, 1)]
    return _definitions(labels, list(step.outputs)) if labels else "no outputs\n"


def _gradient(compilation: Compilation) -> str:
    """The updates, which hold the gradients, as they stand after rewriting."""
    step = compilation.rewritten
    if not step.updates:
        return "no updates\n"
    return _definitions([f"{p} ←" for p, _ in step.updates], [new for _, new in step.updates])


def _definitions(labels: list[str], roots: list[Expression]) -> str:
    bodies, shared = render(roots, "text")
    lines = [f"{label}{'' if label.endswith('←') else ':'} {body}" for label, body in zip(labels, bodies, strict=True)]
    lines += ["where"] * bool(shared) + [f"  {name} = {body}" for name, body in shared]
    return "\n".join(lines) + "\n"


def _graph(roots: list[Expression]) -> str:
    return "\n".join(_rows(topological(roots))) + "\n"


def _rows(order: list[Expression]) -> Iterator[str]:
    numbers = {node: f"%{k}" for k, node in enumerate(order)}
    for node in order:
        label = node.name or (str(node) if not node.inputs else node.operation.name)
        if node.operation.kind == "loop":
            label += f"[{node.attribute('result')}]"
        operands = ", ".join(numbers[i] for i in node.inputs)
        places = ", ".join(map(str, node.origins))
        written = label + (f"({operands})" if operands else "")
        yield f"{numbers[node]:>5} {written:<34} {node.dtype} {show_shape(node.shape):<14} {places}"


def _rewrites(compilation: Compilation) -> str:
    return "\n".join(map(str, compilation.log.entries)) + "\n" if compilation.log.entries else "no rule fired\n"


def _native(compilation: Compilation) -> NativeStep:
    step: Step = compilation.rewritten
    return compilation.executable if isinstance(compilation.executable, NativeStep) else NativeStep(step)


def _xla(compilation: Compilation) -> XlaStep:
    """Return the step on XLA: the one that runs, or what it would be on one device."""
    executable = compilation.executable
    return executable if isinstance(executable, XlaStep) else compile_for_xla(compilation.rewritten)


STAGES: dict[str, Callable[[Compilation], str]] = {
    "formula": _formula,
    "graph": lambda c: _graph(c.written.roots),
    "gradient": _gradient,
    "rewrites": _rewrites,
    "schedule": lambda c: program_text(_native(c).program),
    "llvm": lambda c: _native(c).text,
    "assembly": lambda c: _native(c).assembly(),
    "hlo": lambda c: _xla(c).text(),
}
