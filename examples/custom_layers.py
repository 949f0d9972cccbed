"""Two layers of one's own, maxout and highway, in a network that learns scikit-learn's handwritten digits."""

import argparse
from dataclasses import dataclass

import pellucid as pc


@pc.register
@dataclass(eq=False, repr=False)
class Maxout(pc.layers.Layer):
    """Each output is the largest of several weighted sums: an activation that is learnt, piecewise linear and convex.

    Goodfellow, Warde-Farley, Mirza, Courville and Bengio, Maxout networks, 2013.
    """

    units: int
    pieces: int = 2

    def build(self, shape):
        self.kernel = self.weight("kernel", (shape[-1], self.units * self.pieces))
        self.bias = self.weight("bias", (self.units * self.pieces,), "zeros")

    def call(self, x):
        sums = x @ self.kernel + self.bias
        return sums.reshape(-1, self.units, self.pieces).max(axis=2)


@pc.register
@dataclass(eq=False, repr=False)
class Highway(pc.layers.Layer):
    """A gate decides for each unit how much of it is computed anew, and how much is carried over as it was.

    The gates begin nearly closed, so that even through many layers the inputs, and gradients, get through.

    Srivastava, Greff and Schmidhuber, Highway networks, 2015.
    """

    activation: str = "relu"
    carry: float = 2.0

    def build(self, shape):
        units = shape[-1]
        self.transform = pc.layers.Dense(units, self.activation)
        self.gate = pc.layers.Dense(units, "sigmoid", bias_initializer=-self.carry)

    def call(self, x):
        gate = self.gate(x)
        return gate * self.transform(x) + (1 - gate) * x


def main(epochs: int = 20, seed: int = 0) -> float:
    images, labels, test_images, test_labels = pc.data.split(*pc.data.digits(), test=0.25, seed=seed)
    network = pc.Sequential(
        Maxout(32, pieces=3),
        pc.layers.Dropout(0.2),
        *(Highway() for _ in range(10)),
        pc.layers.Dense(10),
    )
    model = pc.Model(network, loss="cross_entropy", optimizer="adam", metrics=["accuracy"], seed=seed)
    model.fit(images, labels, epochs=epochs, batch_size=32, verbose=0)
    print(model.summary())
    figures = model.evaluate(test_images, test_labels)
    print(f"{epochs} epochs: accuracy on digits it has not seen {figures['accuracy']:.3f}")
    return float(figures["accuracy"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    main(given.epochs, given.seed)
