"""``python -m sentinel_cli.tethered ARGUMENTS``: `sentinel ARGUMENTS`, which ends with its starter.

Purpose: the workers of `sentinel demo` are the real commands, and none may outlive it, whatever
killed it. The starter holds the other end of stdin; when that end is gone, so is this process, at
once and without saving: what a demo made is worth nothing after it. Linux and macOS alike.
"""

from __future__ import annotations

import os
import sys
import threading

from sentinel_cli.app import main
from sentinel_cli.errors import ExitCode


def _end_with_starter() -> None:
    while os.read(0, 1):
        pass
    os._exit(ExitCode.FAILED)


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, name="tether", daemon=True).start()
    sys.exit(main())
