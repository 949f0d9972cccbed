"""What losses are given: mistakes and their messages, labels' variables, and names."""

import numpy as np
import pytest

import pellucid as pc
from pellucid.losses.agreement import logits_under

losses = pc.losses


def variable(shape=("batch", 3), dtype="float32", name="z"):
    return pc.variable(name, shape, dtype)


SOFTMAXES = {
    "softmax": pc.softmax,
    "by hand": lambda z: pc.exp(z) / pc.exp(z).sum(axis=1, keepdims=True),
    "shifted": lambda z: (
        pc.exp(z - z.max(1, keepdims=True)) / pc.exp(z - z.max(1, keepdims=True)).sum(1, keepdims=True)
    ),
    "float64": lambda z: pc.softmax(z).astype("float64"),
    "reshaped": lambda z: pc.softmax(z).reshape("batch", 3, 1).reshape("batch", 3),
    "sigmoid": pc.sigmoid,
}


@pytest.mark.parametrize("written", SOFTMAXES)
@pytest.mark.parametrize(("loss", "dtype"), [("cross_entropy", "int32"), ("binary_cross_entropy", "float32")])
def test_probabilities_for_logits_are_explained(loss, dtype, written):
    z = variable()
    given = SOFTMAXES[written](z)
    labels = variable(("batch",) if dtype == "int32" else ("batch", 3), dtype, "labels")
    with pytest.raises(pc.InputError) as raised:
        losses.LOSSES[loss]()(given, labels)
    function = "sigmoid" if written == "sigmoid" else "softmax"
    for part in (loss, f"is a {function} of z already", "test_arguments.py:", "flatten the gradient", "leave the"):
        assert part in str(raised.value)


def test_what_is_no_softmax_is_taken():
    z = variable()
    powers = pc.exp(z)
    for given in (z, powers / powers.sum(axis=0, keepdims=True), z * pc.sigmoid(z), pc.log_softmax(z), powers / 2):
        assert logits_under(given) is None
        assert losses.cross_entropy(given, variable(("batch",), "int32")).shape == z.shape[:1]


def test_logits_are_found_again():
    z = variable()
    assert logits_under(pc.softmax(z)) == ("softmax", z)
    assert logits_under(pc.sigmoid(z)) == ("sigmoid", z)


MISFITS = {
    "columns": (("batch", 3), ("batch", 1)),
    "rows": (("batch", 3), ("others", 3)),
    "broadcast": ((4,), (4, 4)),
    "rank": (("batch", 3), ("batch",)),
    "one row": ((4, 1), (1, 4)),
}


@pytest.mark.parametrize("shapes", MISFITS.values(), ids=MISFITS)
@pytest.mark.parametrize("name", [n for n in losses.LOSSES if n != "cross_entropy"])
def test_shapes_that_do_not_fit(name, shapes):
    with pytest.raises(pc.ShapeError, match=f"{name}: the outputs have shape .* and the labels .*was expected"):
        losses.LOSSES[name]()(variable(shapes[0]), variable(shapes[1], name="labels"))


@pytest.mark.parametrize("shape", [("batch", 4), ("others",), ("batch", 3, 1), ()])
def test_numbers_of_classes_that_do_not_fit(shape):
    with pytest.raises(pc.ShapeError, match=r"numbers of classes, .*or one probability for each class"):
        losses.cross_entropy(variable(), variable(shape, "int32", "labels"))


@pytest.mark.parametrize(("dtype", "cure"), [("float32", r"\.astype\('int32'\)"), ("bool", "binary_cross_entropy")])
def test_numbers_of_classes_are_integers(dtype, cure):
    with pytest.raises(pc.DtypeError, match=f"number the classes with integers, and these are {dtype}.*{cure}"):
        losses.cross_entropy(variable(), variable(("batch",), dtype, "labels"))


def test_outputs_that_cannot_be_judged():
    with pytest.raises(pc.DtypeError, match=r"outputs are floats.*int32"):
        losses.mean_squared_error(variable(dtype="int32"), variable())
    with pytest.raises(pc.ShapeError, match="a first axis of examples"):
        losses.mean_squared_error(variable(()), variable(()))
    with pytest.raises(pc.ShapeError, match="logits of k classes along a last axis"):
        losses.cross_entropy(variable(("batch",)), variable(("batch",), "int32"))
    with pytest.raises(pc.InputError, match=r"softmax of a single logit is always 1.*binary_cross_entropy"):
        losses.cross_entropy(variable(("batch", 1)), variable(("batch",), "int32"))
    with pytest.raises(pc.ShapeError, match="the components of vectors"):
        losses.cosine_similarity(variable(("batch",)), variable(("batch",)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.CrossEntropy(label_smoothing=1.5), "CrossEntropy: label_smoothing is 1.5, .*from 0 to 1"),
        (lambda: losses.BinaryCrossEntropy(label_smoothing="a"), "BinaryCrossEntropy: label_smoothing is 'a'"),
        (lambda: losses.Huber(delta=0), "Huber: delta is 0, .*above 0"),
        (lambda: losses.huber(variable(), variable(), delta=-1), "huber: delta is -1"),
    ],
)
def test_options_are_checked(make, message):
    with pytest.raises(pc.InputError, match=message):
        make()


@pytest.mark.parametrize("shape", [("batch",), ("batch", 1), ("batch", 5)])
@pytest.mark.parametrize("bad", [-1, 3])
def test_labels_out_of_range_are_found_at_the_call(shape, bad):
    outputs = variable(("batch", 3) if len(shape) == 1 or shape[1] == 1 else ("batch", 5, 3))
    labels = variable(shape, "int32", "labels")
    array = np.zeros([4 if n == "batch" else n for n in shape], "int32")
    array[(2, *[0] * (array.ndim - 1))] = bad
    zeros = np.zeros([4, *outputs.shape[1:]], "float32")
    for loss in (losses.CrossEntropy(), losses.CrossEntropy(label_smoothing=0.1)):
        function = pc.function([outputs, labels], loss(outputs, labels))
        for call in (function, function.repeat(2), function.minibatches(2)):
            with pytest.raises(pc.InputError, match=f"labels is {bad} at row 2.*0 to 2 were expected"):
                call(zeros, array)


LABELS = [
    ("cross_entropy", ("batch", 3), np.array([0, 2]), "int32", "(batch,)"),
    ("cross_entropy", ("batch", 3), np.array([[0], [2]], "uint8"), "uint8", "(batch, 1)"),
    ("cross_entropy", ("batch", 3), np.eye(3)[:2], "float32", "(batch, 3)"),
    ("cross_entropy", ("batch", "time", 3), np.zeros((2, 7), "int64"), "int32", "(batch, time)"),
    ("binary_cross_entropy", ("batch", 1), np.array([True, False]), "bool", "(batch,)"),
    ("mean_squared_error", ("batch", 1), np.array([1.0, 2.0]), "float32", "(batch,)"),
    ("mean_squared_error", ("batch",), np.array([[1], [2]]), "int32", "(batch, 1)"),
]


@pytest.mark.parametrize(("name", "outputs", "labels", "dtype", "shape"), LABELS)
def test_the_variable_of_labels(name, outputs, labels, dtype, shape):
    made = losses.get(name).label_variable(variable(outputs), labels)
    assert (made.dtype, str(made.shape).replace("'", ""), made.name) == (dtype, shape, "labels")


def test_the_variable_of_labels_in_double_precision():
    outputs = variable(("batch", 2), "float64")
    assert losses.get("mse").label_variable(outputs, np.ones((3, 2))).dtype == "float64"


def test_labels_that_no_variable_takes():
    with pytest.raises(pc.ShapeError, match="numbers of classes"):
        losses.get("cross_entropy").label_variable(variable(), np.zeros((2, 4)))
    with pytest.raises(pc.DtypeError, match="number the classes with integers, and these are float32"):
        losses.get("cross_entropy").label_variable(variable(), np.array([0.0, 1.0]))
    with pytest.raises(pc.DtypeError, match="not numbers; number the classes from 0"):
        losses.get("cross_entropy").label_variable(variable(), np.array(["cat", "dog"]))
    with pytest.raises(pc.ShapeError, match="the labels are one number"):
        losses.get("mse").label_variable(variable(("batch",)), np.array(3.0))


@pytest.mark.parametrize(
    ("name", "labels", "message"),
    [
        ("binary_cross_entropy", [0, 1, 2], "the label at row 2 is 2, and labels from 0 to 1"),
        ("hinge", [1, -1, -2], "the label at row 2 is -2, and labels from -1 to 1"),
        ("poisson", [1.0, -0.5], "the label at row 1 is -0.5, and labels 0 or more"),
    ],
)
def test_labels_of_other_values(name, labels, message):
    with pytest.raises(pc.InputError, match=f"{name}: {message}"):
        losses.get(name).check_labels(np.array(labels))
    losses.get(name).check_labels(np.array(labels[:1]))


def test_losses_by_name():
    for name, cls in losses.LOSSES.items():
        assert losses.get(name) == losses.get(cls) == losses.get(cls()) == cls()
        assert cls().name == name
        assert losses.get(getattr(losses, name)) == losses.get(cls.__name__) == cls()
    for alias, name in losses.ALIASES.items():
        assert losses.get(alias.upper()) == losses.LOSSES[name]()


@pytest.mark.parametrize("given", ["crossentropy loss", None, 3, dict, pc.Expression])
def test_what_is_no_loss(given):
    if given is pc.Expression:
        given = variable()
    with pytest.raises(pc.InputError, match=r"is not a loss; expected .*cross_entropy, .*mse"):
        losses.get(given)


def test_a_function_as_a_loss():
    outputs, labels = variable(), variable(name="labels")
    loss = losses.get(lambda p, y: abs(p - y).sum(axis=1))
    assert pc.function([outputs, labels], loss(outputs, labels))([[1, 2, 3]], [[0, 0, 0]]) == [6]
    with pytest.raises(pc.ShapeError, match=r"has shape \(\), and one value for each example, \(batch,\)"):
        losses.get(lambda p, y: (p - y).sum())(outputs, labels)
    with pytest.raises(pc.InputError, match="gave 3, and an expression"):
        losses.get(lambda p, y: 3)(outputs, labels)
