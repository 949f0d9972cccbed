"""``pellucid time``: how long each layer takes, forward and backward, as ``caffe time`` prints it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from ..backends.native.profile import Profile
from .screen import Screen
from .show import training_step

PHASES = ("forward", "backward", "update")
Times = dict[str, dict[str, float]]


def time(screen: Screen, subject: str, data: Path | None = None, as_json: bool = False) -> None:
    """Show the times of a training step, by layer and by kernel.

    Raises:
        PellucidError: there is no such subject.
    """
    step, batch = training_step(subject, data)
    profile = step.profile(*batch)
    layers = by_layer(profile)
    if as_json:
        screen.data({"milliseconds": layers, "step": profile.untimed * 1e3, "threads": profile.threads})
        return
    screen.heading(f"A step of {profile.untimed * 1e3:.3f} ms, on {profile.threads} threads")
    rows = [[name, *(f"{times.get(p, 0.0):.3f}" for p in PHASES)] for name, times in layers.items()]
    screen.table(["layer", *(f"{phase}, ms" for phase in PHASES)], rows)
    screen.say(str(profile))


def by_layer(profile: Profile) -> Times:
    """Return the milliseconds of each layer's kernels, by what they are mostly for.

    A kernel of several layers is counted under all their names.
    """
    kernels = [([o.file for o in row.origins if not o.line], row) for row in profile.rows]
    order = list(dict.fromkeys(name for names, _ in kernels for name in names))  # in which the step computes them
    found: Times = defaultdict(lambda: dict.fromkeys(PHASES, 0.0))
    for names, row in kernels:
        joined = " + ".join(sorted(set(names), key=order.index)) or "the rest"
        found[joined][row.phase] += row.seconds * 1e3
    return dict(found)
