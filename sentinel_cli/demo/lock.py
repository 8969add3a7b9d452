"""One demo, and one benchmark, at a time for each home folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from sentinel_cli.errors import SentinelError


@contextmanager
def alone(path: Path, what: str = "demo") -> Iterator[None]:
    """Hold the lock on ``path``; the kernel drops it with this process, however that ends.

    Raises SentinelError, naming the process, when another one holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise SentinelError(
                f"A {what} is running already (process {file.read().strip() or 'unknown'}): "
                "end it with Ctrl-C there, or wait until it has ended."
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
