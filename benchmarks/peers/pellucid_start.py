"""From `import pellucid` to the trained two-moons network, compile included, in this fresh process.

The data is read as bytes before the clock starts, without NumPy: importing that is part of what is timed. The harness
chooses the disk cache with $PELLUCID_CACHE: an empty folder, or one that an earlier run has filled.
"""

import sys
import time


def raw(folder: str, name: str) -> bytes:
    """The bytes of one file of the problem."""
    with open(f"{folder}/{name}", "rb") as file:
        return file.read()


def main(folder: str, passes: int) -> tuple[float, list[object]]:
    """Train the 2-3-2 network; the seconds from the first import to weights as arrays, and those weights."""
    points, labels = raw(folder, "points.float32"), raw(folder, "labels.int32")
    start = [raw(folder, f"start-{name}.float32") for name in ("W1", "b1", "W2", "b2")]
    begin = time.perf_counter()
    import numpy as np

    from .pellucid_model import moons_step

    W1, b1, W2, b2 = (np.frombuffer(bytes_, np.float32) for bytes_ in start)
    step, parameters = moons_step([W1.reshape(2, 3), b1, W2.reshape(3, 2), b2])
    step.repeat(passes)(np.frombuffer(points, np.float32).reshape(-1, 2), np.frombuffer(labels, np.int32))
    weights = [parameter.value for parameter in parameters]
    return time.perf_counter() - begin, weights


if __name__ == "__main__":
    values = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    seconds, weights = main(values["--problem"], int(values["--passes"]))
    from pathlib import Path

    from .. import moons
    from ..runner import report

    problem = moons.read(Path(values["--problem"]), (3,))
    final = moons.loss(moons.Weights(*weights), problem.points, problem.labels)
    report(seconds=seconds, runs=1, early=[], final=[final], comparable=True)
