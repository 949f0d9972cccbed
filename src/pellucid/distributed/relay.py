"""JAX's own traffic between the hosts, through connections of ours.

JAX's processes find each other through a service in host 0's process. Its clients end their process with a native stack
trace in the moment in which that service is gone, before anyone could say which host was lost. So no client is
connected to it directly: each speaks to a relay in its own process, which passes everything on, and stays open when the
other side is gone. The service itself listens on the loopback interface alone, and the hosts need no second port.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from .messages import Connection

LOOPBACK: Final = "127.0.0.1"
PIECE: Final = 2**16
RELAYED: Final = {"kind": "relayed"}  # what a connection begins with that belongs to JAX
PATIENCE: Final = 60.0  # seconds that JAX's service has to begin


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        port: int = found.getsockname()[1]
        return port


class Relay:
    """A port on the loopback interface whose connections are passed on to host 0.

    Args:
        connect: makes a new connection to host 0.

    Attributes:
        port: where it listens.
    """

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect
        self._listening = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, name="pellucid relay", daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                near, _ = self._listening.accept()
                try:
                    far = self._connect()
                    Connection(far).send(RELAYED)
                except OSError:
                    near.close()  # whoever connected tries again
                    continue
                far.settimeout(None)
                self._open += [near, far]
                start_pumping(near, far, closing=True)
                start_pumping(far, near, closing=False)

    def close(self) -> None:
        """Close it and everything that it passes on."""
        for end in [self._listening, *self._open]:
            close(end)


def serve(connection: Connection, port: int) -> None:
    """Pass on, on host 0, what comes through another host's relay to the service on a port."""
    near, deadline = connection.socket, time.monotonic() + PATIENCE
    while True:
        try:
            service = socket.create_connection((LOOPBACK, port))
            break
        except OSError:
            if time.monotonic() > deadline:
                connection.close()
                return
            time.sleep(0.05)
    near.settimeout(None)
    with contextlib.suppress(OSError):
        service.sendall(connection.rest())
    start_pumping(near, service, closing=True)
    start_pumping(service, near, closing=True)


def start_pumping(source: socket.socket, target: socket.socket, closing: bool) -> None:
    """Pass everything on from one socket to another, by a thread; then close the other, if that is wanted."""

    def pump() -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                target.sendall(piece)
        if closing:
            close(target)

    threading.Thread(target=pump, name="pellucid relay", daemon=True).start()


def close(end: socket.socket) -> None:
    """Close a socket, also under a thread that waits for it."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


__all__ = ["RELAYED", "Relay", "free_port", "serve"]
