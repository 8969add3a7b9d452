"""What the profiles stand on: the number of partitions that their topic had when they were laid out.

Purpose: a user's records are on the partition that murmur2(user_id) modulo this number gives, and so
is the profile. When the topic grows, users move, and a detector that went on would begin new profiles
for them, silently. So it asks, and stops until `sentinel profiles move` has taken each profile to
where its user's records are now.

A producer may know of the growth later than we do, and send a moved user's record to the old partition
still. That record would begin a second profile: it becomes a dead letter, and `sentinel dlq retry` puts it
where it belongs.

Not here: the move itself (``moving``), the identity of the topic (``profiles.redis_store``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import msgspec

from profiles import placement
from profiles.connection import Client
from profiles.keys import Keys
from profiles.redis_store import RedisStore, away
from sentinel_cli.errors import LostStateError, SentinelError


class Outgrown(SentinelError):
    """The topic has another number of partitions than its profiles are laid out for."""


def known(client: Client, keys: Keys, now: int) -> list[int]:
    """The numbers of partitions that the topic has had; begins with ``now`` for one never seen."""
    store: Any = client
    away(lambda: store.set(keys.partitions(), msgspec.json.encode([now]), nx=True))
    return msgspec.json.decode(away(lambda: store.get(keys.partitions())), type=list[int])


def check(client: Client, keys: Keys, now: int) -> None:
    """Raises Outgrown when the profiles are laid out for fewer partitions than ``now``, LostStateError for
    more; StoreAway."""
    laid_out = known(client, keys, now)[-1]
    if now == laid_out:
        return
    if now < laid_out:
        raise LostStateError(
            f"{keys.topic} has {now} partitions, and the profiles in Redis are laid out for {laid_out}: does "
            "Redis belong to another Kafka? Name the right one, or begin anew with another SENTINEL_PREFIX."
        )
    raise Outgrown(
        f"{keys.topic} has grown from {laid_out} to {now} partitions, so that users' records are on "
        "others than their profiles: stop the detectors, then `sentinel profiles move` takes each profile "
        "to its user."
    )


class Homes:
    """Where users' records are, and were: ``counts`` are the numbers of partitions, the latest last."""

    def __init__(self, counts: list[int]) -> None:
        self._before, self._now = counts[:-1], counts[-1]
        self._hash = lru_cache(maxsize=100_000)(placement.positive)

    def strays(self, partition: int, users: Iterable[str]) -> dict[int, str]:
        """The positions of the ``users`` whose records were on this partition, and are no longer; why."""
        found = {}
        for at, user in enumerate(users):
            place = self._hash(user)
            home = place % self._now
            if home != partition and any(place % before == partition for before in self._before):
                found[at] = (
                    f"this user's records are on partition {home} since the topic has {self._now}: "
                    "its producer has not heard of that; restart it, then `sentinel dlq retry`"
                )
        return found


def homes(client: Client, keys: Keys) -> Homes | None:
    """None where the topic has never grown. Raises StoreAway."""
    store: Any = client
    counts = msgspec.json.decode(away(lambda: store.get(keys.partitions())) or b"[]", type=list[int])
    return Homes(counts) if len(counts) > 1 else None


class FootedStore(RedisStore):
    """A ``RedisStore`` that begins no partition which the topic did not have; ``partitions`` asks Kafka how
    many it has. Raises what ``check`` does."""

    def __init__(
        self,
        client: Client,
        keys: Keys,
        topic_id: str,
        partitions: Callable[[], int],
        *,
        start_over: bool = False,
    ) -> None:
        super().__init__(client, keys, topic_id, start_over=start_over)
        self._count, self._began_with = partitions, partitions()
        check(client, keys, self._began_with)

    def start(self, partition: int) -> tuple[int | None, int]:
        laid_out = known(self._client, self._keys, self._began_with)[-1]
        if laid_out != self._began_with:  # one that stood still all the while knows no strays
            raise Outgrown(
                f"The profiles of {self._keys.topic} were laid out for {laid_out} partitions since this "
                "detector began: start it again."
            )
        if partition >= self._began_with:
            check(self._client, self._keys, max(self._count(), partition + 1))
        return super().start(partition)
