"""Softmax regression on handwritten digits: one matrix, minibatches of 100, 1,000 steps.

scikit-learn's 8x8 digits unless --data names a folder with MNIST's four IDX files.
"""

import argparse
from pathlib import Path

import numpy as np

import pellucid as pc

BATCH, RATE = 100, 0.5


def main(data: Path | None = None, steps: int = 1_000) -> float:
    digits = pc.data.mnist(data) if data else pc.data.split(*pc.data.digits())
    images, labels, test_images, test_labels = digits
    W = pc.parameter(np.zeros((images.shape[1], 10)), name="W")
    b = pc.parameter(np.zeros(10), name="b")

    x = pc.variable("x", ("batch", images.shape[1]))
    label = pc.variable("label", ("batch",), dtype="int32")
    scores = x @ W + b
    probabilities = pc.exp(scores) / pc.exp(scores).sum(axis=1, keepdims=True)
    loss = -pc.log(pc.pick(probabilities, label)).mean()

    gradients = pc.gradient(loss, [W, b])
    updates = [(p, p - RATE * g) for p, g in zip([W, b], gradients, strict=True)]
    step = pc.function([x, label], loss, updates=updates)
    predict = pc.function([x], scores.argmax(axis=1))

    rows = steps * BATCH  # whole epochs, then part of one
    epochs, rest = divmod(rows, len(images))
    losses = step.minibatches(BATCH, epochs=epochs, seed=0)(images, labels)
    if rest:
        losses = np.append(losses, step.minibatches(BATCH, seed=1)(images[:rest], labels[:rest]))
    accuracy = float(np.mean(predict(test_images) == test_labels))
    print(f"{len(losses):,} steps of {BATCH}: loss {losses[-1]:.3f}, accuracy on the test digits {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder with MNIST's four IDX files")
    parser.add_argument("--steps", type=int, default=1_000)
    given = parser.parse_args()
    main(given.data, given.steps)
