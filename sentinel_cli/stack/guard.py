"""``python -m sentinel_cli.stack.guard HOME OWNER``: ends an owned stack when its owner is gone.

Purpose: a process whose parent dies is given another one, also when the parent was killed without
a word, on Linux as on macOS. The guard looks at that, and then stops the stack as `sentinel down`
would. It has a session of its own, so Ctrl-C at the owner's terminal does not reach it.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

# Seconds between two looks: far below what a person notices, far above what costs anything.
LOOK_EVERY = 0.1


def command(home: Path) -> list[str]:
    return [sys.executable, "-P", "-m", __name__, str(home), str(os.getpid())]


def watch(home: Path, owner: int) -> None:
    from sentinel_cli.stack.lifecycle import stop

    while os.getppid() == owner:
        time.sleep(LOOK_EVERY)
    stop(home, but=os.getpid())


if __name__ == "__main__":
    watch(Path(sys.argv[1]), int(sys.argv[2]))
