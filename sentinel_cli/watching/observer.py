"""Looking at the running pipeline from outside, again and again.

Purpose: gather what a ``Picture`` shows: the workers' snapshots and the offsets from Redis, the
topics' ends and the latest alerts from Kafka.

Design: a thread for each server, so that one which is away does not hide what the other knows. It
only reads: its consumer is assigned by hand and commits nothing, so no group ever rebalances for it.
What a worker costs does not depend on who watches, and watching costs the same at any traffic:
where alerts come faster than anyone reads, older ones are skipped.

Not here: rates (``watching.picture``), drawing (``watching.frame``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from confluent_kafka import KafkaException

from profiles import connection
from profiles.keys import Keys
from sentinel_cli.errors import SentinelError
from sentinel_cli.streaming import kafka, topics
from sentinel_cli.streaming.ends import Bounds, bounds
from sentinel_cli.telemetry import board
from sentinel_cli.watching import picture
from sentinel_cli.watching.picture import History, Picture, Topic
from sentinel_cli.watching.tail import AlertTail

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

# Seconds between two looks at a server. Workers publish once a second.
LOOK_EVERY_S = 0.5
# The first looks come sooner: what was asked for first is answered by then.
FIRST_LOOKS, FIRST_LOOK_EVERY_S = 5, 0.1

WATCHED = (topics.TRANSACTIONS, topics.FRAUD_ALERTS)


class Observer:
    """Use as a context: it looks from beginning to end of the block; ``picture()`` any time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = connection.connect_to(settings.redis)
        self._tail = AlertTail(settings)
        self._history, self._lock = History(), threading.Lock()
        self._bounds: dict[str, Bounds | None] = dict.fromkeys(WATCHED)
        self._done: dict[str, dict[int, int | None]] = {}
        self._problems = {"kafka": "", "redis": ""}
        self._looks = {"kafka": 0, "redis": 0}
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep_looking, args=look, name=f"watch-{look[0]}", daemon=True)
            for look in (("kafka", self._look_at_kafka), ("redis", self._look_at_redis))
        ]

    def __enter__(self) -> Self:
        """Raises RedisUnreachable or KafkaUnreachable within ten seconds."""
        connection.reachable(self._client)
        kafka.reachable(self._settings, timeout=4.5)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(timeout=1.0)  # one that hangs on a server that is away ends with the process
        if not any(thread.is_alive() for thread in self._threads):
            self._tail.close()

    def picture(self) -> Picture:
        """Everything as it was last seen."""
        settings, now = self._settings, time.monotonic()
        transactions, alerts = (self._lag(name) for name in WATCHED)
        with self._lock:
            history = self._history
            return Picture(
                at=picture.utc_now(),
                environment=settings.env,
                prefix=settings.prefix,
                kafka=settings.kafka.servers,
                redis=f"{settings.redis.host}:{settings.redis.port}",
                problems=[problem for problem in self._problems.values() if problem],
                throughput_tps=None if self._problems["redis"] else round(history.throughput(now), 1),
                throughput_window_s=picture.THROUGHPUT_WINDOW_S,
                throughput_history=history.seconds(),
                lag=transactions.lag if transactions else None,
                lag_by_partition=transactions.lag_by_partition if transactions else {},
                alerts_lag=alerts.lag if alerts else None,
                latency_ms=history.latency(),
                alerts=history.alerts(),
                workers=history.workers(now),
                latest_alerts=self._tail.latest(),
                transactions=transactions.records if transactions else None,
                alert_records=alerts.records if alerts else None,
            )

    def settle(self, timeout: float = 3.0) -> None:
        """Wait until everything has been seen once, and every worker twice."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and not self._settled():
            self._ended.wait(0.05)

    def _settled(self) -> bool:
        with self._lock:
            return min(self._looks.values()) > 1 and self._history.settled() and self._tail.caught_up()

    def _lag(self, name: str) -> Topic | None:
        found, done = self._bounds[name], self._done.get(name)
        if found is None or done is None or any(self._problems.values()):
            return None
        return picture.lag(found.starts, found.ends, done)

    def _keep_looking(self, server: str, look: Callable[[], None]) -> None:
        while not self._ended.is_set():
            try:
                look()
                self._problems[server] = ""
            except (KafkaException, *connection.ERRORS, SentinelError) as error:
                self._problems[server] = self._sentence(server, error)
            self._looks[server] += 1
            self._ended.wait(FIRST_LOOK_EVERY_S if self._looks[server] < FIRST_LOOKS else LOOK_EVERY_S)

    def _look_at_kafka(self) -> None:
        for name in WATCHED:
            self._bounds[name] = bounds(self._tail.consumer, self._settings.topic(name))
        alerts = self._bounds[topics.FRAUD_ALERTS]
        if alerts:
            self._tail.look(alerts)

    def _look_at_redis(self) -> None:
        snapshots = board.read(self._client, self._settings.redis_prefix)
        with self._lock:
            self._history.take(snapshots, time.monotonic())
        for name in WATCHED:
            if found := self._bounds[name]:
                self._done[name] = self._offsets(self._settings.topic(name), list(found.ends))

    def _offsets(self, topic: str, partitions: list[int]) -> dict[int, int | None]:
        keys = Keys(self._settings.redis_prefix, topic)
        with cast("Any", self._client).pipeline(transaction=False) as pipe:
            for partition in partitions:
                pipe.get(keys.offset(partition))
            found = pipe.execute()
        return {p: None if value is None else int(value) for p, value in zip(partitions, found, strict=True)}

    def _sentence(self, server: str, error: Exception) -> str:
        if isinstance(error, SentinelError):
            return str(error)
        if server == "redis":
            place = self._settings.redis
            return f"Redis at {place.host}:{place.port} does not answer; trying again."
        return f"Kafka at {self._settings.kafka.servers} does not answer; trying again."
