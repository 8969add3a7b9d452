"""Kafka and Redis in memory, with a fuse that can blow before or after any operation."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from profiles.cases import Case, CaseAlert
from profiles.contract import StoreAway
from sentinel_cli.engine import severity
from sentinel_cli.records import Alert, Response, Source, rfc3339
from sentinel_cli.responding import incoming
from sentinel_cli.responding.actions import Actions
from sentinel_cli.responding.incoming import AlertBatch, Record
from sentinel_cli.responding.responder import Plan, Responder
from sentinel_cli.responding.store import Known, Save
from sentinel_cli.streaming.batches import Ack, Letter, Listener

POLICY = Path(__file__).parents[1] / "policy.toml"
SECOND_0 = 1_693_123_200  # 2023-08-27T08:00:00Z


class Crash(Exception):
    """The process dies here."""


@dataclass
class Fuse:
    """Raises ``error`` at the operation numbered ``at``, counted from 0."""

    at: int = -1
    error: Callable[[], Exception] = Crash
    passed: int = 0

    def __call__(self) -> None:
        self.passed += 1
        if self.passed - 1 == self.at:
            raise self.error()


class Clock:
    """Time that moves a millisecond with every look at it."""

    def __init__(self) -> None:
        self.now = float(SECOND_0)

    def monotonic(self) -> float:
        self.now += 0.001
        return self.now

    wall = monotonic

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.now += seconds
        return event.is_set()


@dataclass
class Kafka:
    """What the broker holds: the records of each partition, and what was sent to other topics."""

    partitions: dict[int, list[bytes | None]]
    sent: list[tuple[str, bytes | None, bytes | None, dict[str, str]]] = field(default_factory=list)
    committed: dict[int, int] = field(default_factory=dict)

    def responses(self) -> list[Response]:
        values = [value for topic, _, value, _ in self.sent if topic == "alert-responses"]
        return [msgspec.json.decode(value or b"", type=Response) for value in values]

    def dead_letters(self) -> list[tuple[bytes | None, bytes | None, dict[str, str]]]:
        return [(key, value, headers) for topic, key, value, headers in self.sent if topic.endswith(".dlq")]


class MemorySource:
    """One consumer that holds every partition until a test takes one away with ``at_serve``."""

    def __init__(self, kafka: Kafka, clock: Clock, fuse: Fuse) -> None:
        self.at_serve: Callable[[Listener], None] = lambda _: None
        self.served = 0
        self._kafka, self._clock, self._fuse = kafka, clock, fuse
        self._listener: Listener | None = None
        self._next: dict[int, int] = {}

    def open(self, listener: Listener) -> None:
        self._listener = listener
        self._next = {p: at or 0 for p, at in listener.assigned(list(self._kafka.partitions)).items()}

    def poll(self, timeout: float, limit: int) -> list[AlertBatch]:
        self._fuse()
        self._clock.now += timeout
        return [self._take(partition, limit) for partition in self._next]

    def _take(self, partition: int, limit: int) -> AlertBatch:
        start = self._next[partition]
        values = self._kafka.partitions[partition][start : start + limit]
        self._next[partition] = start + len(values)
        records = [Record(start + i, 1_693_123_199_000, b"k", value) for i, value in enumerate(values)]
        return incoming.batch(partition, records, self._next[partition])

    def serve(self, timeout: float) -> None:
        assert self._listener is not None
        self._clock.now += timeout
        self.served += 1
        self.at_serve(self._listener)

    def restart(self, partition: int, offset: int | None) -> None:
        self._next[partition] = offset or 0

    def commit(self, offsets: dict[int, int]) -> None:
        self._fuse()
        self._kafka.committed |= offsets

    def committed(self, partition: int) -> int | None:
        return self._kafka.committed.get(partition)

    def first(self, partition: int) -> int:
        return self.ends()[partition][0]

    def end(self, partition: int) -> int:
        return len(self._kafka.partitions[partition])

    def ends(self) -> dict[int, tuple[int, int]]:
        return {partition: (0, len(values)) for partition, values in self._kafka.partitions.items()}

    def close(self) -> None:
        return


class MemorySink:
    """Records reach the broker when they are sent; that they did is heard at ``poll``."""

    def __init__(self, kafka: Kafka, clock: Clock, fuse: Fuse) -> None:
        self.refusal: str | None = None
        self.silent = False
        self._kafka, self._clock, self._fuse = kafka, clock, fuse
        self._unheard: list[Ack] = []

    def send(self, letter: Letter, ack: Ack) -> None:
        self._fuse()
        self._kafka.sent.append((letter.topic, letter.key, letter.value, letter.headers))
        ack.pending += 1
        self._unheard.append(ack)
        self._fuse()

    def poll(self, timeout: float = 0.0) -> None:
        self._fuse()
        self._clock.now += timeout
        if self.silent:
            return
        for ack in self._unheard:
            ack.done(self.refusal)
        self._unheard.clear()


class MemoryTransactor:
    """Letters and offset reach the broker together; the fuse can blow before and after."""

    def __init__(self, kafka: Kafka, fuse: Fuse) -> None:
        self._kafka, self._fuse = kafka, fuse

    def transact(self, letters: Sequence[Letter], partition: int, end: int) -> None:
        self._fuse()
        self._kafka.sent += [(x.topic, x.key, x.value, x.headers) for x in letters]
        self._kafka.committed[partition] = end
        self._fuse()


@dataclass
class Redis:
    """What is stored: it outlives the responder."""

    offsets: dict[int, int] = field(default_factory=dict)
    done: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    open_cases: dict[tuple[int, str], str] = field(default_factory=dict)
    cases: dict[str, Case] = field(default_factory=dict)
    case_alerts: dict[str, list[CaseAlert]] = field(default_factory=lambda: defaultdict(list))
    blocks: dict[tuple[int, str], int] = field(default_factory=dict)
    block_alerts: set[str] = field(default_factory=set)


class MemoryStore:
    """``Store`` over ``Redis``; the fuse can blow before an operation and after it."""

    def __init__(self, redis: Redis, fuse: Fuse) -> None:
        self._redis, self._fuse = redis, fuse

    def start(self, partition: int) -> int | None:
        self._fuse()
        return self._redis.offsets.get(partition)

    def look(self, partition: int, alert_ids: list[str], users: list[str]) -> Known:
        self._fuse()
        redis = self._redis
        known = {user: redis.open_cases.get((partition, user)) for user in users}
        found = {user: redis.cases[case_id] for user, case_id in known.items() if case_id}
        return Known(redis.offsets.get(partition), redis.done[partition] & set(alert_ids), found)

    def block(self, partition: int, user_id: str, until_us: int, alert_id: str) -> bool:
        self._fuse()
        redis, place = self._redis, (partition, user_id)
        changed = alert_id not in redis.block_alerts and until_us > redis.blocks.get(place, 0)
        redis.block_alerts.add(alert_id)
        redis.blocks[place] = max(until_us, redis.blocks.get(place, 0))
        self._fuse()
        return changed

    def save(self, save: Save) -> bool:
        self._fuse()
        redis, partition = self._redis, save.partition
        stored = redis.offsets.get(partition)
        if stored != save.begin:
            return stored == save.end
        for change in save.cases:
            expected = None if change.opened is not None else change.case.case_id
            if redis.open_cases.get((partition, change.case.user_id)) != expected:
                return False
        for change in save.cases:
            case = change.case
            redis.open_cases[partition, case.user_id] = case.case_id
            redis.cases[case.case_id] = case
            redis.case_alerts[case.case_id] += change.alerts
        redis.done[partition] |= set(save.acted)
        redis.offsets[partition] = save.end
        self._fuse()
        return True


@dataclass
class World:
    """A responder's surroundings: what outlives it, and how to make one."""

    kafka: Kafka
    redis: Redis = field(default_factory=Redis)
    policy: severity.Policy = field(default_factory=lambda: severity.load(POLICY))
    transactional: bool = False

    def responder(
        self, kafka_fuse: Fuse | None = None, redis_fuse: Fuse | None = None, limit: int = 100
    ) -> Responder:
        clock, fuse = Clock(), kafka_fuse or Fuse()
        self.source = MemorySource(self.kafka, clock, fuse)
        self.sink = MemorySink(self.kafka, clock, fuse)
        return Responder(
            Plan("fraud-alerts", "alert-responses", "fraud-alerts.dlq", limit),
            self.source,
            self.sink,
            MemoryStore(self.redis, redis_fuse or Fuse()),
            clock,
            Actions(self.policy, clock),
            MemoryTransactor(self.kafka, fuse) if self.transactional else None,
        )

    def again(self) -> World:
        """The same alerts, and nothing done yet."""
        return replace(self, kafka=Kafka(self.kafka.partitions), redis=Redis())


def alert(number: int, user: str = "user_1", score: float = 0.99, **changed: Any) -> bytes:
    """An alert's bytes; ``number`` names it and is its transaction's second."""
    found = Alert(
        alert_id=f"alert_T{number}_{number}",
        timestamp=rfc3339((SECOND_0 + number) * 1_000_000),
        user_id=user,
        fraud_score=score,
        severity="LOW",
        risk_factors={},
        contributions=[],
        transaction_details=msgspec.Raw(b'{"amount": 12.5, "currency": "USD"}'),
        profile_before={},
        config_version="",
        source=Source("transactions", 3, number),
    )
    return msgspec.json.encode(msgspec.structs.replace(found, **changed))


def away() -> Exception:
    return StoreAway("ConnectionError: refused")
