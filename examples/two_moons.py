"""Two moons: a straight line cannot part them, a network of three hidden units can.

The network is written out as mathematics, and so is gradient descent on it. Pictures go to a folder.
"""

import argparse
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegressionCV

import pellucid as pc

RATE, L2 = 0.01, 0.01
SIZES = (1, 2, 3, 4, 5, 20, 50)


def network(hidden: int, seed: int = 0):
    """Return a training step of a 2-hidden-2 network, and its probability of class 1."""
    draw = np.random.default_rng(seed).standard_normal
    W1 = pc.parameter(draw((2, hidden)) / np.sqrt(2), name="W1")
    b1 = pc.parameter(np.zeros(hidden), name="b1")
    W2 = pc.parameter(draw((hidden, 2)) / np.sqrt(hidden), name="W2")
    b2 = pc.parameter(np.zeros(2), name="b2")

    x = pc.variable("x", ("batch", 2))
    label = pc.variable("label", ("batch",), dtype="int32")
    scores = pc.tanh(x @ W1 + b1) @ W2 + b2
    probabilities = pc.exp(scores) / pc.exp(scores).sum(axis=1, keepdims=True)
    loss = -pc.log(pc.pick(probabilities, label)).sum() + L2 / 2 * ((W1 * W1).sum() + (W2 * W2).sum())

    parameters = [W1, b1, W2, b2]
    gradients = pc.gradient(loss, parameters)
    updates = [(p, p - RATE * g) for p, g in zip(parameters, gradients, strict=True)]
    step = pc.function([x, label], loss, updates=updates)
    return step, pc.function([x], probabilities[:, 1])


def accuracy(predict, points, labels) -> float:
    return float(np.mean((predict(points) > 0.5) == labels))


def main(passes: int = 20_000, folder: Path = Path("runs/two-moons")) -> None:
    folder = pc.view.prepare_folder(folder)
    points, labels = pc.data.moons(200, noise=0.20, seed=0)
    new_points, new_labels = pc.data.moons(1_000, noise=0.20, seed=1)
    pc.plot.save(pc.plot.scatter(points, labels, "Two moons"), folder / "moons.png")

    line = LogisticRegressionCV(l1_ratios=(0,), scoring="accuracy", use_legacy_attributes=False).fit(points, labels)
    title = f"Logistic regression: {line.score(points, labels):.3f}"
    pc.plot.save(
        pc.plot.boundary(lambda p: line.predict_proba(p)[:, 1], points, labels, title), folder / "logistic.png"
    )
    print(title)

    step, predict = network(hidden=3)
    some = step.repeat(passes // 20)  # one native call
    for call in range(1, 21):
        losses = some(points, labels)
        print(f"after {call * (passes // 20):6,} passes: loss {losses[-1]:8.3f}")
    title = f"Three hidden units: {accuracy(predict, points, labels):.3f}"
    pc.plot.save(pc.plot.boundary(predict, points, labels, title), folder / "network.png")
    print(title)

    def train(hidden: int):
        step, predict = network(hidden)
        step.repeat(passes)(points, labels)
        trained, held_out = accuracy(predict, points, labels), accuracy(predict, new_points, new_labels)
        return f"{hidden} hidden: {trained:.3f}, held out {held_out:.3f}", predict

    with ThreadPoolExecutor(os.cpu_count()) as threads:  # a native call lets other threads run
        panels = list(threads.map(train, SIZES))
    pc.plot.save(pc.plot.boundaries(panels, points, labels), folder / "hidden-sizes.png")
    print(*(title for title, _ in panels), f"pictures in {folder}", sep="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passes", type=int, default=20_000, help="passes over the points")
    parser.add_argument("--out", type=Path, default=Path("runs/two-moons"), help="the folder for the pictures")
    given = parser.parse_args()
    main(given.passes, given.out)
