"""What the hosts of a run say to each other: lines of JSON over a connection that stays open.

A message is one line, an object, and no longer than LONGEST; one that announces ``"bytes": n`` is followed by so many
bytes as they are. Nothing that comes in is executed or believed to be of any size that it was not checked to be.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from typing import Any, Final

from ..core.memory import require_memory

Message = dict[str, Any]
LONGEST: Final = 2**20  # bytes of a line
PIECE: Final = 2**20  # bytes that are sent or received at a time
SILENCE: Final = 20.0  # seconds without a byte, after which the other end counts as gone


class NonsenseError(Exception):
    """What came in is none of our messages."""


class Connection:
    """One end of a connection between two hosts.

    Args:
        made: the socket, connected.
        patience: seconds without a byte after which waiting for one is given up.

    Attributes:
        peer: the address of the other end.

    >>> ours, theirs = (Connection(end) for end in socket.socketpair())
    >>> ours.send({"kind": "greeting"}, b"1234")
    >>> theirs.receive(), theirs.take(4)
    ({'kind': 'greeting', 'bytes': 4}, b'1234')
    >>> ours.close(), theirs.close()
    (None, None)
    """

    def __init__(self, made: socket.socket, patience: float = SILENCE) -> None:
        self.socket, self.peer = made, _peer(made)
        self._received = bytearray()
        self._sending = threading.Lock()
        self.wait_for(patience)
        with contextlib.suppress(OSError):  # a pair of sockets without TCP
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def wait_for(self, patience: float) -> None:
        """Give up after so many seconds without a byte from now on."""
        self.socket.settimeout(max(patience, 0.01))

    def send(self, message: Message, payload: bytes = b"") -> None:
        """Send a message, and bytes after it.

        Raises:
            OSError: the other end is gone, or takes nothing.
        """
        line = json.dumps({**message, "bytes": len(payload)} if payload else message).encode() + b"\n"
        with self._sending:
            self.socket.sendall(line)
            for begin in range(0, len(payload), PIECE):  # a time limit is one for the whole of what is sent at once
                self.socket.sendall(payload[begin : begin + PIECE])

    def receive(self) -> Message:
        """Return the next message.

        Raises:
            OSError: nothing came for too long (TimeoutError), or the other end is gone (ConnectionError).
            NonsenseError: what came is no message.
        """
        while (end := self._received.find(b"\n", 0, LONGEST)) < 0:
            if len(self._received) >= LONGEST:
                raise NonsenseError("a line without an end")
            self._read()
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            raise NonsenseError("no JSON") from None
        if not isinstance(message, dict):
            raise NonsenseError("no object")
        return message

    def take(self, count: int) -> bytes:
        """Return so many bytes, which a message announced.

        Raises:
            OSError: as ``receive``.
            MemoryNeededError: they do not fit into memory.
        """
        require_memory(2 * count, f"the {count:,} bytes that another host sends")
        while len(self._received) < count:
            self._read()
        found = bytes(self._received[:count])
        del self._received[:count]
        return found

    def rest(self) -> bytes:
        """Return what came in and was not asked for yet."""
        found = bytes(self._received)
        self._received.clear()
        return found

    def _read(self) -> None:
        piece = self.socket.recv(PIECE)
        if not piece:
            raise ConnectionError("its connection was closed")
        self._received += piece

    def close(self) -> None:
        """Close it, also under another thread that waits for something to come in."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def _peer(made: socket.socket) -> str:
    try:
        name = made.getpeername()
    except OSError:  # it is gone already
        return "unknown"
    return str(name[0]) if isinstance(name, tuple) else "here"


def in_words(error: Exception) -> str:
    """Return what became of a connection, for a message."""
    if isinstance(error, TimeoutError):
        return f"it was silent for {SILENCE:.0f} seconds"
    if isinstance(error, NonsenseError):
        return f"it sent what is no message ({error})"
    return "its connection was closed"


__all__ = ["Connection", "Message", "NonsenseError", "in_words"]
