"""Once a second: what a worker tells about itself.

Not here: what it counts (the worker), who hears of it (``publishing``).
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable
from typing import Any, Literal

from sentinel_cli.telemetry.stats import WorkerSnapshot

# Seconds between two snapshots.
TELL_EVERY = 1.0


class Herald:
    """Made when the work begins, called at each turn of its loop; True when it told something.

    ``fields`` gives what changes of a snapshot, ``tell`` takes the snapshot.
    """

    def __init__(
        self,
        role: Literal["detect", "respond"],
        fields: Callable[[], dict[str, Any]],
        tell: Callable[[WorkerSnapshot], None],
    ) -> None:
        self._fields, self._tell = fields, tell
        self._host, self._pid = socket.gethostname(), os.getpid()
        self._id = f"{role}-{self._host}-{self._pid}-{uuid.uuid4().hex[:6]}"
        self._role = role
        self._began = time.time()
        self._next = 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + TELL_EVERY
        self._tell(
            WorkerSnapshot(
                worker_id=self._id,
                role=self._role,
                host=self._host,
                pid=self._pid,
                started_at=self._began,
                **self._fields(),
            )
        )
        return True
