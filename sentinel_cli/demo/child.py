"""A command of `sentinel` as a child process that cannot outlive its starter.

Purpose: start it, ask it to end, and take the JSON document that it closes with.

Design: a session of its own, so that Ctrl-C at the terminal reaches the demo alone, which ends its
children in the right order; the pipe on its stdin is its tether (`sentinel_cli.tethered`). What it
says goes to a log.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sentinel_cli.errors import SentinelError

# Seconds. A worker saves and leaves within one; when its servers are away it would try for longer.
LEAVES_WITHIN_S = 3.0
PYTHON = (sys.executable, "-P")


class Child:
    """``sentinel NAME ARGUMENTS --json`` with ``flags``, settings by their dotted names; and where they
    have no flag, by their names in the ``environment``. ``python`` may put a profiler before it."""

    def __init__(
        self,
        name: str,
        flags: Mapping[str, object],
        arguments: list[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        python: Sequence[str] = PYTHON,
    ) -> None:
        self.name, self._log, self._asked = name, log, False
        given = [
            part
            for setting, value in flags.items()
            for part in ("--" + setting.replace(".", "-").replace("_", "-"), str(value))
        ]
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                [*python, "-m", "sentinel_cli.tethered", *given, name, *arguments, "--json"],
                env={**os.environ, **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def said(self) -> str:
        """The last line of its log."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def stop(self) -> None:
        """Ask it to end, once: it finishes what it has begun, unless it is asked twice."""
        if not self._asked:
            self._asked = True
            self._process.terminate()

    def must_run(self) -> None:
        """Raises SentinelError when it has ended by itself."""
        if self.ended:
            raise SentinelError(
                f"`sentinel {self.name}` ended with {self._process.returncode}: {self._why()}"
            )

    def document(self) -> dict[str, Any]:
        """What it closed with; it must have ended. Raises SentinelError when it failed."""
        assert self._process.stdout is not None
        printed = self._process.stdout.read()
        if self._process.returncode:
            raise SentinelError(f"`sentinel {self.name}` failed ({self._process.returncode}): {self._why()}")
        return dict(msgspec.json.decode(printed))

    def close(self) -> None:
        """End it if it still runs: after a moment to leave its consumer group, whatever it is doing."""
        self.stop()
        try:
            self._process.wait(timeout=LEAVES_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _why(self) -> str:
        return f"{self.said().removeprefix('sentinel: ') or 'it said nothing'} (its log is {self._log})"
