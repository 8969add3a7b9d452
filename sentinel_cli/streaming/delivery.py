"""Records to Kafka in bulk, and the truth about how many arrived.

Purpose: send as fast as the broker takes them, never hold more than the queue does, and count what
the broker acknowledged.

Design: librdkafka calls back for failures alone; whatever was handed to it, did not fail and is not
waiting any more was acknowledged. A full queue holds the sender back.

Not here: which records (`producing`, and the replay of files), alerts of the detector (`sink`).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from sentinel_cli.streaming import avro, kafka

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

    from sentinel_cli.config import Settings

# How long Kafka may be away before a record counts as failed.
PATIENCE_S = 60.0
# The same once somebody asked to stop.
PATIENCE_AT_STOP_S = 10.0

BULK: dict[str, Any] = {
    "delivery.report.only.error": True,
    "message.timeout.ms": int(PATIENCE_S * 1000),
    # Some 100 MB at most: more would only delay the end.
    "queue.buffering.max.messages": 200_000,
    "queue.buffering.max.kbytes": 131_072,
}


class Delivery:
    """Sends records until ``stop`` is set. Counts are by topic."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        self._producer = kafka.producer(settings, **BULK)
        self._encode = avro.writer(settings)
        self._stop = stop
        self._sent: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self.reason = ""  # why the latest record failed

    def send(self, topic: str, keys: list[bytes], values: list[bytes]) -> int:
        """Hand over records, JSON as yet, in order, waiting while the queue is full.

        Returns how many were handed over: all, unless a stop was asked for while the queue was full.
        """
        produce, report = self._producer.produce, self._report
        if self._encode is not None:
            values = [self._encode(topic, value) for value in values]
        n = 0
        for key, value in zip(keys, values, strict=True):
            try:
                produce(topic, value, key, -1, report)
            except BufferError:
                if not self._retry(topic, key, value):
                    break
            n += 1
        self._sent[topic] += n
        return n

    def serve(self) -> None:
        """Let librdkafka report; to be called every now and then."""
        self._producer.poll(0)

    def acknowledged(self, topic: str) -> int:
        """Exact once ``finish`` has returned."""
        return self._sent[topic] - self._failed[topic]

    def failed(self) -> int:
        return self._failed.total()

    def finish(self) -> None:
        """Wait until every record was acknowledged or has failed; what waits too long has failed."""
        asked = time.monotonic()
        while self._producer.flush(0.1):
            patience = PATIENCE_AT_STOP_S if self._stop.is_set() else PATIENCE_S + 5
            if time.monotonic() - asked > patience:
                self._producer.purge()
                self._producer.flush(5)
                return

    def _retry(self, topic: str, key: bytes, value: bytes) -> bool:
        while not self._stop.is_set():
            self._producer.poll(0.01)
            try:
                self._producer.produce(topic, value, key, -1, self._report)
            except BufferError:
                continue
            return True
        return False

    def _report(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed[str(message.topic())] += 1
            self.reason = error.str()
