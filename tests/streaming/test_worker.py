"""The detector's loop over a Kafka in memory: nothing lost, nothing counted twice, whatever dies."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from profiles import layout
from profiles.contract import Blocks, Loaded, Save, StoreAway
from profiles.memory_store import MemoryStore
from sentinel_cli.engine import scorecard, severity
from sentinel_cli.errors import LostStateError, RedisUnreachable
from sentinel_cli.records import Alert
from sentinel_cli.streaming.worker import Plan, Worker
from tests.fakes import FakeClock, Log, MemorySink, MemorySource, MemoryTransactor, Now

PLAN = Plan(
    "transactions", "fraud-alerts", "transactions.dlq", threshold=0.2, batch_size=50, save_profiles=20
)
START = datetime(2025, 8, 24, tzinfo=UTC)
CARD = scorecard.load(Path(__file__).parents[1] / "scorecard.toml")


def record(number: int, user: str, seconds: float, amount: float, **more: object) -> bytes:
    time = (START + timedelta(seconds=seconds)).isoformat()
    fields = {"transaction_id": f"T{number}", "user_id": user, "timestamp": time, "amount": amount, **more}
    return msgspec.json.encode(fields)


def traffic(count: int = 600, partitions: int = 3) -> Log:
    log, rng = Log(), random.Random(7)
    for number in range(count):
        user = rng.randrange(12)
        value = record(number, f"user_{user}", number * 3.0, rng.choice([1.5, 40.0, 900.0, 5_000.0]))
        log.append("transactions", user % partitions, value)
    return log


class Run:
    """One worker over ``log`` and ``store``."""

    def __init__(
        self,
        log: Log,
        store: MemoryStore,
        partitions: list[int] | None = None,
        *,
        transactional: bool = False,
        plan: Plan = PLAN,
    ) -> None:
        self.clock = FakeClock()
        self.source = MemorySource(log, "transactions", self.clock, partitions)
        self.sink = MemorySink(log, self.clock)
        self.worker = Worker(
            plan, self.source, self.sink, store, self.clock, Now(), CARD, severity.load(),
            MemoryTransactor(log, "transactions") if transactional else None,
        )  # fmt: skip


def reference(log: Log) -> MemoryStore:
    store = MemoryStore()
    Run(log, store).worker.run(until_end=True)
    return store


def alert_ids(log: Log) -> list[str]:
    return [msgspec.json.decode(value, type=Alert).alert_id for value in log.values("fraud-alerts") if value]


@pytest.fixture
def uninterrupted() -> tuple[MemoryStore, list[str]]:
    log = traffic()
    return reference(log), sorted(alert_ids(log))


def test_every_transaction_changes_its_profile_once(uninterrupted: tuple[MemoryStore, list[str]]) -> None:
    store, ids = uninterrupted
    rows = layout.from_bytes(list(store.rows.values()))
    assert rows["total_transactions"].sum() == 600
    assert rows["alerts"].sum() == len(ids) == len(set(ids)) > 10
    assert sum(store.offsets.values()) == 600


@pytest.mark.parametrize("turns", range(1, 14))
@pytest.mark.parametrize("chunk", [7, 30])
def test_a_crash_after_any_turn_changes_nothing(
    uninterrupted: tuple[MemoryStore, list[str]], turns: int, chunk: int
) -> None:
    log, store = traffic(), MemoryStore()
    first = Run(log, store)
    first.source.chunk = chunk
    first.source.open(first.worker)
    for turn in range(turns):
        first.sink.silent = turn % 3 == 1
        first.clock.now += 0.06
        first.worker.turn()
    Run(log, store).worker.run(until_end=True)
    assert store.rows == uninterrupted[0].rows
    assert sorted(set(alert_ids(log))) == uninterrupted[1]


def test_running_again_processes_nothing() -> None:
    log = traffic()
    store = reference(log)
    again = Run(log, store)
    again.worker.run(until_end=True)
    assert again.worker.counts.processed == 0


class Broken(Exception):
    """The process died here."""


@pytest.mark.parametrize("dies", range(1, 17, 2))
@pytest.mark.parametrize("landed", [False, True])
def test_transactional_says_each_alert_once(
    uninterrupted: tuple[MemoryStore, list[str]], dies: int, *, landed: bool
) -> None:
    """A crash between the transaction and the write to the store, or right after the latter."""
    log, store = traffic(), MemoryStore()

    class Dying(MemoryStore):
        saves = 0

        def save(self, save: Save) -> bool:
            self.saves += 1
            if self.saves == dies:
                if landed:
                    store.save(save)
                raise Broken
            return store.save(save)

        def start(self, partition: int) -> tuple[int | None, int]:
            return store.start(partition)

        def load(self, partition: int, users: list[str]) -> Loaded:
            return store.load(partition, users)

    first = Run(log, Dying(), transactional=True)
    first.source.chunk = 10
    with pytest.raises(Broken):
        first.worker.run(
            until_end=True, each_turn=lambda: setattr(first.clock, "now", first.clock.now + 0.05)
        )
    second = Run(log, store, transactional=True)
    second.source.chunk = 17
    second.worker.run(until_end=True)
    assert store.rows == uninterrupted[0].rows
    assert sorted(alert_ids(log)) == uninterrupted[1]


class Troubled(MemoryStore):
    """Answers only when ``trouble`` has a False left; what it says may be lost after it was done."""

    trouble: Iterator[str] = iter(())

    def _meet(self) -> bool:
        what = next(self.trouble, "")
        if what == "away":
            raise StoreAway("away")
        return what == "lost"

    def load(self, partition: int, users: list[str]) -> Loaded:
        self._meet()
        return super().load(partition, users)

    def save(self, save: Save) -> bool:
        lost = self._meet()
        done = super().save(save)
        if lost:
            raise StoreAway("no answer")
        return done


@pytest.mark.parametrize("seed", range(12))
def test_a_store_that_fails_or_loses_its_answers(
    uninterrupted: tuple[MemoryStore, list[str]], seed: int
) -> None:
    log, store = traffic(), Troubled()
    store.trouble = iter(random.Random(seed).choices(["away", "lost", ""], k=200))
    run = Run(log, store)
    run.source.chunk = 20
    run.worker.run(until_end=True, each_turn=lambda: setattr(run.clock, "now", run.clock.now + 0.05))
    assert store.rows == uninterrupted[0].rows
    assert sorted(set(alert_ids(log))) == uninterrupted[1]


def test_a_zombie_saves_nothing(uninterrupted: tuple[MemoryStore, list[str]]) -> None:
    log, store = traffic(), MemoryStore()
    zombie = Run(log, store)
    zombie.source.chunk = 20
    zombie.source.open(zombie.worker)
    zombie.worker.turn()  # scored, not saved
    Run(log, store).worker.run(until_end=True)
    zombie.clock.now += 100
    for _ in range(50):
        zombie.worker.turn()
        zombie.clock.now += 1
    assert zombie.worker.counts.conflicts > 0
    assert store.rows == uninterrupted[0].rows
    assert sorted(set(alert_ids(log))) == uninterrupted[1]


def test_partitions_that_move_between_two_workers(uninterrupted: tuple[MemoryStore, list[str]]) -> None:
    log, store, rng = traffic(), MemoryStore(), random.Random(3)
    runs = [Run(log, store, [0, 1, 2]), Run(log, store, [])]
    for run in runs:
        run.source.chunk = 5
        run.source.open(run.worker)
    for _ in range(300):
        run = rng.choice(runs)
        run.clock.now += 0.03
        run.worker.turn()
        if rng.random() < 0.2:
            giver, taker = rng.sample(runs, 2)
            moving = giver.worker.partitions()[:1]
            giver.source.take(moving, lost=rng.random() < 0.5)
            taker.source.give(moving)
    Run(log, store).worker.run(until_end=True)
    assert store.rows == uninterrupted[0].rows
    assert sorted(set(alert_ids(log))) == uninterrupted[1]


def test_poison_is_set_aside_with_its_reason_and_bytes() -> None:
    log = traffic(30, 1)
    bad = b'{"transaction_id": "T", "user_id": "u", "timestamp": "soon", "amount": 3}'
    log.topics["transactions"][0].insert(10, type(log.topics["transactions"][0][0])(bad, key=b"u"))
    run = Run(log, MemoryStore())
    run.worker.run(until_end=True)
    (letter,) = log.topics["transactions.dlq"][0]
    assert letter.value == bad
    assert letter.key == b"u"
    assert letter.headers == {
        "error": "`timestamp` 'soon' is no RFC 3339 time",
        "source.topic": "transactions",
        "source.partition": "0",
        "source.offset": "10",
    }
    assert run.worker.counts.processed == 30


def test_nothing_is_saved_before_alerts_are_acknowledged() -> None:
    log, store = traffic(), MemoryStore()
    run = Run(log, store)
    run.sink.silent = True
    run.source.open(run.worker)
    for _ in range(5):
        run.clock.now += 1
        run.source.chunk = 5
        run.worker.turn()
    assert alert_ids(log)
    assert store.offsets == {0: 0, 1: 0, 2: 0}
    assert not store.rows


def test_a_block_becomes_part_of_the_profile() -> None:
    log, store = Log(), MemoryStore()
    log.append("transactions", 0, record(1, "user_1", 0, 50.0))
    run = Run(log, store)
    run.source.open(run.worker)
    run.worker.turn()
    run.clock.now += 1
    run.worker.turn()
    until = int(START.timestamp() * 1e6) + 3_600_000_000
    store.changed[0] = Blocks(1, {"user_1": until, "user_2": until})
    for _ in range(10):
        run.clock.now += 0.3
        run.worker.turn()
    log.append("transactions", 0, record(2, "user_1", 60, 50.0))
    for _ in range(3):
        run.clock.now += 0.3
        run.worker.turn()
    rows = layout.from_bytes([store.rows[0, "user_1"], store.rows[0, "user_2"]])
    assert rows["blocked_until"].tolist() == [until, until]
    assert store.applied[0] == 1
    (alert,) = [msgspec.json.decode(v, type=Alert) for v in log.values("fraud-alerts") if v]
    assert alert.risk_factors["is_blocked"] is True


def test_a_store_that_lost_everything_is_not_taken_for_a_new_one() -> None:
    log = traffic()
    reference(log)
    with pytest.raises(LostStateError, match="sentinel profiles rebuild"):
        Run(log, MemoryStore()).worker.run(until_end=True)


def test_profiles_are_made_again_and_nothing_is_said_twice(
    uninterrupted: tuple[MemoryStore, list[str]],
) -> None:
    log, store = traffic(), MemoryStore()
    reference(log)
    said = len(log.values("fraud-alerts"))
    Run(log, store, plan=replace(PLAN, rebuild=True)).worker.run(until_end=True)
    assert store.rows == uninterrupted[0].rows
    assert len(log.values("fraud-alerts")) == said


def test_a_worker_that_waits_in_the_middle_of_a_turn_is_heard_of() -> None:
    store = Troubled()
    # Twice when the first partition begins, once when another does, twice when profiles are loaded.
    store.trouble = iter(["away", "away", "", "", "away", "", "away", "away"])
    run, heard = Run(traffic(), store), []
    run.worker.run(until_end=True, each_turn=lambda: heard.append(run.worker.paused))
    assert heard == ["away"] * 5 + [""]


def test_stopping_while_the_store_is_away_says_so_and_loses_nothing(
    uninterrupted: tuple[MemoryStore, list[str]],
) -> None:
    log, store = traffic(), Troubled()
    run = Run(log, store)
    run.source.chunk = 20

    def cut() -> None:
        run.clock.now += 0.03
        if run.worker.counts.processed >= 120:
            store.trouble = iter(["away"] * 10_000)
            run.worker.stop()

    with pytest.raises(RedisUnreachable, match="repeated"):
        run.worker.run(each_turn=cut)
    store.trouble = iter(())
    Run(log, store).worker.run(until_end=True)
    assert store.rows == uninterrupted[0].rows
    assert sorted(set(alert_ids(log))) == uninterrupted[1]


def test_a_partition_that_comes_back_while_its_batch_waits_for_room(
    uninterrupted: tuple[MemoryStore, list[str]],
) -> None:
    """Kafka is away for so long that the group gives the partitions anew, to the same worker."""
    log, store = traffic(), MemoryStore()
    run = Run(log, store)
    run.source.chunk = 60
    rebalanced: list[float] = []

    def serve(_timeout: float) -> None:
        rebalanced.append(run.clock.now)
        run.source.take([0, 1, 2], lost=True)
        run.source.give([0, 1, 2])
        run.sink.silent = False

    vars(run.source)["serve"] = serve
    run.source.open(run.worker)
    run.sink.silent = True
    for _ in range(60):
        run.worker.turn()
        run.clock.now += 0.06
    assert rebalanced
    assert store.offsets == uninterrupted[0].offsets
    assert store.rows == uninterrupted[0].rows
