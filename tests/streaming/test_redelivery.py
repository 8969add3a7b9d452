"""Transactions that come again: a producer's retry, a file that is replayed.

The horizon is a user's latest eight transactions, in the order they were learnt.
"""

from __future__ import annotations

import random

import pytest

from profiles import layout
from profiles.memory_store import MemoryStore
from sentinel_cli.config import Settings
from sentinel_cli.streaming import detecting, kafka, topics
from sentinel_cli.streaming.detecting import Job
from tests.fakes import Log
from tests.streaming.test_worker import Run, alert_ids, record

HORIZON = layout.RECENT
PARTITIONS = 3


def file(users: int, each: int, seed: int = 5) -> list[tuple[int, bytes]]:
    """``each`` transactions of every user in the order of their times: partition and value."""
    rng = random.Random(seed)
    order = [user for user in range(users) for _ in range(each)]
    rng.shuffle(order)
    return [
        (user % PARTITIONS, record(number, f"user_{user}", number * 60.0, rng.choice([1.5, 40.0, 5_000.0])))
        for number, user in enumerate(order)
    ]


def log_of(*deliveries: list[tuple[int, bytes]]) -> Log:
    log = Log()
    for partition, value in (each for delivery in deliveries for each in delivery):
        log.append("transactions", partition, value)
    return log


def detected(log: Log, store: MemoryStore, *, chunk: int = 10_000, transactional: bool = False) -> Run:
    run = Run(log, store, transactional=transactional)
    run.source.chunk = chunk
    run.worker.run(until_end=True)
    return run


@pytest.fixture(scope="module")
def once() -> tuple[dict[tuple[int, str], bytes], list[str]]:
    log, store = log_of(file(40, HORIZON)), MemoryStore()
    detected(log, store)
    assert len(alert_ids(log)) > 20
    return store.rows, alert_ids(log)


@pytest.mark.parametrize("size", [1, 2, 7, 50])
@pytest.mark.parametrize("chunk", [3, 10_000])
def test_a_retry_of_a_producer_changes_nothing(
    once: tuple[dict[tuple[int, str], bytes], list[str]], size: int, chunk: int
) -> None:
    """Each of its batches arrives, its acknowledgement does not, and it is sent again."""
    records = file(40, HORIZON)
    log, store = Log(), MemoryStore()
    for start in range(0, len(records), size):
        for partition, value in records[start : start + size] * 2:
            log.append("transactions", partition, value)
    run = detected(log, store, chunk=chunk)
    assert (store.rows, sorted(alert_ids(log))) == (once[0], sorted(once[1]))
    assert (run.worker.counts.processed, run.worker.counts.duplicates) == (2 * len(records), len(records))


@pytest.mark.parametrize("transactional", [False, True])
def test_a_file_that_is_replayed_changes_nothing(
    once: tuple[dict[tuple[int, str], bytes], list[str]], *, transactional: bool
) -> None:
    records = file(40, HORIZON)
    log, store = log_of(records, records, records), MemoryStore()
    run = detected(log, store, transactional=transactional)
    assert (store.rows, sorted(alert_ids(log))) == (once[0], sorted(once[1]))
    assert run.worker.counts.duplicates == 2 * len(records)


def test_a_worker_that_starts_later_knows_them_too(
    once: tuple[dict[tuple[int, str], bytes], list[str]],
) -> None:
    records = file(40, HORIZON)
    log, store = log_of(records), MemoryStore()
    detected(log, store)
    for partition, value in records:
        log.append("transactions", partition, value)
    later = detected(log, store)
    assert later.worker.counts.duplicates == later.worker.counts.processed == len(records)
    assert (store.rows, sorted(alert_ids(log))) == (once[0], sorted(once[1]))


@pytest.mark.parametrize("turns", range(1, 12, 2))
def test_a_crash_among_them_changes_nothing(
    once: tuple[dict[tuple[int, str], bytes], list[str]], turns: int
) -> None:
    records = file(40, HORIZON)
    log, store = log_of(records, records), MemoryStore()
    first = Run(log, store)
    first.source.chunk = 30
    first.source.open(first.worker)
    for _ in range(turns):
        first.clock.now += 0.06
        first.worker.turn()
    detected(log, store)
    assert (store.rows, set(alert_ids(log))) == (once[0], set(once[1]))


@pytest.mark.parametrize("later", range(HORIZON + 3))
def test_the_horizon(later: int) -> None:
    """A transaction is known as long as fewer than eight others of its user were learnt after it."""
    records = [(0, record(number, "user_1", number * 60.0, 40.0)) for number in range(1 + later)]
    log, store = log_of(records, records[:1]), MemoryStore()
    run = detected(log, store)
    assert run.worker.counts.duplicates == (later < HORIZON)


def test_a_file_with_more_of_a_user_is_new_as_a_whole() -> None:
    """The ninth that comes again is learnt, takes the place of the eighth, and so on."""
    records = file(1, HORIZON + 1)
    log, store = log_of(records, records), MemoryStore()
    run = detected(log, store)
    assert run.worker.counts.duplicates == 0


def test_a_correction_with_a_later_time_is_another_transaction() -> None:
    log = log_of([(0, record(1, "user_1", 0, 40.0)), (0, record(1, "user_1", 1, 40.0))])
    assert detected(log, MemoryStore()).worker.counts.duplicates == 0


def test_the_same_id_of_another_user_is_another_transaction() -> None:
    log = log_of([(0, record(1, "user_1", 0, 40.0)), (0, record(1, "user_2", 0, 40.0))])
    assert detected(log, MemoryStore()).worker.counts.duplicates == 0


@pytest.mark.real
def test_on_the_real_servers(settings: Settings) -> None:
    topics.ensure(settings, partitions=PARTITIONS)
    records = file(100, 3)
    producer = kafka.producer(settings)
    for _ in range(2):
        for partition, value in records:
            producer.produce(settings.topic(topics.TRANSACTIONS), value, partition=partition)
        assert producer.flush(30) == 0
        summary = detecting.run(
            settings,
            Job(exit_at_end=True),
            register_stop=lambda _: None,
            tell=lambda _: None,
            report=lambda _: None,
        )
    assert (summary.processed, summary.duplicates, summary.alerts) == (300, 300, 0)
