"""`python -m benchmarks.recipes`: train the recipes on several seeds, in Pellucid and in PyTorch, and compare them.

Each run is a process of its own. What it came to goes into recipes.json in the folder of `--out`, and a table of all
that is there into recipes.md beside it. A run that is there already is not repeated, unless its recipe has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pellucid import recipes
from pellucid.recipes.sources import TAKEN_FROM_FILES, found_path

from . import machine
from .rounds import ROOT

SEEDS = range(5)
LIBRARIES = {"pellucid": "pellucid_recipe", "torch": "torch_recipe"}
IMAGES, ANIMALS = "cifar10-jpegs.zip", ("cat", "dog")
BEGIN, END = "<!-- results: written by python -m benchmarks.recipes -->", "<!-- end of results -->"
Results = dict[str, Any]


class Judged(NamedTuple):
    """A recipe, with settings in place of its own, and what it has to come to.

    Attributes:
        recipe: its name.
        figure: what the floor is for.
        floor: the least that the figure may be, or the most if it is a loss; None where there is none.
        settings: in place of the recipe's own.
        points: by how many hundredths the accuracy may be below PyTorch's.
    """

    recipe: str
    figure: str = "accuracy"
    floor: float | None = None
    settings: dict[str, Any] = {}
    points: float = 1.0


JUDGED = {
    "moons": Judged("moons"),
    "digits": Judged("digits"),
    "mnist-softmax": Judged("mnist-softmax", floor=0.905),
    "mnist-cnn, 200 steps": Judged(
        "mnist-cnn", floor=0.89, settings={"training.steps": 200, "training.optimizer.learning_rate": 1e-4}
    ),
    "sweep": Judged("sweep"),
    "binary-addition": Judged("binary-addition", "exact_match", 1.0),
    "cats-and-dogs": Judged("cats-and-dogs", points=1.5),
    "mnist-cnn": Judged("mnist-cnn", floor=0.992),
    "cifar-cnn": Judged("cifar-cnn", floor=0.60),
    "char-lm": Judged("char-lm", "loss", 1.65),
    "char-transformer": Judged("char-transformer", "loss", 1.75),
}


def document_of(name: str, data: str | None = None) -> recipes.Document:
    """The document of a recipe in this list, which says where its data are."""
    judged = JUDGED[name]
    document = recipes.with_settings(recipes.find(judged.recipe), judged.settings)
    kind = document.content["data"]["kind"]
    if data is None and kind in TAKEN_FROM_FILES:
        data = found_path(kind)
    return recipes.with_settings(document, {"data.path": data})


def fingerprint(name: str) -> str:
    """What tells a recipe from what it was before it was changed."""
    judged = JUDGED[name]
    content = recipes.with_settings(recipes.find(judged.recipe), judged.settings).content
    told = {key: value for key, value in content.items() if key != "title"}
    return hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=8).hexdigest()


def images_of(name: str, folder: Path) -> str | None:
    """Where the images of a recipe are, the cats and the dogs in a folder by themselves; None if it has none."""
    if recipes.find(JUDGED[name].recipe).content["data"]["kind"] != "images":
        return None
    archive = Path(os.environ.get("PELLUCID_DATA", "data")) / IMAGES
    if name != "cats-and-dogs":
        return str(archive)
    unpacked = folder / name
    if not unpacked.exists():
        with zipfile.ZipFile(archive) as packed:
            for path in map(Path, packed.namelist()):
                if path.suffix == ".jpg" and path.parent.name in ANIMALS:
                    target = unpacked / path.parent.name / f"{path.parent.parent.name}-{path.name}"
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(packed.read(str(path)))
    return str(unpacked)


def run(module: str, *arguments: object) -> str:
    """Run a peer in a process of its own; the last line that it prints."""
    command = [sys.executable, "-m", f"benchmarks.peers.{module}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return (done.stdout.splitlines() or [""])[-1]


def measured(name: str, library: str, seed: int, folder: Path) -> dict[str, Any]:
    """What a library comes to with a recipe on a seed; the folder keeps the runs, and what a peer learns from."""
    data = images_of(name, folder)
    given = () if data is None else ("--data", data)
    if library == "pellucid":
        kept = folder / f"{name} {fingerprint(name)} {seed}"
        return dict(json.loads(run(LIBRARIES[library], name, *given, "--seed", seed, "--run", kept)))
    problem = folder / f"{name} {fingerprint(name)}"
    if not problem.exists():
        run(LIBRARIES["pellucid"], name, *given, "--write", problem)
    return dict(json.loads(run(LIBRARIES[library], "--problem", problem, "--seed", seed)))


def read(path: Path) -> Results:
    """What was kept of the recipes as they are now."""
    found: Results = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {name: found[name] for name in JUDGED if name in found and found[name]["fingerprint"] == fingerprint(name)}


def keep(path: Path, name: str, library: str, seed: int, figures: dict[str, Any]) -> None:
    """Add what a run came to, to what is there now."""
    found = read(path)
    entry = found.setdefault(name, {"fingerprint": fingerprint(name), "machine": machine.describe()})
    entry.setdefault(library, {})[str(seed)] = figures
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def mean(runs: dict[str, Any], figure: str) -> float:
    """The mean of a figure over the seeds."""
    return statistics.fmean(one[figure] for one in runs.values())


def shown(runs: dict[str, Any], figure: str) -> str:
    """Mean and standard deviation over the seeds, and how many they are."""
    if not runs:
        return "not measured"
    values = [one[figure] for one in runs.values()]
    spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.4f}{spread} ({len(values)})"


def fastest(runs: dict[str, Any]) -> str:
    """The seconds of the fastest run."""
    taken = [one["seconds"] for one in runs.values() if "seconds" in one]
    return f"{min(taken):.1f}" if taken else ""


def met(judged: Judged, ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Whether a recipe comes to what it has to come to, by itself and beside the peer."""
    said = []
    if ours and judged.floor is not None:
        found, loss = mean(ours, judged.figure), judged.figure == "loss"
        good = found <= judged.floor if loss else found >= judged.floor
        said.append(f"{judged.figure.replace('_', ' ')} {'≤' if loss else '≥'} {judged.floor}: {answer(good)}")
    if ours and theirs:
        said.append(f"points ≥ -{judged.points:g}: {answer(apart(ours, theirs) >= -judged.points)}")
    return "; ".join(said)


def answer(good: bool) -> str:
    """A verdict in a word."""
    return "met" if good else "missed"


def apart(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    """By how many hundredths the accuracy is above the peer's."""
    return 100 * (mean(ours, "accuracy") - mean(theirs, "accuracy"))


def row(name: str, entry: dict[str, Any]) -> list[str]:
    """A recipe's line in the table."""
    judged = JUDGED[name]
    ours, theirs = (entry.get(library, {}) for library in LIBRARIES)
    points = f"{apart(ours, theirs):+.2f}" if ours and theirs else ""
    seconds = [fastest(runs) for runs in (ours, theirs)]
    figures = [shown(runs, judged.figure) for runs in (ours, theirs)]
    return [f"`{name}`", judged.figure.replace("_", " "), *figures, points, *seconds, met(judged, ours, theirs)]


HEADINGS = ("recipe", "figure", "Pellucid", "PyTorch", "points", "seconds", "PyTorch's", "floor")


def table(found: Results) -> str:
    """All recipes that were measured."""
    rows = [HEADINGS, ["---"] * len(HEADINGS), *(row(name, entry) for name, entry in found.items())]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def write_table(found: Results, page: Path) -> None:
    """Put the table into the page, between its two marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{table(found)}\n\n{END}{after}", encoding="utf-8")


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipes", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(JUDGED)}; all, if none is given")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), metavar="SEED")
    parser.add_argument("--library", action="append", choices=LIBRARIES, help="both, if none is given")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of recipes.json and recipes.md")
    parser.add_argument("--show", action="store_true", help="write the table from what was measured, and run nothing")
    parser.add_argument("--keep", type=Path, help="folder of Pellucid's runs, which then go on where they were stopped")
    chosen = parser.parse_args(arguments)
    for name in chosen.names:
        if name not in JUDGED:
            parser.error(f"there is no {name!r}; expected one of {', '.join(JUDGED)}")
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was not run yet, and write the table; the exit code."""
    chosen = options(arguments)
    path = chosen.out / "recipes.json"
    with tempfile.TemporaryDirectory(prefix="pellucid-recipes-") as name:
        folder = chosen.keep or Path(name)
        for key in [] if chosen.show else chosen.names or list(JUDGED):
            for library in chosen.library or LIBRARIES:
                for seed in chosen.seeds:
                    if str(seed) not in read(path).get(key, {}).get(library, {}):
                        figures = measured(key, library, seed, folder)
                        keep(path, key, library, seed, figures)
                        print(f"{key}, {library}, seed {seed}: {figures}", file=sys.stderr, flush=True)
    found = read(path)
    print(table(found))
    if (page := chosen.out / "recipes.md").is_file():
        write_table(found, page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
