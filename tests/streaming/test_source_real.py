"""What every source does on a real group: one suite, for the plain and for the native one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from sentinel_cli.config import Settings
from sentinel_cli.errors import LostRangeError
from sentinel_cli.streaming import kafka, sources, topics
from sentinel_cli.streaming.batches import Poison, RecordBatch
from sentinel_cli.streaming.codec import Decoder

pytestmark = pytest.mark.real

PARTITIONS = {0, 1, 2, 3}
TOPIC = "transactions"
BAD = b"no transaction"


class Member:
    """A source that starts each partition where it is told, its beginning by default, and keeps what came."""

    def __init__(self, settings: Settings, starts: dict[int, int]) -> None:
        self.held: set[int] = set()
        self.came: dict[int, list[int]] = {}
        self.next: dict[int, int] = {}  # where each partition goes on
        self.starts = starts
        choice = sources.choose(settings)
        assert choice.kind == settings.kafka.source
        consumer = sources.consumer(settings, kafka.group(settings), choice)
        maker = sources.maker(choice, Decoder(()), None)
        self.source = sources.over(settings, consumer, settings.topic(TOPIC), maker)
        self.source.open(self)

    def assigned(self, partitions: list[int]) -> dict[int, int | None]:
        self.held |= set(partitions)
        for partition in partitions:
            self.came[partition] = []
            self.next.pop(partition, None)
        return {partition: self.starts.get(partition) for partition in partitions}

    def revoked(self, partitions: list[int]) -> None:
        self.held -= set(partitions)

    lost = revoked

    def poll(self, limit: int = 1_000) -> list[RecordBatch]:
        batches = self.source.poll(0.1, limit)
        assert sum(len(b.offsets) + len(b.poison) for b in batches) <= limit
        for batch in batches:
            assert batch.partition in self.held
            offsets = sorted([*batch.offsets.tolist(), *(p.offset for p in batch.poison)])
            self.came[batch.partition] += offsets
            self.next[batch.partition] = batch.next_offset
        return batches


@pytest.fixture(params=["plain", "native"])
def settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:  # the same, of each kind
    kafka_settings = settings.kafka.model_copy(update={"source": request.param})
    return settings.model_copy(update={"kafka": kafka_settings})


@pytest.fixture
def join(settings: Settings) -> Iterator[Callable[..., Member]]:
    topics.ensure(settings, partitions=len(PARTITIONS))
    members: list[Member] = []

    def make(starts: dict[int, int] | None = None) -> Member:
        members.append(Member(settings, starts or {}))
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
    settings: Settings, join: Callable[..., Member]
) -> None:
    waiting = join()
    until(lambda: waiting.held == PARTITIONS, waiting.poll)
    other = join()
    until(
        lambda: len(waiting.held) == len(other.held) == 2,
        lambda: waiting.source.serve(0.1),
        other.poll,
    )
    other.source.close()
    until(lambda: waiting.held == PARTITIONS, waiting.poll)
    produce(settings, dict.fromkeys(PARTITIONS, 1))
    until(lambda: all(waiting.came[partition] == [0] for partition in PARTITIONS), waiting.poll)


def produce(settings: Settings, counts: dict[int, int], value: bytes = BAD) -> None:
    producer = kafka.producer(settings)
    for partition, count in counts.items():
        for _ in range(count):
            producer.produce(settings.topic(TOPIC), value, key=b"k", partition=partition)
    assert producer.flush(30) == 0


def test_every_record_comes_once_and_in_order(settings: Settings, join: Callable[..., Member]) -> None:
    produce(settings, dict.fromkeys(PARTITIONS, 3_000))
    member = join()
    until(lambda: all(len(member.came.get(p, [])) >= 3_000 for p in PARTITIONS), lambda: member.poll(700))
    produce(settings, dict.fromkeys(PARTITIONS, 100))
    until(lambda: all(len(member.came[p]) >= 3_100 for p in PARTITIONS), lambda: member.poll(7))
    assert member.next == dict.fromkeys(PARTITIONS, 3_100)
    assert all(came == list(range(3_100)) for came in member.came.values())
    assert all(member.source.end(partition) == 3_100 for partition in PARTITIONS)


def test_a_partition_begins_where_it_is_told(settings: Settings, join: Callable[..., Member]) -> None:
    produce(settings, {0: 500, 1: 500})
    member = join({0: 123, 1: 500})
    until(lambda: member.next == {**dict.fromkeys(PARTITIONS, 0), 0: 500, 1: 500}, member.poll)
    assert member.came[0] == list(range(123, 500))
    assert member.came[1] == []
    member.came[0].clear()
    member.source.restart(0, 450)
    until(lambda: len(member.came[0]) >= 50, member.poll)
    assert member.came[0] == list(range(450, 500))


def test_a_partition_goes_on_behind_what_ends_a_transaction(
    settings: Settings, join: Callable[..., Member]
) -> None:
    producer = kafka.producer(settings, **{"transactional.id": f"{settings.prefix}-writer"})
    producer.init_transactions(30)
    for given_up in (False, True):
        producer.begin_transaction()
        producer.produce(settings.topic(TOPIC), BAD, partition=0)
        if given_up:
            producer.flush(30)
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
    member = join()
    until(lambda: member.next.get(0) == 4, member.poll)  # a record and a mark for each
    assert member.came[0] == [0]


def test_waiting_takes_nothing_and_loses_nothing(settings: Settings, join: Callable[..., Member]) -> None:
    produce(settings, dict.fromkeys(PARTITIONS, 500))
    member = join()
    while sum(map(len, member.came.values())) < 2_000:
        member.poll(300)
        member.source.serve(0.01)
    assert all(came == list(range(500)) for came in member.came.values())


def test_records_move_with_their_partitions(settings: Settings, join: Callable[..., Member]) -> None:
    produce(settings, dict.fromkeys(PARTITIONS, 1_000))
    first = join()
    until(lambda: sum(map(len, first.came.values())) >= 500, lambda: first.poll(100))
    second = join()
    until(
        lambda: len(first.held) == len(second.held) == 2,
        lambda: first.poll(50), lambda: second.poll(50),
    )  # fmt: skip
    second.source.close()
    until(lambda: first.held == PARTITIONS, lambda: first.poll(50))
    until(lambda: all(len(first.came[p]) >= 1_000 for p in PARTITIONS), first.poll)
    assert all(came == list(range(1_000)) for came in first.came.values())


def test_a_dead_letter_has_its_bytes(settings: Settings, join: Callable[..., Member]) -> None:
    produce(settings, {0: 1})
    produce(settings, {0: 1}, value=b"")
    member = join()
    poison: list[Poison] = []
    until(lambda: len(poison) == 2, lambda: poison.extend(p for b in member.poll() for p in b.poison))
    assert [(p.offset, p.key, p.value) for p in poison] == [(0, b"k", BAD), (1, b"k", b"")]


@pytest.mark.apache
def test_a_lost_range_is_named_or_told(settings: Settings, join: Callable[..., Member]) -> None:
    produce(settings, {0: 10})
    member = join({0: 99})
    with pytest.raises(LostRangeError, match="99"):
        until(lambda: False, member.poll)
    member.source.close()
    told = []
    other = join({0: 99})
    other.source.on_loss = lambda partition, offset: told.append((partition, offset))
    until(lambda: other.came.get(0) == list(range(10)), other.poll)
    assert told == [(0, 0)]
