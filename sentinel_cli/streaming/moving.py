"""Profiles that follow their users, after `transactions` was given more partitions.

Purpose: a user whose records go to another partition now finds his profile there. First the detectors
finish what the old partitions hold, then each profile that has to goes to its new home, and only when
all are there the new number counts: whatever dies before that, or falls back to an older copy of itself,
nothing has changed, and it is done again.

Design: only growth by a multiple (4 to 8, not 4 to 6), because then no user moves between two old
partitions, and so none of them holds records of a user whose profile is elsewhere. A record that comes to
the old partition afterwards, from a producer that has not heard, is a dead letter (``footing.Homes``).

Not here: noticing that the topic has grown (``footing``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from confluent_kafka import KafkaException, TopicPartition
from redis.exceptions import WatchError

from profiles import blocks, connection, layout, queries
from profiles.connection import Client
from profiles.keys import Keys
from profiles.placement import partition_of
from sentinel_cli.config import Settings
from sentinel_cli.errors import KafkaUnreachable, SentinelError
from sentinel_cli.streaming import detecting, footing, kafka, topics
from sentinel_cli.streaming.detecting import DetectSummary, Job

log = logging.getLogger("sentinel.move")

FELL_BACK = (
    "Redis fell back to what it was before, or somebody else moves profiles: nothing has moved yet; "
    "start `sentinel profiles move` again."
)


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
    keys = Keys(settings.redis_prefix, settings.topic(topics.FRAUD_ALERTS))
    count = range(topics.partitions(settings, topics.FRAUD_ALERTS))
    reached = [client.get(keys.offset(partition)) for partition in count]
    if not any(reached):
        return 0
    ends = _ends(settings, topics.FRAUD_ALERTS, count)
    return sum(max(ends[partition] - int(reached[partition] or 0), 0) for partition in count)


def old_ends(settings: Settings, found: Growth) -> dict[int, int]:
    """Where each of the old partitions ends now. Raises KafkaUnreachable."""
    return _ends(settings, topics.TRANSACTIONS, range(found.before))


def reached(settings: Settings, found: Growth) -> dict[int, int]:
    """How far each of the old partitions is, as Kafka was told, which a Redis that fell back does not know.
    Raises KafkaUnreachable."""
    name, group = settings.topic(topics.TRANSACTIONS), kafka.group(settings)
    consumer = kafka.consumer(settings, group)
    try:
        places = consumer.committed([TopicPartition(name, p) for p in range(found.before)], timeout=8.0)
    except KafkaException as error:
        raise KafkaUnreachable(f"Kafka does not say how far {group} is: {error.args[0].str()}.") from error
    finally:
        consumer.close()
    return {place.partition: max(place.offset, 0) for place in places}


def _ends(settings: Settings, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    name, consumer = settings.topic(topic), kafka.consumer(settings, "sentinel-move")
    try:
        places = {p: TopicPartition(name, p) for p in partitions}
        return {p: consumer.get_watermark_offsets(place, timeout=8.0)[1] for p, place in places.items()}
    except KafkaException as error:
        raise KafkaUnreachable(f"Kafka does not say where {name} ends: {error.args[0].str()}.") from error
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


def move(client: Client, keys: Keys, found: Growth, *least: Mapping[int, int]) -> int:
    """Take each profile to its user's partition; how many moved. Raises SentinelError, and nothing has
    changed, where an old partition is not as far as each of ``least`` says, or Redis fails over meanwhile."""
    counted: Any = client
    with counted.pipeline(transaction=True) as pipe:
        pipe.watch(keys.partitions())  # a Redis that fails over ends this connection, and with it the move
        counts = msgspec.json.decode(pipe.get(keys.partitions()), type=list[int])
        if counts[-1] != found.before or not all(_as_far(client, keys, each) for each in least):
            raise SentinelError(FELL_BACK)
        moved = sum(_copy(client, keys, found, chunk) for chunk in queries.scan(client, keys))
        pipe.multi()
        pipe.set(keys.partitions(), msgspec.json.encode([*counts, found.now]))  # from here on it counts
        try:
            pipe.execute()
        except WatchError as error:
            raise SentinelError(FELL_BACK) from error
    for chunk in queries.scan(client, keys):
        left = [keys.profile(p, user) for p, user in chunk.places if _moves(found, p, user)]
        for key in left:
            counted.unlink(key)
    return moved


def _as_far(client: Any, keys: Keys, offsets: Mapping[int, int]) -> bool:
    return all(int(client.get(keys.offset(partition)) or 0) >= at for partition, at in offsets.items())


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
