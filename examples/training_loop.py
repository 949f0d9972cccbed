"""A training loop of your own over layers, as in Lasagne: a network is a function of expressions, a step is a function.

Layers make expressions, an optimiser makes updates, and ``pc.function`` compiles both to one step. What happens between
the steps is yours: here the best weights on held-out digits are kept.
"""

import argparse

import numpy as np

import pellucid as pc


def build_network() -> pc.Sequential:
    return pc.Sequential(
        pc.layers.Dense(64, activation="relu", name="hidden"),
        pc.layers.Dense(10, name="scores"),
    )


def main(epochs: int = 15, batch_size: int = 50, seed: int = 0) -> float:
    """Return the share of held-out digits that are read rightly."""
    x_train, y_train, x_test, y_test = pc.data.split(*pc.data.digits(), seed=seed)
    network = build_network()

    x = pc.variable("x", ("batch", x_train.shape[1]))
    label = pc.variable("label", ("batch",), dtype="int32")
    loss = pc.losses.cross_entropy(network(x, training=True), label).mean()
    scores = network(x)  # the same weights, as they behave after training
    network.draw(seed)

    updates = pc.optimizers.Adam(0.003).updates(loss, network.trainable_parameters)
    train = pc.function([x, label], loss, updates=[*updates, *pc.state_updates(loss)], seed=seed)
    read = pc.function([x], scores.argmax(axis=1))

    best, weights = 0.0, {}
    for epoch in range(epochs):
        losses = train.minibatches(batch_size, seed=seed)(x_train, y_train)  # one native call
        right = float(np.mean(read(x_test) == y_test))
        print(f"epoch {epoch + 1:2}: loss {np.mean(losses):.4f}, {right:.2%} of the held-out digits read rightly")
        if right > best:
            best, weights = right, {p: p.value for p in network.trainable_parameters}
    for p, value in weights.items():
        p.value = value
    print(f"the best: {best:.2%}")
    return best


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=15, help="passes over the digits")
    main(parser.parse_args().epochs)
