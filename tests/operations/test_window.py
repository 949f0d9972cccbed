"""Windows and their adjoint: where they read and write, and that overlapping writes add up in any kind of loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from numpy.lib.stride_tricks import sliding_window_view

import pellucid as pc
from draws import draws
from operations.geometry import Geometry, geometries
from pellucid.backends.reference import evaluate
from pellucid.operations.window import overlap
from pellucid.schedule.text import program_text


def fits(geometry: Geometry) -> bool:
    """Whether the windows fit without any padding."""
    return all(n > (k - 1) * d for n, k, d in zip(geometry.sizes, geometry.window, geometry.dilation, strict=True))


@draws(25)
@given(geometries(dtype="float64").filter(fits))
def test_windows_are_the_views_of_numpy(geometry: Geometry) -> None:
    x = pc.variable("x", geometry.input, "float64")
    (a,) = geometry.arrays(geometry.input)
    (found,) = evaluate([pc.windows(x, geometry.window, geometry.strides, geometry.dilation)], {x: a})
    axes = tuple(range(1, 1 + len(geometry.sizes)))
    spans = tuple((k - 1) * d + 1 for k, d in zip(geometry.window, geometry.dilation, strict=True))
    views = sliding_window_view(a, spans, axis=axes)  # type: ignore[call-overload]
    views = views[(slice(None), *(slice(None, None, s) for s in geometry.strides))]
    views = views[(..., *(slice(None, None, d) for d in geometry.dilation))]
    np.testing.assert_array_equal(found, np.moveaxis(views, 1 + len(axes), -1))


@draws(15)
@given(geometries().filter(fits))
def test_folding_is_the_adjoint_and_native_agrees(geometry: Geometry) -> None:
    x = pc.variable("x", geometry.input, geometry.dtype)
    y = pc.windows(x, geometry.window, geometry.strides, geometry.dilation)
    g = pc.variable("g", y.shape, geometry.dtype)
    back = pc.fold_windows(g, geometry.sizes, geometry.strides, geometry.dilation)
    a, b = geometry.arrays(geometry.input, y.shape)
    native, reference = (pc.function([x, g], [y, back], backend=k)(a, b) for k in ("native", "reference"))
    np.testing.assert_array_equal(native[0], reference[0])
    np.testing.assert_allclose(native[1], reference[1], rtol=1e-5, atol=1e-5)
    assert float((reference[0].astype("float64") * b).sum()) == pytest.approx(float((reference[1] * a).sum()), abs=1e-2)
    assert pc.gradient((y * g).sum(), x) is back


@pytest.mark.parametrize("sizes", [(40,), (33, 20)])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 3, 16])
@pytest.mark.parametrize("dilation", [1, 2])
def test_overlapping_windows_add_up_whatever_runs_in_lanes(
    sizes: tuple[int, ...], strides: int, channels: int, dilation: int
) -> None:
    """Long rows of places put lanes over places, many channels over channels, and a long batch over that."""
    x = pc.variable("x", ("batch", *sizes, channels))
    y = pc.windows(x, 3, strides, dilation)
    g = pc.variable("g", y.shape)
    f = pc.function([g], pc.fold_windows(g, sizes, strides, dilation))
    for batch in (1, 17):
        array = np.random.default_rng(batch).integers(-9, 9, (batch, *y.shape[1:])).astype("float32")
        (expected,) = evaluate([pc.fold_windows(pc.constant(array), sizes, strides, dilation)], {})
        np.testing.assert_array_equal(f(array), expected)


def test_truth_values_are_added_as_numbers() -> None:
    g = pc.variable("g", (1, 3, 2, 1), "bool")
    for backend in ("native", "reference"):
        found = pc.function([g], pc.fold_windows(g, 4), backend=backend)(np.ones((1, 3, 2, 1), bool))
        assert (found.dtype, list(found.ravel())) == (np.dtype("int32"), [1, 2, 2, 1])


def test_windows_are_read_where_they_lie() -> None:
    x = pc.variable("x", (2, 8, 8, 3))
    text = program_text(pc.function([x], pc.windows(x, 2).max(axis=(3, 4))).compiled().executable.program)
    assert "windows" not in text


def test_windows_that_do_not_meet_are_stored_without_adding() -> None:
    g = pc.variable("g", (2, 4, 2, 3))
    text = program_text(pc.function([g], pc.fold_windows(g, 8, 2)).compiled().executable.program)
    assert "sum" not in text
    assert "= 0" not in text


def test_overlapping_windows_begin_from_zeros_even_where_they_are_as_many_as_the_elements() -> None:
    g = pc.variable("g", (2, 2, 3, 1))
    f = pc.function([g], pc.fold_windows(g, 6, 2))
    assert "= 0" in program_text(f.compiled().executable.program)
    assert list(f(np.ones(g.shape))[1, :, 0]) == [1, 1, 2, 1, 1, 0]


@draws(50)
@given(geometries(dtype="float64", smallest=1).filter(fits))
def test_overlap_is_known_exactly(geometry: Geometry) -> None:
    x = pc.variable("x", geometry.input)
    y = pc.windows(x, geometry.window, geometry.strides, geometry.dilation)
    options = {"sizes": geometry.sizes, "strides": geometry.strides, "dilation": geometry.dilation}
    (counts,) = evaluate([pc.fold_windows(pc.constant(np.ones(y.shape)), *options.values())], {})
    assert overlap(y, **options) == (counts.max() > 1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pc.windows(pc.variable("x", (2, 3)), 2), pc.AxisError, "has 2 axes"),
        (lambda: pc.windows(pc.variable("x", (2, 3, 1)), 4), pc.ShapeError, "spans 4 elements"),
        (lambda: pc.windows(pc.variable("x", (2, "n", 1)), 2), pc.ShapeError, "is a name"),
        (lambda: pc.windows(pc.variable("x", (2, 3, 1)), 0), pc.ShapeError, "window is a whole number of 1 or more"),
        (lambda: pc.windows(pc.variable("x", (2**31, 2**21, 4)), 2**11), pc.ShapeError, r"2\*\*63"),
        (lambda: pc.fold_windows(pc.variable("x", (2, 3, 1)), 4), pc.ShapeError, "is not .batch, .places, .window"),
        (lambda: pc.fold_windows(pc.variable("x", (2, 3, 2, 1)), 5), pc.ShapeError, "is not what the windows of"),
    ],
)
def test_errors_say_what_was_wrong(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()
