"""The networks of a sweep trained by joblib's workers: other processes, on this machine or on others.

joblib is what scikit-learn hands its work out with, and Dask and Ray are among its backends. It is not imported here: a
program that configured one of its backends has imported it. What it moves between processes, it pickles; a trained
model comes back as the arrays of a file, into a model that is made here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from typing import Any

from ..core.errors import InputError, PellucidError, shortened
from ..core.version import __version__
from ..training.loading import unpack_state
from ..training.model import Model
from ..training.saving import packed_state
from ..training.streams import is_stream
from .job import Job, Row

LIBRARIES = {"joblib", "distributed", "ray"}  # whose errors are about workers, and not about what they were given

UNPICKLED = ("Can't pickle", "cannot pickle", "Can't get local object")  # how pickle's errors begin


class Workers:
    """The workers of the backend that joblib is configured for.

    Args:
        joblib: the library.
        name: the backend's class.
        count: how many networks train at once; -1 for as many as there are workers.
    """

    def __init__(self, joblib: Any, name: str, count: int) -> None:
        self.joblib, self.name, self.count = joblib, name, count

    @classmethod
    def configured(cls, count: int | None) -> Workers | None:
        """Return the workers of a backend that the program named and that has other processes; None without one.

        Args:
            count: how many networks train at once; None for as many as joblib was told, or all where it was not.
        """
        active = getattr(sys.modules.get("joblib.parallel"), "get_active_backend", None)
        if active is None:
            return None
        (backend, told), (again, _) = active(), active()
        # What nobody named is made anew each time it is asked for.
        if backend is not again or getattr(backend, "supports_sharedmem", False):
            return None
        return cls(sys.modules["joblib"], type(backend).__name__, count or told or -1)

    def run(
        self,
        make: Callable[..., Model],
        job: Job,
        given: Sequence[tuple[Mapping[str, Any], Sequence[Any]]],
        models: Sequence[Model],
    ) -> list[Row]:
        """Train networks, give their state to models that are made in the same way, and return what was measured.

        Args:
            make: makes a model from a choice.
            job: how each is trained.
            given: for each network its choice, and what the job takes besides the model.
            models: where the state goes.

        Raises:
            InputError: if something cannot be sent.
            PellucidError: if the workers end, or are of another version.
        """
        self._check(make, job, [choice for choice, _ in given], given[0][1])
        delayed = self.joblib.delayed(_trained)
        # Arrays are arguments of their own: joblib and Dask send such ones once, and not with every job.
        calls = (delayed(__version__, make, job, choice, *data) for choice, data in given)
        try:
            found = self.joblib.Parallel(n_jobs=self.count)(calls)
        except Exception as error:
            if str(error).startswith(UNPICKLED):  # a backend that sends less than cloudpickle can
                raise _unsendable("something", error) from error
            if _is_of_workers(error):
                raise PellucidError(
                    f"sweep: the workers of joblib's {self.name} did not do their work: {type(error).__name__}:"
                    f" {shortened(str(error), 500)}\nA worker that ends without a word was most likely stopped because"
                    " memory ran out: let fewer train at once (n_jobs), or use smaller batches. One that cannot begin"
                    " lacks a module: each needs Pellucid, and what make imports"
                ) from error
            raise
        for k, ((_, state), model) in enumerate(zip(found, models, strict=True)):
            unpack_state(model, state, f"network {k + 1} of the sweep")
        return [row for row, _ in found]

    def _check(self, make: Any, job: Job, choices: Any, data: Sequence[Any]) -> None:
        """Check that all but arrays can be sent: some backends wait for ever where it cannot."""
        sent = {"make": make, "one of the choices": choices, "one of fit's options": job.options}
        if is_stream(data[0]):
            sent["x"] = data[0]
        for what, given in sent.items():
            try:
                self.joblib.wrap_non_picklable_objects([given], keep_wrapper=False).__reduce_ex__(2)
            except Exception as error:
                raise _unsendable(what, error) from error


def _trained(
    version: str,
    make: Callable[..., Model],
    job: Job,
    choice: Mapping[str, Any],
    x: Any,
    y: Any,
    trained: Any,
    held: Any,
    *validation: Any,
) -> tuple[Row, bytes]:
    """Train one network, in a worker; return what was measured, and its state."""
    if version != __version__:
        raise PellucidError(
            f"sweep: a worker has Pellucid {__version__}, and the sweep began in {version}; install one"
        )
    model = make(**choice)
    row = job.run(model, x, y, trained, held, validation)
    return row, packed_state(model)


def _unsendable(what: str, error: Exception) -> InputError:
    return InputError(
        f"sweep: {what} cannot be sent to joblib's workers: {shortened(str(error), 300)}\nLet make itself make what"
        " holds an open file, a lock, a generator or the like, and define make in a module, or use a backend that sends"
        " more (loky, dask); or leave joblib's configuration, and the networks train in this process"
    )


def _is_of_workers(error: Exception) -> bool:
    """Whether an error says that workers ended, rather than what they met."""
    return isinstance(error, BrokenExecutor) or type(error).__module__.partition(".")[0] in LIBRARIES


__all__ = ["Workers"]
