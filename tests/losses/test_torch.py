"""Losses and their gradients against PyTorch's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from draws import draws
from losses.oracles import example

pytestmark = pytest.mark.torch

CASES = {
    "cross_entropy": {"label_smoothing": 0.1},
    "binary_cross_entropy": {},
    "mean_squared_error": {},
    "mean_absolute_error": {},
    "huber": {"delta": 0.7},
    "kl_divergence": {},
    "poisson": {},
    "cosine_similarity": {},
}


def of_torch(name, p, y, options):
    """Return PyTorch's loss, summed over the examples."""
    import torch
    from torch.nn import functional

    each = {"reduction": "none"}
    y = torch.tensor(y)
    if name == "cross_entropy":
        return functional.cross_entropy(p, y, reduction="sum", **options)
    found = {
        "binary_cross_entropy": lambda: functional.binary_cross_entropy_with_logits(p, y, **each).mean(1),
        "mean_squared_error": lambda: functional.mse_loss(p, y, **each).mean(1),
        "mean_absolute_error": lambda: functional.l1_loss(p, y, **each).mean(1),
        "huber": lambda: functional.huber_loss(p, y, **each, **options).mean(1),
        "kl_divergence": lambda: functional.kl_div(p.log(), y, **each).sum(1),
        "poisson": lambda: functional.poisson_nll_loss(p, y, log_input=False, eps=0.0, **each).mean(1),
        "cosine_similarity": lambda: -functional.cosine_similarity(p, y, dim=1),
    }[name]()
    return found.sum()


@pytest.mark.parametrize("name", CASES)
@draws(16)
@given(seed=st.integers(0, 999), rows=st.integers(1, 9), columns=st.integers(2, 6))
def test_value_and_gradient(name, seed, rows, columns):
    import torch

    options = CASES[name]
    p, y = example(name, (rows, columns), seed)
    theirs = torch.tensor(p, requires_grad=True)
    expected = of_torch(name, theirs, y, options)
    expected.backward()
    outputs, labels = pc.parameter(p, dtype="float64"), pc.parameter(y, trainable=False, dtype=y.dtype)
    loss = pc.losses.LOSSES[name](**options)(outputs, labels).sum()
    value, gradient = pc.function([], [loss, pc.gradient(loss, outputs)])()
    np.testing.assert_allclose(value, expected.detach().numpy(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(gradient, theirs.grad.numpy(), rtol=1e-8, atol=1e-9)
