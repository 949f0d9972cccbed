"""The same small network on scikit-learn's digits, trained from the same start by every optimiser there is."""

import argparse

import numpy as np

import pellucid as pc

BATCH = 50
RATES = {"sgd": 0.5, "adagrad": 0.05, "adadelta": 1.0}  # the others do well with 0.01


def network(seed: int):
    """Return the inputs, the parameters and the loss of a 64-32-10 network."""
    draw = np.random.default_rng(seed).standard_normal
    W1, b1 = pc.parameter(draw((64, 32)) / np.sqrt(64), name="W1"), pc.parameter(np.zeros(32), name="b1")
    W2, b2 = pc.parameter(draw((32, 10)) / np.sqrt(32), name="W2"), pc.parameter(np.zeros(10), name="b2")
    x, label = pc.variable("x", ("batch", 64)), pc.variable("label", ("batch",), dtype="int32")
    scores = pc.tanh(x @ W1 + b1) @ W2 + b2
    return [x, label], [W1, b1, W2, b2], -pc.pick(pc.log_softmax(scores), label).mean()


def main(epochs: int = 20, seed: int = 0) -> dict[str, float]:
    images, labels = pc.data.digits()
    steps = epochs * -(-len(images) // BATCH)
    final = {}
    for name, rule in pc.optimizers.OPTIMIZERS.items():
        inputs, parameters, loss = network(seed)
        rate = pc.optimizers.CosineDecay(RATES.get(name, 0.01), decay_steps=steps)
        updates = rule(rate, global_clipnorm=5.0).updates(loss, parameters)
        losses = pc.function(inputs, loss, updates=updates).minibatches(BATCH, epochs=epochs, seed=seed)(images, labels)
        final[name] = float(losses[-steps // epochs :].mean())
        print(f"{rule.__name__:9} mean loss of the last epoch {final[name]:.4f}")
    return final


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    main(given.epochs, given.seed)
