"""Pellucid, a character model: one of the examples as it stands, and what it gives of the text that is held out."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import time
from pathlib import Path

from ..runner import arguments, report

TEXT = "tinyshakespeare.txt"


def main() -> None:
    """Run the example that the variant names, for fewer minibatches if steps are given."""
    options = arguments()
    path = Path(os.environ.get("PELLUCID_DATA", ".")) / TEXT
    if not path.is_file():
        return report(missing=f"{TEXT} is not in $PELLUCID_DATA")
    example = importlib.import_module(f"examples.character_{options.variant}")
    begin = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr):
        nats = example.main(path, **({"steps": options.steps} if options.steps else {}))
    taken = time.perf_counter() - begin
    note = f"{nats:.3f} nats a character on the last tenth of the text"
    return report(seconds=taken, runs=1, nats=nats, minutes=taken / 60, early=[], final=[], comparable=False, note=note)


if __name__ == "__main__":
    main()
