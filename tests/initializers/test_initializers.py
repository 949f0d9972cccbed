"""Initialisers: moments, bounds, fans, exact orthogonality, the bits of always, and what is refused."""

import dataclasses
import inspect
import math

import numpy as np
import pytest

import pellucid as pc
from pellucid import initializers as i
from pellucid.initializers.distributions import CUT_DEVIATION, fans

KEY = i.key_of(0, "dense/kernel")
EVEN, CUT, BELL = ("uniform", "truncated_normal", "untruncated_normal")
SHAPE = (300, 500)
each_name = pytest.mark.parametrize("name", sorted(i.INITIALIZERS))

# initialiser, mean, standard deviation, kind
DRAWS = [
    (i.RandomUniform(), 0, 0.1 / math.sqrt(12), EVEN),
    (i.RandomUniform(2.0, 5.0), 3.5, 3 / math.sqrt(12), EVEN),
    (i.RandomNormal(), 0, 0.05, BELL),
    (i.RandomNormal(-1.0, 2.0), -1, 2, BELL),
    (i.TruncatedNormal(), 0, 0.05 * 0.87962566103423978, CUT),
    (i.TruncatedNormal(3.0, 1.0), 3, 0.87962566103423978, CUT),
    (i.VarianceScaling(), 0, math.sqrt(1 / 300), CUT),
    (i.VarianceScaling(3.0, "fan_out", "uniform"), 0, math.sqrt(3 / 500), EVEN),
    (i.VarianceScaling(1.0, "fan_avg", "untruncated_normal"), 0, math.sqrt(1 / 400), BELL),
    (i.GlorotUniform(), 0, math.sqrt(2 / 800), EVEN),
    (i.GlorotNormal(), 0, math.sqrt(2 / 800), CUT),
    (i.HeUniform(), 0, math.sqrt(2 / 300), EVEN),
    (i.HeNormal(), 0, math.sqrt(2 / 300), CUT),
    (i.LecunUniform(), 0, math.sqrt(1 / 300), EVEN),
    (i.LecunNormal(), 0, math.sqrt(1 / 300), CUT),
]
FOURTH = {EVEN: 1.8, BELL: 3.0, CUT: 1.4164 / 0.87962566103423978**4}
WIDEST = {EVEN: math.sqrt(3), BELL: 8.3, CUT: 2 / 0.87962566103423978}


@pytest.mark.parametrize(("initializer", "mean", "deviation", "kind"), DRAWS, ids=[repr(d[0]) for d in DRAWS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moments_and_bounds(initializer, mean, deviation, kind, dtype):
    values = initializer(SHAPE, dtype, KEY)
    assert (values.shape, values.dtype.name) == (SHAPE, dtype)
    standard = (values.astype("float64") - mean) / deviation
    error = 5 / math.sqrt(values.size)
    assert abs(standard.mean()) < error
    assert standard.std() == pytest.approx(1, abs=error)
    assert abs((standard**3).mean()) < 4 * error
    assert (standard**4).mean() == pytest.approx(FOURTH[kind], abs=10 * error)
    assert abs(standard).max() <= WIDEST[kind] * (1 + 1e-6)
    assert abs(standard).max() > (4 if kind == BELL else WIDEST[kind] * 0.99)
    rows = standard - standard.mean()
    assert abs((rows[:, 1:] * rows[:, :-1]).mean()) < error  # neighbours know nothing of each other
    assert abs((rows[1:] * rows[:-1]).mean()) < error


def test_the_deviation_that_a_cut_leaves():
    assert pytest.approx(0.87962566103423978, rel=1e-14) == CUT_DEVIATION


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((), (1, 1)),
        ((7,), (7, 7)),
        ((3, 4), (3, 4)),
        ((5, 3, 4), (15, 20)),
        ((5, 5, 32, 64), (800, 1600)),
        ((0, 3), (0, 3)),
    ],
)
def test_fans_are_those_of_keras(shape, expected):
    assert fans(shape) == expected
    assert i.HeNormal()(shape).shape == shape


@pytest.mark.parametrize("shape", [(4, 4), (60, 20), (20, 60), (3, 3, 8, 16), (1, 5), (2, 0)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_orthogonal_columns_or_rows(shape, dtype):
    values = i.Orthogonal(gain=2.0)(shape, dtype, KEY)
    assert (values.shape, values.dtype.name) == (shape, dtype)
    matrix = values.reshape(math.prod(shape[:-1]), shape[-1]).astype("float64")
    narrow = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    tolerance = 1e-6 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(narrow.T @ narrow, 4 * np.eye(narrow.shape[1]), atol=tolerance)


def test_orthogonal_matrices_are_spread_evenly():
    """Their elements have mean 0 and variance 1/n, in the first row and column as well; their gain may be 0 or less."""
    many = np.stack([i.Orthogonal()((4, 4), "float64", (0, k)) for k in range(2000)])
    np.testing.assert_allclose(many.mean(0), 0, atol=0.06)
    np.testing.assert_allclose((many**2).mean(0), 0.25, atol=0.03)
    np.testing.assert_allclose(i.Orthogonal(-1.0)((4, 4)), -i.Orthogonal()((4, 4)))
    np.testing.assert_array_equal(i.Orthogonal(0.0)((2, 2)), np.zeros((2, 2)))


GOLDEN = {
    "random_uniform": "-0x1.1352bd2279a90p-5 -0x1.2d198da7256aap-6 0x1.6b2bd7cc03eb8p-7 -0x1.6d1f5fb12b0eap-5",
    "random_normal": "-0x1.90cbc526c934ap-5 -0x1.87cfe3412e3b8p-6 0x1.cd2faeb6eed3ap-7 -0x1.489de81164aa8p-4",
    "truncated_normal": "-0x1.782d705708a3fp-5 -0x1.74aa9e76dc0d0p-6 0x1.b7ada05fe2c75p-7 -0x1.276f36ac72e5dp-4",
    "glorot_uniform": "-0x1.a5803751fdd98p-1 -0x1.ccf68be1068ccp-2 0x1.15febe0e23048p-2 -0x1.177d1db573685p+0",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_first_numbers_are_those_of_always(name):
    """On every machine and with every NumPy: to the last bit."""
    found = i.get(name)((2, 2), "float64", KEY).reshape(-1)
    assert " ".join(float(v).hex() for v in found) == GOLDEN[name]


@each_name
def test_the_same_key_gives_the_same_and_another_other_values(name):
    make = i.get(name)
    first = make((6, 5), "float32", KEY)
    np.testing.assert_array_equal(first, make((6, 5), "float32", KEY))
    np.testing.assert_array_equal(first, make((6, 5), "float64", KEY).astype("float32"))
    other = make((6, 5), "float32", i.key_of(1, "dense/kernel"))
    assert (first == other).all() == (name in {"zeros", "ones", "constant", "identity"})
    assert first is not make((6, 5), "float32", KEY)
    assert first.flags.writeable


def test_what_draws_nothing():
    np.testing.assert_array_equal(i.Zeros()((2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(i.Ones()((2, 3), "float64"), np.ones((2, 3)))
    np.testing.assert_array_equal(i.Constant(-2)((2,)), [-2, -2])
    np.testing.assert_array_equal(i.Identity(3)((2, 3)), [[3, 0, 0], [0, 3, 0]])
    array = np.arange(6).reshape(2, 3)
    given = i.Given(array)((2, 3))
    np.testing.assert_array_equal(given, array)
    given[:] = 0
    assert array.sum() == 15


@each_name
def test_is_found_by_name_and_documented(name):
    kind = i.INITIALIZERS[name]
    assert type(i.get(name)) is kind
    assert type(i.get(kind.__name__)) is kind
    assert ">>>" in inspect.getdoc(kind)
    made = kind()
    assert i.get(made) is made
    assert made == kind()
    assert hash(made) == hash(kind())
    for field in dataclasses.fields(made):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, field.name, 1)


def test_every_class_has_a_name():
    exported = [getattr(i, name) for name in i.__all__]
    classes = {c for c in exported if inspect.isclass(c)} - {i.Initializer, i.Given}
    assert classes == set(i.INITIALIZERS.values())


def test_numbers_arrays_and_functions():
    assert i.get(2) == i.Constant(2)
    np.testing.assert_array_equal(i.get(np.eye(2))((2, 2)), np.eye(2))
    own = lambda shape, dtype, key: np.zeros(shape, dtype)  # noqa: E731
    assert i.get(own) is own


REFUSED = [
    (lambda: i.get(None), "None is not an initialiser; .*zeros, ones"),
    (lambda: i.get("glorot"), "'glorot' is not an initialiser"),
    (lambda: i.get(i.Zeros), "is not an initialiser; expected one such as pc.initializers.GlorotUniform"),
    (lambda: i.get(True), "True is not an initialiser"),
    (lambda: i.Constant("a"), "Constant: value is 'a', and a number that is finite was expected"),
    (lambda: i.Constant(math.nan), "Constant: value is nan"),
    (lambda: i.RandomUniform(1.0, 0.0), "RandomUniform: maxval is 0.0, and a number of at least minval, 1.0"),
    (lambda: i.RandomUniform(minval=None), "RandomUniform: minval is None"),
    (lambda: i.RandomUniform(maxval=math.inf), "RandomUniform: maxval is inf"),
    (lambda: i.RandomNormal(stddev=-1), "RandomNormal: stddev is -1, and a number 0 or more"),
    (lambda: i.RandomNormal(mean="0"), "RandomNormal: mean is '0'"),
    (lambda: i.TruncatedNormal(stddev=math.nan), "TruncatedNormal: stddev is nan"),
    (lambda: i.TruncatedNormal(mean=math.inf), "TruncatedNormal: mean is inf"),
    (lambda: i.VarianceScaling(0), "VarianceScaling: scale is 0, and a number above 0"),
    (lambda: i.VarianceScaling(mode="fan"), "mode is 'fan', and one of 'fan_in', 'fan_out', 'fan_avg' was expected"),
    (lambda: i.VarianceScaling(distribution="normal"), "distribution is 'normal', and one of 'truncated_normal'"),
    (lambda: i.Orthogonal(math.inf), "Orthogonal: gain is inf"),
    (lambda: i.Orthogonal()((3,)), r"Orthogonal: the weight has shape \(3,\), and two axes or more"),
    (lambda: i.Identity("1"), "Identity: gain is '1'"),
    (lambda: i.Identity()((3, 3, 3)), r"Identity: the weight has shape \(3, 3, 3\), and two axes were expected"),
    (lambda: i.Given(np.ones(3))((1, 3)), r"Given: the value has shape \(3,\), and the weight has \(1, 3\)"),
    (lambda: i.Zeros()((-1, 2)), r"Zeros: shape is \(-1, 2\), and whole numbers of 0 or more were expected"),
    (lambda: i.Zeros()(3), "Zeros: shape is 3"),
    (lambda: i.Zeros()((2.5,)), r"Zeros: shape is \(2.5,\)"),
    (lambda: i.Zeros()((2,), "float32", 7), r"Zeros: key is 7, and two whole numbers from 0 to 2\*\*32 - 1"),
    (lambda: i.Zeros()((2,), "float32", (0, 2**32)), "Zeros: key is"),
    (lambda: i.Zeros()((2,), "float32", (0.5, 1)), "Zeros: key is"),
]


@pytest.mark.parametrize(("use", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_is_refused(use, message):
    with pytest.raises(pc.InputError, match=message):
        use()


def test_dtypes_and_values_that_are_not_numbers():
    with pytest.raises(pc.DtypeError, match="Zeros: weights are float32 or float64, not int32"):
        i.Zeros()((2,), "int32")
    with pytest.raises(pc.DtypeError, match="not numbers"):
        i.Given(["a"])


def test_one_that_is_not_written_says_so():
    with pytest.raises(NotImplementedError, match="Initializer has no values"):
        i.Initializer()((2,))
