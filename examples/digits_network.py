"""A 64-64-10 network on scikit-learn's handwritten digits, tested on a quarter it has not seen."""

import argparse

import numpy as np

import pellucid as pc

BATCH, RATE = 50, 0.5


def main(epochs: int = 40, seed: int = 0) -> float:
    images, labels, test_images, test_labels = pc.data.split(*pc.data.digits(), test=0.25, seed=seed)
    draw = np.random.default_rng(seed).standard_normal
    W1 = pc.parameter(draw((64, 64)) / np.sqrt(64), name="W1")
    b1 = pc.parameter(np.zeros(64), name="b1")
    W2 = pc.parameter(draw((64, 10)) / np.sqrt(64), name="W2")
    b2 = pc.parameter(np.zeros(10), name="b2")

    x = pc.variable("x", ("batch", 64))
    label = pc.variable("label", ("batch",), dtype="int32")
    scores = pc.tanh(x @ W1 + b1) @ W2 + b2
    probabilities = pc.exp(scores) / pc.exp(scores).sum(axis=1, keepdims=True)
    loss = -pc.log(pc.pick(probabilities, label)).mean()

    parameters = [W1, b1, W2, b2]
    gradients = pc.gradient(loss, parameters)
    updates = [(p, p - RATE * g) for p, g in zip(parameters, gradients, strict=True)]
    step = pc.function([x, label], loss, updates=updates)
    predict = pc.function([x], scores.argmax(axis=1))

    losses = step.minibatches(BATCH, epochs=epochs, seed=seed)(images, labels)
    accuracy = float(np.mean(predict(test_images) == test_labels))
    print(f"{epochs} epochs: loss {losses[-1]:.3f}, accuracy on digits it has not seen {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    main(given.epochs, given.seed)
