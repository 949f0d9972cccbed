"""From `import pellucid` to the trained two-moons network, compile included, in this fresh process.

The data is read as bytes before the clock starts, without NumPy: importing that is part of what is timed. With
`--cache cold` the disk cache is an empty folder; with `--cache warm` it is $PELLUCID_CACHE as it stands.
"""

import os
import sys
import tempfile
import time
from pathlib import Path


def main(folder: Path, passes: int) -> tuple[float, list[object]]:
    """Train the 2-3-2 network; the seconds from the first import to weights as arrays, and those weights."""
    points = (folder / "points.float32").read_bytes()
    labels = (folder / "labels.int32").read_bytes()
    start = [(folder / f"start-{name}.float32").read_bytes() for name in ("W1", "b1", "W2", "b2")]
    begin = time.perf_counter()
    import numpy as np

    from .pellucid_model import moons_step

    arrays = [np.frombuffer(raw, np.float32) for raw in start]
    step, parameters = moons_step([arrays[0].reshape(2, 3), arrays[1], arrays[2].reshape(3, 2), arrays[3]])
    step.repeat(passes)(np.frombuffer(points, np.float32).reshape(-1, 2), np.frombuffer(labels, np.int32))
    weights = [parameter.value for parameter in parameters]
    return time.perf_counter() - begin, weights


if __name__ == "__main__":
    values = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    folder = Path(values["--problem"])
    with tempfile.TemporaryDirectory() as empty:
        if values["--cache"] == "cold":
            os.environ["PELLUCID_CACHE"] = empty
        seconds, weights = main(folder, int(values["--passes"]))
    from .. import moons
    from ..runner import report

    problem = moons.read(folder, (3,))
    final = moons.loss(moons.Weights(*weights), problem.points, problem.labels)
    report(seconds=seconds, runs=1, early=[], final=[final], comparable=True)
