"""Named errors: one class per mistake, each with the failure and its cure in its docstring.

Every message says what was wrong, where, what was expected and what to try. The docstrings' examples are
run by the tests (``tests/errors``), so the cure shown is one that works.
"""

from __future__ import annotations


def shortened(text: str, most: int) -> str:
    """Return a text as it fits into a message.

    >>> shortened("a rather long description", 13)
    'a rather l...'
    """
    return text if len(text) <= most else text[: most - 3] + "..."


class PellucidError(Exception):
    """Base class of every error that Pellucid raises on purpose."""


class ShapeError(PellucidError, ValueError):
    """Shapes do not fit together.

    >>> import pellucid as pc
    >>> x, W = pc.variable("x", ("batch", 3)), pc.parameter([[1.0, 2.0], [3.0, 4.0]], name="W")
    >>> x @ W
    Traceback (most recent call last):
    ...
    pellucid.core.errors.ShapeError: x @ W: the 3 columns of x, (batch, 3), meet the 2 rows of W, (2, 2)...

    The inner sizes of a product must be equal:

    >>> x = pc.variable("x", ("batch", 2))
    >>> (x @ W).shape
    (batch, 2)
    """


class DtypeError(PellucidError, TypeError):
    """A dtype that an operation or an input does not take.

    >>> import pellucid as pc
    >>> x = pc.variable("x", (3,))
    >>> pc.bitwise_and(x, x)
    Traceback (most recent call last):
    ...
    pellucid.core.errors.DtypeError: bitwise_and takes bool or integers, not float32...

    Convert first, where that is what you mean:

    >>> pc.bitwise_and(x.astype("int32"), 1).dtype
    'int32'
    """


class AxisError(PellucidError, ValueError):
    """An axis that the expression does not have, or names one twice.

    >>> import pellucid as pc
    >>> x = pc.variable("x", (3, 4))
    >>> x.sum(axis=2)
    Traceback (most recent call last):
    ...
    pellucid.core.errors.AxisError: sum: axis 2 is not an axis of x, (3, 4); axes are 0 to 1, or -2 to -1...
    >>> x.sum(axis=-1).shape
    (3,)
    """


class TruthError(PellucidError, TypeError):
    """An expression was used as a Python truth value, which it does not have yet.

    >>> import pellucid as pc
    >>> x = pc.variable("x", ())
    >>> 1.0 if x > 0 else 2.0
    Traceback (most recent call last):
    ...
    pellucid.core.errors.TruthError: 'x > 0' has no value yet, so it cannot decide an if...

    Choose inside the expression instead:

    >>> print(pc.where(x > 0, 1.0, 2.0))
    where(x > 0, 1, 2)
    """


class GradientError(PellucidError, ValueError):
    """A derivative that does not exist: of something not a scalar, or with respect to integers.

    >>> import pellucid as pc
    >>> W = pc.parameter([1.0, 2.0], name="W")
    >>> pc.gradient(W * W, W)
    Traceback (most recent call last):
    ...
    pellucid.core.errors.GradientError: the gradient is of a scalar, and this has shape (2,): W * W...
    >>> print(pc.gradient((W * W).sum(), W))
    2 * W
    """


class InputError(PellucidError, ValueError):
    """What a compiled function was given does not fit the variables it was made with.

    >>> import pellucid as pc
    >>> x = pc.variable("x", ("batch", 2))
    >>> f = pc.function([x], x.sum())
    >>> f([[1.0, 2.0, 3.0]])
    Traceback (most recent call last):
    ...
    pellucid.core.errors.InputError: input x has shape (1, 3), and (batch, 2) was declared: axis 1 is 3, not 2...
    >>> print(f([[1.0, 2.0]]))
    3.0
    """


class UnknownVariableError(PellucidError, ValueError):
    """A function's outputs need a variable that is not among its inputs.

    >>> import pellucid as pc
    >>> x, y = pc.variable("x", ()), pc.variable("y", ())
    >>> pc.function([x], x + y)
    Traceback (most recent call last):
    ...
    pellucid.core.errors.UnknownVariableError: the outputs use the variable y, which is not an input...
    >>> print(pc.function([x, y], x + y)(1.0, 2.0))
    3.0
    """


class UnusedVariableError(PellucidError, ValueError):
    """A function was given an input that none of its outputs and updates uses.

    >>> import pellucid as pc
    >>> x, y = pc.variable("x", ()), pc.variable("y", ())
    >>> pc.function([x, y], x * 2)
    Traceback (most recent call last):
    ...
    pellucid.core.errors.UnusedVariableError: the input y is used by no output and no update...
    >>> print(pc.function([x], x * 2)(1.0))
    2.0
    """


class UpdateError(PellucidError, ValueError):
    """An update that cannot be stored: not to a parameter, twice to one, or of another shape or dtype.

    >>> import pellucid as pc
    >>> x, W = pc.variable("x", ()), pc.parameter(1.0, name="W")
    >>> pc.function([x], x, updates=[(x, W)])
    Traceback (most recent call last):
    ...
    pellucid.core.errors.UpdateError: update 1 stores into x, which is a variable; only a parameter keeps a value...
    >>> f = pc.function([x], x, updates=[(W, W + x)])
    >>> float(f(2.0)), float(W.value)
    (2.0, 3.0)
    """


class NotANumberError(PellucidError, ValueError):
    """NaN in the data of a function that updates parameters, which it would spoil for good.

    >>> import pellucid as pc
    >>> x, W = pc.variable("x", ("batch", 2)), pc.parameter([0.0, 0.0], name="W")
    >>> step = pc.function([x], [], updates=[(W, W + x.sum(axis=0))])
    >>> step([[1.0, 2.0], [3.0, float("nan")]])
    Traceback (most recent call last):
    ...
    pellucid.core.errors.NotANumberError: input x is NaN at row 1, column 1...
    >>> W.value
    array([0., 0.], dtype=float32)

    Remove or replace it first; ``pc.function(..., allow_nan=True)`` lets it through.
    """


class EmptyBatchError(PellucidError, ValueError):
    """A training step was given no rows, or minibatches of no rows were asked for.

    >>> import pellucid as pc, numpy as np
    >>> x, W = pc.variable("x", ("batch", 2)), pc.parameter([0.0, 0.0], name="W")
    >>> step = pc.function([x], [], updates=[(W, W - x.mean(axis=0))])
    >>> step(np.zeros((0, 2)))
    Traceback (most recent call last):
    ...
    pellucid.core.errors.EmptyBatchError: input x has no rows: its axis batch is 0...
    """


class DataFileError(PellucidError, ValueError):
    """A data file that is not what its name or its header says.

    >>> import pellucid as pc, tempfile, pathlib
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "labels-idx1-ubyte"
    >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 9, 1, 2]))
    >>> pc.data.read_idx(path)
    Traceback (most recent call last):
    ...
    pellucid.core.errors.DataFileError: ...labels-idx1-ubyte: the header promises 9 bytes of data, and 2 follow...
    """


class ModelFileError(PellucidError, ValueError):
    """A file of weights that is missing, cut short, damaged, or never was one; nothing in such a file is executed.

    >>> import tempfile, pathlib, numpy as np
    >>> from pellucid.tensors import read_tensors, write_tensors
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "model.safetensors"
    >>> write_tensors(path, {"W": np.ones(3, "float32")})
    >>> _ = path.write_bytes(path.read_bytes()[:-1])
    >>> read_tensors(path)
    Traceback (most recent call last):
    ...
    pellucid.core.errors.ModelFileError: ...model.safetensors: the header promises 12 bytes of tensors, and 11 follow...

    Write it again, or fetch it again:

    >>> write_tensors(path, {"W": np.ones(3, "float32")})
    >>> read_tensors(path)[0]["W"]
    array([1., 1., 1.], dtype=float32)
    """


class OutputFolderError(PellucidError, OSError):
    """A folder to write into, or a file to write, that cannot be: what is there is something else, or forbids it.

    >>> import pellucid as pc, tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     pc.view.prepare_folder(file.name)
    Traceback (most recent call last):
    ...
    pellucid.core.errors.OutputFolderError: ...is a file, and a folder to write into was expected...
    """


class MemoryNeededError(PellucidError, MemoryError):
    """A function needs more memory than there is; it is refused before it starts.

    >>> import pellucid as pc, numpy as np
    >>> x = pc.variable("x", ("n",))
    >>> differences = x[:, None] - x
    >>> pc.function([x], differences)(np.zeros(2**22))
    Traceback (most recent call last):
    ...
    pellucid.core.errors.MemoryNeededError: a call needs 64 TiB of memory, and ... are available; take fewer rows...

    Return what you need of it: sums are computed without the array that they sum.

    >>> print(pc.function([x], (differences**2).sum())(np.arange(4.0)))
    40.0
    """


class HostLostError(PellucidError, ConnectionError):
    """One of several hosts that train together is gone, or never came.

    >>> import pellucid as pc
    >>> pc.distributed.initialize("127.0.0.1:9", hosts=2, host=1, timeout=0.1)
    Traceback (most recent call last):
    ...
    pellucid.core.errors.HostLostError: host 0 did not answer at 127.0.0.1:9 in 0.1 seconds...

    The other hosts stop as well. Start all of them again, or fewer; a single one waits for nobody:

    >>> pc.distributed.initialize("127.0.0.1:9", hosts=1, host=0)
    >>> pc.distributed.hosts()
    1
    """


class HostsDifferError(PellucidError, ValueError):
    """Hosts that are to train together have other versions, settings or data, and would not compute the same.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from pellucid.distributed.meeting import meet
    >>> from pellucid.distributed.relay import free_port
    >>> at = f"127.0.0.1:{free_port()}"
    >>> with ThreadPoolExecutor() as threads:
    ...     other = threads.submit(meet, at, 2, 1, {"jax": "1.1"}, 10)
    ...     meet(at, 2, 0, {"jax": "1.0"}, 10)
    Traceback (most recent call last):
    ...
    pellucid.core.errors.HostsDifferError: the hosts are not alike, and would not compute the same:
      host 1: jax is '1.1', and '1.0' on host 0
    start all with the same versions, the same settings and the same data

    Each host is told. When they are alike, they are brought together:

    >>> with ThreadPoolExecutor() as threads:
    ...     other = threads.submit(meet, at, 2, 1, {"jax": "1.0"}, 10)
    ...     party, lobby = meet(at, 2, 0, {"jax": "1.0"}, 10)
    ...     ends = threads.submit(other.result()[0].leave)
    ...     party.leave()
    ...     lobby.close()
    >>> party.hosts
    2
    """


class MissingExtraError(PellucidError, ImportError):
    """A part that needs a library of one of the extras, which is not installed."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a native loop: it stopped after a whole step, and here is what it has.

    Attributes:
        steps: whole steps done.
        outputs: the outputs of those steps, stacked, in the form the function returns them.
    """

    def __init__(self, steps: int, outputs: object) -> None:
        super().__init__(f"stopped after {steps} whole steps; parameters hold the values after the last of them")
        self.steps = steps
        self.outputs = outputs


class InternalError(PellucidError, AssertionError):
    """A defect in Pellucid itself: a pass produced an expression or a loop that breaks the rules."""
