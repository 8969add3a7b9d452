"""Every kind of bad record through the real loop: set aside with its bytes and a reason, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from profiles.memory_store import MemoryStore
from sentinel_cli.engine import scorecard, severity
from sentinel_cli.records import Alert
from sentinel_cli.streaming import faults
from sentinel_cli.streaming.topics import LARGEST_DEAD_LETTER
from sentinel_cli.streaming.worker import Plan, Worker
from tests.fakes import FakeClock, Log, MemorySink, MemorySource, MemoryTransactor, Now
from tests.poison.kinds import BAD, FINE, USER, but

PLAN = Plan(
    "transactions", "fraud-alerts", "transactions.dlq", threshold=0.2, largest_dead_letter=LARGEST_DEAD_LETTER
)
SCORECARD = Path(__file__).parents[1] / "scorecard.toml"
BEFORE, AFTER = 20, 20


def good(number: int) -> bytes:
    """Traffic of the user that the bad records are about; some of it raises alerts."""
    return but(
        transaction_id=f"G{number}",
        timestamp=f"2025-08-24T00:{number:02}:30Z",
        amount=[30.0, 45.5, 6_000.0, 12.0][number % 4],
        user_id=[USER, "user_2"][number % 3 == 0],
    )


def run(values: list[bytes | None], *, transactional: bool = False) -> tuple[Log, MemoryStore, Worker]:
    """What a worker makes of one partition's records."""
    log, store, clock = Log(), MemoryStore(), FakeClock()
    for value in values:
        log.append(PLAN.topic, 0, value, key=b"as it came \xff")
    transactor = MemoryTransactor(log, PLAN.topic) if transactional else None
    worker = Worker(
        PLAN, MemorySource(log, PLAN.topic, clock), MemorySink(log, clock), store, clock, Now(),
        scorecard.load(SCORECARD), severity.load(), transactor,
    )  # fmt: skip
    worker.run(until_end=True)
    return log, store, worker


TRAFFIC: list[bytes | None] = [good(number) for number in range(BEFORE + AFTER)]


@pytest.fixture(scope="module")
def undisturbed() -> tuple[list[tuple[str, float]], MemoryStore]:
    log, store, _ = run(TRAFFIC)
    assert len(alerts(log)) > 5
    return alerts(log), store


def alerts(log: Log) -> list[tuple[str, float]]:
    found = [msgspec.json.decode(value, type=Alert) for value in log.values(PLAN.alerts_topic) if value]
    return [(alert.alert_id, alert.fraud_score) for alert in found]


def test_there_are_enough_kinds() -> None:
    assert len(BAD) >= 100
    assert len({value for value, _ in BAD.values()}) == len(BAD)


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_record_is_set_aside_and_touches_nothing(
    kind: str, undisturbed: tuple[list[tuple[str, float]], MemoryStore]
) -> None:
    value, reason = BAD[kind]
    log, store, worker = run([*TRAFFIC[:BEFORE], value, *TRAFFIC[BEFORE:]])
    (letter,) = log.topics[PLAN.dead_letters_topic][0]
    assert re.search(reason, letter.headers["error"]), letter.headers["error"]
    assert letter.headers["error"].isprintable()
    assert len(letter.headers["error"]) <= faults.LONGEST
    assert letter.headers | {"error": ""} == {
        "error": "",
        "source.topic": PLAN.topic,
        "source.partition": "0",
        "source.offset": str(BEFORE),
    }
    assert (letter.key, letter.value) == (b"as it came \xff", value)
    assert (alerts(log), store.rows) == (undisturbed[0], undisturbed[1].rows)
    assert store.offsets == {0: len(TRAFFIC) + 1}
    assert (worker.counts.processed, worker.counts.dead_letters) == (len(TRAFFIC), 1)


@pytest.mark.parametrize("transactional", [False, True])
def test_all_of_them_at_once(
    undisturbed: tuple[list[tuple[str, float]], MemoryStore], *, transactional: bool
) -> None:
    values: list[bytes | None] = []
    kinds = [value for value, _ in BAD.values()]
    for number, each in enumerate(TRAFFIC):
        values += [each, *kinds[number :: len(TRAFFIC)]]
    log, store, worker = run(values, transactional=transactional)
    letters = log.topics[PLAN.dead_letters_topic][0]
    assert [letter.value for letter in letters] == [value for value in values if value in kinds]
    assert (alerts(log), store.rows) == (undisturbed[0], undisturbed[1].rows)
    assert worker.counts.dead_letters == len(letters) == len(BAD)


@pytest.mark.parametrize("kind", FINE)
def test_an_odd_record_is_scored(kind: str) -> None:
    log, store, worker = run([FINE[kind]])
    assert worker.counts.processed == 1, log.topics[PLAN.dead_letters_topic][0]
    assert len(store.rows) == 1


@pytest.mark.parametrize("kind", FINE)
def test_an_alert_about_an_odd_record_can_be_read(kind: str) -> None:
    """By whoever reads the topic, with any parser."""
    log, _, _ = run([*TRAFFIC[:BEFORE], FINE[kind].replace(b"6000", b"900000")])
    value = log.values(PLAN.alerts_topic)[-1]
    assert value is not None
    assert len(value) < 1_000_000
    msgspec.json.decode(value, type=Alert)
    msgspec.json.decode(value)
