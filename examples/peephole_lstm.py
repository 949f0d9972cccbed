"""A cell of one's own: LSTM with peepholes, whose gates see the state that they guard, learns to keep time.

Gers and Schmidhuber, *Recurrent nets that time and count*, 2000. The task is theirs in short: after a signal, a spike
is due every so many steps, and nothing but the state says how many have passed.
"""

import argparse
from dataclasses import dataclass

import numpy as np

import pellucid as pc


@pc.register
@dataclass(eq=False, repr=False)
class PeepholeLSTMCell(pc.layers.Cell):
    """Long short-term memory whose input and forget gates see c, and whose output gate sees the new c."""

    units: int

    @property
    def state_size(self):
        return (self.units, self.units)  # h, c

    def build(self, shapes):
        row, *_ = shapes
        self.kernel = self.weight("kernel", (row[-1], 4 * self.units))
        self.recurrent_kernel = self.weight("recurrent_kernel", (self.units, 4 * self.units), "orthogonal")
        self.bias = self.weight("bias", (4 * self.units,), "zeros")
        self.peepholes = self.weight("peepholes", (3, self.units), "zeros")

    def call(self, x, states):
        h, c = states
        product = x @ self.kernel + h @ self.recurrent_kernel + self.bias
        i, f, g, o = (product[:, k * self.units : (k + 1) * self.units] for k in range(4))
        to_i, to_f, to_o = self.peepholes[0], self.peepholes[1], self.peepholes[2]
        c = pc.sigmoid(f + to_f * c) * c + pc.sigmoid(i + to_i * c) * pc.tanh(g)
        h = pc.sigmoid(o + to_o * c) * pc.tanh(c)
        return h, [h, c]


def spikes(sequences: int, time: int, interval: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return signals (sequences, time, 1), one in each sequence, and the spikes that are due from then on."""
    first = np.random.default_rng(seed).integers(0, interval, (sequences, 1))
    since = np.arange(time) - first
    signals, due = since == 0, (since > 0) & (since % interval == 0)
    return signals[..., None].astype("float32"), due[..., None].astype("float32")


def main(epochs: int = 100, interval: int = 10, units: int = 8, seed: int = 0) -> float:
    """Return the share of steps at which there is a spike just when there is to be one."""
    network = pc.Sequential(
        pc.layers.Input(("time", 1)),
        pc.layers.RNN(PeepholeLSTMCell(units), return_sequences=True),
        pc.layers.Dense(1),
    ).build(seed=seed)
    optimizer = pc.optimizers.Adam(0.01, global_clipnorm=1.0)
    model = pc.Model(network, "binary_cross_entropy", optimizer, metrics=["accuracy"], seed=seed)
    history = model.fit(*spikes(512, 4 * interval, interval, seed), epochs=epochs, batch_size=32, verbose=0)
    for epoch in range(0, epochs, max(1, epochs // 10)):
        print(f"epoch {epoch + 1}: loss {history.history['loss'][epoch]:.4f}")
    longer, due = spikes(100, 8 * interval, interval, seed + 1)
    found = float(((model.predict(longer) > 0.5) == due).mean())
    print(f"{found:.2%} of the steps of sequences twice as long as those it learnt from are right")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=100, help="passes over the sequences")
    parser.add_argument("--interval", type=int, default=10, help="steps from one spike to the next")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    main(options.epochs, options.interval, seed=options.seed)
