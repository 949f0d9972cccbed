"""What computes a training run: backend, devices, precision and hosts, which are no part of the run itself."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from .. import distributed
from ..backends.xla.placement import check_shared_out, placed
from ..core.errors import InputError
from ..recipes import Document
from ..recipes.learning import check_sweep
from ..recipes.plan import plan
from ..training.choosing import asked_for


@dataclass(frozen=True)
class Computing:
    """What the command line asks for; None is left open.

    Attributes:
        backend, devices, precision: see ``Model.fit``.
        hosts: how many processes train together.
        host: the number of this one; None starts all of them on this machine, or is what a scheduler says.
        coordinator: where host 0 is reached.
        wait: seconds to wait for the others.
        launched: whether this host was started with all others on this machine, by one command that says no more.
    """

    backend: str | None = None
    devices: int | None = None
    precision: str | None = None
    hosts: int | None = None
    host: int | None = None
    coordinator: str | None = None
    wait: float | None = None
    launched: bool = False

    def checked(self, document: Document) -> Computing:
        """Return the same, with the backend that follows from the rest.

        Raises:
            PellucidError: for options that do not go together, or not with what is trained.
        """
        asked_for(self.backend, self.devices, self.precision)
        check_sweep(document, self.hosts)
        if self.hosts is None:
            if self.host is not None or self.coordinator is not None or self.wait is not None:
                raise InputError("--host, --coordinator and --wait are for several hosts; say how many with --hosts")
            return self
        if self.backend not in (None, "xla"):
            raise InputError(f"several hosts train through XLA; leave out --backend {self.backend}, or --hosts")
        if self.devices is not None:
            raise InputError(f"several hosts train on all of their devices; leave out --devices {self.devices}")
        if (self.host is None) != (self.coordinator is None):
            raise InputError(
                "--host and --coordinator go together: the number of this host, and where host 0 is reached; without"
                " both, all hosts are started on this machine"
            )
        return replace(self, backend="xla")

    def check_batch(self, document: Document) -> None:
        """Check that the devices are there and can share out a batch, before anything is written.

        Raises:
            InputError: they are not, or cannot.
        """
        if self.devices is not None or self.hosts is not None:
            check_shared_out(plan(document).batch_size, placed(self.devices).count)

    @property
    def starts_hosts(self) -> bool:
        """Whether all hosts are to be started on this machine."""
        return self.hosts is not None and self.host is None and not distributed.under_scheduler()

    @property
    def how(self) -> dict[str, Any]:
        """What ``Model.fit`` takes."""
        return {"backend": self.backend, "devices": self.devices, "precision": self.precision}

    def words(self) -> list[str]:
        """Return the options as they are typed."""
        given = {**self.how, "hosts": self.hosts, "wait": self.wait}
        if not self.launched:
            given |= {"host": self.host, "coordinator": self.coordinator}
        return [word for key, value in given.items() if value is not None for word in (f"--{key}", str(value))]

    def __str__(self) -> str:
        """The options as they are typed, quoted for a shell."""
        return "".join(f" {shlex.quote(word)}" for word in self.words())

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Join the other hosts for the time of a block, if there are others; if it fails, they are told.

        Raises:
            PellucidError: they do not come, or are not like this one.
        """
        if self.hosts is None:
            yield
            return
        distributed.initialize(self.coordinator, self.hosts, self.host, timeout=self.wait or 60.0)
        try:
            yield
            distributed.shutdown()
        except BaseException as error:
            distributed.fail("it was interrupted" if isinstance(error, KeyboardInterrupt) else str(error))
            raise


OPEN = Computing()  # nothing is asked for

__all__ = ["OPEN", "Computing"]
