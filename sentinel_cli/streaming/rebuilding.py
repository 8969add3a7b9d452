"""Profiles made again from Kafka, after Redis lost them.

Purpose: find the partitions whose profiles are gone, say what can be made again of them and what
cannot, and run a detector that does it.

Design: a detector that starts at the beginning and keeps back what it makes below the group's offset
is all it takes; see ``worker``. Its alerts' counts in the profiles come back as well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from msgspec import Struct

from profiles import connection
from profiles.keys import Keys
from profiles.redis_store import RedisStore
from sentinel_cli.config import Settings
from sentinel_cli.streaming import detecting, kafka, topics
from sentinel_cli.streaming.detecting import DetectSummary, Job
from sentinel_cli.streaming.plain_source import PlainSource

log = logging.getLogger("sentinel.rebuild")


class LostPartition(Struct, frozen=True):
    """Profiles were true up to ``known``; Kafka has the records from ``first`` on."""

    topic: str
    partition: int
    first: int
    known: int

    def sentence(self) -> str:
        where = f"{self.topic}-{self.partition}"
        if self.first == 0:
            return f"{where}: offsets 0 to {self.known - 1} can be scored again, that is all of them."
        if self.first >= self.known:
            return f"{where}: offsets 0 to {self.known - 1} are no longer in Kafka; its profiles begin anew."
        return (
            f"{where}: offsets {self.first} to {self.known - 1} can be scored again; "
            f"0 to {self.first - 1} are no longer in Kafka, and what they taught is lost."
        )


def lost(settings: Settings) -> list[LostPartition]:
    """Partitions that the group has processed and Redis has no offset for.

    Raises KafkaUnreachable, RedisUnreachable.
    """
    kafka.reachable(settings)
    client = connection.connect_to(settings.redis)
    connection.reachable(client)
    topic = settings.topic(topics.TRANSACTIONS)
    store = RedisStore(client, Keys(settings.redis_prefix, topic))
    source: PlainSource[None] = PlainSource(
        kafka.consumer(settings, kafka.group(settings)), topic, lambda *_: None
    )
    found = []
    for partition, (first, _) in sorted(source.ends().items()):
        known = source.committed(partition)
        if known is not None and store.start(partition)[0] is None:
            found.append(LostPartition(topic, partition, first, known))
    source.close()
    return found


@dataclass(frozen=True)
class Rebuilder:
    """What the worker process runs."""

    settings: Settings

    def __call__(self, register_stop: Callable[[Callable[[], None]], None]) -> DetectSummary:
        return detecting.run(
            self.settings,
            Job(rebuild=True),
            register_stop=register_stop,
            tell=lambda snapshot: log.info("rebuilding: %d records behind", snapshot.lag),
            report=log.warning,
        )
