"""Profiles of users who do not come any more, let go by the detectors themselves.

Purpose: what `sentinel profiles expire` does, once a day and in small steps, beside a running detector.

Design: a thread of the worker that holds partition 0, so that one of the group does it. When it was
done last stands in Redis: neither a worker that is restarted nor one that takes over begins anew. Nobody
waits for it, so it rests between steps; what goes wrong is tried again at the next look.

Not here: which profiles are old, and how one goes (``profiles.expiry``).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from profiles import connection, expiry, queries
from profiles.connection import Client
from profiles.keys import Keys
from profiles.queries import Chunk
from sentinel_cli.errors import SentinelError
from sentinel_cli.records import rfc3339
from sentinel_cli.streaming import topics
from sentinel_cli.streaming.batches import Clock, SystemClock

if TYPE_CHECKING:
    from sentinel_cli.config import Settings
    from sentinel_cli.streaming.worker import Worker

log = logging.getLogger("sentinel.expire")

# Seconds between two looks at whether it is time, and between two times. The first look comes that late,
# too: a run of a few minutes has better things to do.
LOOK, DAY = 600.0, 86_400.0
# Seconds of rest after each step, which takes some three milliseconds: a million profiles take two minutes.
REST = 0.05


def retention_days(settings: Settings) -> float:
    """Days without a transaction after which a profile goes; 0 for never."""
    days = settings.detect.expire_days
    return topics.retention_ms(settings.env, topics.TRANSACTIONS) / topics.DAY_MS if days is None else days


@contextmanager
def beside(worker: Worker, settings: Settings, client: Client) -> Iterator[None]:
    """Profiles expire while the block runs and ``worker`` holds partition 0."""
    days = retention_days(settings)
    if not days:
        yield
        return
    keys = Keys(settings.redis_prefix, settings.topic(topics.TRANSACTIONS))
    expiring = Expiring(client, keys, days, lambda: 0 in worker.partitions())
    thread = threading.Thread(target=expiring.run, name="expire", daemon=True)
    thread.start()
    try:
        yield
    finally:
        expiring.stop.set()
        thread.join()


@dataclass
class Expiring:
    """``run`` until ``stop`` is set; ``mine`` says whether it is this process's turn."""

    client: Client
    keys: Keys
    days: float
    mine: Callable[[], bool]
    clock: Clock = field(default_factory=SystemClock)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.clock.wait(self.stop, LOOK):
            try:
                if self.mine() and self._due():
                    self.sweep()
            except (*connection.ERRORS, SentinelError) as error:
                log.warning("profiles do not expire now, but later: %s", error)

    def _due(self) -> bool:
        redis: Any = self.client
        last = redis.get(self.keys.expired())
        return last is None or self.clock.wall() - float(last) >= DAY

    def sweep(self) -> int:
        """Let go of every profile that is old; how many went."""
        now = expiry.latest(self._slowly(), self.clock.wall())
        before = expiry.before(now, self.days)
        gone = sum(
            expiry.expire(self.client, self.keys, chunk) for chunk in expiry.old(self._slowly(), before, now)
        )
        if not self.stop.is_set():
            redis: Any = self.client
            redis.set(self.keys.expired(), self.clock.wall())
            log.info("%d profiles of users not seen since %s have expired", gone, rfc3339(before))
        return gone

    def _slowly(self) -> Iterator[Chunk]:
        """Every profile, with a rest now and then; where it is to stop, the rest is left out."""
        for chunk in queries.scan(self.client, self.keys):
            yield chunk
            if self.clock.wait(self.stop, REST):
                return
