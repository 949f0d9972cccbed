"""How the hosts of a run come together: each other one connects to host 0, and a roll is called.

Host 0 listens at the coordinator's address. Whoever connects says its number and what it is, and waits; when all are
there and alike, host 0 welcomes them. Strangers, and hosts with a wrong number, are turned away.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from ..core.configuration import differences
from ..core.errors import HostLostError, HostsDifferError, InputError, PellucidError, shortened
from .messages import SILENCE, Connection, Message, NonsenseError
from .party import GRACE, Party, end_process
from .relay import RELAYED, close, serve

PROTOCOL: Final = 1
GREETING: Final = 5.0  # seconds in which whoever connects has to say who it is
AGAIN: Final = 0.2  # seconds between two tries to connect
MOST_SHOWN: Final = 10


def address_of(coordinator: str) -> tuple[str, int]:
    """Return the address and the port of a text ``ADDRESS:PORT``.

    >>> address_of("10.0.0.1:5000"), address_of("[::1]:5000")
    (('10.0.0.1', 5000), ('::1', 5000))
    """
    address, _, port = str(coordinator).rpartition(":")
    if not address or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise InputError(
            f"the coordinator is {coordinator!r}, and ADDRESS:PORT was expected, such as 10.0.0.1:5000: where host 0"
            " is reached by all others"
        )
    return address.strip("[]"), int(port)


def shown_differences(said: list[Any]) -> str:
    """Return in what hosts differ from host 0, a line for each difference; an empty text if in nothing.

    >>> print(shown_differences([{"jax": "1.0"}, {"jax": "1.1"}]))
    <BLANKLINE>
      host 1: jax is '1.1', and '1.0' on host 0
    """
    lines = [
        f"\n  host {k}: {path} is {_short(there)}, and {_short(here)} on host 0"
        for k, other in enumerate(said)
        for path, here, there in differences(said[0], other)
    ]
    return "".join(lines[:MOST_SHOWN]) + (f"\n  and {len(lines) - MOST_SHOWN} more" if len(lines) > MOST_SHOWN else "")


def refusal(shown: str) -> HostsDifferError:
    """Return the error that all hosts raise of which one differs."""
    return HostsDifferError(
        f"the hosts are not alike, and would not compute the same:{shown}\n"
        "start all with the same versions, the same settings and the same data"
    )


def _short(value: Any) -> str:
    return "nothing" if value is None else shortened(repr(value), 100)


class Lobby:
    """Where host 0 receives the others, as long as the run goes on.

    Args:
        coordinator: where to listen.
        hosts: how many there are, host 0 among them.
        about: what host 0 is, which all are to be.

    Attributes:
        service_port: where JAX's service listens, once there is one.

    Raises:
        InputError: it cannot listen there.
    """

    def __init__(self, coordinator: str, hosts: int, about: dict[str, Any]) -> None:
        self._coordinator, self._hosts, self._about = coordinator, hosts, about
        self._arrived: dict[int, tuple[Connection, Any]] = {}
        self._turned_away: list[str] = []
        self._changed = threading.Condition()
        self._listening = _listen(*address_of(coordinator))
        self.service_port = 0
        threading.Thread(target=self._accept, name="pellucid lobby", daemon=True).start()

    def gather(self, timeout: float) -> dict[int, Connection]:
        """Return the connections to the others, when all are there and alike.

        Raises:
            HostLostError: one has not come in so many seconds.
            HostsDifferError: they are not alike.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._arrived) == self._hosts - 1, timeout)
            missing = [str(k) for k in range(1, self._hosts) if k not in self._arrived]
            if missing:
                turned = "".join(f"; {why}" for why in self._turned_away[-3:])
                error: Exception = HostLostError(
                    f"host{'s' * (len(missing) > 1)} {', '.join(missing)} did not come to {self._coordinator} in"
                    f" {timeout:g} seconds{turned}; start {'it' if len(missing) == 1 else 'them'} there, with"
                    f" --hosts {self._hosts} --coordinator {self._coordinator}, or look whether a firewall is between"
                )
            elif shown := shown_differences([self._about, *(self._arrived[k][1] for k in sorted(self._arrived))]):
                error = refusal(shown)
            else:
                for link, _ in self._arrived.values():
                    link.wait_for(SILENCE)
                    with contextlib.suppress(OSError):  # who is gone again is missed by who listens to it
                        link.send({"kind": "welcome"})
                return {k: link for k, (link, _) in self._arrived.items()}
            kind = "refused" if isinstance(error, HostsDifferError) else "missing"
            for link, _ in self._arrived.values():
                _turn_away(link, kind, str(error))
        self.close()
        raise error

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                came, _ = self._listening.accept()
                threading.Thread(target=self._greet, args=(Connection(came, GREETING),), daemon=True).start()

    def _greet(self, link: Connection) -> None:
        """Find out who has connected, and what it wants."""
        try:
            message = link.receive()
        except (OSError, NonsenseError):
            with self._changed:
                self._turned_away.append(f"a stranger connected from {link.peer}")
            link.close()
            return
        if message == RELAYED:
            serve(link, self.service_port)
            return
        with self._changed:
            if why := self._objection(message):
                self._turned_away.append(f"from {link.peer} {why}")
                _turn_away(link, "refused", why)
                return
            self._arrived[message["host"]] = link, message["about"]
            self._changed.notify_all()

    def _objection(self, message: Message) -> str:
        """Return why whoever has connected does not belong here; an empty text if it does."""
        host, hosts = message.get("host"), message.get("hosts")
        if message.get("kind") != "host" or message.get("protocol") != PROTOCOL or type(host) is not int:
            return f"came something that is no host of Pellucid's protocol {PROTOCOL}"
        if hosts != self._hosts:
            return f"came host {host} of {hosts}, and this run has {self._hosts} hosts"
        if not 0 < host < self._hosts:
            return f"came a host with the number {host}; expected 1 to {self._hosts - 1}, as host 0 is here"
        if host in self._arrived:
            return f"came a second host {host}; each needs a number of its own"
        return ""

    def close(self) -> None:
        """Receive nobody any more."""
        close(self._listening)


def _listen(address: str, port: int) -> socket.socket:
    try:
        return socket.create_server((address, port), family=_family(address))
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:  # an address of this machine's that only others see
            with contextlib.suppress(OSError):
                return socket.create_server(("", port))
        raise InputError(
            f"host 0 cannot listen at {address}:{port}: {error.strerror or error}; choose another port, or an address"
            " of this machine"
        ) from None


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _turn_away(link: Connection, kind: str, why: str) -> None:
    with contextlib.suppress(OSError):
        link.send({"kind": kind, "why": why})
    link.close()


def arrive(coordinator: str, hosts: int, host: int, about: dict[str, Any], timeout: float) -> Connection:
    """Return the connection to host 0, once it has welcomed this host.

    Raises:
        HostLostError: it does not answer in so many seconds, or one of the others has not come.
        HostsDifferError: the hosts are not alike.
        InputError: what answers there does not take this host, or is no Pellucid.
    """
    deadline = time.monotonic() + timeout
    link = Connection(_reach(coordinator, deadline, timeout))
    try:
        link.send({"kind": "host", "protocol": PROTOCOL, "host": host, "hosts": hosts, "about": about})
        link.wait_for(deadline + GREETING - time.monotonic())  # host 0, which knows who is missing, speaks first
        _check_welcome(coordinator, link.receive())
    except NonsenseError:
        link.close()
        raise InputError(
            f"what answers at {coordinator} is no Pellucid; give the address at which host 0 was started"
        ) from None
    except TimeoutError:
        link.close()
        raise HostLostError(f"host 0 at {coordinator} does not call the roll; start it again, and then this") from None
    except PellucidError:
        link.close()
        raise
    except OSError:
        link.close()
        raise HostLostError(f"host 0 at {coordinator} has closed the connection; start all again") from None
    link.wait_for(SILENCE)
    return link


def _check_welcome(coordinator: str, answer: Message) -> None:
    why = str(answer.get("why"))[:5000]
    if answer.get("kind") == "missing":
        raise HostLostError(why)
    if answer.get("kind") == "refused" and why.startswith("came "):
        raise InputError(f"host 0 at {coordinator} has turned this host away, as there {why}")
    if answer.get("kind") == "refused":
        raise HostsDifferError(why)
    if answer.get("kind") != "welcome":
        raise NonsenseError("no answer to a roll call")


def _reach(coordinator: str, deadline: float, timeout: float) -> socket.socket:
    address = address_of(coordinator)
    while True:
        try:
            return socket.create_connection(address, max(deadline - time.monotonic(), AGAIN))
        except OSError as error:
            why = error.strerror or str(error)
        if time.monotonic() + AGAIN > deadline:
            raise HostLostError(
                f"host 0 did not answer at {coordinator} in {timeout:g} seconds ({why}); start it there with --host 0,"
                " or look whether a firewall is between"
            )
        time.sleep(AGAIN)


def meet(
    coordinator: str,
    hosts: int,
    host: int,
    about: dict[str, Any],
    timeout: float,
    grace: float = GRACE,
    ending: Callable[[str], None] = end_process,
) -> tuple[Party, Lobby | None]:
    """Return the party of this host, watched, when all hosts are there and alike; and of host 0 its lobby.

    Args:
        coordinator: where host 0 is reached.
        hosts, host: how many there are, and the number of this one.
        about: what all of them have to be.
        timeout: seconds to wait for the others.
        grace, ending: see ``Party``.

    Raises:
        HostLostError, HostsDifferError, InputError: they do not come, are not alike, or something is wrong here.
    """
    lobby = None if host else Lobby(coordinator, hosts, about)
    links = {0: arrive(coordinator, hosts, host, about, timeout)} if lobby is None else lobby.gather(timeout)
    party = Party(host, hosts, links, grace, ending)
    party.watch()
    return party, lobby


__all__ = ["Lobby", "address_of", "meet", "refusal", "shown_differences"]
