"""What Ctrl-C and SIGTERM do to a demo, by how far it has come.

before the traffic   KeyboardInterrupt at once; whatever was begun is undone
while it flows       the first asks for a gentle end, the second is as before the traffic
while it is undone   nothing: what is left takes seconds, and nothing must stay behind
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Ending:
    def __init__(self) -> None:
        self._gently: Callable[[], None] | None = None
        for number in SIGNALS:
            signal.signal(number, self._asked)

    @contextmanager
    def gently(self, stop: Callable[[], None]) -> Iterator[None]:
        """In the block the first signal calls ``stop``."""
        self._gently = stop
        try:
            yield
        finally:
            self._gently = None

    @contextmanager
    def not_afterwards(self) -> Iterator[None]:
        """After the block signals are ignored."""
        try:
            yield
        finally:
            self._ignore()

    def _asked(self, _number: int, _frame: object) -> None:
        stop, self._gently = self._gently, None
        if stop is not None:
            stop()
            return
        self._ignore()
        raise KeyboardInterrupt

    def _ignore(self) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
