"""One kernel in Pellucid and in PyTorch, in one process, in turns with what this machine can reach.

In Pellucid a kernel is the update of a parameter, so that no memory for outputs is touched. The new value of it is not
read by the step, but for Adam's, so every step computes the same.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import pellucid as pc
from pellucid.backends.native.limits import Limit, arithmetic_limit, copy_limit

from ..kernels import KERNELS, Kernel
from ..rounds import CORES
from ..runner import report

RUN_SECONDS = 0.05
FEWEST_ROUNDS = 5
PAUSE = 0.03  # seconds
RATE, BETA_1, BETA_2, EPSILON = 0.001, 0.9, 0.999, 1e-7

Run = Callable[[int], None]
Arrays = list[np.ndarray]


def arrays(kernel: Kernel) -> Arrays:
    """The inputs, and last the array that the kernel writes."""
    draw = np.random.default_rng(0)
    if kernel.kind == "product":
        rows, inner, columns = kernel.sizes
        shapes: list[tuple[int, ...]] = [(rows, inner), (inner, columns), (rows, columns)]
    elif kernel.kind == "adam":
        gradient = away_from_zero(draw.standard_normal(kernel.sizes, dtype=np.float32))
        return [gradient, np.zeros(kernel.sizes, np.float32)]
    elif kernel.kind == "softmax":
        shapes = [kernel.sizes] * 2
    else:
        batch, side, channels, filters, size = kernel.sizes
        x, w, y = (batch, side, side, channels), (size, size, channels, filters), (batch, side, side, filters)
        shapes = {"forward": [x, w, y], "data gradient": [y, w, x], "weight gradient": [y, x, w]}[kernel.kind]
    return [draw.standard_normal(shape, dtype=np.float32) for shape in shapes]


def away_from_zero(gradient: np.ndarray) -> np.ndarray:
    """Gradients for Adam: near zero the two place epsilon differently, before the correction of bias or after it."""
    return gradient + np.copysign(np.float32(0.1), gradient)


def in_pellucid(kernel: Kernel, given: Arrays) -> tuple[Run, Callable[[], np.ndarray]]:
    """So many steps of the kernel, and its result."""
    inputs = [pc.variable(f"x{k}", array.shape) for k, array in enumerate(given[:-1])]
    out = pc.parameter(given[-1], name="out")
    step = pc.function(inputs, [], updates=updates(kernel, inputs, out))
    return lambda times: step.repeat(times)(*given[:-1]), lambda: out.value


def updates(kernel: Kernel, inputs: list[Any], out: Any) -> Any:
    """The kernel as a parameter's new value."""
    if kernel.kind == "adam":
        rule = pc.optimizers.Adam(RATE, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON)
        return rule.updates(None, [out], gradients=inputs)
    if kernel.kind == "softmax":
        return [(out, pc.softmax(inputs[0]))]
    if kernel.kind == "product":
        return [(out, inputs[0] @ inputs[1])]
    if kernel.kind == "forward":
        return [(out, pc.conv2d(inputs[0], inputs[1], strides=1, padding="same"))]
    g, other = inputs
    x, w = (out, other) if kernel.kind == "data gradient" else (other, out)
    y = pc.conv2d(x, w, strides=1, padding="same")
    return [(out, pc.gradient((y * g).sum(), out))]


def in_torch(kernel: Kernel, given: Arrays) -> tuple[Run, Callable[[], np.ndarray]]:
    """The same in PyTorch, in its fastest layout."""
    import torch

    torch.set_num_threads(CORES)
    torch.set_grad_enabled(False)
    tensors = [torch.from_numpy(array.copy()) for array in given]
    if kernel.kind not in ("product", "adam", "softmax"):
        tensors = [images_or_filters(array) for array in tensors]
    once, found = torch_step(torch, kernel, tensors)

    def run(times: int) -> None:
        for _ in range(times):
            once()

    return run, lambda: np.asarray(found())


def images_or_filters(array: Any) -> Any:
    """Images as (rows, channels, height, width), filters as (filters, channels, ...), both channels last in memory."""
    import torch

    square = array.shape[0] == array.shape[1] and array.shape[0] in (3, 5)
    order = (3, 2, 0, 1) if square else (0, 3, 1, 2)
    return array.permute(*order).contiguous(memory_format=torch.channels_last)


def torch_step(torch: Any, kernel: Kernel, tensors: list[Any]) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """One step, and how to read its result in Pellucid's layout."""
    out = tensors[-1]
    if kernel.kind == "product":
        return lambda: torch.mm(tensors[0], tensors[1], out=out), lambda: out
    if kernel.kind == "softmax":
        return lambda: torch.softmax(tensors[0], 1, out=out), lambda: out
    if kernel.kind == "adam":
        out.requires_grad_()
        out.grad = tensors[0]
        rule = torch.optim.Adam([out], lr=RATE, betas=(BETA_1, BETA_2), eps=EPSILON, fused=True)
        return rule.step, out.detach
    kept = {}
    padding = kernel.sizes[-1] // 2

    def once() -> None:
        if kernel.kind == "forward":
            kept["y"] = torch.nn.functional.conv2d(tensors[0], tensors[1], padding=padding)
            return
        g, other = tensors[0], tensors[1]
        data = kernel.kind == "data gradient"
        x, w = (out, other) if data else (other, out)
        kept["y"] = torch.ops.aten.convolution_backward(
            g, x, w, None, [1, 1], [padding] * 2, [1, 1], False, [0, 0], 1, [data, not data, False]
        )[0 if data else 1]

    back = (2, 3, 1, 0) if kernel.kind == "weight gradient" else (0, 2, 3, 1)
    return once, lambda: kept["y"].permute(*back)


def steps_for(run: Run) -> int:
    """How many steps take about RUN_SECONDS."""
    run(1)
    begin = time.perf_counter()
    run(2)
    return max(1, round(RUN_SECONDS / (time.perf_counter() - begin) * 2))


def apart(mine: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference, beside the largest number."""
    return float(np.abs(mine - theirs).max() / np.abs(theirs).max())


def alone(limit: Limit) -> float:
    """The limit, when PyTorch's threads no longer wait for more work on the cores that it is measured on."""
    time.sleep(PAUSE)
    return limit.once()


def measure(kernel: Kernel, runs: dict[str, Run], enough: float) -> dict[str, Any]:
    """Medians of seconds, and of shares of the limit: the higher one of those measured before and after each run."""
    limit = copy_limit("memory", CORES) if kernel.bound_by_memory else arithmetic_limit("float32", CORES)
    amount = (kernel.bytes if kernel.bound_by_memory else kernel.operations) / 1e9
    counts = {name: steps_for(run) for name, run in runs.items()}
    taken: dict[str, list[float]] = {name: [] for name in runs}
    shares: dict[str, list[float]] = {name: [] for name in runs}
    limits: list[float] = []
    while len(limits) < FEWEST_ROUNDS * len(runs) or sum(map(sum, taken.values())) * 10 < enough:
        for name, run in runs.items():
            before = alone(limit)
            begin = time.perf_counter()
            run(counts[name])
            each = (time.perf_counter() - begin) / counts[name]
            rate = max(before, alone(limit))
            limits.append(rate)
            taken[name].append(each)
            shares[name].append(amount / each / rate)
    middle = {name: (statistics.median(taken[name]), statistics.median(shares[name])) for name in runs}
    mine, theirs = middle["Pellucid"], middle.get("PyTorch", (None, None))
    return {
        "seconds": mine[0],
        "share": mine[1],
        "torch": theirs[0],
        "torch_share": theirs[1],
        "limit": statistics.median(limits),
        "unit": limit.unit,
        "operations": kernel.operations,
        "bytes": kernel.bytes,
    }


def main() -> None:
    """Time one kernel."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--problem")
    parser.add_argument("--kernel", choices=list(KERNELS), required=True)
    parser.add_argument("--enough", type=float, default=0.5)
    options = parser.parse_args()
    kernel = KERNELS[options.kernel]
    given = arrays(kernel)
    mine, result = in_pellucid(kernel, given)
    runs = {"Pellucid": mine}
    note = ""
    try:
        theirs, expected = in_torch(kernel, given)
    except ModuleNotFoundError:
        note = "PyTorch is not installed"
    else:
        mine(1)
        theirs(1)
        distance = apart(result(), expected())
        if not distance < 1e-4:
            return report(failed=f"differs from PyTorch by {distance:.1e} of the largest number")
        runs["PyTorch"] = theirs
    found = measure(kernel, runs, options.enough)
    return report(**found, runs=FEWEST_ROUNDS, early=[], final=[], comparable=False, note=note)


if __name__ == "__main__":
    main()
