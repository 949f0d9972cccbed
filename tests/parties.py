"""Hosts of one process, for tests: each in a thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pellucid.distributed.meeting import meet
from pellucid.distributed.party import Party
from pellucid.distributed.relay import free_port

ABOUT = {"pellucid": "1", "jax": "2"}


class Ended:
    """What ends a process, in a test: it keeps the message."""

    def __init__(self) -> None:
        self.message = ""
        self.happened = threading.Event()

    def __call__(self, message: str) -> None:
        self.message = message
        self.happened.set()


@contextlib.contextmanager
def met(hosts: int, **settings: Any) -> Iterator[list[Party]]:
    """Yield hosts that have met."""
    at = f"127.0.0.1:{free_port()}"
    with ThreadPoolExecutor() as threads:
        coming = [threads.submit(meet, at, hosts, k, ABOUT, 30.0, **settings) for k in range(hosts)]
        found = [future.result() for future in coming]
    try:
        yield [party for party, _ in found]
    finally:
        for party, lobby in found:
            party.fail("the test is over")
            if lobby is not None:
                lobby.close()


def together(calls: Any) -> list[Any]:
    """Call several functions at once, and return what they return."""
    with ThreadPoolExecutor() as threads:
        return [future.result() for future in [threads.submit(call) for call in calls]]
