"""What is copied into a border of zeros is read there by all others, so that what it was cut out of can go."""

from __future__ import annotations

import numpy as np

import pellucid as pc
from backends.native.blocks import contractions, lower_thresholds, program_of
from pellucid.backends.reference import evaluate

SHAPE, KERNEL = (2, 8, 8, 8), (3, 3, 8, 8)


def test_a_gradient_cut_out_of_windows_that_overlap_is_read_in_its_padded_copy(monkeypatch):
    lower_thresholds(monkeypatch)
    draw = np.random.default_rng(3)
    image, *kernels = (draw.standard_normal(shape).astype(np.float32) for shape in (SHAPE, KERNEL, KERNEL))
    x, v, w = pc.variable("x", SHAPE), pc.variable("v", KERNEL), pc.variable("w", KERNEL)
    y = pc.conv2d(pc.tanh(pc.conv2d(x, v, padding="same")), w, padding="same")
    outputs = pc.gradient((pc.max_pool2d(y, 3, 2, "same") ** 2).sum(), [v, w])
    function = pc.function([x, v, w], outputs)
    found = function(image, *kernels)
    for array, right in zip(
        found, evaluate(outputs, dict(zip((x, v, w), (image, *kernels), strict=True))), strict=True
    ):
        np.testing.assert_allclose(array, right, rtol=0, atol=4e-6 * np.abs(right).max())
    read = {load.buffer.name for c in contractions(program_of(function)) for load in (c.left, c.right)}
    assert not [name for name in read if name.startswith("fold_windows")], "the copy is read instead"
