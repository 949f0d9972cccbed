"""Convolutions: against JAX and PyTorch, native against reference, their derivatives, edges and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pc
from draws import draws
from operations.geometry import Geometry, geometries
from pellucid.backends.reference import evaluate

LETTERS = {1: ("NHC", "HIO", "NHC"), 2: ("NHWC", "HWIO", "NHWC")}
REFERENCE = draws(25)
NATIVE = draws(15)


def variables(geometry: Geometry) -> tuple[pc.Expression, pc.Expression]:
    """Return the input and the kernel."""
    x, w = (pc.variable(n, s, geometry.dtype) for n, s in (("x", geometry.input), ("w", geometry.kernel)))
    return x, w


def convolved(x: pc.Expression, w: pc.Expression, geometry: Geometry) -> pc.Expression:
    """Return the convolution by the public name."""
    function = pc.conv1d if len(geometry.sizes) == 1 else pc.conv2d
    return function(x, w, geometry.strides, geometry.padding, geometry.dilation, geometry.groups)


def close(found: Any, expected: Any, dtype: str, terms: int = 200) -> None:
    """Assert that sums of some hundred terms agree."""
    tolerance = np.finfo(dtype).eps * terms
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * 10)


@REFERENCE
@given(geometries(dtype="float64"))
def test_agrees_with_jax(geometry: Geometry) -> None:
    jax = pytest.importorskip("jax")
    x, w = variables(geometry)
    a, b = geometry.arrays(geometry.input, geometry.kernel)
    padding = geometry.padding.upper() if isinstance(geometry.padding, str) else geometry.padding
    (found,) = evaluate([convolved(x, w, geometry)], {x: a, w: b})
    with jax.enable_x64(True):
        expected = jax.lax.conv_general_dilated(
            a,
            b,
            geometry.strides,
            padding,
            rhs_dilation=geometry.dilation,
            dimension_numbers=LETTERS[len(geometry.sizes)],
            feature_group_count=geometry.groups,
        )
    close(found, expected, "float64")


def first_channels(a: Any) -> Any:
    """Return an array with its channels before its spatial axes, as PyTorch has them."""
    return np.ascontiguousarray(np.moveaxis(a, -1, 1))


@pytest.mark.torch
@REFERENCE
@given(geometries(dtype="float64", smallest=1))
def test_agrees_with_pytorch_and_so_do_its_gradients(geometry: Geometry) -> None:
    import torch

    x, w = variables(geometry)
    y = convolved(x, w, geometry)
    g = pc.constant(np.cos(np.arange(float(np.prod(y.shape)))).reshape(y.shape), "float64")
    a, b = geometry.arrays(geometry.input, geometry.kernel)
    found = evaluate([y, *pc.gradient((y * g).sum(), [x, w])], {x: a, w: b})

    tx = torch.tensor(first_channels(a), requires_grad=True)
    tw = torch.tensor(np.moveaxis(b, (-1, -2), (0, 1)).copy(), requires_grad=True)
    border = [n for pair in reversed(geometry.pairs) for n in pair]
    function = torch.nn.functional.conv1d if len(geometry.sizes) == 1 else torch.nn.functional.conv2d
    padded = torch.nn.functional.pad(tx, border)
    ty = function(padded, tw, stride=geometry.strides, dilation=geometry.dilation, groups=geometry.groups)
    (value,) = evaluate([g], {})
    (ty * torch.tensor(first_channels(value))).sum().backward()
    expected = [
        np.moveaxis(ty.detach().numpy(), 1, -1),
        np.moveaxis(tx.grad.numpy(), 1, -1),
        np.moveaxis(tw.grad.numpy(), (0, 1), (-1, -2)),
    ]
    for one, other in zip(found, expected, strict=True):
        close(one, other, "float64", 1000)


@NATIVE
@given(geometries())
def test_native_agrees_with_reference(geometry: Geometry) -> None:
    x, w = variables(geometry)
    loss = pc.square(convolved(pc.tanh(x), w, geometry)).sum()
    arrays = geometry.arrays(geometry.input, geometry.kernel)
    roots = [loss, convolved(x, w, geometry), *pc.gradient(loss, [x, w])]
    native, reference = (pc.function([x, w], roots, backend=b)(*arrays) for b in ("native", "reference"))
    for one, other in zip(native, reference, strict=True):
        scale = 1 + float(np.abs(other).max(initial=0))
        close(one / scale, other / scale, geometry.dtype)


@draws(10)
@given(geometries(dtype="float64", smallest=1))
def test_second_derivatives_agree_with_finite_differences(geometry: Geometry) -> None:
    """Along a random direction; the loss is of both gradients, so every map is differentiated by every operand."""
    x, w = variables(geometry)
    first = pc.gradient(pc.sin(convolved(x, w, geometry)).sum(), [x, w])
    loss = pc.sin(first[0]).sum() + pc.sin(first[1]).sum()
    second = pc.gradient(loss, [x, w])
    shapes = (geometry.input, geometry.kernel)
    a, b, da, db = geometry.arrays(*shapes, *shapes)
    found = evaluate(second, {x: a, w: b})
    slope = float((found[0] * da).sum() + (found[1] * db).sum())
    h = 1e-6
    ends = [float(evaluate([loss], {x: a + s * h * da, w: b + s * h * db})[0]) for s in (1, -1)]
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("multiplier", [1, 3])
def test_depthwise_is_one_convolution_a_channel(axes: int, multiplier: int) -> None:
    generator = np.random.default_rng(4)
    a, b = generator.normal(size=(2, *(9, 8)[:axes], 5)), generator.normal(size=(*(3, 2)[:axes], 5, multiplier))
    x, w = pc.constant(a, "float64"), pc.constant(b, "float64")
    whole, one = ((pc.depthwise_conv1d, pc.conv1d), (pc.depthwise_conv2d, pc.conv2d))[axes - 1]
    for options in ({}, {"strides": 2, "padding": "same"}, {"dilation": 2, "padding": 1}):
        parts = [one(x[..., c : c + 1], w[..., c : c + 1, :], **options) for c in range(5)]
        found, expected = pc.function([], [whole(x, w, **options), pc.concatenate(parts, axis=-1)])()
        close(found, expected, "float64")


@REFERENCE
@given(geometries(dtype="float64", dilated=False, smallest=1), st.sampled_from(["same", "valid"]))
def test_transposed_agrees_with_jax(geometry: Geometry, padding: str) -> None:
    """The shapes and values of Keras, whose transposed convolutions JAX computes with transpose_kernel."""
    jax = pytest.importorskip("jax")
    axes = len(geometry.sizes)
    shape = (*geometry.window, geometry.outputs, geometry.channels)
    a, b = geometry.arrays(geometry.input, shape)
    x, w = pc.variable("x", a.shape, "float64"), pc.variable("w", shape, "float64")
    y = (pc.conv1d_transpose if axes == 1 else pc.conv2d_transpose)(x, w, geometry.strides, padding)
    (found,) = evaluate([y], {x: a, w: b})
    with jax.enable_x64(True):
        expected = jax.lax.conv_transpose(
            a, b, geometry.strides, padding.upper(), dimension_numbers=LETTERS[axes], transpose_kernel=True
        )
    close(found, expected, "float64")


@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("padding", ["same", "valid", 0, 1, ((2, 0), (1, 1))])
def test_transposed_is_the_adjoint(strides: int, padding: Any) -> None:
    """The sum of conv(x) * y is that of x * conv_transpose(y), for the x of the size that the latter gives."""
    generator = np.random.default_rng(strides)
    w = pc.constant(generator.normal(size=(3, 4, 2, 5)), "float64")
    y = pc.constant(generator.normal(size=(2, 4, 5, 5)), "float64")
    back = pc.conv2d_transpose(y, w, strides, padding)
    x = pc.constant(generator.normal(size=back.shape), "float64")
    there = pc.conv2d(x, w, strides, padding)
    assert there.shape == y.shape
    one, other = pc.function([], [(there * y).sum(), (x * back).sum()])()
    assert one == pytest.approx(other, rel=1e-12)


def test_transposed_sizes_are_those_of_keras() -> None:
    x = pc.variable("x", ("batch", 5, 2))
    for kernel, strides, valid in ((3, 1, 7), (3, 2, 11), (2, 3, 15), (4, 2, 12), (1, 1, 5)):
        w = pc.variable("w", (kernel, 6, 2))
        assert pc.conv1d_transpose(x, w, strides).shape[1:] == (valid, 6)
        assert pc.conv1d_transpose(x, w, strides, "same").shape[1:] == (5 * strides, 6)
    assert pc.conv1d_transpose(x, pc.variable("w", (3, 6, 2)), 2, 1).shape[1:] == (9, 6)


@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
@pytest.mark.parametrize(
    ("size", "kernel", "strides", "padding", "slope"),
    [
        (1, 1, 3, (2, 0), [0]),  # the kernel sees padding only
        (2, 1, 3, (2, 0), [0, 1]),
        (2, 1, 1, (3, 4), [1, 1]),
        (3, 2, 4, (3, 3), [0, 1, 1]),
        (2, 1, 3, (0, 5), [1, 0]),
    ],
)
def test_what_the_padding_alone_gave_is_cut_off(
    backend: str, size: int, kernel: int, strides: int, padding: tuple[int, int], slope: list[int]
) -> None:
    x, w = pc.variable("x", (1, size, 1)), np.ones((kernel, 1, 1), "float32")
    y = pc.conv1d(x, w, strides, (padding,))
    found = pc.function([x], pc.gradient((y * x.sum()).sum(), x), backend=backend)(np.zeros(x.shape))
    assert not found.any()
    assert list(pc.function([], pc.gradient(y.sum(), x), backend=backend)().ravel()) == slope


def test_the_batch_may_be_named() -> None:
    x, w = pc.variable("x", ("batch", 5, 5, 2)), pc.parameter(np.ones((3, 3, 2, 4)), name="w")
    y = pc.conv2d(x, w, padding="same")
    assert str(y.shape) == "(batch, 5, 5, 4)"
    f = pc.function([x], [y.sum(), *pc.gradient(y.sum(), [x, w])])
    for batch in (0, 1, 4):
        total, dx, dw = f(np.ones((batch, 5, 5, 2)))
        assert total == batch * 2 * 4 * (3 * 3 * 9 + 4 * 3 * 6 + 4 * 4)
        assert dx.shape == (batch, 5, 5, 2)
        assert (dw[1, 1] == batch * 25).all()
        assert (dw[0, 0] == batch * 16).all()


@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
def test_nan_and_infinity_reach_the_places_that_see_them(backend: str) -> None:
    array = np.zeros((1, 9, 2), "float32")
    array[0, 2, 0], array[0, 7, 1] = np.nan, np.inf
    x = pc.variable("x", array.shape)
    w = np.ones((3, 2, 4), "float32")
    found = pc.function([x], pc.conv1d(x, w), backend=backend, allow_nan=True)(array)[0, :, 0]
    np.testing.assert_array_equal(found, [np.nan, np.nan, np.nan, 0, 0, np.inf, np.inf])


@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
def test_one_element_and_a_kernel_of_one(backend: str) -> None:
    x, w = pc.variable("x", (1, 1, 1, 1)), pc.variable("w", (1, 1, 1, 1))
    y = pc.conv2d(x, w, padding=2)
    roots = [y, *pc.gradient(y.sum(), [x, w])]
    found, dx, dw = pc.function([x, w], roots, backend=backend)([[[[3.0]]]], [[[[2.0]]]])
    assert (found.shape, found.sum(), found[0, 2, 2, 0]) == ((1, 5, 5, 1), 6, 6)
    assert (float(dx[0, 0, 0, 0]), float(dw[0, 0, 0, 0])) == (2, 3)


@pytest.mark.parametrize("padding", [((1, 1), (0, 0)), ((2, 0), (1, 0))])
def test_large_ones_of_operands_that_no_memory_holds(padding: Any) -> None:
    """The gradient of a sum is one number spread out; so may an operand be. There is nothing to skip rows of."""
    x, w = pc.variable("x", (8, 16, 16, 16)), pc.variable("w", (3, 3, 16, 16))
    spread = pc.broadcast_to(pc.constant(2.0), x.shape)
    roots = [*pc.gradient(pc.conv2d(x, w, padding=padding).sum(), [x, w]), pc.conv2d(spread, w, padding=padding)]
    generator = np.random.default_rng(0)
    values = {v: generator.normal(size=v.shape).astype("float32") for v in (x, w)}
    found = pc.function([x, w], roots)(*values.values())
    magnitudes = evaluate(roots, {v: np.abs(a) for v, a in values.items()}, precise=True)
    for one, expected, magnitude in zip(found, evaluate(roots, values, precise=True), magnitudes, strict=True):
        assert (np.abs(one - expected) <= 2_048 * np.finfo("float32").eps * magnitude).all()


def test_a_large_input_that_few_places_see() -> None:
    x, w = pc.variable("x", (1, 64, 8, 16)), pc.variable("w", (3, 3, 16, 16))
    y = pc.conv2d(x, w, strides=(32, 1), padding=1)
    generator = np.random.default_rng(0)
    values = {v: generator.normal(size=v.shape).astype("float32") for v in (x, w)}
    close(pc.function([x, w], y)(*values.values()), evaluate([y], values, precise=True)[0], "float32")


@pytest.mark.parametrize("backend", ["native", "xla", "reference"])
@pytest.mark.parametrize(("channels", "outputs"), [(0, 3), (3, 0)])
def test_no_channels_give_zeros(backend: str, channels: int, outputs: int) -> None:
    x, w = pc.variable("x", (2, 5, channels)), pc.variable("w", (3, channels, outputs))
    y = pc.conv1d(x, w, padding=1)
    roots = [y, *pc.gradient(y.sum() + (w * 2).sum(), [x, w])]
    found, dx, dw = pc.function([x, w], roots, backend=backend)(np.ones(x.shape), np.ones(w.shape))
    np.testing.assert_array_equal(found, np.zeros((2, 5, outputs)))
    np.testing.assert_array_equal(dx, np.zeros(x.shape))
    assert dw.shape == w.shape


def test_floats_of_two_widths_meet_in_the_wider() -> None:
    x, w = pc.variable("x", (2, 5, 3)), pc.variable("w", (2, 3, 4), "float64")
    assert pc.conv1d(x, w).dtype == "float64"
    assert pc.conv1d(x, pc.variable("v", (2, 3, 4))).dtype == "float32"


def test_padding_is_expanded_once_for_value_and_gradient() -> None:
    """Forward and the gradient for the kernel read one padded copy."""
    from pellucid.schedule.text import program_text

    x, w = pc.variable("x", (2, 8, 8, 3)), pc.parameter(np.ones((3, 3, 3, 4)), name="w")
    loss = pc.square(pc.conv2d(x, w, padding="same")).sum()
    text = program_text(pc.function([x], [loss, pc.gradient(loss, w)]).compiled().executable.program)
    assert len({word for word in text.replace("[", " ").split() if word.startswith("pad")}) == 1


X1, X2 = pc.variable("x", ("batch", 8, 3)), pc.variable("x", ("batch", 8, 8, 3))
W1, W2 = pc.variable("w", (3, 3, 4)), pc.variable("w", (3, 3, 3, 4))
INTEGERS = pc.variable("counts", (2, 8, 3), "int32")
LONG = pc.variable("text", ("batch", "length", 3))

ERRORS = {
    "channels": (lambda: pc.conv2d(X2, pc.variable("w", (3, 3, 2, 4))), pc.ShapeError, "has 3 channels.* is for 2"),
    "channels of groups": (
        lambda: pc.conv1d(pc.variable("x", (1, 8, 6)), pc.variable("w", (3, 2, 4)), groups=2),
        pc.ShapeError,
        "has 6 channels.* is for 2 in each of 2 groups, 4 together",
    ),
    "groups": (
        lambda: pc.conv1d(X1, pc.variable("w", (3, 1, 4)), groups=3),
        pc.ShapeError,
        "3 groups do not divide the 4 output channels",
    ),
    "no groups": (lambda: pc.conv1d(X1, W1, groups=0), pc.ShapeError, "0 groups do not divide"),
    "half a group": (lambda: pc.conv1d(X1, W1, groups=1.5), pc.ShapeError, "groups is a whole number"),
    "empty output": (
        lambda: pc.conv2d(X2, pc.variable("w", (9, 3, 3, 4))),
        pc.ShapeError,
        "spans 9 elements does not fit into the 8 of spatial axis 0.*output is empty.*pad more",
    ),
    "empty dilated output": (lambda: pc.conv1d(X1, W1, dilation=4), pc.ShapeError, "spans 9 elements"),
    "empty input": (
        lambda: pc.conv1d(pc.variable("x", (1, 0, 3)), W1, padding="same"),
        pc.ShapeError,
        "spans 3 elements does not fit into the 2 of .* padding included",
    ),
    "strides": (lambda: pc.conv2d(X2, W2, strides=0), pc.ShapeError, "strides is a whole number of 1 or more, or 2"),
    "three strides": (lambda: pc.conv2d(X2, W2, strides=(1, 2, 3)), pc.ShapeError, r"not \(1, 2, 3\)"),
    "a word": (lambda: pc.conv2d(X2, W2, strides="two"), pc.ShapeError, "strides is a whole number"),
    "dilation": (lambda: pc.conv1d(X1, W1, dilation=-1), pc.ShapeError, "dilation is a whole number of 1 or more, not"),
    "padding": (lambda: pc.conv1d(X1, W1, padding=-1), pc.ShapeError, "padding is 'same', 'valid'.*not -1"),
    "padding word": (lambda: pc.conv1d(X1, W1, padding="full"), pc.ShapeError, "'same', 'valid'.*not 'full'"),
    "padding pairs": (lambda: pc.conv2d(X2, W2, padding=((1, 1),)), pc.ShapeError, r"a pair \(low, high\).*2 here"),
    "padding numbers": (lambda: pc.conv2d(X2, W2, padding=(1, 1)), pc.ShapeError, r"a pair \(low, high\)"),
    "axes": (lambda: pc.conv2d(X1, W1), pc.AxisError, r"has 3 axes, and \(batch, height, width, channels\)"),
    "axes of the kernel": (lambda: pc.conv2d(X2, W1), pc.AxisError, "the kernel w.*2 spatial axes as x"),
    "axes of both": (
        lambda: pc.convolution(pc.variable("x", (2, 3)), W1),
        pc.AxisError,
        r"\(batch, length, channels\) or \(batch, height",
    ),
    "empty kernel": (lambda: pc.conv1d(X1, pc.variable("w", (0, 3, 4))), pc.ShapeError, "1 or more"),
    "named kernel": (lambda: pc.conv1d(X1, pc.variable("w", ("k", 3, 4))), pc.ShapeError, "all whole numbers"),
    "named length": (
        lambda: pc.conv1d(LONG, W1),
        pc.ShapeError,
        "spatial axis length of text.*is a name.*whole number",
    ),
    "integers": (lambda: pc.conv1d(INTEGERS, W1), pc.DtypeError, "counts is int32.*astype"),
    "integer kernel": (lambda: pc.conv1d(X1, np.ones((3, 3, 4), "int32")), pc.DtypeError, "is int32"),
    "too large": (
        lambda: pc.conv2d(pc.variable("x", (1, 2**31, 2**31, 2)), pc.variable("w", (1, 1, 2, 3))),
        pc.ShapeError,
        r"more than 2\*\*63",
    ),
    "too large output": (
        lambda: pc.conv1d(pc.variable("x", (1, 2**40, 1)), pc.variable("w", (1, 1, 2**23))),
        pc.ShapeError,
        r"more than 2\*\*63",
    ),
    "padded too far": (lambda: pc.conv1d(X1, W1, padding=2**62), pc.ShapeError, r"more than 2\*\*63"),
    "depthwise": (
        lambda: pc.depthwise_conv1d(X1, pc.variable("w", (3, 2, 1))),
        pc.ShapeError,
        "has 3 channels, and the kernel w, .* is for 2",
    ),
    "depthwise axes": (lambda: pc.depthwise_conv2d(X2, W1), pc.AxisError, "multiplier"),
    "transposed": (
        lambda: pc.conv1d_transpose(X1, pc.variable("w", (3, 3, 4))),
        pc.ShapeError,
        "has 3 channels, and the kernel w, .* is for 4",
    ),
    "transposed padding": (
        lambda: pc.conv1d_transpose(X1, pc.variable("w", (3, 4, 3)), padding=5),
        pc.ShapeError,
        "leaves nothing.*pad less",
    ),
    "weight gradient": (
        lambda: pc.convolution_weight_gradient(X1, pc.variable("g", ("batch", 7, 4)), 3),
        pc.ShapeError,
        r"is \(batch, 6\) and channels",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_say_what_was_wrong(case: str) -> None:
    call, error, message = ERRORS[case]
    with pytest.raises(error, match=message) as raised:
        call()
    assert "test_convolution.py" in str(raised.value)
