"""One case: traffic that goes on, workers that are treated badly, and what is left in the end.

Purpose: what every fault needs. ``settle`` ends the case: it lets workers finish, compares Redis and
the topics with the reference, bit for bit, and counts what was lost and what was done twice.

Not here: the faults (``test_*``), what must be (``reference``).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from confluent_kafka import Message
from redis.exceptions import RedisError

from profiles import layout
from profiles.keys import Keys
from sentinel_cli.config import Settings
from sentinel_cli.streaming import kafka, topics
from tests import topic
from tests.chaos import reference
from tests.chaos.reference import Reference
from tests.chaos.servers import Servers

PARTITIONS = 4
THRESHOLD = 0.1
START = datetime(2025, 8, 24, tzinfo=UTC)
# Seconds. What is awaited comes within a few; on a machine that compiles something else, later.
PATIENCE = 90.0
# Between two looks at what is awaited.
LOOK = 0.01
# The smallest that Kafka allows; and heartbeats enough that one which is late does not end it.
SESSION_MS, HEARTBEAT_MS = 6_000, 1_000


def until(condition: Callable[[], object], what: str, within: float = PATIENCE) -> float:
    """Wait for ``condition``; how many seconds it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < within, f"not within {within:.0f} s: {what}"
        time.sleep(LOOK)
    return time.monotonic() - begun


class Traffic(threading.Thread):
    """Records at ``rate`` a second until ``finish``, at least ``count``; one in 500 is broken."""

    topic = topics.TRANSACTIONS

    def __init__(self, settings: Settings, count: int, rate: float, seed: int) -> None:
        super().__init__(name="traffic", daemon=True)
        self._settings, self._count, self._rate = settings, count, rate
        self._seed, self.rng = seed, random.Random(seed)
        self._enough = threading.Event()
        self.sent = 0
        self.left = -1

    def finish(self) -> None:
        """Come to an end; nothing is on its way when this returns."""
        self._enough.set()
        self.join(self._count / self._rate + PATIENCE)
        assert self.left == 0, "the traffic could not be sent"

    def run(self) -> None:
        producer, begun = kafka.producer(self._settings), time.monotonic()
        name = self._settings.topic(self.topic)
        for number in itertools.count():
            if number >= self._count and self._enough.is_set():
                break
            user, value = self.record(number)
            producer.produce(name, value, user)
            producer.poll(0)
            self.sent = number + 1
            ahead = begun + number / self._rate - time.monotonic()
            if ahead > LOOK:
                time.sleep(ahead)
        self.left = producer.flush(PATIENCE)

    def record(self, number: int) -> tuple[str, bytes]:
        """The key and the value of the next record."""
        rng = self.rng
        user = f"user_{int(rng.paretovariate(0.6)) % 700:04d}"
        late = rng.randrange(300) if rng.random() < 0.02 else 0
        value = msgspec.json.encode(
            {
                "transaction_id": f"T{self._seed}-{number}",
                "user_id": user,
                "timestamp": (START + timedelta(seconds=number * 0.7 - late)).isoformat(),
                "amount": 4_000.0 if rng.random() < 0.01 else round(rng.lognormvariate(3.5, 0.6), 2),
                "merchant_category": rng.choice(("grocery", "fuel", "travel", "electronics")),
                "country": rng.choice(("DE", "DE", "DE", "FR", "US")),
                "device_id": f"{user}-{rng.randrange(3)}",
            }
        )
        return user, value if rng.random() > 0.002 else value[:-5]


@dataclass
class Verdict:
    """What differs from the reference. Repeated alerts have the same id; ``idempotent`` allows them."""

    lost: int
    doubled: int
    different: list[str]
    repeated: int
    records: int


@dataclass
class Outcome:
    """One line of the closing table."""

    fault: str
    delivery: str
    times: int
    verdict: Verdict
    recovery_s: list[float] = field(default_factory=list)
    note: str = ""


class Scene:
    """A case on ``servers``, with topics and keys of its own."""

    def __init__(
        self,
        servers: Servers,
        settings: Settings,
        folder: Path,
        delivery: str,
        *,
        size: int,
        rate: float,
        seed: int,
    ) -> None:
        self.servers, self.settings, self.delivery = servers, settings, delivery
        self.rng = random.Random(seed)
        self.redis = servers.client()
        self.redis_port = servers.redis_port
        self.recovery: list[float] = []
        self._folder = folder
        self.follow(topics.TRANSACTIONS)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._pauses: Counter[str] = Counter()
        topics.ensure(settings, partitions=PARTITIONS)
        self.traffic = Traffic(settings, size, rate, seed)

    # ---- workers

    def start(self, name: str = "one", *flags: str, command: str = "detect", static: bool = True) -> Any:
        """A worker process; a static member called ``name`` unless told otherwise."""
        environment = os.environ | {
            "KAFKA_SERVERS": self.settings.kafka.servers,
            "REDIS_HOST": self.settings.redis.host,
            "REDIS_PORT": str(self.redis_port),
            "SENTINEL_PREFIX": self.settings.prefix,
            "FRAUD_THRESHOLD": str(THRESHOLD),
            "SENTINEL_CONFIG": str(self._config(name, static=static)),
        }
        words = [sys.executable, "-m", "sentinel_cli", command, *flags]
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
        self._running[name] = process
        return process

    def log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def said(self, name: str = "one") -> str:
        return self.log(name).read_text(encoding="utf-8")

    def kill(self, name: str = "one") -> None:
        process = self._running.pop(name)
        assert process.poll() is None, self.said(name)
        process.kill()
        process.wait()

    def stop(self, name: str = "one") -> None:
        process = self._running.pop(name)
        assert process.poll() is None, self.said(name)
        process.send_signal(signal.SIGTERM)
        # One that has just been started has nothing to finish, and no answer to the signal yet.
        assert process.wait(PATIENCE) in {0, -signal.SIGTERM}, self.said(name)

    def ended(self, name: str = "one") -> int:
        """The exit code of a worker that ends by itself."""
        return int(self._running.pop(name).wait(PATIENCE))

    def stays_away(self) -> None:
        """Wait until the group has no member: one that was killed leaves when its session is over."""
        group, admin = kafka.group(self.settings), kafka.admin(self.settings)
        until(lambda: not admin.describe_consumer_groups([group])[group].result(30).members, "an empty group")

    def end(self) -> None:
        """Whatever still runs is gone."""
        for process in self._running.values():
            process.kill()
            process.wait()
        self._running.clear()
        if self.traffic.is_alive():
            self.traffic.finish()
        self.redis.close()

    def _config(self, name: str, *, static: bool) -> Path:
        file = self._folder / f"{name}.toml"
        member = f'"group.instance.id" = "{name}"\n' if static else ""
        file.write_text(
            f'delivery = "{self.delivery}"\n[kafka]\n{member}"session.timeout.ms" = "{SESSION_MS}"\n'
            f'"heartbeat.interval.ms" = "{HEARTBEAT_MS}"\n'
            "[detect]\nbatch_size = 500\nmax_poll_records = 200\n[respond]\nbatch_size = 20\n"
        )
        return file

    # ---- how far it is

    def follow(self, name: str) -> None:
        """How far its readers are on this topic is what is looked at."""
        self._keys = Keys(self.settings.redis_prefix, self.settings.topic(name))

    def position(self) -> int:
        """Records that are in the profiles, over all partitions."""
        return sum(self.offsets())

    def offsets(self) -> list[int]:
        keys = [self._keys.offset(p) for p in range(2 * PARTITIONS)]
        return [int(at or 0) for at in self.redis.mget(keys)]

    def moves(self, name: str = "one") -> float:
        """Wait for the next save of anybody; seconds. ``name`` is whose end would be a failure."""
        before = self.offsets()
        return self.wait(lambda: self.offsets() != before, "a save", name)

    def reaches(self, position: int, name: str = "one") -> float:
        """Wait until so many records are in the profiles."""
        return self.wait(lambda: self.position() >= position, f"position {position}", name)

    def begins(self, name: str = "one") -> float:
        """Wait until every partition has been saved."""
        return self.wait(lambda: all(self.offsets()[:PARTITIONS]), "every partition being saved", name)

    def pauses(self, why: str, name: str = "one") -> float:
        """Wait until the worker says that it waits, and why: once more than it was waited for before."""
        text = f"paused: {why}"
        self._pauses[text] += 1
        return self.wait(lambda: self.said(name).count(text) >= self._pauses[text], text, name)

    def wait(self, condition: Callable[[], object], what: str, name: str = "one") -> float:
        """As ``until``, while the worker ``name`` lives."""
        process = self._running[name]

        def met() -> object:
            assert process.poll() is None, self.said(name)
            try:
                return condition()
            except RedisError:
                return False

        return until(met, what)

    def lasts(self, seconds: float, name: str = "one") -> None:
        """That long, and the worker ``name`` stays."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._running[name].wait(seconds)
            raise AssertionError(f"{name} ended with {code}: {self.said(name)}")

    # ---- the end

    def settle(self, *, expected: Reference | None = None) -> Verdict:
        """Let the traffic end, the workers finish, and compare."""
        if self.traffic.is_alive():
            self.traffic.finish()
        self.finish()
        return self.compare(expected or self.reference())

    def finish(self, command: str = "detect") -> None:
        """Workers stop, and one does what is left."""
        for name in list(self._running):
            self.stop(name)
        self.start("one", "--exit-at-end", command=command)
        assert self.ended("one") == 0, self.said("one")

    def reference(self) -> Reference:
        return reference.compute(reference.partitions(self.records()), self._keys.topic, THRESHOLD)

    def records(self) -> list[Message]:
        return topic.read(self.settings, topics.TRANSACTIONS)

    def compare(self, must: Reference) -> Verdict:
        rows = self.rows()
        users = [user for user in must.rows.keys() | rows.keys() if must.rows.get(user) != rows.get(user)]
        counts = [_count(must.rows.get(user)) - _count(rows.get(user)) for user in users]
        alerts, letters = self.told(must)
        said = {_alert_id(alert): reference.digest(alert.value()) for alert in alerts}
        repeated = len(alerts) - len(said)
        wrong = [alert for alert in said.keys() & must.alerts if said[alert] != must.alerts[alert]]
        dead = set(map(_source, letters))
        lost = sum(max(count, 0) for count in counts) + len(must.alerts.keys() - said.keys())
        doubled = sum(max(-count, 0) for count in counts) + len(said.keys() - must.alerts.keys())
        if self.delivery == "transactional":
            doubled += repeated + len(letters) - len(dead)
        different = [*users, *wrong, *map(str, dead ^ must.dead)]
        return Verdict(lost, doubled, different, repeated, must.records)

    def rows(self) -> dict[str, bytes]:
        """Every profile in Redis by its user, who must have one only."""
        found: dict[str, bytes] = {}
        names = list(self.redis.scan_iter(self._keys.profile_pattern(), count=10_000))
        for name, row in zip(names, self.redis.mget(names) if names else [], strict=True):
            place = self._keys.parse_profile(name)
            assert place is not None
            assert place[1] not in found, f"{place[1]} has two profiles"
            found[place[1]] = row
        return found

    def told(self, must: Reference) -> tuple[list[Message], list[Message]]:
        """The alerts and the dead letters. What a worker that was killed left open is ended by the broker,
        and until then nobody reads beyond it: so what must be there is awaited."""
        deadline = time.monotonic() + PATIENCE
        while True:
            alerts = topic.read(self.settings, topics.FRAUD_ALERTS)
            dead = topic.read(self.settings, topics.TRANSACTIONS_DLQ)
            all_there = must.alerts.keys() <= set(map(_alert_id, alerts)) and must.dead <= set(
                map(_source, dead)
            )
            if all_there or time.monotonic() > deadline:
                return alerts, dead
            time.sleep(0.5)


def _alert_id(message: Message) -> str:
    headers: dict[str, Any] = dict(message.headers() or [])
    return str(headers["alert_id"], "utf-8")


def _source(message: Message) -> tuple[int, int]:
    headers: dict[str, Any] = dict(message.headers() or [])
    return int(headers["source.partition"]), int(headers["source.offset"])


def _count(row: bytes | None) -> int:
    return 0 if row is None else int(np.frombuffer(row, layout.PROFILE)["total_transactions"][0])
