"""Every loss in plain NumPy and float64, one value per example, as a textbook writes it."""

import numpy as np


def average(values):
    return values.reshape(len(values), -1).mean(axis=1) if values.ndim > 1 else values


def log_softmax(z):
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def softmax(z):
    return np.exp(log_softmax(z))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def one_hot(labels, k):
    return (labels[..., None] == np.arange(k)).astype(float)


def cross_entropy(z, y, label_smoothing=0.0):
    y = y if y.shape == z.shape else one_hot(y, z.shape[-1])
    y = (1 - label_smoothing) * y + label_smoothing / z.shape[-1]
    return average(-(y * log_softmax(z)).sum(axis=-1))


def binary_cross_entropy(z, y, label_smoothing=0.0):
    y = (1 - label_smoothing) * y + label_smoothing / 2
    return average(-(y * np.log(sigmoid(z)) + (1 - y) * np.log(sigmoid(-z))))


def huber(p, y, delta=1.0):
    e = abs(p - y)
    return average(np.where(e <= delta, e**2 / 2, delta * (e - delta / 2)))


def sign(y):
    return np.where(y > 0, 1, -1)


def cosine_similarity(p, y):
    lengths = np.linalg.norm(p, axis=-1) * np.linalg.norm(y, axis=-1)
    return average(-(p * y).sum(axis=-1) / lengths)


NUMBERS = {
    "mean_squared_error": lambda p, y: average((p - y) ** 2),
    "mean_absolute_error": lambda p, y: average(abs(p - y)),
    "huber": huber,
    "log_cosh": lambda p, y: average(np.log(np.cosh(p - y))),
    "mean_absolute_percentage_error": lambda p, y: average(100 * abs(p - y) / abs(y)),
}
POSITIVE = {
    "mean_squared_logarithmic_error": lambda p, y: average((np.log(1 + p) - np.log(1 + y)) ** 2),
    "poisson": lambda p, y: average(p - y * np.log(p)),
}
VECTORS = {
    "cosine_similarity": cosine_similarity,
    "kl_divergence": lambda p, y: average((y * np.log(y / p)).sum(axis=-1)),
}
CHOICES = {
    "binary_cross_entropy": binary_cross_entropy,
    "hinge": lambda p, y: average(np.maximum(1 - sign(y) * p, 0)),
    "squared_hinge": lambda p, y: average(np.maximum(1 - sign(y) * p, 0) ** 2),
}
CLASSES = {"cross_entropy": cross_entropy}
ORACLES = {**NUMBERS, **POSITIVE, **VECTORS, **CHOICES, **CLASSES}


def example(name, shape, seed):
    """Return outputs and labels that the loss is made for, in float64; the last axis is that of classes."""
    draw = np.random.default_rng(seed)
    p, y = draw.standard_normal((2, *shape)) * 2
    if name in POSITIVE:
        return np.exp(p / 4), np.exp(y / 4)
    if name == "kl_divergence":
        return softmax(p), softmax(y)
    if name in CHOICES:
        return p, draw.integers(0, 2, shape).astype(float)
    if name in CLASSES:
        return p, draw.integers(0, shape[-1], shape[:-1])
    return p, y


def minimal_rank(name):
    """How many axes the outputs have at least."""
    return 2 if name in VECTORS or name in CLASSES else 1
