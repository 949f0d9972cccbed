"""Several hosts, ``pc.distributed``: processes on one machine or many that train one model together.

Each runs the same program. ``initialize`` brings them together and checks that they are alike; from then on
``Model.fit(..., backend="xla")`` shares each batch out over the devices of all, host 0 alone writes files, and all stop
with one message when one of them is gone.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..core.errors import HostLostError, InputError, ModelFileError, PellucidError
from ..core.settings import check_number, check_whole
from . import surroundings
from .meeting import Lobby, address_of, meet, refusal, shown_differences
from .party import FAILED, Party
from .relay import LOOPBACK, Relay, free_port
from .surroundings import Place, under_scheduler

T = TypeVar("T")


class _Joined:
    """What this process has joined, if anything."""

    party: Party | None = None
    lobby: Lobby | None = None
    relay: Relay | None = None
    lost: HostLostError | None = None


_joined = _Joined()


def initialize(
    coordinator: str | None = None,
    hosts: int | None = None,
    host: int | None = None,
    *,
    timeout: float = 60.0,
    described: Mapping[str, Any] | None = None,
) -> None:
    """Join the other hosts, before JAX computes anything in this process.

    All must have the same versions of Pellucid, JAX, NumPy and Python, and devices of one kind.

    Args:
        coordinator: ``ADDRESS:PORT`` where host 0 listens, and where the others reach it. Without, what a scheduler
            says in the environment (SLURM, Open MPI, ...) is taken, as JAX reads it.
        hosts: how many there are.
        host: the number of this one, from 0 on.
        timeout: seconds to wait for the others.
        described: what else has to be the same on all hosts, as plain data by name.

    Raises:
        InputError: what is wrong with the arguments, or with this machine.
        HostLostError: a host does not come, or does not answer.
        HostsDifferError: the hosts are not alike; it says in what.
        MissingExtraError: JAX is not installed.

    On each of two machines, for example, with host=0 and host=1::

        pc.distributed.initialize("10.0.0.1:5000", hosts=2, host=0)
        model.fit(x, y, backend="xla")
    """
    check_number("initialize", "timeout", timeout, "positive")
    surroundings.load_jax()
    if _joined.party is not None:
        raise InputError("this process has joined its hosts already; call pc.distributed.shutdown() first")
    place = _place(coordinator, hosts, host)
    if place.hosts > 1:
        _join(place, timeout)
        try:
            compare({**surroundings.about_devices(), **(described or {})})
        except PellucidError as error:
            fail(str(error))
            raise


def _place(coordinator: str | None, hosts: int | None, host: int | None) -> Place:
    """Return the place that is given, checked, or else the one in the environment."""
    if coordinator is None and host is None and (hosts is None or under_scheduler()):
        place = surroundings.place_in_environment()
        if hosts is not None and hosts != place.hosts:
            raise InputError(f"the scheduler has started {place.hosts} processes, and {hosts} hosts were asked for")
        return place
    check_whole("initialize", "hosts", hosts)
    check_whole("initialize", "host", host, 0)
    assert hosts is not None and host is not None  # checked just now
    if host >= hosts:
        raise InputError(f"initialize: host is {host}, and of {hosts} hosts the last is {hosts - 1}")
    if coordinator is None:
        raise InputError("initialize: coordinator is None, and ADDRESS:PORT was expected: where host 0 is reached")
    address_of(coordinator)
    return Place(coordinator, hosts, host)


def _join(place: Place, timeout: float) -> None:
    party, lobby = meet(place.coordinator, place.hosts, place.host, surroundings.about(), timeout)
    _joined.party, _joined.lobby, _joined.lost = party, lobby, None
    atexit.register(_at_exit)  # after JAX registered its own, and so it is called before that
    try:
        for link in party.links.values():
            surroundings.check_name(link.peer)
        if lobby is not None:
            lobby.service_port = free_port()
            at = f"{LOOPBACK}:{lobby.service_port}"
            surroundings.begin_jax(at, place, at, timeout)
        else:
            address = address_of(place.coordinator)
            _joined.relay = Relay(lambda: socket.create_connection(address, timeout))
            surroundings.begin_jax(f"{LOOPBACK}:{_joined.relay.port}", place, None, timeout)
    except Exception as error:
        fail(str(error))
        raise


def shutdown() -> None:
    """Part from the other hosts, when all have come to their end. What a host computes afterwards it computes alone.

    Raises:
        HostLostError: one of them is gone.
    """
    if (party := _joined.party) is None:
        return
    with watched():
        party.all_say("end")
        surroundings.end_jax()
    party.leave()
    if _joined.relay is not None:
        _joined.relay.close()
    _forget()
    atexit.unregister(_at_exit)


def fail(why: str) -> None:
    """Tell the other hosts that this one stops before its end, so that they stop too."""
    if (party := _joined.party) is not None:
        party.fail(why)
        _joined.lost = party.lost or HostLostError(why)
        _forget()  # but for the relay, which JAX would miss


def _forget() -> None:
    if _joined.lobby is not None:
        _joined.lobby.close()
    _joined.party = _joined.lobby = None


def hosts() -> int:
    """Return how many hosts train together; 1 where none were joined."""
    return 1 if _joined.party is None else _joined.party.hosts


def host() -> int:
    """Return the number of this host, from 0 on."""
    return 0 if _joined.party is None else _joined.party.host


def is_first() -> bool:
    """Whether this is host 0, which alone writes files and shows the progress.

    >>> import pellucid as pc
    >>> pc.distributed.hosts(), pc.distributed.host(), pc.distributed.is_first()
    (1, 0, True)
    """
    return host() == 0


def compare(described: Mapping[str, Any]) -> None:
    """Check that all hosts describe what they do alike, with plain data by name; all of them have to call this.

    Raises:
        HostsDifferError: on all hosts; it says which differs, and in what.
        HostLostError: one of them is gone.
    """
    if (party := _joined.party) is not None and (shown := shown_differences(party.all_say(dict(described)))):
        raise refusal(shown)


def from_first(make: Callable[[], T]) -> T:
    """Return, on all hosts, what a function returns on host 0, which alone calls it.

    What depends on the clock, or on how many cores a host has, is so the same everywhere. It is made of numbers, texts,
    arrays of numbers, lists and dicts.

    Raises:
        HostLostError: a host is gone.
    """
    if (party := _joined.party) is None:
        return make()
    found: T = _unpacked(party.first_says(lambda: _packed(make())))
    return found


def _packed(value: Any) -> Any:
    """Return a value as what JSON holds."""
    if isinstance(value, np.ndarray | np.generic):
        return {"array": value.tolist(), "dtype": value.dtype.name}
    if isinstance(value, dict):
        return {"dict": {str(key): _packed(inner) for key, inner in value.items()}}
    return [_packed(inner) for inner in value] if isinstance(value, list | tuple) else value


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict):
        if "array" in value:
            return np.array(value["array"], value["dtype"])[()]
        return {key: _unpacked(inner) for key, inner in value["dict"].items()}
    return [_unpacked(inner) for inner in value] if isinstance(value, list) else value


@contextlib.contextmanager
def file_of_first(path: Path) -> Iterator[Path | None]:
    """Yield a file as host 0 has it, or None where it has none: on other hosts a copy, for as long as the block runs.

    Raises:
        ModelFileError: it cannot be read.
        HostLostError: a host is gone.
    """
    if (party := _joined.party) is None:
        yield path if path.exists() else None
        return
    try:
        content = path.read_bytes() if party.host == 0 and path.exists() else None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    content = party.first_sends(content)
    if party.host == 0 or content is None:
        yield None if content is None else path
        return
    with tempfile.TemporaryDirectory(prefix="pellucid-") as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(content)
        del content
        yield copy


@contextlib.contextmanager
def watched(where: Callable[[], str] = str) -> Iterator[None]:
    """Let what goes wrong in a block because a host is gone be the error that says so.

    Args:
        where: says at which step the block is.

    Raises:
        HostLostError: a host is gone.
    """
    if (party := _joined.party) is None:
        yield
        return
    before, party.where = party.where, where
    try:
        party.check()
        yield
    except PellucidError:
        raise
    except Exception:
        # A collective operation fails as soon as its connection is closed, perhaps before the watch has word of why.
        if party.wait_for_loss():
            party.check()
        raise
    finally:
        party.where = before
        _joined.lost = party.lost


def check() -> None:
    """Raise HostLostError if one of the other hosts is gone."""
    if _joined.party is not None:
        _joined.party.check()


def leave_process(code: int) -> None:
    """End the process if a host was lost, without what JAX does at the end, which waits for that host."""
    if _joined.lost is not None or (_joined.party is not None and _joined.party.lost is not None):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)


def _at_exit() -> None:
    """End what was not ended: a program that stops with an error leaves the others without having said so."""
    if _joined.party is not None and _joined.party.lost is None:
        error = getattr(sys, "last_value", None)
        if error is None:
            shutdown()
        else:
            fail(f"{type(error).__name__}: {error}")
    leave_process(FAILED)


__all__ = [
    "check",
    "compare",
    "fail",
    "file_of_first",
    "from_first",
    "host",
    "hosts",
    "initialize",
    "is_first",
    "leave_process",
    "shutdown",
    "under_scheduler",
    "watched",
]
