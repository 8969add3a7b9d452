"""A terminal for tests: 24 lines of 80 columns, on which a command under test runs."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

# Makes stdin the controlling terminal, so that Ctrl-C typed there becomes SIGINT, and goes on.
_TAKE_OVER = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""

ALTERNATE_SCREEN, NORMAL_SCREEN, CURSOR_SHOWN = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"
CTRL_C = "\x03"


class Terminal:
    """``command`` on a terminal of its own, as a context; everything it wrote is in ``seen``."""

    def __init__(self, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        self._ours, self._theirs = pty.openpty()
        termios.tcsetwinsize(self._ours, (24, 80))
        self._before = termios.tcgetattr(self._theirs)
        self.seen = b""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_OVER, *command],
            env=environment,
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._theirs)
        os.close(self._ours)

    def read_until(self, wanted: bytes, within: float = 60.0) -> None:
        deadline = time.monotonic() + within
        while wanted not in self.seen and time.monotonic() < deadline:
            if select.select([self._ours], [], [], 0.1)[0]:
                self.seen += os.read(self._ours, 65_536)
        assert wanted in self.seen, self.seen[-2_000:]

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def code(self, within: float = 30.0) -> int:
        """Wait for the end; the exit code."""
        return self._process.wait(within)

    def is_as_before(self) -> bool:
        """Echo, line editing and so on: what `stty -a` shows."""
        return termios.tcgetattr(self._theirs) == self._before
