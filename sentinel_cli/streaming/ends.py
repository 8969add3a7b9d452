"""Where a topic begins and ends, in one question to each broker."""

from __future__ import annotations

import time
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from sentinel_cli.errors import SentinelError

# Seconds; a broker that takes longer is as good as away.
ANSWER_WITHIN = 2.0

# Kafka's ListOffsets takes these as timestamps (KIP-79): the end (under read_committed the last
# stable offset), and the first offset that is kept.
_LATEST, _EARLIEST = -1, -2


class Bounds(NamedTuple):
    """First and next offset of every partition."""

    starts: dict[int, int]
    ends: dict[int, int]


def bounds(consumer: Consumer, topic: str, since: int | None = None) -> Bounds:
    """Of what Kafka received at ``since`` (microseconds since 1970; None: of all that it keeps) or later.

    Raises KafkaException while Kafka is away, SentinelError when there is no such topic.
    """
    found = consumer.list_topics(topic, timeout=ANSWER_WITHIN).topics[topic]
    if found.error is not None:
        raise SentinelError(f"Kafka has no topic {topic!r} yet: `sentinel topics create` makes it.")
    starts, ends = (_offsets(consumer, topic, list(found.partitions), at) for at in (_EARLIEST, _LATEST))
    if since is not None:
        later = _offsets(consumer, topic, list(found.partitions), max(since // 1_000, 0))
        starts = {p: ends[p] if at < 0 else at for p, at in later.items()}
    return Bounds(starts, ends)


def _offsets(consumer: Consumer, topic: str, partitions: list[int], at: int) -> dict[int, int]:
    deadline = time.monotonic() + ANSWER_WITHIN
    while True:
        try:
            return _ask(consumer, [TopicPartition(topic, partition, at) for partition in partitions])
        except KafkaException as error:
            # The leader of a partition that was just made, or moved, is not known everywhere at once.
            if error.args[0].name() != "NOT_LEADER_FOR_PARTITION" or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _ask(consumer: Consumer, places: list[TopicPartition]) -> dict[int, int]:
    answers = consumer.offsets_for_times(places, timeout=ANSWER_WITHIN)
    for answer in answers:
        if answer.error is not None:
            raise KafkaException(answer.error)
    return {answer.partition: answer.offset for answer in answers}
