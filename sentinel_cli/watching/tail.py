"""The end of the alerts topic, as it grows.

Purpose: the latest alerts for people to read, whatever the traffic.

Design: partitions are assigned by hand near their ends; one that grew by more than a screen holds
is read from near its end again.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from confluent_kafka import Message, TopicPartition

from sentinel_cli.errors import SentinelError
from sentinel_cli.streaming import kafka
from sentinel_cli.streaming.ends import Bounds
from sentinel_cli.watching import alerts
from sentinel_cli.watching.picture import AlertLine

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

# Records read of each partition's end, and alerts kept: more than any screen shows.
NEAR_END = 25
KEPT = 100


class AlertTail:
    """Owns the observer's one consumer, which ``streaming.ends`` asks too."""

    def __init__(self, settings: Settings) -> None:
        self.consumer = kafka.consumer(
            settings,
            f"{settings.consumer_group}-top-{uuid.uuid4().hex[:8]}",  # never joined, never committed to
            **{"queued.min.messages": 1_000, "queued.max.messages.kbytes": 16_384},
        )
        self._topic = settings.topic("fraud-alerts")
        self._next: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._kept: dict[str, tuple[int, AlertLine]] = {}  # by id, with the time of arrival
        self._latest: list[AlertLine] = []

    def look(self, bounds: Bounds) -> None:
        """Take what came since the last look; raises SentinelError when Kafka refuses."""
        self._ends = bounds.ends
        behind = any(end - self._next.get(p, 0) > 2 * NEAR_END for p, end in bounds.ends.items())
        if behind or bounds.ends.keys() != self._next.keys():
            self._next = {p: max(bounds.starts[p], end - NEAR_END) for p, end in bounds.ends.items()}
            self.consumer.assign([TopicPartition(self._topic, p, at) for p, at in self._next.items()])
        for message in self.consumer.consume(len(self._next) * 2 * NEAR_END, timeout=0.05):
            self._take(message)
        newest = sorted(self._kept.items(), key=lambda item: item[1][0], reverse=True)[:KEPT]
        self._kept = dict(newest)
        self._latest = [line for _, (_, line) in newest]  # one assignment: another thread reads it

    def caught_up(self) -> bool:
        return all(self._next.get(p, 0) >= end for p, end in self._ends.items())

    def latest(self) -> list[AlertLine]:
        """The latest alerts, the newest first."""
        return self._latest

    def close(self) -> None:
        self.consumer.close()

    def _take(self, message: Message) -> None:
        error, value, partition = message.error(), message.value(), message.partition()
        if error is not None:
            raise SentinelError(f"Kafka does not hand out {self._topic}: {error.str()}.")
        assert value is not None
        assert partition is not None
        self._next[partition] = (message.offset() or 0) + 1
        if line := alerts.line(value):
            self._kept[line.alert_id] = message.timestamp()[1], line
