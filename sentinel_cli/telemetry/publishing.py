"""Showing a worker's snapshots: on the notice board in Redis, and to Prometheus.

Purpose: what a worker calls once a second. It must never hold the worker up, so a thread of its own
talks to Redis, and only the latest snapshot waits for it.
"""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from profiles import connection
from sentinel_cli.telemetry import board, metrics
from sentinel_cli.telemetry.stats import WorkerSnapshot

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

log = logging.getLogger("sentinel.telemetry")


class Publisher:
    """Call it with a snapshot; it returns at once. Serves metrics when given a port."""

    def __init__(self, settings: Settings, metrics_port: int | None, metrics_host: str) -> None:
        self._settings = settings
        self._latest: WorkerSnapshot | None = None
        self._shown: WorkerSnapshot
        self._worker_id = ""
        self._news = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._publish, name="publish", daemon=True)
        self._port, self._host = metrics_port, metrics_host
        self._open = ExitStack()
        self._serving = False

    def __call__(self, snapshot: WorkerSnapshot) -> None:
        self._shown = self._latest = snapshot
        self._worker_id = snapshot.worker_id
        if self._port is not None and not self._serving:
            self._serving = True
            self._open.enter_context(metrics.serving(self._port, lambda: self._shown, self._host))
        self._news.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._news.set()
        self._thread.join(timeout=board.EXPIRY_S)
        self._open.close()

    def _publish(self) -> None:
        client = connection.connect_to(self._settings.redis)
        prefix = self._settings.redis_prefix
        while not self._ended:
            self._news.wait()
            self._news.clear()
            snapshot, self._latest = self._latest, None
            try:
                if snapshot is not None:
                    board.publish(client, prefix, snapshot)
                if self._ended and self._worker_id:
                    board.withdraw(client, prefix, self._worker_id)
            except connection.ERRORS as error:
                # The worker itself says that Redis is away; the board shows it by what is missing.
                log.debug("snapshot not published: %s", error)
