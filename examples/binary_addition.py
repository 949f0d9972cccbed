"""A recurrent network learns to add, bit by bit: by hand as mathematics, one sample at a time; then as a layer.

It reads two numbers from their least significant bits on, and has to remember what it carries. The first program is
well known from A. Trask, "Anyone can learn to code an LSTM-RNN in Python", 2015.
"""

import argparse

import numpy as np

import pellucid as pc


def network(x: pc.Expression, W: pc.Expression, U: pc.Expression, V: pc.Expression) -> pc.Expression:
    """Return the bits (time, 1) of the sum of two numbers, whose bits are x (time, 2)."""

    def step(state, bits):
        state = pc.sigmoid(bits @ W + state @ U)
        return state, pc.sigmoid(state @ V)

    _, outputs = pc.scan(step, pc.constant(np.zeros(U.shape[0])), x)
    return outputs


def by_hand(samples: int = 10_000, hidden: int = 16, rate: float = 0.1, reports: int = 10, seed: int = 0) -> float:
    """Learn from one sample at a time; return the share of all pairs of numbers below 128 that are added exactly."""
    random = np.random.default_rng(seed)
    shapes = {"W": (2, hidden), "U": (hidden, hidden), "V": (hidden, 1)}
    weights = [pc.parameter(2 * random.random(shape) - 1, name=name) for name, shape in shapes.items()]
    x, target = pc.variable("x", ("sample", 8, 2)), pc.variable("target", ("sample", 8, 1))
    y = network(x[0], *weights)
    loss = 0.5 * pc.square(y - target[0]).sum()
    updates = [(w, w - rate * slope) for w, slope in zip(weights, pc.gradient(loss, weights), strict=True)]
    learn = pc.function([x, target], y, updates=updates).minibatches(1, shuffle=False)

    places = 2 ** np.arange(8)
    pairs, sums = pc.data.addition(bits=8, n=samples, seed=seed)
    done = 0
    for inputs, expected in zip(np.array_split(pairs, reports), np.array_split(sums, reports), strict=True):
        outputs = learn(inputs, expected).reshape(expected.shape)  # one native call, an update for each sample
        done += len(inputs)
        (a, b), bits = (places @ inputs[-1]).astype(int), (outputs[-1, :, 0] > 0.5).astype(int)
        print(f"sample {done}: error {np.abs(outputs - expected).sum(axis=(1, 2)).mean():.3f}")
        print("  predicted", *bits[::-1], "  true", *expected[-1, ::-1, 0].astype(int))
        print(f"  {a} + {b} = {places @ bits}")
    every_pair, every_sum = pc.data.addition(bits=8, n=None)
    add = pc.function([x], y).minibatches(1, shuffle=False)
    return report(add(every_pair).reshape(every_sum.shape) > 0.5, every_sum)


def as_layer(epochs: int = 40, hidden: int = 16, wide: int = 32, seed: int = 0) -> float:
    """Learn from batches of numbers of 8 bits; return the share of wider numbers that are added exactly."""
    model = pc.Model(
        pc.Sequential(
            pc.layers.Input(("time", 2)),  # numbers of any width
            pc.layers.SimpleRNN(hidden, activation="sigmoid", return_sequences=True),
            pc.layers.Dense(1),
        ).build(seed=seed),
        "binary_cross_entropy",
        pc.optimizers.Adam(0.02),
        seed=seed,
    )
    history = model.fit(*pc.data.addition(bits=8, n=10_000, seed=seed), epochs=epochs, batch_size=100, verbose=0)
    print(f"\na layer of {hidden} units after {epochs} epochs: loss {history.history['loss'][-1]:.6f}")
    numbers, sums = pc.data.addition(bits=wide, n=10_000, seed=seed + 1)
    return report(model.predict(numbers) > 0.5, sums)


def report(bits: np.ndarray, sums: np.ndarray) -> float:
    exact = float((bits == sums).all(axis=(1, 2)).mean())
    print(f"{exact:.2%} of {len(sums):,} sums of {sums.shape[1]} bits are exact")
    return exact


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000, help="of the network by hand")
    parser.add_argument("--epochs", type=int, default=40, help="of the layer")
    parser.add_argument("--wide", type=int, default=32, help="bits of the numbers that the layer is tested on")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    by_hand(options.samples, seed=options.seed)
    as_layer(options.epochs, wide=options.wide, seed=options.seed)
