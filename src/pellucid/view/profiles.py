"""Pictures of a profile: where the time of a step goes, and how near each kernel is to this machine's limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..backends.native.profile import Profile, Row, at, bandwidth
from .figures import BLUE, FAINT, GREEN, INK, VERMILION, new_axes, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"forward": BLUE, "backward": VERMILION, "update": GREEN}
MARKS = {"forward": "o", "backward": "^", "update": "s"}
LONGEST_NAME = 46
SMALLEST_LABELLED = 0.01  # of the time of a step


def kernel_times(profile: Profile, title: str = "") -> Figure:
    """Return a figure of a step's kernels: how long each takes, what for, and which share of the limits it reaches.

    The pale rest of a bar is what this machine's limits would not need.

    Args:
        profile: what ``Function.profile`` returned.
        title: what it shows.
    """
    rows = profile.rows
    figure = new_figure(8.6, 0.27 * len(rows) + 1.3)
    (axes,) = new_axes(figure)
    for k, row in enumerate(rows):
        colour = COLOURS[row.phase]
        axes.barh(k, row.seconds * 1e3, color=colour, alpha=0.35, height=0.72, linewidth=0)
        axes.barh(k, min(row.least, row.seconds) * 1e3, color=colour, height=0.72, linewidth=0)
        axes.annotate(
            f"{row.share:.0%}", (row.seconds * 1e3, k), xytext=(4, 0), textcoords="offset points", va="center",
            fontsize=8, color=INK,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [_short(row.name) for row in rows])
    axes.invert_yaxis()
    axes.margins(x=0.08, y=0.01)
    _legend(axes, profile)
    plain(axes, title or f"A step of {profile.untimed * 1e3:.3g} ms on {_threads(profile)}")
    axes.set_xlabel("milliseconds; in full colour what this machine's limits need, and in % its share", fontsize=9)
    return figure


def roofline(profile: Profile, title: str = "") -> Figure:
    """Return a figure of a step's kernels under this machine's roof.

    Across: operations for each byte that must be moved. Up: arithmetic reached. The roof is the measured peak, and to
    the left of the ridge the measured bandwidth of each level of memory. A mark's area is the kernel's time.

    Args:
        profile: what ``Function.profile`` returned.
        title: what it shows.

    Source: Williams, Waterman and Patterson, Roofline: an insightful visual performance model, 2009.
    """
    figure = new_figure(8.2, 5.0)
    (axes,) = new_axes(figure)
    shown = [row for row in profile.rows if row.operations and row.bytes]
    places = [row.operations / row.bytes for row in shown] or [1.0]
    left, right = min([*places, 0.1]) / 2, max([*places, 100.0]) * 2
    peak = at(profile.peak.arithmetic["float32"], profile.threads)
    rates: dict[float, list[str]] = {}
    for level in profile.peak.bandwidth:
        rates.setdefault(bandwidth(profile.peak, level, profile.threads), []).append(level)
    for rate, levels in rates.items():
        ridge = min(max(peak / rate, left), right)
        axes.plot([left, ridge], [left * rate, ridge * rate], color=FAINT, linewidth=1.1, zorder=1)
        label = f"{', '.join(levels)} {rate:.0f} GB/s"
        axes.annotate(label, (left, left * rate), xytext=(2, 3), textcoords="offset points", fontsize=7, color=FAINT)
    axes.plot([min(max(peak / max(rates), left), right), right], [peak, peak], color=INK, linewidth=1.4, zorder=1)
    axes.annotate(
        f"{peak:.0f} GFLOP/s", (right, peak), xytext=(-2, 4), textcoords="offset points", ha="right", fontsize=8
    )
    _points(axes, profile, shown)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(left, right)
    axes.set_ylim(top=peak * 2.5)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    _legend(axes, profile)
    plain(axes, title or f"Kernels of a step on {_threads(profile)}")
    axes.set_xlabel("operations for each byte moved", fontsize=9, color=INK)
    axes.set_ylabel("GFLOP/s", fontsize=9, color=INK)
    return figure


def _points(axes: Axes, profile: Profile, rows: list[Row]) -> None:
    """Mark kernels, and number those that take some time, with their names at the side."""
    names = []
    for row in sorted(rows, key=lambda row: -row.seconds):
        place, part = (row.operations / row.bytes, row.gflops), row.seconds / max(profile.seconds, 1e-12)
        axes.scatter(
            *place, s=24 + 900 * part, c=COLOURS[row.phase], marker=MARKS[row.phase], alpha=0.75, edgecolors="white",
            linewidths=0.6, zorder=3,
        )  # fmt: skip
        if part >= SMALLEST_LABELLED:
            names.append(_short(row.name))
            axes.annotate(
                str(len(names)), place, xytext=(5, 4), textcoords="offset points", fontsize=7.5, color=INK, zorder=4
            )
    text = "\n".join(f"{k:>2}  {name}" for k, name in enumerate(names, 1))
    axes.annotate(
        text, (1.02, 0), xycoords="axes fraction", va="bottom", fontsize=7.5, color=INK, annotation_clip=False
    )


def _legend(axes: Axes, profile: Profile) -> None:
    for phase, colour in COLOURS.items():
        seconds = profile.of_phase(phase)  # type: ignore[arg-type]
        axes.scatter([], [], c=colour, marker=MARKS[phase], label=f"{phase} {seconds * 1e3:.3g} ms")
    axes.legend(frameon=False, fontsize=8, loc="lower right", handletextpad=0.2)


def _threads(profile: Profile) -> str:
    return f"{profile.threads} thread{'s' * (profile.threads > 1)}"


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
