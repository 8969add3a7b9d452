"""The raw drain: what confluent-kafka hands to Python when nobody looks at it.

Purpose: the yardstick. Tuned as the detector's consumer is, it takes records as fast as they come and
does nothing with them; no Python consumer is faster.

Not here: what a record holds.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from sentinel_cli.errors import SentinelError
from sentinel_cli.streaming import kafka

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

AT_ONCE = 10_000  # records a call
ANSWER_WITHIN = 10.0  # seconds that a question to the broker may take
PATIENCE_S = 60.0  # without a record
NOT_YET = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}

Offsets = dict[int, int]


@dataclass(frozen=True)
class Drained:
    """``seconds`` from the assignment to the last record; ``cpu_us`` of this process, a record."""

    records: int
    seconds: float
    cpu_us: float

    @property
    def tps(self) -> float:
        return self.records / self.seconds


def drain(settings: Settings, topic: str, since: Offsets | None = None) -> Drained:
    """Take what stands on ``topic`` (its full name) now, from the offsets ``since`` or from offset 0.

    Raises SentinelError when there is nothing, or when nothing comes any more.
    """
    with closing(_consumer(settings)) as consumer:
        until = ends(settings, topic, consumer)
        starts = {partition: (since or {}).get(partition, 0) for partition in until}
        count = sum(until.values()) - sum(starts.values())
        if not count:
            raise SentinelError(f"{topic} holds nothing that could be drained.")
        begun, cpu = time.monotonic(), time.process_time()
        consumer.assign([TopicPartition(topic, partition, start) for partition, start in starts.items()])
        _take(consumer, topic, count)
        seconds = time.monotonic() - begun
        return Drained(count, seconds, (time.process_time() - cpu) / count * 1e6)


def ends(settings: Settings, topic: str, consumer: Consumer | None = None) -> Offsets:
    """The offset after the last record of each partition."""
    if consumer is None:
        with closing(_consumer(settings)) as own:
            return ends(settings, topic, own)
    partitions = consumer.list_topics(topic, timeout=ANSWER_WITHIN).topics[topic].partitions
    return {number: _end(consumer, TopicPartition(topic, number)) for number in partitions}


def _end(consumer: Consumer, place: TopicPartition) -> int:
    """Asked again while a topic that was made just now has no leader yet."""
    deadline = time.monotonic() + ANSWER_WITHIN
    while True:
        try:
            return int(consumer.get_watermark_offsets(place, timeout=ANSWER_WITHIN)[1])
        except KafkaException as error:
            if error.args[0].code() not in NOT_YET or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _consumer(settings: Settings) -> Consumer:
    # It joins no group; librdkafka wants a name all the same. Markers of transactions are offsets too,
    # but no records: drained are topics that were written without.
    return kafka.consumer(settings, f"{settings.prefix}.drain", **{"auto.offset.reset": "earliest"})


def _take(consumer: Consumer, topic: str, count: int) -> None:
    moved = time.monotonic()
    while count:
        # Asking for more than there is would wait for it.
        messages = consumer.consume(min(AT_ONCE, count), 1.0)
        if messages and (error := messages[0].error()):
            raise SentinelError(f"Kafka stopped the drain of {topic}: {error.str()}.")
        count -= len(messages)
        if messages:
            moved = time.monotonic()
        elif time.monotonic() - moved > PATIENCE_S:
            raise SentinelError(f"Nothing came from {topic} for {PATIENCE_S:.0f} s; {count:,} records lack.")
