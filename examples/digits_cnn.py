"""A convolutional network on handwritten digits, written out as mathematics: two convolutions and two dense layers.

scikit-learn's 8x8 digits unless --data names a folder with MNIST's four IDX files. The images stay bytes in memory,
and a step scales the ones it takes.
"""

import argparse
from pathlib import Path

import numpy as np

import pellucid as pc

BATCH, RATE, DROPOUT = 50, 1e-3, 0.5


def pictures(data: Path | None) -> pc.data.Split:
    """Return training and test images, bytes of shape (n, height, width, 1), each followed by its labels."""
    train, train_labels, test, test_labels = pc.data.mnist(data) if data else pc.data.split(*pc.data.digits())
    side = int(np.sqrt(train.shape[1]))
    train, test = (np.rint(255 * x).astype("uint8").reshape(-1, side, side, 1) for x in (train, test))
    return pc.data.Split(train, train_labels, test, test_labels)


def main(data: Path | None = None, epochs: int = 3, seed: int = 0) -> float:
    images, labels, test_images, test_labels = pictures(data)
    side = images.shape[1]
    inner = (side // 4) ** 2 * 64  # pixels that two poolings leave, times channels
    draw = np.random.default_rng(seed).standard_normal

    def weights(name: str, *shape: int) -> pc.Parameter:
        # He, Zhang, Ren and Sun, Delving deep into rectifiers, 2015, equation 10
        return pc.parameter(draw(shape) * np.sqrt(2 / np.prod(shape[:-1])), name=name)

    K1, b1 = weights("K1", 5, 5, 1, 32), pc.parameter(np.zeros(32), name="b1")
    K2, b2 = weights("K2", 5, 5, 32, 64), pc.parameter(np.zeros(64), name="b2")
    W3, b3 = weights("W3", inner, 1024), pc.parameter(np.zeros(1024), name="b3")
    W4, b4 = weights("W4", 1024, 10), pc.parameter(np.zeros(10), name="b4")

    x = pc.variable("x", ("batch", side, side, 1), dtype="uint8")
    label = pc.variable("label", ("batch",), dtype="int32")
    rate = pc.variable("rate", ())  # of dropout: 0 where nothing is to be dropped

    pixels = x.astype("float32") / 255
    features = pc.max_pool2d(pc.relu(pc.conv2d(pixels, K1, padding="same") + b1))
    features = pc.max_pool2d(pc.relu(pc.conv2d(features, K2, padding="same") + b2))
    hidden = pc.relu(features.reshape(-1, inner) @ W3 + b3)
    kept = pc.uniform(hidden.shape) >= rate
    dropped = pc.where(kept, hidden / (1 - rate), 0)  # Srivastava et al., Dropout, 2014, section 10
    scores = dropped @ W4 + b4
    loss = -pc.pick(pc.log_softmax(scores), label).mean()

    updates = pc.optimizers.Adam(RATE).updates(loss, [K1, b1, K2, b2, W3, b3, W4, b4])
    step = pc.function([x, label, rate], loss, updates=updates, seed=seed)
    predict = pc.function([x, rate], scores.argmax(axis=1)).minibatches(BATCH, shuffle=False)

    accuracy = 0.0
    for epoch in range(1, epochs + 1):
        losses = step.minibatches(BATCH, seed=seed)(images, labels, DROPOUT)
        accuracy = float(np.mean(predict(test_images, 0.0) == test_labels))
        print(f"epoch {epoch}: loss {losses.mean():.3f}, accuracy on digits it has not seen {accuracy:.4f}")
    return accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder with MNIST's four IDX files")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    main(given.data, given.epochs, given.seed)
