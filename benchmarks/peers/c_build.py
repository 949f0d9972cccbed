"""Compile moons.c for given sizes and call it."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..moons import PENALTY, RATE, Problem, Weights
from ..runner import MissingPeerError

FLAGS = ("-O3", "-march=native", "-ffast-math")
LANES = 16


def padded(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """A float32 copy that begins on a cache line and ends, padded with zeros, on a multiple of 16."""
    rows = -(-len(values) // LANES) * LANES
    raw = np.zeros(rows + LANES, np.float32)
    begin = (-raw.ctypes.data % 64) // 4
    raw[begin : begin + len(values)] = values
    return raw[begin : begin + rows]


def pointer(array: NDArray[np.float32]) -> ctypes.c_void_p:
    """The address of an array's first element."""
    return ctypes.c_void_p(array.ctypes.data)


class CLoop:
    """One network trained by the C loop, compiled for its size."""

    def __init__(self, problem: Problem, start: Weights) -> None:
        compiler = shutil.which("gcc")
        if compiler is None:
            raise MissingPeerError("gcc is not installed")
        self.hidden, self.start = len(start.b1), start
        points, labels = problem.points, problem.labels
        columns = (points[:, 0], points[:, 1], labels == 0, labels == 1, np.ones(len(labels)))
        self.columns = [padded(column) for column in columns]
        sizes = {"HIDDEN": self.hidden, "ROWS": len(self.columns[0]), "RATE": f"{RATE}f", "PENALTY": f"{PENALTY}f"}
        with tempfile.TemporaryDirectory() as folder:
            library, compiled = Path(folder) / "moons.so", Path(folder) / "moons.o"
            command = [compiler, *FLAGS, "-c", "-fPIC", *(f"-D{name}={size}" for name, size in sizes.items())]
            subprocess.run([*command, Path(__file__).with_name("moons.c"), "-o", compiled], check=True)
            # Linked with -ffast-math, it would let the whole process flush subnormal numbers to zero once it is loaded.
            subprocess.run([compiler, "-shared", compiled, "-o", library, "-lm"], check=True)
            self.vectorised = b"_ZGV" in library.read_bytes()  # how names of vector functions begin
            self.call = ctypes.CDLL(str(library)).train  # stays mapped when the file is gone
        self.reset()

    def reset(self) -> None:
        """Back to the starting weights."""
        start = self.start
        self.values = padded(np.concatenate([start.W1.ravel(), start.b1, start.W2.T.ravel(), start.b2]))

    def run(self, passes: int) -> None:
        """So many passes in one call, which releases the GIL."""
        self.call(ctypes.c_long(passes), *map(pointer, self.columns), pointer(self.values))

    def weights(self) -> Weights:
        """The weights now."""
        n, values = self.hidden, self.values
        W2 = values[3 * n : 5 * n].reshape(2, n).T
        return Weights(values[: 2 * n].reshape(2, n), values[2 * n : 3 * n], W2, values[5 * n : 5 * n + 2])
