"""Files that are written while training goes on."""

from __future__ import annotations

import os
import threading

import numpy as np

from ..core.interruption import Interruption
from ..tensors import write_tensors
from .saving import Content


class Writer:
    """Writes files one after the other by a thread of its own, each whole or not at all.

    >>> import tempfile
    >>> from pellucid.tensors import read_tensors
    >>> writer = Writer()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     writer.write(folder + "/W", ({"W": np.ones(2)}, {}))
    ...     writer.wait()
    ...     read_tensors(folder + "/W")
    ({'W': array([1., 1.])}, {})
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._failed: Exception | None = None

    @property
    def busy(self) -> bool:
        """Whether a file is being written."""
        return self._thread is not None and self._thread.is_alive()

    def write(self, path: str | os.PathLike[str], content: Content) -> None:
        """Begin to write a file, when the one before is written; the arrays may be changed as soon as this returns.

        Raises:
            OutputFolderError: if the one before could not be written.
        """
        self.wait()
        tensors, texts = content
        copies = {name: np.array(array) for name, array in tensors.items()}

        def work() -> None:
            try:
                write_tensors(path, copies, texts)
            except Exception as error:  # noqa: BLE001 - it is raised again by the thread that waits
                self._failed = error

        thread = threading.Thread(target=work, name="pellucid checkpoint")
        with Interruption():  # Ctrl-C waits until there is a thread to wait for
            thread.start()
            self._thread = thread

    def wait(self) -> None:
        """Wait until everything is written.

        Raises:
            OutputFolderError: if it could not be.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed


__all__ = ["Writer"]
