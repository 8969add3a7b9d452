"""What stands on a topic now, read once from one offset of each partition to another.

Purpose: commands that look at records and go again: `alerts`, `dlq`, `backtest` of a topic.

Design: a consumer that is assigned by hand joins no group and commits nothing. The end of a partition
is an event, for a transaction's markers lie before it and are no records.

Not here: where a topic begins and ends (``ends``), the workers' way of reading (``sources``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from sentinel_cli.errors import KafkaUnreachable, SentinelError
from sentinel_cli.streaming import ends, kafka
from sentinel_cli.streaming.plain_source import offset_of

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

AT_ONCE = 10_000
# Seconds without any answer. A transaction that is open holds readers back for ten at most.
ANSWER_WITHIN = 30.0
_PASSING = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN}


@contextmanager
def reader(settings: Settings, role: str, **overrides: object) -> Iterator[Consumer]:
    """A consumer for ``runs``; its group, which it never joins, is called after ``role``."""
    group = kafka.group(settings, role)
    consumer = kafka.consumer(settings, group, **{"enable.partition.eof": True, **overrides})
    try:
        yield consumer
    finally:
        consumer.close()


def records(settings: Settings, topic: str, role: str, since: int | None = None) -> Iterator[list[Message]]:
    """What Kafka received on ``topic`` (its full name) at ``since`` (microseconds since 1970; None: all) or
    later, up to its end now, in runs of one partition; each partition in its order.

    Raises KafkaUnreachable, or SentinelError without the topic.
    """
    kafka.reachable(settings)
    with reader(settings, role) as consumer:
        try:
            found = ends.bounds(consumer, topic, since)
        except KafkaException as error:
            raise KafkaUnreachable(
                f"Kafka does not say what {topic} holds: {error.args[0].str()}."
            ) from error
        yield from runs(settings, consumer, topic, found)


def runs(settings: Settings, consumer: Consumer, topic: str, between: ends.Bounds) -> Iterator[list[Message]]:
    """The records ``between`` those offsets, in runs of one partition; each partition in its order.

    Raises KafkaUnreachable when no more come, SentinelError when Kafka refuses.
    """
    starts, stops = between
    left = {partition for partition, stop in stops.items() if starts[partition] < stop}
    consumer.assign([TopicPartition(topic, partition, starts[partition]) for partition in sorted(left)])
    while left:
        for partition, run in groupby(_some(settings, consumer, topic), partition_of):
            if found := _before(stops[partition], partition, run, left):
                yield found


def partition_of(message: Message) -> int:
    partition = message.partition()
    assert partition is not None, "a record that was consumed has a partition"
    return partition


def _some(settings: Settings, consumer: Consumer, topic: str) -> list[Message]:
    """Records, and events that a partition ended, as soon as there is one."""
    deadline = time.monotonic() + ANSWER_WITHIN
    while time.monotonic() < deadline:
        messages = consumer.consume(1, 0.5)
        messages += consumer.consume(AT_ONCE, 0) if messages else []
        if found := [message for message in messages if _counts(message, topic)]:
            return found
    raise KafkaUnreachable(kafka.unreachable_sentence(settings))


def _counts(message: Message, topic: str) -> bool:
    """Whether a message is a record or the end of a partition, rather than news of the connection."""
    error = message.error()
    if error is None or error.code() == KafkaError._PARTITION_EOF:
        return True
    if error.retriable() or error.code() in _PASSING:
        return False
    raise SentinelError(f"Kafka does not hand out {topic}: {error.str()}.")


def _before(stop: int, partition: int, run: Iterator[Message], left: set[int]) -> list[Message]:
    """The records below ``stop``; ``partition`` is no longer ``left`` once that was reached."""
    found = []
    for message in run:
        offset, at_end = offset_of(message), message.error() is not None
        if not at_end and offset < stop:
            found.append(message)
        if offset + (not at_end) >= stop:
            left.discard(partition)
    return found
