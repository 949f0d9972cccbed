"""Keras 3 on TensorFlow, one of the networks, one tf.function for each step, which is faster than `fit`.

TensorFlow decides at import whether its operations are oneDNN's; the harness tries both and keeps the faster.
"""

from __future__ import annotations

import os
import sys

VARIANTS = ("with oneDNN", "without oneDNN")
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = str(int("without oneDNN" not in sys.argv))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from ..network_runner import network_runner  # noqa: E402
from ..networks import BETA_1, BETA_2, EPSILON, MOMENTUM, Convolution, Dense, Network, Pool, Problem  # noqa: E402


def layers(network: Network) -> list[keras.layers.Layer]:
    """The network's layers as Keras's."""
    found, flat = [keras.layers.Input(network.shape)], len(network.shape) == 1
    for layer in network.layers:
        if isinstance(layer, Convolution):
            found.append(keras.layers.Conv2D(layer.filters, layer.kernel, padding="same", activation="relu"))
        elif isinstance(layer, Pool):
            found.append(keras.layers.MaxPooling2D(layer.size, layer.strides, padding="same"))
        elif isinstance(layer, Dense):
            found += [] if flat else [keras.layers.Flatten()]
            found.append(keras.layers.Dense(layer.units, activation="relu" if layer.hidden else None))
            flat = True
        else:
            found.append(keras.layers.Dropout(layer.rate))
    return found


def optimizer(network: Network) -> keras.optimizers.Optimizer:
    """Its optimiser as Keras's."""
    if network.optimiser == "adam":
        return keras.optimizers.Adam(network.rate, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON)
    if network.optimiser == "nesterov":
        return keras.optimizers.SGD(network.rate, momentum=MOMENTUM, nesterov=True)
    return keras.optimizers.SGD(network.rate)


class Trainer:
    """A minibatch is gathered inside the step."""

    def __init__(self, network: Network, problem: Problem, variant: str) -> None:
        tf.config.threading.set_intra_op_parallelism_threads(2)
        tf.config.threading.set_inter_op_parallelism_threads(2)
        self.network, self.problem = network, problem
        self.images, self.labels = tf.constant(problem.images), tf.constant(problem.labels)
        self.model: keras.Model | None = None

    def reset(self) -> None:
        if self.model is None:
            self.model = keras.Sequential(layers(self.network))
            self.optimizer = optimizer(self.network)
            self.optimizer.build(self.model.trainable_variables)
            self.fresh = [variable.numpy() for variable in self.optimizer.variables]
            self.step = self.make_step(self.model, self.optimizer)
        self.model.set_weights(self.problem.start)
        for variable, value in zip(self.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)
        self.rng = np.random.default_rng(0)

    def make_step(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer
    ) -> tf.types.experimental.GenericFunction:
        """One step on the given rows."""

        @tf.function
        def step(rows: tf.Tensor, dropping: bool) -> None:
            with tf.GradientTape() as tape:
                x = tf.cast(tf.gather(self.images, rows), tf.float32) / 255
                labels = tf.gather(self.labels, rows)
                scores = model(x, training=dropping)
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply(gradients, model.trainable_variables)

        return step

    def run_in_order(self, steps: int) -> None:
        self.over(np.arange(steps * self.network.batch), dropping=False)

    def run_shuffled(self, steps: int) -> None:
        self.over(self.rng.permutation(min(steps * self.network.batch, len(self.problem.labels))), dropping=True)

    def over(self, order: np.ndarray, dropping: bool) -> None:
        """One pass over the rows in this order."""
        batch = self.network.batch
        for begin in range(0, len(order), batch):
            self.step(tf.constant(order[begin : begin + batch].astype(np.int32)), dropping)

    def weights(self) -> list[np.ndarray]:
        return list(self.model.get_weights())


if __name__ == "__main__":
    network_runner(Trainer)
