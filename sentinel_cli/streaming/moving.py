"""Profiles that follow their users, after `transactions` was given more partitions.

Purpose: a user whose records go to another partition now finds his profile there. First the detectors
finish what the old partitions hold, then each profile that has to goes to its new home, and only when
all are there the new number counts: whatever dies before that, nothing has changed, and it is done again.

Design: only growth by a multiple (4 to 8, not 4 to 6), because then no user moves between two old
partitions, and so none of them holds records of a user whose profile is elsewhere. A record that comes to
the old partition afterwards, from a producer that has not heard, is a dead letter (``footing.Homes``).

Not here: noticing that the topic has grown (``footing``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from confluent_kafka import TopicPartition

from profiles import blocks, connection, layout, queries
from profiles.connection import Client
from profiles.keys import Keys
from profiles.placement import partition_of
from sentinel_cli.config import Settings
from sentinel_cli.errors import SentinelError
from sentinel_cli.streaming import detecting, footing, kafka, topics
from sentinel_cli.streaming.detecting import DetectSummary, Job

log = logging.getLogger("sentinel.move")


@dataclass(frozen=True)
class Growth:
    """The topic had ``before`` partitions when its profiles were laid out, and has ``now``."""

    topic: str
    before: int
    now: int

    def sentence(self) -> str:
        return f"{self.topic} has grown from {self.before} to {self.now} partitions."


def growth(client: Client, keys: Keys, now: int) -> Growth | None:
    """What there is to follow, when the topic has ``now`` partitions; None if nothing is. Raises
    SentinelError where it cannot be followed."""
    before = footing.known(client, keys, now)[-1]
    if now == before:
        return None
    if now % before:
        raise SentinelError(
            f"{keys.topic} has grown from {before} to {now} partitions, no multiple of that: users moved "
            "between old ones, too, and profiles cannot follow: begin anew with another SENTINEL_PREFIX."
        )
    return Growth(keys.topic, before, now)


def ready(settings: Settings, found: Growth) -> None:
    """Raises SentinelError while a worker runs, or alerts wait for `sentinel respond`: a block that one
    of them leads to would go to the user's old partition."""
    kafka.standing_still(settings)
    behind = _waiting_alerts(settings)
    if behind:
        raise SentinelError(
            f"`sentinel respond` has {behind:,} alerts before it, whose blocks go to the old partitions of "
            f"{found.topic}: let it finish (`sentinel respond --exit-at-end`), then move."
        )


def _waiting_alerts(settings: Settings) -> int:
    """Alerts that no responder has acted on, where one ever did."""
    client: Any = store(settings)[0]
    name = settings.topic(topics.FRAUD_ALERTS)
    keys, consumer = Keys(settings.redis_prefix, name), kafka.consumer(settings, "sentinel-move")
    try:
        count = range(topics.partitions(settings, topics.FRAUD_ALERTS))
        reached = [client.get(keys.offset(partition)) for partition in count]
        if not any(reached):
            return 0
        ends = [consumer.get_watermark_offsets(TopicPartition(name, p), timeout=8.0)[1] for p in count]
        return sum(max(end - int(at or 0), 0) for at, end in zip(reached, ends, strict=True))
    finally:
        consumer.close()


@dataclass(frozen=True)
class Drain:
    """What the worker process runs: everything that the old partitions hold, to where it belonged."""

    settings: Settings
    growth: Growth

    def __call__(self, register_stop: Callable[[Callable[[], None]], None]) -> DetectSummary:
        return detecting.run(
            self.settings,
            Job(exit_at_end=True, only=list(range(self.growth.before))),
            register_stop=register_stop,
            tell=lambda snapshot: log.info("finishing: %d records behind", snapshot.lag),
            report=log.warning,
        )


def move(client: Client, keys: Keys, found: Growth) -> int:
    """Take each profile to its user's partition; how many moved. The old partitions must be finished."""
    moved = sum(_copy(client, keys, found, chunk) for chunk in queries.scan(client, keys))
    counts = footing.known(client, keys, found.now)
    away: Any = client
    away.set(keys.partitions(), msgspec.json.encode([*counts, found.now]))  # from here on it counts
    for chunk in queries.scan(client, keys):
        left = [keys.profile(p, user) for p, user in chunk.places if _moves(found, p, user)]
        for key in left:
            away.unlink(key)
    return moved


def _copy(client: Client, keys: Keys, found: Growth, chunk: queries.Chunk) -> int:
    going = [at for at, (p, user) in enumerate(chunk.places) if _moves(found, p, user)]
    rows = chunk.rows[going].copy()
    places = [chunk.places[at] for at in going]
    for row, (partition, user) in zip(rows, places, strict=True):
        _take_block(client, keys, found, partition, user, row)
    stored: Any = client
    with stored.pipeline(transaction=False) as pipe:
        for (_, user), row in zip(places, layout.to_bytes(rows), strict=True):
            pipe.set(keys.profile(partition_of(user, found.now), user), row)
        pipe.execute()
    return len(going)


def _take_block(client: Client, keys: Keys, found: Growth, partition: int, user: str, row: np.void) -> None:
    """The user's block goes along, with the alerts that led to it."""
    block = blocks.get(client, keys, partition, user)
    if block is None:
        return
    row["blocked_until"] = block.until_us
    for alert_id in block.alerts:
        blocks.block(client, keys, partition_of(user, found.now), user, block.until_us, alert_id)


def _moves(found: Growth, partition: int, user: str) -> bool:
    """Whether this profile is where its user's records were, and are no longer."""
    return (
        partition < found.before
        and partition_of(user, found.before) == partition
        and partition_of(user, found.now) != partition
    )


def store(settings: Settings) -> tuple[Client, Keys]:
    """Redis, and the keys of the transactions' profiles. Raises RedisUnreachable."""
    client = connection.connect_to(settings.redis)
    connection.reachable(client)
    return client, Keys(settings.redis_prefix, settings.topic(topics.TRANSACTIONS))
