"""The plain source on a real group: whom partitions belong to changes while a worker waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Message

from sentinel_cli.config import Settings
from sentinel_cli.streaming import kafka, topics
from sentinel_cli.streaming.plain_source import CONSUMER, PlainSource, offset_of

pytestmark = pytest.mark.real

PARTITIONS = {0, 1, 2, 3}
TOPIC = "transactions"
Batch = tuple[int, list[int]]


class Member:
    """A source that starts every partition at its beginning, and knows what it holds."""

    def __init__(self, settings: Settings) -> None:
        self.held: set[int] = set()
        consumer = kafka.consumer(settings, kafka.group(settings), **CONSUMER)
        self.source: PlainSource[Batch] = PlainSource(consumer, settings.topic(TOPIC), _batch)
        self.source.open(self)

    def assigned(self, partitions: list[int]) -> dict[int, int | None]:
        self.held |= set(partitions)
        return dict.fromkeys(partitions)

    def revoked(self, partitions: list[int]) -> None:
        self.held -= set(partitions)

    lost = revoked


def _batch(partition: int, messages: list[Message], _next: int) -> Batch:
    return partition, [offset_of(message) for message in messages]


@pytest.fixture
def join(settings: Settings) -> Iterator[Callable[[], Member]]:
    topics.ensure(settings, partitions=len(PARTITIONS))
    members: list[Member] = []

    def make() -> Member:
        members.append(Member(settings))
        return members[-1]

    yield make
    for member in members:
        member.source.close()


def until(condition: Callable[[], bool], *steps: Callable[[], object]) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline
        for step in steps:
            step()


def test_a_partition_that_goes_while_its_worker_waits_is_read_when_it_comes_back(
    settings: Settings, join: Callable[[], Member]
) -> None:
    waiting = join()
    until(lambda: waiting.held == PARTITIONS, lambda: waiting.source.poll(0.1, 10))
    other = join()
    until(
        lambda: len(waiting.held) == len(other.held) == 2,
        lambda: waiting.source.serve(0.1),
        lambda: other.source.poll(0.1, 10),
    )
    other.source.close()
    until(lambda: waiting.held == PARTITIONS, lambda: waiting.source.poll(0.1, 10))
    producer = kafka.producer(settings)
    for partition in PARTITIONS:
        producer.produce(settings.topic(TOPIC), b"", partition=partition)
    assert producer.flush(30) == 0
    seen: set[int] = set()
    until(
        lambda: seen == PARTITIONS,
        lambda: seen.update(p for p, offsets in waiting.source.poll(0.1, 10) if offsets),
    )
