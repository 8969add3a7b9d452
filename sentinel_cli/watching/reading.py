"""Reading the topics beside the traffic, for the outcome.

Purpose: feed `Outcome` from Kafka, from the first record to wherever the topics end when it is told
to finish.

Design: one consumer assigned by hand, in a thread. It begins at once and not at the end of a run,
because librdkafka's mock cluster soon forgets what it held.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec
from confluent_kafka import OFFSET_BEGINNING, KafkaException, Message, TopicPartition

from sentinel_cli.errors import SentinelError
from sentinel_cli.streaming import avro, kafka, topics
from sentinel_cli.streaming.ends import bounds
from sentinel_cli.watching import outcome
from sentinel_cli.watching.outcome import Outcome, Result, SoFar

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

AT_ONCE = 5_000
# Seconds without a record, though there are more, after which reading is given up.
PATIENCE_S = 20.0


class Reader:
    """Use as a context; topics must exist. ``so_far()`` any time, ``finish()`` for all of it."""

    def __init__(self, settings: Settings) -> None:
        self._outcome, self._lock = Outcome(), threading.Lock()
        text = avro.reader(settings)
        self._take: dict[str, Callable[[bytes], None]] = {
            settings.topic(topics.TRANSACTIONS): _taker(outcome.Transaction, self._outcome.transaction, text),
            settings.topic(topics.LABELS): _taker(outcome.Label, self._outcome.label, text),
            settings.topic(topics.FRAUD_ALERTS): _taker(outcome.Alert, self._outcome.alert),
            settings.topic(topics.ALERT_RESPONSES): _taker(outcome.Response, self._outcome.response),
        }
        self._consumer = kafka.consumer(settings, f"{settings.consumer_group}-outcome", **_CONSUMER)
        self._next: dict[tuple[str, int], int] = {}
        self._failure: Exception | None = None
        self._finishing, self._given_up = threading.Event(), False
        self._thread = threading.Thread(target=self._read, name="outcome", daemon=True)

    def __enter__(self) -> Self:
        starts = {topic: bounds(self._consumer, topic).starts for topic in self._take}
        self._consumer.assign(
            [TopicPartition(topic, p, OFFSET_BEGINNING) for topic, found in starts.items() for p in found]
        )
        self._next = {(topic, p): at for topic, found in starts.items() for p, at in found.items()}
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._given_up = True
        self._finishing.set()
        self._thread.join()
        self._consumer.close()

    def so_far(self) -> SoFar:
        with self._lock:
            return self._outcome.so_far()

    def finish(self) -> Result:
        """Read to where the topics end now. Raises SentinelError when Kafka stops handing them out."""
        self._finishing.set()
        self._thread.join()
        if self._failure:
            raise SentinelError(f"The topics could not be read back: {self._failure}") from self._failure
        return self._outcome.result()

    def _read(self) -> None:
        """The thread's work; no other may use the consumer meanwhile."""
        try:
            while not self._finishing.is_set():
                self._take_some()
            self._read_to_the_end()
        except (KafkaException, SentinelError) as error:
            self._failure = error

    def _read_to_the_end(self) -> None:
        ends = {topic: bounds(self._consumer, topic).ends for topic in self._take}
        moved = time.monotonic()
        while (missing := self._missing(ends)) and not self._given_up:
            if self._take_some():
                moved = time.monotonic()
            if time.monotonic() - moved > PATIENCE_S:
                raise SentinelError(f"{missing:,} records do not come.")

    def _missing(self, ends: dict[str, dict[int, int]]) -> int:
        return sum(max(0, end - self._next[topic, p]) for topic, of in ends.items() for p, end in of.items())

    def _take_some(self) -> bool:
        messages = self._consumer.consume(1, 0.1)
        messages += self._consumer.consume(AT_ONCE, 0) if messages else []
        with self._lock:
            for message in messages:
                self._one(message)
        return bool(messages)

    def _one(self, message: Message) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        error, value = message.error(), message.value()
        if error is None and value is not None:
            self._take[topic](value)
        elif error is not None and error.name() != "_PARTITION_EOF":
            raise SentinelError(f"Kafka does not hand out {topic}: {error.str()}.")
        self._next[topic, partition] = offset if error else offset + 1


# The end of a partition is an event: a transaction's markers lie before it and are no records.
_CONSUMER = {
    "queued.min.messages": 10_000,
    "queued.max.messages.kbytes": 16_384,
    "enable.partition.eof": True,
}


def _taker(kind: Any, take: Callable[[Any], None], text: avro.Text | None = None) -> Callable[[bytes], None]:
    decode = msgspec.json.Decoder(kind).decode

    def one(value: bytes) -> None:
        # What cannot be read is a dead letter, which neither raises an alert nor is fraud or honest.
        with suppress(msgspec.MsgspecError, avro.Unreadable):
            take(decode(text(value) if text else value))

    return one
