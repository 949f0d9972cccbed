"""The hosts of a run, as one of them sees them: connections that stay open, and who watches them.

The connections are a star with host 0 in its middle. Over each, both ends send a beat each second; an end that dies
closes its connection, and one that hangs falls silent. Host 0 tells all others. What a host learns so is raised by
its main thread when that next looks; where it does not look, because it waits inside a collective operation for a host
that is gone, the process is ended from outside.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any, Final

from ..core.errors import HostLostError, PellucidError
from .messages import Connection, Message, NonsenseError, in_words

BEAT: Final = 1.0  # seconds
GRACE: Final = 5.0  # seconds in which the main thread may find out by itself that a host is gone
FAILED: Final = 2  # the exit code
PAYLOAD: Final = "payload"  # under which a message that was received has the bytes that came after it
CURE = (
    "the run goes on from its last checkpoint when it is started again in the same way, also on another number of hosts"
)


def end_process(message: str) -> None:
    """Leave at once, with one message; nothing else of the process runs, as it may hang."""
    sys.stderr.write(f"pellucid: {message}\n")
    sys.stderr.flush()
    os._exit(FAILED)


class Party:
    """What connects a host to the others.

    Args:
        host, hosts: its number, and how many there are.
        links: of host 0 the connections to all others by their numbers, else that to host 0.
        grace: how long the main thread has before ``ending`` is called.
        ending: what ends the process, with a message.

    Attributes:
        lost: what became of a host that is gone; None as long as all are there.
        where: says at which step the training is, for that message.
    """

    def __init__(
        self,
        host: int,
        hosts: int,
        links: Mapping[int, Connection],
        grace: float = GRACE,
        ending: Callable[[str], None] = end_process,
    ) -> None:
        self.host, self.hosts, self.links = host, hosts, dict(links)
        self.lost: HostLostError | None = None
        self.where: Callable[[], str] = str
        self._grace, self._ending = grace, ending
        self._inbox: dict[int, SimpleQueue[Message | None]] = {k: SimpleQueue() for k in links}
        self._losing = threading.Lock()
        self._known = threading.Event()  # that a host is gone
        self._told = threading.Event()  # and the main thread knows
        self._left: dict[int, threading.Event] = {k: threading.Event() for k in links}
        self._over = threading.Event()

    def watch(self) -> None:
        """Begin to listen and to send beats."""
        for k, link in self.links.items():
            for work in (self._listen, self._beat):
                threading.Thread(target=work, args=(k, link), name=f"pellucid host {k}", daemon=True).start()

    # What is said

    def first_says(self, make: Callable[[], Any]) -> Any:
        """Return, on all hosts, what ``make`` gives on host 0: plain data; no other host calls it.

        Raises:
            HostLostError: a host is gone.
        """
        if self.host:
            return json.loads(self._next(0)[PAYLOAD])
        value = make()
        content = json.dumps(value).encode()  # beside the line, which may be too short for a table of many classes
        for link in self.links.values():
            self._say(link, {"kind": "value"}, content)
        return value

    def first_sends(self, content: bytes | None) -> bytes | None:
        """Return, on all hosts, the bytes that host 0 gives, or None where it gives none."""
        if self.host:
            message = self._next(0)
            return bytes(message[PAYLOAD]) if message["value"] else None
        for link in self.links.values():
            self._say(link, {"kind": "value", "value": content is not None}, content or b"")
        return content

    def all_say(self, value: Any) -> list[Any]:
        """Return, on all hosts, what each of them says, in the order of their numbers."""
        if self.host:
            self._say(self.links[0], {"kind": "value", "value": value})
            return list(json.loads(self._next(0)[PAYLOAD]))
        said = [value, *(self._next(k)["value"] for k in sorted(self.links))]
        return list(self.first_says(lambda: said))

    def _say(self, link: Connection, message: Message, payload: bytes = b"") -> None:
        self.check()
        try:
            link.send(message, payload)
        except OSError:
            self.wait_for_loss()  # the thread that listens knows why
            self.check()
            raise

    def _next(self, k: int) -> Message:
        """Return what host k says next, however long that takes; it is watched meanwhile."""
        message = self._inbox[k].get()
        if message is None:
            self._inbox[k].put(None)
            self.check()
            raise self._error(f"host {k} has left, and its word was expected")
        return message

    # What is watched

    def check(self) -> None:
        """Raise the error that says which host is gone, if one is."""
        if self._known.is_set() and self.lost is not None:
            self._told.set()
            raise self.lost

    def wait_for_loss(self, seconds: float = GRACE) -> bool:
        """Wait for word that a host is gone, after something failed that this would explain; return whether it came."""
        return self._known.wait(seconds)

    def _listen(self, k: int, link: Connection) -> None:
        """Take in what host k says until it leaves or is gone."""
        try:
            while (message := link.receive()).get("kind") != "bye":
                if message.get("kind") == "value":
                    message[PAYLOAD] = link.take(_count(message))
                    self._inbox[k].put(message)
                elif message.get("kind") == "gone":
                    self._lose(str(message.get("why"))[:2000])
                    return
                elif message.get("kind") == "failed":
                    self._lose(f"host {k} has stopped: {str(message.get('why'))[:2000]}")
                    return
        except (OSError, NonsenseError, PellucidError) as error:
            if not self._over.is_set():
                said = str(error) if isinstance(error, PellucidError) else in_words(error)
                self._lose(f"host {k} ({link.peer}) is gone: {said}")
        finally:
            self._left[k].set()
            self._inbox[k].put(None)

    def _beat(self, k: int, link: Connection) -> None:
        while not self._over.wait(BEAT) and not self._left[k].is_set():
            try:
                link.send({"kind": "beat"})
            except OSError:
                return  # the one who listens finds out as well

    def _lose(self, what: str) -> None:
        """Take note that a host is gone, once; tell the others, and see to it that this process stops."""
        with self._losing:
            if self.lost is not None:
                return
            self.lost = self._error(what)
        if not self.host:
            telling = [threading.Thread(target=_tell, args=(link, what), daemon=True) for link in self.links.values()]
            for thread in telling:
                thread.start()
            for thread in telling:
                thread.join(BEAT)  # one that takes nothing holds up nobody
        self._known.set()
        for inbox in self._inbox.values():
            inbox.put(None)
        threading.Thread(target=self._guard, name="pellucid guard", daemon=True).start()

    def _error(self, what: str) -> HostLostError:
        return HostLostError(f"{what}{self.where()}; {CURE}")

    def _guard(self) -> None:
        """End the process, if its main thread does not find out that a host is gone."""
        if not self._told.wait(self._grace) and not self._over.is_set():
            self._ending(str(self.lost))

    # How it ends

    def fail(self, why: str) -> None:
        """Tell the others that this host stops before its end, and why."""
        if self.lost is None:
            for link in self.links.values():
                _tell(link, why, "failed")
        self._close()

    def leave(self, seconds: float = 10.0) -> None:
        """Leave in good order, after all others have come to their end too."""
        for link in self.links.values():
            _tell(link, "", "bye")
        for left in self._left.values():
            left.wait(seconds)
        self._close()

    def _close(self) -> None:
        self._over.set()
        self._told.set()
        for link in self.links.values():
            link.close()


def _tell(link: Connection, why: str, kind: str = "gone") -> None:
    try:
        link.send({"kind": kind, "why": why})
    except OSError:
        return  # it finds out by itself


def _count(message: Message) -> int:
    count = message.get("bytes", 0)
    if type(count) is not int or count < 0:
        raise NonsenseError("a wrong number of bytes")
    return count


__all__ = ["FAILED", "Party"]
