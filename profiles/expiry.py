"""Profiles of users who have not been seen for long, let go.

Purpose: Redis holds the users of the last weeks, not of all time.

Design: a sweep, because a time to live a profile would have to be set anew with every save, and MSET cannot.
Age is event time, counted back from the latest that any profile has seen, so that a replay of old
records expires nothing, and not from beyond now, so that one record with a wrong clock does not expire
everybody. A profile is removed only if it is still what was looked at, in one step: one
that a detector changed meanwhile stays, and one that it holds in its cache is written anew, whole, at
the user's next transaction. A user who is blocked stays until the block has ended.

Not here: what is long (the caller's affair).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from profiles import layout
from profiles.connection import Client
from profiles.keys import Keys
from profiles.queries import Chunk

DAY_US = 86_400_000_000

# KEYS: a profile. ARGV: the row that was looked at. Returns 1 if it was that still, and is gone.
EXPIRE = """
return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('UNLINK', KEYS[1]) or 0
"""


def latest(chunks: Iterable[Chunk], wall: float) -> int:
    """The latest event time that any profile has seen, microseconds since 1970, and at most ``wall``, seconds
    since 1970; 0 without profiles."""
    seen = max((int(chunk.rows["last_time"].max(initial=0)) for chunk in chunks), default=0)
    return min(seen, int(wall * 1_000_000))


def before(now: int, days: float) -> int:
    """The event time that is ``days`` older than ``now``, both in microseconds since 1970."""
    return max(now - int(days * DAY_US), 0)


def old(chunks: Iterable[Chunk], before: int, now: int) -> Iterator[Chunk]:
    """The profiles that saw nothing since ``before``, of users without a block at ``now``; both in
    microseconds since 1970."""
    for places, rows in chunks:
        chosen = np.flatnonzero((rows["last_time"] < before) & (rows["blocked_until"] <= now))
        if len(chosen):
            yield Chunk([places[at] for at in chosen], rows[chosen])


def expire(client: Client, keys: Keys, chunk: Chunk) -> int:
    """Remove these profiles where they are what they were; how many were."""
    pairs = zip(chunk.places, layout.to_bytes(chunk.rows), strict=True)
    redis: Any = client
    with redis.pipeline(transaction=False) as pipe:
        for (partition, user_id), row in pairs:
            pipe.execute_command("EVAL", EXPIRE, 1, keys.profile(partition, user_id), row)
        return sum(pipe.execute())
