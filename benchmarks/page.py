"""docs/benchmarks.md, written anew from the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .rounds import CORES
from .summary import Row, Verdict
from .table import FLOOR_HEADINGS, HEADINGS, by_task, markdown, notes, row_cells, verdict_cells

METHOD = """\
## How it is measured

- Every runner is a small program in `benchmarks/peers/`, started in a process of its own. Rounds alternate (A B C ...
  A B C ...), so that a slow minute of the machine meets all alike. A process warms up, then trains from fresh weights
  until it has measured long enough, and reports the median of its runs; the tables show the median of the rounds and
  their range.
- Ratios are taken within a round. On a shared machine they hold better than times do.
- Before times are compared, losses are: after 100 passes (20 steps of softmax regression in the order of the rows)
  within 0.01% of a float64 yardstick, at the end within 5% of the median of all (of the sweep's networks half: the
  one with 4 hidden units ends in a cycle of two, and rounding decides where). Whoever disagrees is shown and not
  compared.
- Two moons: `make_moons(200, noise=0.20)`, full batch, tanh, softmax, rate 0.01 on the summed cross-entropy, L2 0.01
  on the weights, float32. No runner computes the loss while it is timed; all update every parameter in every pass.
- The C loop is `benchmarks/peers/moons.c`, compiled with `gcc -O3 -march=native -ffast-math` for each size; its tanh
  and exponential are vectorised by glibc's libmvec.
- The sweep trains networks of 1, 2, 3, 4, 5, 20 and 50 hidden units. Pellucid, C and JAX train one network a thread
  on two threads; NumPy and PyTorch train all seven as one block-diagonal network, which is their fastest way. PyTorch
  has one thread or two, whichever is faster.
- Softmax regression counts shuffling and gathering the minibatches. JAX's loop is one call an epoch.
- scikit-learn's MLPClassifier has one logistic output where the others have a softmax over two, so on two moons it
  does slightly less work and is not checked; on softmax regression it trains the same model as all.
- Import and start are timed inside a fresh process, the interpreter's own start left out. "Cold" begins with an empty
  disk cache; making the data is left out, importing NumPy is not.
"""


def page(
    rows: Sequence[Row], verdicts: Sequence[Verdict], about: Mapping[str, Any], command: str, picture: str | None
) -> str:
    """The whole page."""
    machine, origins, length = about["machine"], about["data"], about["length"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    parts = [
        "# Benchmarks",
        f"`{command}` wrote this page. It ran {length['rounds']} rounds on {machine['date']}.",
        "\n".join(
            [
                f"- Machine: {machine['processor']}, {machine['cores']} cores ({CORES} used at most), vectors of "
                f"{machine['vector width']}, {machine['system']}",
                f"- Versions: {versions}",
                *(f"- Data, {kind}: {origin}" for kind, origin in origins.items()),
            ]
        ),
        "## Floors",
        markdown(FLOOR_HEADINGS, verdict_cells(verdicts)),
        "## Results",
    ]
    if picture:
        parts.append(f"![Time of every runner in every task, on logarithmic axes]({picture})")
    for title, group in by_task(rows).items():
        parts += [f"### {title}", markdown(HEADINGS, row_cells(group)), *notes(group)]
    return "\n\n".join([*parts, METHOD])
