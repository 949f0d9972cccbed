"""The demo: the whole tour, into one folder."""

from __future__ import annotations

import time
from pathlib import Path

from ..data import mnist
from ..view import numbered_folder, prepare_folder
from .screen import Screen
from .tour.addition import binary_addition
from .tour.beginning import first_gradient
from .tour.convolution import convolutional_network
from .tour.digits import digits_network, softmax_regression
from .tour.guide import Guide
from .tour.moons import two_moons

TITLE = "Pellucid: the tour"
LEAD = (
    "Mathematics, its gradient, what was rewritten, and native code that trains small networks: "
    "every number and picture on this page was made by one run of `pellucid demo`."
)


class Stopped(KeyboardInterrupt):
    """Ctrl-C during the tour; its text says what is kept."""


def demo(screen: Screen, out: Path | None = None, data: Path | None = None, seed: int = 0, short: bool = False) -> Path:
    """Run the tour and return the folder that holds its pictures and its report.

    Args:
        screen: where it shows what it does.
        out: the folder to write to; the next free ``runs/demo-N`` if none is given.
        data: a folder with MNIST's IDX files, to use in place of scikit-learn's digits.
        seed: draws data, initial weights and the order of minibatches.
        short: train for a fraction of the steps, to try the tour itself.

    Raises:
        PellucidError: one of its kinds, where the folder cannot be written, a file is damaged or an extra missing.
        Stopped: on Ctrl-C.
    """
    began = time.perf_counter()
    parts = mnist(data) if data else None  # before anything is trained, so that a damaged file is known at once
    guide = Guide(screen, prepare_folder(out or numbered_folder("runs", "demo")), seed)
    share = 100 if short else 1
    try:
        first_gradient(guide)
        two_moons(guide, 20_000 // share)
        softmax_regression(guide, parts, 1_000 // share)
        digits_network(guide, max(40 // share, 1))
        convolutional_network(guide, parts, max(150 // share, 2))
        binary_addition(guide, 10_000 // share)
        report = guide.finish(TITLE, LEAD)
    except KeyboardInterrupt:
        kept = f"{len(guide.files)} pictures are kept in {guide.folder}" if guide.files else "nothing was written"
        raise Stopped(f"stopped; {kept}") from None
    screen.say(f"\n{len(guide.files) - 1} pictures and the report are in {guide.folder}")
    screen.say(f"Open {report}. The tour took {time.perf_counter() - began:.1f} s.")
    return guide.folder
