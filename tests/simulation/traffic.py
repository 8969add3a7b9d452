"""What is on the simulated topic: few users, some of whose transactions raise alerts, some of them broken."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from profiles.placement import partition_of

START = datetime(2025, 8, 24, tzinfo=UTC)
USERS = 4  # on a partition


@dataclass(eq=False)
class Traffic:
    """``first`` are each partition's records from the beginning; ``later`` come once the topic has grown
    from ``counts[0]`` to ``counts[-1]`` partitions, each with its partition, in their order; ``last``, one a
    partition, when nothing goes wrong any more."""

    counts: tuple[int, ...]
    first: dict[int, list[bytes]] = field(default_factory=dict)
    later: list[tuple[int, bytes]] = field(default_factory=list)
    last: list[tuple[int, bytes]] = field(default_factory=list)

    def all(self) -> Iterator[tuple[int, bytes]]:
        """Every record with its partition, each partition's in order."""
        for partition, records in self.first.items():
            yield from ((partition, record) for record in records)
        yield from self.later
        yield from self.last

    def home(self, user: str) -> int:
        return partition_of(user, self.counts[-1])


def traffic(kind: int) -> Traffic:
    """A topic that has grown where ``kind`` is odd. Its producers hear of that sooner or later: some records
    of users who moved still go to the old partition."""
    rng = random.Random(kind)
    found = Traffic((2, 4) if kind % 2 else (3,))
    before, now = found.counts[0], found.counts[-1]
    users = _users(now)
    for partition in range(before):
        mine = [user for user in users if partition_of(user, before) == partition]
        found.first[partition] = [_record(rng, rng.choice(mine), n) for n in range(rng.randrange(6, 16))]
    for number in range(30, 30 + 6 * (now - before)):
        user = rng.choice(users)
        late = rng.random() < 0.2
        found.later.append((partition_of(user, before if late else now), _record(rng, user, number)))
    for partition in range(now):
        user = next(user for user in users if found.home(user) == partition)
        found.last.append((partition, _record(rng, user, 60)))
    return found


def _users(partitions: int) -> list[str]:
    """``USERS`` at home on each partition."""
    names = [f"user_{number}" for number in range(100)]
    homes = [[name for name in names if partition_of(name, partitions) == p] for p in range(partitions)]
    return [name for home in homes for name in home[:USERS]]


def _record(rng: random.Random, user: str, number: int) -> bytes:
    value = msgspec.json.encode(
        {
            "transaction_id": f"T{number}-{rng.getrandbits(32)}",
            "user_id": user,
            "timestamp": (START + timedelta(seconds=number * 20 - rng.randrange(60))).isoformat(),
            "amount": rng.choice([2.0, 30.0, 45.0, 60.0, 80.0, 6_000.0]),
        }
    )
    return value if rng.random() > 0.05 else value[:-9]
