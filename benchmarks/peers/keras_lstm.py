"""Keras 3 on TensorFlow, an LSTM layer, one tf.function for each step.

TensorFlow decides at import whether its operations are oneDNN's; the harness tries both and keeps the faster.
"""

from __future__ import annotations

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = str(int("without oneDNN" not in sys.argv))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from ..layer_runner import layer_runner
from ..layers import Problem

NAMES = ("kernel", "recurrent", "bias")


class Trainer:
    """Its gates are in the order of ours: i, f, g, o."""

    def __init__(self, problem: Problem, rate: float, variant: str) -> None:
        tf.config.threading.set_intra_op_parallelism_threads(2)
        tf.config.threading.set_inter_op_parallelism_threads(2)
        self.start = problem.start
        inputs, targets = tf.constant(problem.inputs), tf.constant(problem.targets)
        self.layer = keras.layers.LSTM(len(problem.start["recurrent"]), return_sequences=True)
        self.layer.build(inputs.shape)
        variables = self.layer.trainable_variables

        @tf.function
        def step() -> None:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(self.layer(inputs) - targets))
            for variable, slope in zip(variables, tape.gradient(loss, variables), strict=True):
                variable.assign(variable - rate * slope)

        self.step = step

    def reset(self) -> None:
        self.layer.set_weights([self.start[name] for name in NAMES])

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.step()

    def weights(self) -> dict[str, np.ndarray]:
        return dict(zip(NAMES, self.layer.get_weights(), strict=True))


if __name__ == "__main__":
    layer_runner("lstm", Trainer)
